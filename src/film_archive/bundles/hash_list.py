"""Reading the ASC MHL that a bundle may carry: which digest each of its files has, whoever wrote the list.

Source: ASC MHL specification 2.0; of the generations the earliest that names a file counts, since it saw the original.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from xml.etree.ElementTree import Element

from film_archive.archive.opened import Archive
from film_archive.core.digest import ALGORITHMS, Digest
from film_archive.core.member import Member
from film_archive.core.xml import parse_xml

FOLDER = "ascmhl"


def listed_digests(archive: Archive, members: Iterable[Member]) -> dict[str, Digest]:
    """Path in the bundle → the digest that the hash lists give it; empty where there are none.

    Raises Damaged where a list can't be read.
    """
    lists = sorted(each.path for each in members if each.path.startswith(f"{FOLDER}/") and each.path.endswith(".mhl"))
    found: dict[str, Digest] = {}
    for path in lists:
        for name, digest in _hashes(parse_xml(archive.read(path), f"{archive.name}::{path}")):
            found.setdefault(name, digest)
    return found


def _hashes(root: Element) -> Iterator[tuple[str, Digest]]:
    """(path, digest) of each file; hashes of folders, and algorithms that are not known here, are passed over."""
    for entry in root.iterfind("hashes/hash"):
        path = entry.findtext("path")
        for child in entry:
            if path and child.tag in ALGORITHMS and child.text:
                yield path, Digest(child.tag, child.text.strip())
                break

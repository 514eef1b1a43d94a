"""What a repository stores for good: contents and JSON objects, each under the BLAKE3 of its bytes.

    content/ab/cdef…   the bytes of files
    objects/ab/cdef…   nodes of trees, commits

Nothing here is ever changed; the same bytes are stored once. A name that is visible holds a whole, durable file.
Whoever stores something holds `storing()` until a ref leads to it, so that a cleaning up, which holds `cleaning()`,
never takes what is about to be used.
"""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic_core import from_json, to_json

from film_archive.core import copying, files
from film_archive.core.digest import KEY, MultiHasher
from film_archive.core.errors import Damaged, NotSupported
from film_archive.core.source import ByteSource, FileSource, printable
from film_archive.versioning.locking import locked

ADDRESS = "blake3"
STRONG = (ADDRESS, "sha256", "sha512", KEY)
"""Digests by which two contents of one size are known to be the same."""
SCHEMA_VERSION = 1
_INCOMING = "incoming-"
_ADDRESS = re.compile(r"[0-9a-f]{64}")
_LARGEST_OBJECT = 1 << 28


class Kind(StrEnum):
    """The two sorts of what is stored, by the folders they lie in."""

    CONTENT = "content"
    OBJECT = "objects"


@dataclass(frozen=True, slots=True)
class Stored:
    """One thing that the repository's own folder holds."""

    kind: Kind
    address: str
    size: int


@dataclass(frozen=True, slots=True)
class Content:
    """A file's bytes as they were stored: size and digests, `blake3` (the address) and `xxh128` among them."""

    size: int
    digests: Mapping[str, str]

    @property
    def address(self) -> str:
        return self.digests[ADDRESS]


class ObjectStore:
    """The folder of contents and objects below a repository's root."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def storing(self) -> contextlib.AbstractContextManager[None]:
        """Held, together with others, by who stores something and then moves a ref."""
        return locked(self._root / "content.lock", shared=True)

    def cleaning(self) -> contextlib.AbstractContextManager[None]:
        """Held alone by who removes what no ref leads to."""
        return locked(self._root / "content.lock")

    # objects

    def put(self, kind: str, record: Mapping[str, Any]) -> str:
        """Store a JSON object; returns its address."""
        data = to_json({"film_archive": kind, "schema_version": SCHEMA_VERSION, **record})
        address = _address_of(data)
        place = self._place(Kind.OBJECT, address)
        if not place.exists():
            self._make_folder(place.parent)
            files.write_atomically(place, data, replace=True)  # of the same bytes, if another was as quick
        return address

    def get(self, kind: str, address: str) -> dict[str, Any]:
        """Read a JSON object; raises Damaged where it is missing or is not what its address says."""
        name = f"The {kind} {address[:16]} of the repository {printable(self._root)}"
        place = self._place(Kind.OBJECT, address)
        if not place.is_file():
            raise Damaged(f"{name} is missing; restore the repository's folder from a copy.")
        with FileSource(place) as source:
            if source.size > _LARGEST_OBJECT:
                raise Damaged(f"{name} is too large to be one of ours.")
            data = source.read_at(0, source.size)
        if _address_of(data) != address:
            raise Damaged(f"{name} is damaged; restore the repository's folder from a copy.")
        return read_record(data, kind, name)

    # contents

    def put_content(self, source: ByteSource) -> Content:
        """Store a file's bytes, read once, proven and shared with the source where the file system can.

        Raises SourceChanged where the source was written to meanwhile, NoSpace.
        """
        folder = self._root / Kind.CONTENT
        self._make_folder(folder)
        incoming = folder / f"{_INCOMING}{secrets.token_hex(8)}"
        try:
            poured = copying.verified_copy(source, incoming, algorithms=(ADDRESS,))
            content = Content(poured.size, dict(poured.digests))
            place = self._place(Kind.CONTENT, content.address)
            if not place.exists():
                self._make_folder(place.parent)
                files.rename(incoming, place, replace=True)  # of the same bytes, if another was as quick
        finally:
            files.remove(incoming)
        return content

    def content(self, address: str, size: int, name: str) -> FileSource:
        """A stored file's bytes; raises Damaged where they are missing or have another size."""
        place = self._place(Kind.CONTENT, address)
        if not place.is_file():
            raise Damaged(f"The content of {name} is missing from the repository {printable(self._root)}.")
        source = FileSource(place, name)
        if source.size != size:
            source.close()
            raise Damaged(f"{name} has {source.size} bytes in the repository instead of the {size} that were stored.")
        return source

    # all of them

    def stored(self) -> Iterator[Stored]:
        """Everything that is stored."""
        for kind in Kind:
            for place in sorted((self._root / kind).glob("??/*")):
                address = place.parent.name + place.name
                if _ADDRESS.fullmatch(address):
                    yield Stored(kind, address, place.stat().st_size)

    def remove(self, thing: Stored) -> None:
        """Forget something that no ref leads to; `cleaning()` is held."""
        files.remove(self._place(thing.kind, thing.address))

    def unfinished(self) -> list[Path]:
        """Files that a killed process left; while `cleaning()` is held nobody is writing them."""
        return [
            *(self._root / Kind.CONTENT).glob(f"{_INCOMING}*"),
            *(self._root / Kind.CONTENT).glob(f".{_INCOMING}*"),
            *(self._root / Kind.OBJECT).glob("??/.*.film-archive-*"),
        ]

    def _place(self, kind: Kind, address: str) -> Path:
        if not _ADDRESS.fullmatch(address):
            raise Damaged(f"{address[:80]!r} is not the address of anything in {printable(self._root)}.")
        return self._root / kind / address[:2] / address[2:]

    def _make_folder(self, folder: Path) -> None:
        with files.explaining(f"make the folder {printable(folder)}"):
            if not folder.is_dir():
                folder.mkdir(parents=True, exist_ok=True)
                files.sync_folder(folder.parent)


def read_record(data: bytes, kind: str, name: str) -> dict[str, Any]:
    """A JSON record of ours of this kind, without its first two keys; raises Damaged, NotSupported for a later one."""
    try:
        record = from_json(data)
        if not isinstance(record, dict) or record.pop("film_archive") != kind:
            raise ValueError(f"it is not a {kind}")
        version = int(record.pop("schema_version"))
    except (ValueError, TypeError, KeyError) as error:
        raise Damaged(f"{name} can't be read ({error}).") from error
    if version > SCHEMA_VERSION:
        raise NotSupported(f"{name} was written by a later version ({version}); update film-archive.")
    return record


def _address_of(data: bytes) -> str:
    hasher = MultiHasher((ADDRESS,))
    hasher.update(data)
    return hasher.digests()[ADDRESS]

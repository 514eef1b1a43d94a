"""Lists of checksums that lie beside media: classic `.mhl`, `.md5` and its kin, `.xxh` as xxhsum writes it.

Paths in a list are relative to the folder that it lies in. ASC MHL histories are read by `mhl.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from film_archive.core.errors import Damaged
from film_archive.core.source import FileSource, printable
from film_archive.core.xml import parse_xml

_LARGEST = 1 << 28


@dataclass(frozen=True, slots=True)
class ListedFile:
    """What a list says of a file. Of a digest several spellings may hold, as programs write its bytes in either order."""

    path: str
    size: int | None
    digests: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class ChecksumList:
    """A list that was read."""

    place: Path
    files: tuple[ListedFile, ...]
    odd: tuple[str, ...]
    """Lines that could not be read."""


_BY_LENGTH = {8: "crc32", 32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}
_GNU = re.compile(r"(\\?)([0-9A-Fa-f]{8,128}) [ *](.+)", re.DOTALL)
_BSD = re.compile(r"(\w[\w-]*) ?\((.+)\) ?= ?([0-9A-Fa-f]{8,128})", re.DOTALL)
_XXH = {8: "xxh32", 16: "xxh64", 32: "xxh128"}
_BSD_NAMES = frozenset(("md5", "sha1", "sha256", "sha512", "xxh64", "xxh128", "xxh3"))


def read_list(path: Path) -> ChecksumList:
    """Read a list; its form follows from its ending. Raises Damaged where nothing in it can be read."""
    reader = READERS[path.suffix.lower()]
    with FileSource(path) as source:
        if source.size > _LARGEST:
            raise Damaged(f"{printable(path)} is too large for a list of checksums ({source.size} bytes).")
        data = source.read_at(0, source.size)
    files, odd = reader(data, printable(path))
    if odd and not files:
        raise Damaged(f"{printable(path)} is no list of checksums: {odd[0]}.")
    return ChecksumList(path, tuple(files), tuple(odd))


_Found = tuple[list[ListedFile], list[str]]


def _sums(data: bytes, name: str) -> _Found:
    return _lines(data, _BY_LENGTH)


def _xxhsums(data: bytes, name: str) -> _Found:
    return _lines(data, _XXH)


def _lines(data: bytes, by_length: Mapping[int, str]) -> _Found:
    """GNU's form ("digest  path") and BSD's ("MD5 (path) = digest")."""
    files: list[ListedFile] = []
    odd: list[str] = []
    for number, raw in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        line = raw.rstrip(b"\r").decode("utf-8", "surrogateescape")
        if not line.strip() or line.startswith(("#", ";")):
            continue
        found = _gnu(line, by_length) or _bsd(line)
        if found is None:
            odd.append(f"line {number} has no digest and path")
        else:
            files.append(found)
    return files, odd


def _gnu(line: str, by_length: Mapping[int, str]) -> ListedFile | None:
    text = line.removeprefix("XXH3_")
    match = _GNU.fullmatch(text)
    if match is None:
        return None
    algorithm = "xxh3" if text is not line and len(match[2]) == 16 else by_length.get(len(match[2]))
    path = _unescaped(match[3]) if match[1] else _slashes(match[3])
    return None if algorithm is None else ListedFile(path, None, {algorithm: frozenset((match[2].lower(),))})


def _bsd(line: str) -> ListedFile | None:
    match = _BSD.fullmatch(line)
    algorithm = "" if match is None else match[1].lower().replace("-", "")
    if match is None or algorithm not in _BSD_NAMES:
        return None
    return ListedFile(_slashes(match[2]), None, {algorithm: frozenset((match[3].lower(),))})


def _unescaped(path: str) -> str:
    return re.sub(r"\\(.)", lambda found: {"n": "\n", "r": "\r"}.get(found[1], found[1]), path)


def _slashes(path: str) -> str:
    """Windows programs write backslashes, in which no camera's names have a part."""
    return path.replace("\\", "/") if "\\" in path and "/" not in path else path


def _turned(value: str) -> frozenset[str]:
    """A digest whose bytes may be in either order: classic MHL's `xxhash64` was written little-endian by some."""
    return frozenset((value, bytes.fromhex(value)[::-1].hex()))


_MHL: Mapping[str, tuple[str, int, Callable[[str], frozenset[str]]]] = {
    "md5": ("md5", 32, lambda value: frozenset((value,))),
    "sha1": ("sha1", 40, lambda value: frozenset((value,))),
    "xxhash64be": ("xxh64", 16, lambda value: frozenset((value,))),
    "xxhash64": ("xxh64", 16, _turned),
    "xxhash128": ("xxh128", 32, lambda value: frozenset((value,))),
    "xxhash3_64": ("xxh3", 16, lambda value: frozenset((value,))),
}
"""Classic MHL 1.1's elements → our digests. Its `xxhash` (32 bits) proves too little to be asked."""


def _classic(data: bytes, name: str) -> _Found:
    root = parse_xml(data, name, maximum=_LARGEST)
    if root.tag != "hashlist":
        raise Damaged(f"{name} is no media hash list: its root is {root.tag[:40]}.")
    files: list[ListedFile] = []
    odd: list[str] = []
    for number, element in enumerate(root.findall("hash"), 1):
        path = (element.findtext("file") or "").strip()
        size = (element.findtext("size") or "").strip()
        digests = dict(_digests_of({child.tag: (child.text or "").strip().lower() for child in element}))
        if not path or not digests:
            odd.append(f"entry {number} has no path, or no digest that is known")
        else:
            files.append(ListedFile(_slashes(path), int(size) if size.isascii() and size.isdigit() else None, digests))
    return files, odd


def _digests_of(children: Mapping[str, str]) -> Iterator[tuple[str, frozenset[str]]]:
    for tag, (algorithm, length, spellings) in _MHL.items():
        value = children.get(tag, "")
        if len(value) == length and re.fullmatch(r"[0-9a-f]+", value):
            yield algorithm, spellings(value)


READERS: Mapping[str, Callable[[bytes, str], _Found]] = {
    ".mhl": _classic,
    ".md5": _sums,
    ".sha1": _sums,
    ".sha256": _sums,
    ".sha512": _sums,
    ".xxh": _xxhsums,
    ".xxh64": _xxhsums,
    ".xxh128": _xxhsums,
    ".xxh3": _xxhsums,
}
"""Ending → who reads it."""

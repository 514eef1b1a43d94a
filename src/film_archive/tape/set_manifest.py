"""The manifest of a set, which each of its cartridges carries: what the set is, and on which cartridge each file lies.

`.film-archive-tape/set-0001.jsonl` on a cartridge: a header line, then a line a file. What is on the cartridge and on
those before it is as it was written; what is planned for those behind it says so. A cartridge that is written to again gets
another one, and keeps the old.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pydantic_core import from_json, to_json

from film_archive.core.errors import Damaged
from film_archive.core.records import Record
from film_archive.core.source import printable
from film_archive.tape.gathering import OWN

SCHEMA = "film-archive/tape-set"
VERSION = 1
_LONGEST_LINE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SetHeader(Record):
    """The first line."""

    schema: str = SCHEMA
    version: int = VERSION
    tape_id: str
    volser: str
    """The cartridge that this manifest is on."""
    number: int
    copy: int
    cartridges: tuple[str, ...]
    """Serials of the cartridges of this copy so far, by their numbers from 1; "" for one that was not here."""
    barcodes: tuple[str, ...] = ()
    """Barcodes of all cartridges of this copy, planned ones too, by their numbers from 1; "" where it is not known."""
    planned: int
    """How many cartridges the set has by its plan."""
    files: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SetEntry(Record):
    """A file of the set."""

    path: str
    size: int
    mtime_ns: int
    number: int
    """The cartridge that has it, or is to have it; 0 where that is not known."""
    digests: dict[str, str]
    """Empty where it was not written yet when the manifest was."""
    clip: str = ""
    """Of a clip: what its attribute says that it is (`clip_facts.py`)."""


def manifest_path(generation: int) -> str:
    """Where the manifest of this number lies on a cartridge."""
    return f"{OWN}/set-{generation:04}.jsonl"


def encode_manifest(header: SetHeader, entries: Iterable[SetEntry]) -> Iterator[bytes]:
    """The lines."""
    yield to_json(header.to_json()) + b"\n"
    for entry in entries:
        yield to_json(entry.to_json()) + b"\n"


def estimated(path: str) -> int:
    """Bytes that a file has in a manifest and a hash list together, at most."""
    return 700 + 4 * len(path.encode("utf-8", "surrogateescape"))


def read_manifest(lines: Iterable[bytes], name: str) -> tuple[SetHeader, Iterator[SetEntry]]:
    """What `encode_manifest` wrote; raises Damaged where it is not that."""
    found = iter(lines)
    header = SetHeader.from_json(_line(next(found, b""), name))
    if header.schema != SCHEMA or header.version != VERSION:
        raise Damaged(
            f"{printable(name)} is not the manifest of a set that this version reads ({header.schema} {header.version})."
        )
    return header, (SetEntry.from_json(_line(line, name)) for line in found)


def _line(line: bytes, name: str) -> dict[str, object]:
    try:
        value = from_json(line) if len(line) <= _LONGEST_LINE else None
    except ValueError as error:
        raise Damaged(f"{printable(name)} has a line that is not JSON ({error}).") from error
    if not isinstance(value, dict):
        raise Damaged(f"{printable(name)} is not the manifest of a set of cartridges.")
    return value


def next_manifest(names: Iterable[str]) -> int:
    """The number of the next manifest, of the names of those that are there."""
    numbers = [int(name[4:8]) for name in names if name.startswith("set-") and name[4:8].isdigit()]
    return max(numbers, default=0) + 1

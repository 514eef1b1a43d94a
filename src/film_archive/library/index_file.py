"""The master index as a file: path, hash and size of each file, as JSON, CSV, or in memory.

JSON is a list of objects with exactly the keys `path`, `hash` and `size` (and `raw_path`, in hex, where a path is no UTF-8);
CSV and Parquet have the same three columns under their names; Parquet is only written. The hash is XXH3-128 in hex.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from film_archive.core import files
from film_archive.core.errors import Damaged, NotSupported
from film_archive.core.records import Record
from film_archive.core.source import FileSource, printable
from film_archive.library.parquet import write_parquet

_LARGEST = 4 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexEntry(Record):
    """A file in an index."""

    path: str
    """Where it is."""
    hash: str
    """XXH3-128, hex."""
    size: int
    """Bytes."""


def write_index(target: Path, entries: Iterable[IndexEntry]) -> int:
    """Write an index whole or not at all, replacing an older one; returns how many files it has.

    Its form follows from the name: `.json`, `.csv` or `.parquet`.
    """
    require_form(target)
    lines = {".json": _json_lines, ".csv": _csv_lines}.get(target.suffix.lower())
    counted = _Counted(entries)
    with files.AtomicFile(target, replace=True) as new:
        with files.explaining(f"write the index {printable(target)}", state="nothing was changed"):
            if lines is None:
                rows = ((entry.path, entry.hash, entry.size) for entry in counted)
                write_parquet(new.file, {"path": str, "hash": str, "size": int}, rows, "path")
            else:
                for line in lines(counted):
                    new.file.write(line)
        new.commit()
    return counted.count


def require_form(target: Path) -> None:
    """Raise, before any work is done, where an index has no form under this name, or no folder."""
    if target.suffix.lower() not in (".json", ".csv", ".parquet"):
        raise NotSupported(
            f"An index is written as .json, .csv or .parquet, not as {printable(target.name)}; nothing was written."
        )
    files.require_folder_for(target)


def read_index(path: Path) -> Iterator[IndexEntry]:
    """The files of an index; raises Damaged where it is none, NotFound."""
    if path.suffix.lower() == ".parquet":
        raise NotSupported(f"{printable(path)}: an index is read as .json or .csv; write it as one of these with --index.")
    with FileSource(path) as source:
        if source.size > _LARGEST:
            raise NotSupported(f"{source.name} is too large for an index ({source.size} bytes).")
        data = source.read_at(0, source.size)
    reading = _read_csv if path.suffix.lower() == ".csv" else _read_json
    yield from reading(data, printable(path))


class _Counted:
    def __init__(self, entries: Iterable[IndexEntry]) -> None:
        self._entries = entries
        self.count = 0

    def __iter__(self) -> Iterator[IndexEntry]:
        for entry in self._entries:
            self.count += 1
            yield entry


def _json_lines(entries: Iterable[IndexEntry]) -> Iterator[bytes]:
    from pydantic_core import to_json

    before = b"[\n"
    for entry in entries:
        yield before + to_json(entry.to_json())
        before = b",\n"
    yield b"[]\n" if before == b"[\n" else b"\n]\n"


def _csv_lines(entries: Iterable[IndexEntry]) -> Iterator[bytes]:
    """Names are bytes in a CSV, as they are on disk."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("path", "hash", "size"))
    for entry in entries:
        writer.writerow((entry.path, entry.hash, entry.size))
        yield text.getvalue().encode("utf-8", "surrogateescape")
        text.seek(0)
        text.truncate()
    yield text.getvalue().encode()


def _read_json(data: bytes, name: str) -> Iterator[IndexEntry]:
    from pydantic_core import from_json

    try:
        rows = from_json(data)
    except ValueError as error:
        raise Damaged(f"{name} is not an index: it is no JSON ({error}).") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Damaged(f"{name} is not an index: it is no list of objects with path, hash and size.")
    for row in rows:
        yield _checked(IndexEntry.from_json(row), name)


def _read_csv(data: bytes, name: str) -> Iterator[IndexEntry]:
    reader = csv.DictReader(io.StringIO(data.decode("utf-8", "surrogateescape"), newline=""))
    try:
        for row in reader:
            yield _checked(IndexEntry(path=row["path"], hash=row["hash"], size=int(row["size"])), name)
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise Damaged(f"{name} is not an index: line {reader.line_num} has no path, hash and size ({error!r}).") from error


def _checked(entry: IndexEntry, name: str) -> IndexEntry:
    try:
        possible = len(bytes.fromhex(entry.hash)) == 16 and entry.size >= 0 and "\0" not in entry.path and os.fsencode(entry.path)
    except ValueError:
        possible = False
    if not possible:
        raise Damaged(f"{name} is not an index: {printable(entry.path)[:80]} has no XXH3-128 of 32 digits, or no size.")
    return entry

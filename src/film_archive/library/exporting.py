"""Writing out what the catalog knows: a line for each file, wherever it is, here or offline."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pydantic_core import to_json

from film_archive.catalog.catalog import Catalog
from film_archive.catalog.lookup import Lookup, looking
from film_archive.catalog.rows import Holder
from film_archive.core import files
from film_archive.core.errors import NotSupported
from film_archive.core.job import Report
from film_archive.core.records import Record
from film_archive.core.source import printable
from film_archive.library.parquet import write_parquet


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedFile(Record):
    """A line of an export."""

    kind: str
    """What holds it: "disk", "cartridge", "archive", "branch"."""
    device: str
    """The identity of that."""
    path: str
    """Its path in the device."""
    size: int
    """Bytes."""
    hash: str | None
    """XXH3-128, hex; null where it was not read."""
    mtime_ns: int
    """Modification time, nanoseconds since 1970."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported(Report):
    """What was written."""

    output: str
    """The file."""
    files: int
    """Lines of it."""
    holders: int
    """Devices, cartridges, archives and branches that it is about."""


_COLUMNS = {"kind": str, "device": str, "path": str, "size": int, "hash": str, "mtime_ns": int}


def export(catalog: Catalog, target: Path) -> Exported:
    """Write all that is known as `.csv`, `.json` or `.parquet`, whole or not at all; raises NotSupported for other endings."""
    writing = {".json": _write_json, ".csv": _write_csv, ".parquet": _write_parquet}.get(target.suffix.lower())
    if writing is None:
        raise NotSupported(
            f"The catalog is written as .json, .csv or .parquet, not as {printable(target.name)}; nothing was written."
        )
    holders = catalog.holders()
    with looking(catalog) as lookup, files.AtomicFile(target, replace=True) as new:
        with files.explaining(f"write {printable(target)}", state="nothing was changed"):
            count = writing(new.file, _rows(lookup, holders))
        new.commit()
    return Exported(output=os.fspath(target), files=count, holders=len(holders))


def _rows(lookup: Lookup, holders: tuple[Holder, ...]) -> Iterator[ExportedFile]:
    for holder in holders:
        for path, row in lookup.files_below(holder, "/"):
            digest = None if row.content is None else row.content.xxh128.hex()
            yield ExportedFile(
                kind=str(holder.kind), device=holder.identity, path=path, size=row.size, hash=digest, mtime_ns=row.mtime_ns
            )


def _write_json(target: IO[bytes], rows: Iterator[ExportedFile]) -> int:
    count = 0
    for row in rows:
        target.write((b",\n" if count else b"[\n") + to_json(row.to_json()))
        count += 1
    target.write(b"\n]\n" if count else b"[]\n")
    return count


def _write_csv(target: IO[bytes], rows: Iterator[ExportedFile]) -> int:
    count = 0
    for row in rows:
        target.write(_csv(row, first=not count))
        count += 1
    return count


def _write_parquet(target: IO[bytes], rows: Iterator[ExportedFile]) -> int:
    return write_parquet(target, _COLUMNS, (tuple(getattr(row, name) for name in _COLUMNS) for row in rows), "path")


def _csv(row: ExportedFile, *, first: bool) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if first:
        writer.writerow(_COLUMNS)
    writer.writerow([getattr(row, column) for column in _COLUMNS])
    return text.getvalue().encode("utf-8", "surrogateescape")

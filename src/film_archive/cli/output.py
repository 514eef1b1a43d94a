"""What verbs print: lines for people, or one JSON document; progress goes to stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic_core import to_json

SCHEMA_VERSION = 1
"""Of the documents that `--json` prints."""


def print_json(document: Mapping[str, Any]) -> None:
    """One document on stdout."""
    sys.stdout.buffer.write(to_json({"schema_version": SCHEMA_VERSION, **document}, indent=2) + b"\n")
    sys.stdout.buffer.flush()


def print_json_list(key: str, records: Iterable[Mapping[str, Any]], **more: Any) -> None:
    """One document with a long list in it, written as it comes."""
    write = sys.stdout.buffer.write
    write(to_json({"schema_version": SCHEMA_VERSION, **more})[:-1] + b',"%s":[' % key.encode())
    separator = b"\n"
    for record in records:
        write(separator + to_json(record))
        separator = b",\n"
    write(b"\n]}\n")
    sys.stdout.buffer.flush()


def say(text: str = "") -> None:
    """A line for people, on stdout."""
    print(text.encode("utf-8", "backslashreplace").decode("utf-8") if not text.isascii() else text)


def print_error(name: str, sentence: str, status: int, wants_json: bool = False) -> int:
    """An error: a sentence on stderr, and with `--json` also as the document; returns the status."""
    print(f"{name}: {sentence.encode('utf-8', 'backslashreplace').decode('utf-8')}", file=sys.stderr)
    if wants_json:
        print_json({"error": {"status": status, "message": sentence}})
    return status


def size_text(count: float) -> str:
    """Bytes in decimal units, as disks and tapes are sold: 1.23 GB."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 1000 or unit == "TB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.2f} {unit}"
        count /= 1000
    return ""


def table(rows: Iterable[Iterable[object]], right: Iterable[int] = ()) -> None:
    """Columns as wide as they need to be; those in `right` are aligned right."""
    cells = [[str(cell) for cell in row] for row in rows]
    if not cells:
        return
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    aligned = set(right)
    for row in cells:
        padded = [
            cell.rjust(width) if column in aligned else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        say("  ".join(padded).rstrip())

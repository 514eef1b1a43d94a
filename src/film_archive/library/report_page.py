"""`Page`: what became of a verb, as a document that people read, print and sign; HTML and PDF are made of it.

All that a report's JSON has is in it: what is one value stands at the top, what is many is a table.
"""

from __future__ import annotations

import datetime
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from film_archive import __version__
from film_archive.catalog.catalog import who
from film_archive.core import files
from film_archive.core.errors import Refused, UsageError
from film_archive.core.records import Record
from film_archive.core.source import printable
from film_archive.core.wording import size_text

_BYTES = frozenset(
    ("bytes", "size", "filled", "capacity", "wasted", "wasted_other_way", "hashed_bytes", "read_bytes")
)
_MOST_ROWS = 20_000
"""Of a table; a report is read by people, and JSON has all."""
_VERDICTS = {
    0: "Complete: everything is as it should be.",
    3: "Something is not there.",
    10: "NO.",
    11: "Something is missing or damaged.",
    12: "Done in part; what failed is listed.",
}


@dataclass(frozen=True, slots=True)
class Picture:
    """A clip with a picture of it."""

    name: str
    facts: tuple[str, ...]
    """What it is, a line each."""
    jpeg: bytes | None
    """None where it could not be decoded."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under names of columns."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left_out: int = 0
    """Rows that are not shown."""


@dataclass(frozen=True, slots=True)
class Page:
    """A document."""

    title: str
    verdict: str
    is_good: bool
    facts: tuple[tuple[str, str], ...]
    """(name, value)."""
    tables: tuple[Table, ...]
    pictures: tuple[Picture, ...]
    made: str
    """When, by whom, with what."""
    is_signed: bool = False
    """Whether there are lines for signatures."""


def page_of(
    title: str,
    report: Record,
    *,
    verdict: str | None = None,
    pictures: Iterable[Picture] = (),
    more: Iterable[Table] = (),
    is_signed: bool = False,
) -> Page:
    """The page of a verb's report."""
    status = getattr(report, "exit_status", 0)
    facts: list[tuple[str, str]] = []
    tables: list[Table] = []
    for name, value in _fields(report):
        if isinstance(value, tuple):
            if value:
                tables.append(_table(_words(name), value))
        else:
            facts.append((_words(name), _text(name, value)))
    return Page(
        title=_shown(title),
        verdict=verdict or _VERDICTS.get(status, f"It ended with status {status}."),
        is_good=status == 0,
        facts=tuple(facts),
        tables=(*tables, *more),
        pictures=tuple(pictures),
        made=f"{_now()} by {who()} on {platform.node()}, film-archive {__version__}",
        is_signed=is_signed,
    )


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A table; what is too much for a document is counted."""
    kept: list[tuple[str, ...]] = []
    left_out = 0
    for row in rows:
        if len(kept) < _MOST_ROWS:
            kept.append(tuple(map(_shown, row)))
        else:
            left_out += 1
    return Table(title, tuple(columns), tuple(kept), left_out)


def _table(title: str, values: Sequence[Any]) -> Table:
    first = values[0]
    if not isinstance(first, Record):
        return table(title, (title,), ((str(value),) for value in values))
    names = [name for name, _ in _fields(first)]
    rows = ([_text(name, getattr(value, name)) for name in names] for value in values)
    return table(title, [_words(name) for name in names], rows)


def _fields(record: Record) -> list[tuple[str, Any]]:
    """Name and value of each field, how long it took at the end."""
    names = sorted(record.__dataclass_fields__, key=lambda name: name == "seconds")  # type: ignore[attr-defined]  # all are
    return [(name, getattr(record, name)) for name in names]


def _shown(text: str) -> str:
    """Text without what could act: control signs, and bytes that are no UTF-8, as escapes; ends of lines stay."""
    return "".join(
        sign if sign == "\n" or sign.isprintable() else sign.encode("unicode_escape").decode("ascii")
        for sign in printable(text)
    )


def _now() -> str:
    return f"{datetime.datetime.now().astimezone():%Y-%m-%d %H:%M:%S %z}"


def _words(name: str) -> str:
    words = name.strip("_").replace("_", " ")
    return words.upper() if words in ("mhl", "xxh128") else words.capitalize()


def _text(name: str, value: Any) -> str:
    """A value as people read it."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{size_text(value)} ({value:,} bytes)" if name in _BYTES and value >= 1000 else f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.1f}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text('', each)}" for key, each in value.items())
    if isinstance(value, tuple):
        return "\n".join(_text(name, each) for each in value) or "–"
    if isinstance(value, Record):
        return "; ".join(f"{_words(key)}: {_text(key, each)}" for key, each in _fields(value))
    return _shown(str(value))


def require_writable(target: Path) -> None:
    """Raise, before any work is done, where a report can't be written under this name."""
    if target.suffix.lower() not in (".html", ".pdf"):
        raise UsageError(f"A report is written as .html or .pdf, not as {printable(target.name)}; nothing was done.")
    files.require_folder_for(target)
    if target.is_dir():
        raise Refused(f"{printable(target)} is a folder; name the file that the report is to be. Nothing was done.")


def write_page(target: Path, page: Page) -> None:
    """Write a page as .html or .pdf, whole or not at all, replacing an older one."""
    require_writable(target)
    if target.suffix.lower() == ".pdf":
        from film_archive.library.report_pdf import pdf_of

        data = pdf_of(page)
    else:
        from film_archive.library.report_html import html_of

        data = html_of(page)
    files.write_atomically(target, data, replace=True)

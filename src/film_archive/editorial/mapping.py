"""A mapping from what a list says to the media that is meant: what people write to settle what names can't.

As CSV with a header: any of `event`, `reel`, `source file`, `clip name` (or other headers of `columns`), and `use`, the media. As
JSON a list of objects with these keys, or one object of name → media, where the name is a reel, a source file or a clip
name. A row applies where all that it gives fits; the first such row counts.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass

from film_archive.core.errors import Damaged
from film_archive.editorial.candidates import Candidate
from film_archive.editorial.columns import field_columns
from film_archive.editorial.columns import plain as plain_header
from film_archive.editorial.event import Event
from film_archive.editorial.identity import base_name, media_name
from film_archive.editorial.text import decode

_FIELDS = ("event", "reel", "file", "clip")
_USE = ("use", "use media", "target", "candidate", "matched media")


@dataclass(frozen=True, slots=True)
class MappingRow:
    """What has to fit, each compared without regard to case, and the media to use."""

    wanted: tuple[tuple[str, str], ...]
    """(field, value): "event", "reel", "file", "clip", or "any" for one of the last three."""
    use: str

    def fits(self, names: dict[str, str]) -> bool:
        for field, value in self.wanted:
            if field == "any":
                if value not in (names["reel"], names["file"], names["clip"]):
                    return False
            elif names[field] != value:
                return False
        return True


@dataclass(frozen=True, slots=True)
class MediaMapping:
    """All rows, in the order of the file."""

    rows: tuple[MappingRow, ...]

    def media_of(self, event: Event) -> str | None:
        """The media that the first row that fits an event names."""
        names = {
            "event": event.event.casefold(),
            "reel": (event.reel or "").strip().casefold(),
            "file": base_name(event.source_file or "").casefold(),
            "clip": (event.clip_name or "").strip().casefold(),
        }
        return next((row.use for row in self.rows if row.fits(names)), None)

    @staticmethod
    def among(candidates: Iterable[Candidate], use: str) -> list[Candidate]:
        """The candidates that a row's media means: by whole path, else by file name."""
        exact = [candidate for candidate in candidates if candidate.path == use]
        name = media_name(use).casefold()
        return exact or [candidate for candidate in candidates if media_name(candidate.path).casefold() == name]


def read_mapping(data: bytes, name: str) -> MediaMapping:
    """Read a mapping. Raises Damaged with the row's number where it is none."""
    text = decode(data)[0].removeprefix("\ufeff")
    rows = _json_rows(text, name) if text.lstrip()[:1] in ("{", "[") else _csv_rows(text, name)
    return MediaMapping(tuple(rows))


def _json_rows(text: str, name: str) -> list[MappingRow]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Damaged(f"{name} is not readable as JSON: {error}.") from error
    if isinstance(document, dict):
        found = []
        for key, use in document.items():
            if not isinstance(use, str) or not use.strip():
                raise Damaged(f"{name}: {key[:60]!r} has to name media by a text.")
            found.append(MappingRow((("any", base_name(key.strip()).casefold()),), use.strip()))
        return found
    if not isinstance(document, list):
        raise Damaged(f"{name} is no mapping: it is neither a list nor an object.")
    rows = []
    for number, entry in enumerate(document, 1):
        if not isinstance(entry, dict) or not all(isinstance(value, str) for value in entry.values()):
            raise Damaged(f"{name}: entry {number} is no object of texts.")
        rows.append(_row(list(entry), list(entry.values()), f"{name}: entry {number}"))
    return rows


def _csv_rows(text: str, name: str) -> list[MappingRow]:
    first = text.lstrip("\r\n").splitlines()[:1]
    delimiter = max(",;\t", key=lambda sign: first[0].count(sign)) if first else ","
    rows: list[MappingRow] = []
    header: list[str] | None = None
    try:
        for cells in csv.reader(text.splitlines(), delimiter=delimiter):
            if not any(cell.strip() for cell in cells):
                continue
            if header is None:
                header = cells
            else:
                rows.append(_row(header, cells, f"{name}: row {len(rows) + 1}"))
    except csv.Error as error:
        raise Damaged(f"{name} is not readable as CSV: {error}.") from error
    return rows


def _row(header: list[str], cells: list[str], where: str) -> MappingRow:
    values = dict(zip((plain_header(each) for each in header), (cell.strip() for cell in cells), strict=False))
    use = next((values[key] for key in _USE if values.get(key)), None)
    if use is None:
        raise Damaged(f"{where} does not say which media to use: it needs a column `use`.")
    wanted = []
    for field, place in field_columns(header).items():
        value = cells[place].strip() if place < len(cells) else ""
        if field in _FIELDS and value:
            wanted.append((field, (base_name(value) if field == "file" else value).casefold()))
    if not wanted:
        raise Damaged(f"{where} does not say of what: it needs an event, reel, source file or clip name.")
    return MappingRow(tuple(wanted), use)

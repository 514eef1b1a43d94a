"""Pull lists as spreadsheets save them: a header row, then a row an event, between commas, semicolons or tabs.

Which header names mean what is in `columns`; `docs/lists.md` lists them for users. Source in and out are timecodes, out
exclusive; a duration in frames or as a timecode stands for out where the rate is known.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator

from film_archive.core.timecode import RateLike
from film_archive.editorial.columns import field_columns
from film_archive.editorial.counting import Counting
from film_archive.editorial.event import Diagnostic, EditList, Event
from film_archive.editorial.rows import UnreadRow, event_of
from film_archive.editorial.text import PADDING, all_lines, decode, table_lines

_DELIMITERS = (",", ";", "\t", "|")
_HEADER_WITHIN = 20
"""Lines before the header row that a title or a note may take."""


def read_pull_list(data: bytes | str, rate: RateLike | None = None) -> EditList:
    """Read a list. `rate` is what its timecodes count at; a rate column overrules it for its row."""
    text, encoding = decode(data) if isinstance(data, bytes) else (data, None)
    text = text.removeprefix("\ufeff")
    counting = None if rate is None else Counting.of(rate)
    counted, drop = (None, None) if counting is None else (counting.rate, counting.drop)
    header = _header(text)
    if header is None:
        what = "there is no header row with a source in"
        diagnostics = [Diagnostic(line.number, what, line.text) for line in table_lines(text)]
        return EditList(None, (), (), tuple(diagnostics), "csv", encoding, counted, drop)
    number, delimiter, places = header
    before = [line for line in table_lines(text) if line.number <= number]
    reading = _Reading(places, counting)
    for first, values in _rows(text, delimiter):
        if first > number:
            reading.row(first, values)
    return EditList(
        None, tuple(reading.events), tuple(before), tuple(reading.diagnostics), "csv", encoding, counted, drop
    )


def looks_like_pull_list(text: str) -> bool:
    """Whether one of a text's first lines is a header row that we know."""
    return _header(text[:65536]) is not None


def _header(text: str) -> tuple[int, str, dict[str, int]] | None:
    """The header row's line number, the delimiter, and which column has which field."""
    for line in table_lines(text[:1_000_000])[:_HEADER_WITHIN]:
        best: tuple[int, str, dict[str, int]] | None = None
        for delimiter in _DELIMITERS:
            cells = line.text[:65536].split(delimiter)
            places = field_columns(cells)
            if "in" in places and len(places) > 1 and (best is None or len(places) > len(best[2])):
                best = (line.number, delimiter, places)
        if best is not None:
            return best
    return None


def _rows(text: str, delimiter: str) -> Iterator[tuple[int, list[str] | str]]:
    """(first line, cells) of each row that is not blank; a text instead of cells says why there are none.

    Quoted cells may run over lines. A quote that is never closed is taken as a sign like any other.
    """
    numbered = all_lines(text)
    place = 0
    endless = False
    while place < len(numbered):
        first, taken = numbered[place], 1
        place += 1
        if not first.text.strip(PADDING):
            continue
        inside = _inside(first.text, delimiter, False)
        while inside and not endless and place < len(numbered):
            inside = _inside(numbered[place].text, delimiter, True)
            place, taken = place + 1, taken + 1
        if inside:  # to the end; so it is for every later line that leaves a quote open
            endless = True
            place = place - taken + 1
            yield first.number, [cell.strip(' "') for cell in first.text.split(delimiter)]
            continue
        row = "\n".join(line.text for line in numbered[place - taken : place])
        try:
            yield first.number, next(csv.reader([row], delimiter=delimiter), [])
        except csv.Error as error:
            yield first.number, str(error)


def _inside(line: str, delimiter: str, inside: bool) -> bool:
    """Whether a line ends within a quoted cell. A quote opens at a cell's beginning only; doubled, it is a sign."""
    parts = line.split('"')
    place = 0
    while place < len(parts) - 1:
        if not inside:
            inside = parts[place].endswith(delimiter) or (place == 0 and not parts[0].strip())
        elif parts[place + 1] == "" and place + 1 < len(parts) - 1:
            place += 1
        else:
            inside = False
        place += 1
    return inside


class _Reading:
    """Rows becoming events."""

    def __init__(self, places: dict[str, int], counting: Counting | None) -> None:
        self.places = places
        self.counting = counting
        self.events: list[Event] = []
        self.diagnostics: list[Diagnostic] = []

    def row(self, first: int, values: list[str] | str) -> None:
        try:
            if isinstance(values, str):
                raise UnreadRow(values)
            cells = {
                name: values[place].strip(PADDING)
                for name, place in self.places.items()
                if place < len(values) and values[place].strip(PADDING)
            }
            self.events.append(event_of(cells, first, len(self.events) + 1, self.counting))
        except UnreadRow as why:
            text = values if isinstance(values, str) else ",".join(values)
            self.diagnostics.append(Diagnostic(first, f"this row is left out: {why}", text))

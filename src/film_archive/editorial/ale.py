"""Avid Log Exchange: a Heading with the rate, a Column line, and Data, a clip a line, between tabs. Read and written.

Source: Avid's "Avid Log Exchange (ALE) file format". Start is in, End exclusive; columns have any name, those that are
known are in `columns`. Every line is kept: in the header, in an event or in a diagnostic.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from film_archive.core.errors import UsageError
from film_archive.core.timecode import RateLike
from film_archive.editorial.columns import field_columns
from film_archive.editorial.counting import Counting
from film_archive.editorial.event import Diagnostic, EditList, Event
from film_archive.editorial.rows import UnreadRow, event_of
from film_archive.editorial.text import Line, decode, table_lines

_SECTIONS = ("heading", "column", "data")


def looks_like_ale(text: str) -> bool:
    """Whether a text begins as one."""
    return text.lstrip("\ufeff\0 \t\r\n")[:16].casefold().startswith("heading") and "\t" in text[:65536]


@dataclass(slots=True)
class _Reading:
    counting: Counting | None
    section: str = ""
    columns: list[str] | None = None
    header: list[Line] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)

    def line(self, line: Line) -> None:
        word = line.text.strip().casefold()
        if word in _SECTIONS and self.section != "data":
            self.section = word
            self.header.append(line)
        elif self.section == "column" and self.columns is None:
            self.columns = line.text.split("\t")
            self.places = field_columns(self.columns)
            self.header.append(line)
        elif self.section == "data" and self.columns is not None:
            self._row(line)
        else:
            self._heading(line)

    def _heading(self, line: Line) -> None:
        self.header.append(line)
        name, _, value = line.text.partition("\t")
        self.said.setdefault(name.strip().casefold(), value.strip())
        if name.strip().casefold() == "fps" and self.counting is None:
            try:
                self.counting = Counting.of(value)
            except UsageError:
                self.diagnostics.append(Diagnostic(line.number, f"FPS {value[:40]!r} is no frame rate"))

    def _row(self, line: Line) -> None:
        values = [value.strip() for value in line.text.split("\t")]
        cells = {name: values[place] for name, place in self.places.items() if place < len(values) and values[place]}
        if len(values) > len(self.columns or ()) and any(values[len(self.columns or ()) :]):
            what = f"has {len(values)} columns where the list has {len(self.columns or ())}"
            self.diagnostics.append(Diagnostic(line.number, what))
        try:
            event = event_of(cells, line.number, len(self.events) + 1, self.counting)
            self.events.append(event)
        except UnreadRow as why:
            self.diagnostics.append(Diagnostic(line.number, f"this clip is left out: {why}", line.text))


def read_ale(data: bytes | str, rate: RateLike | None = None) -> EditList:
    """Read a log. `rate` overrules the heading's FPS. A clip that can't be read becomes a diagnostic."""
    text, encoding = decode(data) if isinstance(data, bytes) else (data, None)
    reading = _Reading(None if rate is None else Counting.of(rate))
    for line in table_lines(text.removeprefix("\ufeff")):
        reading.line(line)
    if reading.columns is None:
        reading.diagnostics.append(Diagnostic(0, "there is no Column line; no clip can be read"))
    elif "in" not in reading.places:
        reading.diagnostics.append(Diagnostic(0, "there is no Start column; no clip can be read"))
    return EditList(
        reading.said.get("title") or None,
        tuple(reading.events),
        tuple(reading.header),
        tuple(reading.diagnostics),
        format="ale",
        encoding=encoding,
        rate=None if reading.counting is None else reading.counting.rate,
        drop_frame=None if reading.counting is None else reading.counting.drop,
    )

"""An event of an edit list, as its lines have it: strings, since a list carries no frame rate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One edit. Timecodes are as written; what they count to depends on the rate and on `drop_frame`."""

    line: int
    """Of the list, from 1."""
    event: str
    """The event's number, as written."""
    reel: str | None
    channels: str | None
    """"V", "A", "A2", "B", "AA/V", "NONE", …"""
    transition: str
    """"C", "D", "W001", "K", "KB" (key background), "KO" (key out)."""
    transition_duration: int = 0
    """Frames."""
    source_in: str
    source_out: str
    record_in: str | None = None
    record_out: str | None = None
    """None in the short form, which has the source's two timecodes only."""
    drop_frame: bool | None = None
    """What the last FCM line before it said; None without one."""
    comments: tuple[tuple[int, str], ...] = ()
    """(line, text) of what follows up to the next event: comments, M2, clip names, as written."""

    @property
    def has_media(self) -> bool:
        """Whether it shows frames of a source: black and lines of no length do not."""
        return (self.reel or "").upper() != "BL" and self.source_in != self.source_out


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """What is odd about a line of a list, or why it could not be read."""

    line: int
    what: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.what}"


@dataclass(frozen=True, slots=True)
class EditList:
    """A list as it was read: every line that is not blank is in exactly one place."""

    title: str | None
    events: tuple[Event, ...]
    header: tuple[tuple[int, str], ...] = ()
    """(line, text) of the TITLE and FCM lines wherever they stand, and of what stands before the first event."""
    diagnostics: tuple[Diagnostic, ...] = ()
    """Some are lines that look like events and could not be read; they are in no event."""

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)

    def __len__(self) -> int:
        return len(self.events)

"""What lists say: events, as every format's reader makes them. Defined here and only here.

Timecodes are labels as they are written. An EDL carries no rate, so what its labels count to is only known once a rate
is given (`resolving`); where a format does carry rates, `source_rate` and `record_rate` have them, exactly.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from film_archive.core.timecode import FrameRate
from film_archive.editorial.text import Line

_NUMBERED = re.compile(r"(.*?)([0-9]+)(\.[^.]*)$", re.DOTALL)
NO_REELS = frozenset({"", "AX", "BL", "BLACK"})
"""Reel columns that name no reel: AX is what programs write for "a file", BL is black."""


@dataclass(frozen=True, slots=True)
class Speed:
    """A motion effect. Exactly one of `frames_per_second` and `ratio` is given."""

    frames_per_second: Fraction | None = None
    """Of the source for each second of record, as M2 lines have it; 0 is a freeze, negative runs backwards."""
    ratio: Fraction | None = None
    """Source frames for each record frame's time: 2 is twice as fast."""
    trigger: str | None = None
    """The source timecode that an M2 line names."""
    reel: str | None = None
    """The reel that an M2 line names."""
    line: Line | None = None
    """The M2 line."""

    def ratio_at(self, rate: FrameRate) -> Fraction:
        """The ratio where the list counts at `rate`."""
        if self.ratio is not None:
            return self.ratio
        return (self.frames_per_second or Fraction(0)) / rate.nominal


@dataclass(frozen=True, slots=True)
class Marker:
    """A locator or marker of the record side."""

    text: str
    timecode: str | None = None
    color: str | None = None
    name: str | None = None
    frames: int = 1


@dataclass(frozen=True, slots=True)
class ColorDecision:
    """An ASC CDL, to the decimal as it is written."""

    slope: tuple[Decimal, Decimal, Decimal] | None = None
    offset: tuple[Decimal, Decimal, Decimal] | None = None
    power: tuple[Decimal, Decimal, Decimal] | None = None
    saturation: Decimal | None = None


@dataclass(frozen=True, slots=True)
class ImageNames:
    """How the files of an image sequence are called: prefix, number with at least `digits` digits, suffix."""

    prefix: str
    digits: int
    suffix: str
    first: int
    """The number of the first file."""

    @classmethod
    def of(cls, name: str, before: int = 0) -> ImageNames | None:
        """By the name of a file that stands `before` files behind the first; None where it has no number."""
        match = _NUMBERED.fullmatch(name)
        return None if match is None else cls(match[1], len(match[2]), match[3], int(match[2]) - before)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrimmedFrom:
    """What media were cut from, as it is kept beside the reference to them."""

    file: str
    """The name of the original's file."""
    size: int | None = None
    """Its bytes."""
    start_timecode: str | None = None
    reel: str | None = None
    frames: int
    """How many it has."""
    first_frame: int
    """Which of them is the cut's first, from 0."""
    xxh128: str | None = None
    """XXH3-128 of it, where an archive has it."""

    def to_json(self) -> dict[str, Any]:
        """The fields that are known, and those that every cut has."""
        found = {name: getattr(self, name) for name in ("file", "size", "start_timecode", "reel", "frames", "first_frame")}
        return found if self.xxh128 is None else {**found, "xxh128": self.xxh128}


@dataclass(frozen=True, slots=True)
class EventMedia:
    """Media that an event names. A list may name several: the camera file, its proxy."""

    name: str | None = None
    url: str | None = None
    """As written: a URL, a path of the machine that wrote the list, a member of a bundle."""
    start: Fraction | None = None
    """Of the media's first frame, in frames since midnight at `rate`."""
    frames: Fraction | None = None
    rate: FrameRate | None = None
    active: bool = True
    """Whether it is the one that the list plays."""
    images: ImageNames | None = None
    """Of an image sequence that is to be written; `url` is then that of its folder."""
    trimmed_from: TrimmedFrom | None = None
    """Of a part of other media: what it was cut from."""


@dataclass(frozen=True, slots=True)
class ExactRange:
    """A range of a source as formats with exact time have it: frames since midnight and their count, at `rate`.

    They need not be whole: an edit may begin between two frames of its source.
    """

    start: Fraction
    frames: Fraction
    rate: FrameRate

    @property
    def end(self) -> Fraction:
        return self.start + self.frames


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One edit of one source."""

    line: int
    """Of the list, from 1; the position among the events in formats that have no lines."""
    event: str
    """The event's number, as written."""
    reel: str | None = None
    channels: str | None = None
    """"V", "A", "A2", "B" (both), "AA/V", "NONE", …"""
    transition: str = "C"
    """"C", "D", "W001", "K", "KB" (key background), "KO" (key out)."""
    transition_duration: int = 0
    """Frames of record, at this event's beginning."""
    source_in: str
    source_out: str
    """Exclusive."""
    record_in: str | None = None
    record_out: str | None = None
    """None in the short form, which has the source's two timecodes only."""
    drop_frame: bool | None = None
    """What the last FCM line before it said; None without one."""
    rest: str = ""
    """What stands behind the event line's timecodes."""
    comments: tuple[Line, ...] = ()
    """What follows up to the next event, as written, M2 and FCM lines apart."""
    speed: Speed | None = None
    from_clip_name: str | None = None
    to_clip_name: str | None = None
    key_clip_name: str | None = None
    source_file: str | None = None
    source_files: tuple[str, ...] = ()
    """All SOURCE FILE comments where there are several: of a transition's two sides."""
    from_clip_path: str | None = None
    from_file: str | None = None
    reel_names: tuple[str, ...] = ()
    """Longer names of the reel: "REEL x IS CLIP y", "FINAL CUT PRO REEL: y REPLACED BY: x"."""
    asc_sop: str | None = None
    """As written."""
    asc_sat: str | None = None
    color: ColorDecision | None = None
    """Of what `asc_sop` and `asc_sat` could be read."""
    locators: tuple[str, ...] = ()
    """LOC comments, as written."""
    markers: tuple[Marker, ...] = ()
    audio_channels: tuple[int, ...] = ()
    """That AUD lines add."""
    source_rate: FrameRate | None = None
    record_rate: FrameRate | None = None
    source_range: ExactRange | None = None
    media: tuple[EventMedia, ...] = ()
    track: str | None = None
    """The track's name or kind and number, in formats that have tracks."""
    from_media_start: bool = False
    """Whether the list may count the source from the media's first frame instead of by its timecode."""

    is_generated: bool = False
    """Whether the program made the picture (bars, titles) and there is no media."""

    @property
    def is_black(self) -> bool:
        return (self.reel or "").strip().upper() in ("BL", "BLACK")

    @property
    def names_reel(self) -> bool:
        """Whether the reel column names one."""
        return (self.reel or "").strip().upper() not in NO_REELS

    @property
    def has_media(self) -> bool:
        """Whether it shows frames of a source: black and lines of no length do not."""
        return not self.is_black and not self.is_generated and self.source_in != self.source_out

    @property
    def clip_name(self) -> str | None:
        """The name of the clip that this very line shows: of a transition's incoming side the TO CLIP NAME."""
        if self.transition.startswith("K") and self.key_clip_name and self.transition != "KB":
            return self.key_clip_name
        if self.transition != "C" and self.to_clip_name:
            return self.to_clip_name
        return self.from_clip_name

    def to_json(self) -> dict[str, Any]:
        """The fields under the names that `docs/json.md` documents."""
        speed = self.speed
        return {
            "line": self.line,
            "event": self.event,
            "reel": self.reel,
            "channels": self.channels,
            "transition": self.transition,
            "transition_duration": self.transition_duration,
            "source_in": self.source_in,
            "source_out": self.source_out,
            "record_in": self.record_in,
            "record_out": self.record_out,
            "fcm": None if self.drop_frame is None else ("DF" if self.drop_frame else "NDF"),
            "speed": None if speed is None else _speed_json(speed),
            "comments": [line.text for line in self.comments],
            "from_clip_name": self.from_clip_name,
            "to_clip_name": self.to_clip_name,
            "key_clip_name": self.key_clip_name,
            "source_file": self.source_file,
            "from_clip_path": self.from_clip_path,
            "from_file": self.from_file,
            "asc_sop": self.asc_sop,
            "asc_sat": self.asc_sat,
            "locators": list(self.locators),
            "track": self.track,
            "source_rate": None if self.source_rate is None else str(self.source_rate),
            "record_rate": None if self.record_rate is None else str(self.record_rate),
            "media": [{"name": each.name, "url": each.url, "active": each.active} for each in self.media],
        }


def _speed_json(speed: Speed) -> dict[str, Any]:
    return {
        "fps": None if speed.frames_per_second is None else float(speed.frames_per_second),
        "ratio": None if speed.ratio is None else str(speed.ratio),
        "trigger_tc": speed.trigger,
        "m2_reel": speed.reel,
    }


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """What is odd about a line of a list, or why it could not be read."""

    line: int
    what: str
    text: str | None = None
    """The line itself where it could not be read and so is in no event, comment or header."""

    def __str__(self) -> str:
        return f"line {self.line}: {self.what}"


@dataclass(frozen=True, slots=True)
class EditList:
    """A list as it was read: every line that is not blank is in exactly one place."""

    title: str | None
    events: tuple[Event, ...]
    header: tuple[Line, ...] = ()
    """The TITLE and FCM lines wherever they stand, and what stands before the first event."""
    diagnostics: tuple[Diagnostic, ...] = ()
    format: str = "edl"
    """"edl", "ale", "fcpxml", "csv", "otio", "aaf", "fcp7xml"."""
    encoding: str | None = None
    rate: FrameRate | None = None
    """That the list itself says it counts at; an EDL never does."""
    drop_frame: bool | None = None
    """Whether the record side counts drop-frame, where the format says so."""

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)

    def __len__(self) -> int:
        return len(self.events)

    def line_numbers(self) -> Iterator[int]:
        """The number of every line that the list accounts for, once for each place where it is."""
        yield from (line.number for line in self.header)
        yield from (each.line for each in self.diagnostics if each.text is not None)
        for event in self.events:
            yield event.line
            yield from (line.number for line in event.comments)
            if event.speed is not None and event.speed.line is not None:
                yield event.speed.line.number

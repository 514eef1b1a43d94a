"""What `pull` would do, as plain data: every event of a list with the media that it means, and the cuts that answer them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from film_archive.core.job import Failure, Plan
from film_archive.core.records import Record
from film_archive.editorial import matching
from film_archive.editorial.naming import DEFAULT
from film_archive.media.cutting.recoding import Mode
from film_archive.workflows.cut_steps import CutStep

SPEED = 300_000_000
"""Bytes a second that estimates take a disk to copy; where blocks are shared it is done at once."""

UNCHANGED, NOT_SUPPORTED, PLANNED = "unchanged", "not_supported", "planned"
FAILING: Mapping[str, int] = {
    matching.TIE: 3,
    matching.NO_TIMECODE: 3,
    matching.NO_NAME: 3,
    matching.NOT_FOUND: 3,
    matching.OUTSIDE: 7,
    NOT_SUPPORTED: 5,
}
"""Statuses of events that get no cut although they should, and the exit status that each alone ends with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PullStep(CutStep):
    """One cut: of picture, or with `--with-sound` of a recording that ran meanwhile."""

    events: tuple[int, ...]
    """The events that it answers, by their place in `events`, from 0."""
    sound_of: str | None = None
    """Of a recording that is pulled along: the name of the cut whose picture it belongs to."""
    frame_rate: str
    """At which the clip's frames play."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PulledEvent(Record):
    """An event of the list, and what becomes of it. Frame numbers are those of its media, from 0."""

    event: str
    """Its number, as the list has it."""
    line: int
    """Its line in the list."""
    clip: str | None
    """The media that it means, as it can be opened."""
    status: str
    """"planned"; then "cut", or "there" where an earlier run had cut it; "failed". Without a cut: "unchanged" (with
    `--changed-since`), "no_media" (black, generated), "tie", "no_name", "no_timecode", "outside", "not_found",
    "not_supported"."""
    output: Path | None = None
    """The cut that has its frames."""
    first_frame: int | None = None
    """The first frame that it asks for, handles counted in."""
    frames: int | None = None
    """How many, handles counted in."""
    head_handle: int = 0
    """Frames of handle before, as many as the media has."""
    tail_handle: int = 0
    """Frames of handle behind."""
    source_in: int | None = None
    """The frame at which its source in point lies."""
    in_cut: int | None = None
    """Which frame of the cut, from 0, that is."""
    evidence: tuple[str, ...] = ()
    """What told which media is meant, besides the timecode."""
    reason: str | None = None
    """Why it gets no cut, or what is to be known of it; a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PullPlan(Plan):
    """What would be pulled."""

    verb: ClassVar[str] = "pull"
    list: Path
    """The list."""
    list_digest: str
    """XXH3-128 of what it says as it was read; a list that changed since is refused."""
    title: str | None
    """The list's title."""
    rate: str
    """What the list is counted at."""
    given_rate: str | None
    """The rate that was given for it."""
    folder: Path
    """Where the cuts go."""
    handles: int
    """Frames that were asked for on each side."""
    events: tuple[PulledEvent, ...]
    """All events, in the list's order."""
    steps: tuple[PullStep, ...]
    """The cuts."""
    failed: tuple[Failure, ...]
    """Sources that look like media and can't be read."""
    notes: tuple[str, ...]
    """What is to be known, each one sentence."""

    @property
    def expected_seconds(self) -> float:
        """How long it may take where every byte is copied."""
        return self.size / SPEED


@dataclass(frozen=True, slots=True, kw_only=True)
class PullWishes:
    """How a pull is to be made, as a user asks for it."""

    handles: int = 0
    rate: str | None = None
    mapping: Path | None = None
    template: str = DEFAULT
    merge: bool = False
    with_sound: bool = False
    changed_since: Path | None = None
    log: Path | None = None
    link: bool = False
    mode: Mode = Mode.COPY

"""What a log (ALE, CSV) says of clips whose own files don't tell it: start timecode, reel and frames, by file name.

For media that can't be opened here (ARRIRAW, R3D, X-OCN …) a camera's or a lab's log is often all there is. Where a file
says something itself, it is believed, and a disagreement is told.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from film_archive.core.facts import MediaFacts
from film_archive.core.job import identity_at, require_unchanged
from film_archive.core.records import Record
from film_archive.core.source import printable
from film_archive.core.timecode import RateLike, Timecode
from film_archive.editorial.event import Event
from film_archive.editorial.reading import read_list
from film_archive.editorial.resolving import resolve

_PART = re.compile(r"_\d{3}$", re.ASCII)
"""The number of a part of a spanned clip, which logs leave out."""


@dataclass(frozen=True, slots=True)
class LoggedClip:
    """A clip as a log has it."""

    line: int
    start: Timecode
    frames: int
    reel: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFile(Record):
    """A log that a plan goes by."""

    path: Path
    """The list."""
    rate: str | None
    """What its labels count at, where it does not say."""
    identity: str
    """Changes when the file does."""

    @classmethod
    def at(cls, path: Path, rate: str | None = None) -> LogFile:
        """Look at a log, and see that it can be read."""
        ClipLog.read(path, rate)
        return cls(path=path, rate=rate, identity=identity_at(path))

    def open(self) -> ClipLog:
        """Read it; raises SourceChanged where it is not what was planned with."""
        require_unchanged(printable(self.path), self.identity, identity_at(self.path))
        return ClipLog.read(self.path, self.rate)


class ClipLog:
    """The clips of a log, by the names that it gives them."""

    def __init__(self, name: str, clips: Iterable[tuple[str, LoggedClip]]) -> None:
        self.name = name
        self._clips: dict[str, list[LoggedClip]] = {}
        for called, clip in clips:
            known = self._clips.setdefault(_key(called), [])
            if all((clip.start, clip.frames, clip.reel) != (one.start, one.frames, one.reel) for one in known):
                known.append(clip)

    @classmethod
    def read(cls, path: str | os.PathLike[str], rate: RateLike | None = None) -> ClipLog:
        """Read a log; `rate` is what its labels count at where it does not say. Raises RateUnknown, NotFound, NotSupported."""
        edits = read_list(path, rate)
        found = []
        for one in resolve(edits, rate):
            if one.source is None:
                continue
            names = _names(one.event)
            reel = one.event.reel if one.event.names_reel else None
            clip = LoggedClip(one.event.line, one.source.start_label, one.source.count, reel)
            found += [(name, clip) for name in names]
        return cls(printable(path), found)

    def completed(self, path: str, facts: MediaFacts) -> MediaFacts:
        """The facts of the clip at a path, with what only the log knows."""
        clips = self._clips.get(_key(path)) or self._clips.get(_PART.sub("", _key(path))) or []
        if not clips:
            return facts
        if len(clips) > 1:
            lines = ", ".join(str(clip.line) for clip in clips)
            return _noted(facts, f"{self.name} says different things of it (lines {lines}), and none was taken")
        clip = clips[0]
        start = clip.start
        if facts.frame_rate is not None and facts.frame_rate.nominal == start.rate.nominal:
            start = Timecode.from_frame(start.total_frames, facts.frame_rate, start.drop_frame)
        for what, own, other in (
            ("starts at", facts.start_timecode, start),
            ("has frames", facts.frames, clip.frames),
            ("is of reel", facts.reel if facts.reel_source != "file name" else None, clip.reel),
        ):
            if own is not None and other is not None and own != other:
                facts = _noted(facts, f"by {self.name} it {what} {other}, by the file itself {own}: the file is believed")
        if facts.start_timecode is None:
            facts = facts.with_start(start, "log")
        if facts.reel is None or (facts.reel_source == "file name" and clip.reel is not None):
            facts = facts if clip.reel is None else facts.with_reel(clip.reel, "log")
        frames = clip.frames if facts.frames is None and clip.frames > 0 else facts.frames
        return replace(facts, frames=frames, frame_rate=facts.frame_rate or start.rate)


def _names(event: Event) -> list[str]:
    """What a line of a log calls its clip, each name once."""
    paths = (event.source_file, event.from_clip_path, event.from_file, event.from_clip_name, *(each.name for each in event.media))
    return list(dict.fromkeys(name for name in paths if name))


def _key(path: str) -> str:
    """A clip's name without folders and extension, for comparing."""
    name = PurePosixPath(path.replace("\\", "/")).name
    stem, dot, extension = name.rpartition(".")
    return (stem if dot and 1 <= len(extension) <= 5 and stem else name).casefold()


def _noted(facts: MediaFacts, sentence: str) -> MediaFacts:
    return replace(facts, diagnostics=(*facts.diagnostics, sentence))


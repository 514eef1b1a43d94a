"""What can be cut, whatever it is made of: the face that movies, recordings and image sequences share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Self

from film_archive.core import files
from film_archive.core.digest import digest_source
from film_archive.core.errors import NotSupported, OutOfRange
from film_archive.core.facts import MediaFacts
from film_archive.core.source import ByteSource, FileSource
from film_archive.core.timecode import FrameRange, FrameRate, Timecode


@dataclass(frozen=True, slots=True)
class CutResult:
    """What was written. `mode` is "copy" where no frame was encoded again."""

    path: Path
    frames: FrameRange
    start: Timecode | None
    mode: str
    bytes_read: int
    shared: int
    stored_from: int
    """The first frame in the file: before `frames.first` where a long-GOP clip has to be decoded from a keyframe."""
    diagnostics: tuple[str, ...] = ()
    missing: tuple[int, ...] = ()
    """Numbers of files of an image sequence that are not there, and so not in the cut."""
    frames_checked: int = 0
    """Frames that were held against digests that somebody has of them."""


@dataclass(frozen=True, slots=True)
class CutBytes:
    """A cut that is nowhere written: its bytes are taken from the clip's as they are read."""

    source: ByteSource
    """Works as long as the clip's own source is open."""
    suffix: str
    stored_from: int
    diagnostics: tuple[str, ...] = ()
    mode: str = "copy"


@dataclass(frozen=True, eq=False)
class Cuttable(ABC):
    """A clip that can be cut, and what has to be known of it to find a range of its frames."""

    name: str
    """For messages."""
    facts: MediaFacts
    """What the clip says of itself."""
    rate: FrameRate | None
    """Frames a second; of sound the rate that its timecode counts at."""
    frames: int
    start: Timecode | None
    reel: str | None

    suffixes: tuple[str, ...] = (".mov",)
    """How a cut's file may be called; the first is that of its format. Empty where a cut is a folder."""
    notes: tuple[str, ...] = ()
    """What is to be said of its cuts."""
    digest: str | None = None
    """XXH3-128 of all of it, where somebody has it: cuts say what they were made from."""

    def starting_at(self, start: Timecode) -> Self:
        """The same clip with a start timecode that the caller knows."""
        return replace(self, start=start)

    def identified(self, digest: str | None) -> Self:
        """The same clip with its digest known."""
        return replace(self, digest=digest)

    def completed_by(self, facts: MediaFacts) -> Self:
        """The same clip with start timecode and reel as these facts have them."""
        return replace(self, facts=facts, start=facts.start_timecode, reel=facts.reel)

    @abstractmethod
    def cut(self, frames: FrameRange, target: Path, *, on_bytes: files.OnBytes | None = None) -> CutResult:
        """Write a range of frames to a new file, bit for bit.

        Raises OutOfRange where frames are not there, Refused where the target exists.
        """

    def cut_bytes(self, frames: FrameRange) -> CutBytes:
        """The bytes that `cut` would write into a file of the first of `suffixes`. Raises as it does.

        Raises NotSupported for what is not cut into one file.
        """
        raise NotSupported(f"{self.name} is cut into a folder of files, not into one file.")

    def verify(self, frames: FrameRange, target: Path) -> CutResult | None:
        """Compare a file with what `cut` would write, byte for byte; None where it is not that."""
        made = self.cut_bytes(frames)
        with FileSource(target) as found:
            if found.size != made.source.size or digest_source(found) != digest_source(made.source):
                return None
        return CutResult(
            target, frames, self.shifted_start(frames.first)[0], made.mode, 0, 0, made.stored_from, made.diagnostics
        )

    def require(self, frames: FrameRange) -> None:
        """Raise OutOfRange unless all these frames are there, and at least one is asked for."""
        if frames.count == 0 or frames.first < 0 or frames.end > self.frames:
            raise OutOfRange(
                f"{self.name} has no frames {frames.first} to {frames.end - 1} to cut; it has {self.frames}."
            )

    def shifted_start(self, frames: int) -> tuple[Timecode | None, tuple[str, ...]]:
        """The timecode of a frame, at the rate that the clip's timecode counts in."""
        start, rate = self.start, self.rate
        if start is None or rate is None:
            return start, ()
        count = Fraction(frames) * start.rate / rate
        whole = count.numerator // count.denominator
        if whole != count:
            return start + whole, ("the cut begins between two timecode frames; the earlier one is its start",)
        return start + whole, ()

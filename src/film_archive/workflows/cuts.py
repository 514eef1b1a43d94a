"""A part of a clip, as a user asks for it and as it is found: the one place where a request becomes frames.

`extract`, `pull` and the server go through it. What it finds can be written into a file, or be read at any place without
a file of its own: what `extract` would write, byte for byte, is laid out when it is opened; its bytes are taken from the
clip as they are read. So a cut of any length is there at once, can be sent in ranges, and takes no space.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from film_archive.core.errors import NotSupported, OutOfRange, RateUnknown, UsageError
from film_archive.core.facts import MediaFacts
from film_archive.core.files import OnBytes
from film_archive.core.frame_index import FrameIndex
from film_archive.core.source import ByteSource
from film_archive.core.timecode import Timecode, parse_rate
from film_archive.media.cutting.cuttable import CutBytes, Cuttable
from film_archive.media.cutting.opening import open_clip
from film_archive.media.cutting.ranges import Clip, Selection, select, select_frames

_MOST_DIGITS = 12


@dataclass(frozen=True, slots=True)
class CutRequest:
    """A part of a clip, as a user writes it; `out` is exclusive. Either it or `duration` is given.

    Points are source timecode, or plain frame numbers: those of the files of an image sequence, of all else from 0.
    """

    begin: str
    out: str | None = None
    duration: str | None = None
    handles: int = 0
    start: str | None = None
    """The clip's start timecode, where it does not say it or says it wrongly."""
    rate: str | None = None
    """What `start` counts at, and what a clip counts at that does not say it: "24", "29.97df"."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A part of a clip that was found in it; it works as long as the clip's source is open."""

    clip: Cuttable
    selection: Selection
    start: Timecode | None
    """Of the first frame, handles counted in; None where the clip has no timecode."""
    notes: tuple[str, ...]

    @property
    def suffix(self) -> str:
        """How its file's name ends: the clip's own format where that can be cut."""
        return self.clip.suffixes[0]

    def to_bytes(self) -> CutBytes:
        """The whole cut as bytes. Raises NotSupported and Damaged for clips that can't be cut."""
        return self.clip.cut_bytes(self.selection.frames)

    def to_file(self, target: Path, *, on_bytes: OnBytes | None = None) -> None:
        """Write it to a new file, whole or not at all; blocks are shared with the clip where the file system can."""
        self.clip.cut(self.selection.frames, target, on_bytes=on_bytes)


def open_cut(
    source: ByteSource,
    index: FrameIndex | None,
    facts: MediaFacts | None,
    request: CutRequest,
    *,
    digest: str | None = None,
) -> Cut:
    """Find a part of a clip. `index`, `facts` and `digest` (XXH3-128) are what an archive knows of it.

    Raises UsageError, OutOfRange and TimecodeUnknown for timecode that the clip does not have, NotSupported and Damaged
    for clips that can't be cut.
    """
    _require_end(request)
    clip = open_clip(source, index=index, rate=request.rate).identified(digest)
    return find_cut(completed(clip, facts), request)


def completed(clip: Cuttable, facts: MediaFacts | None) -> Cuttable:
    """A clip with the start timecode and the reel that it does not have itself, as somebody else knows them.

    That is an archive's manifest, which has them from a log or a sidecar. A reel that was only guessed from a file's
    name is not written into cuts.
    """
    if facts is None:
        return clip
    start = clip.start if clip.start is not None else facts.start_timecode
    reel = clip.reel if clip.reel is not None or facts.reel_source == "file name" else facts.reel
    if start == clip.start and reel == clip.reel:
        return clip
    return clip.completed_by(replace(clip.facts, start_timecode=start, reel=reel))


def find_cut(clip: Cuttable, request: CutRequest) -> Cut:
    """The frames that a request means. Raises as `open_cut` does."""
    _require_end(request)
    notes = [*clip.notes]
    counted = _counted(clip, request)
    selection = _selection(clip, counted, request, notes)
    _require_continuous(clip, request, selection, notes)
    if counted.start is None:
        return Cut(clip, selection, None, tuple(notes))
    return Cut(clip.starting_at(counted.start), selection, counted.label(selection.frames.first), tuple(notes))


def _require_end(request: CutRequest) -> None:
    if (request.out is None) == (request.duration is None):
        raise UsageError("Give either the out point (exclusive) or the duration.")


def _selection(clip: Cuttable, counted: Clip, request: CutRequest, notes: list[str]) -> Selection:
    """The frames between the points; in and out are both timecode, or frame numbers, or one of each."""
    first, out = _number(clip, request.begin), None if request.out is None else _number(clip, request.out, out=True)
    timecoded = first is None or (request.out is not None and out is None)
    if timecoded and request.rate is not None and counted.start is None:
        raise UsageError(f"--rate says how timecode counts, and {clip.name} has none; give --start, too.")
    if timecoded and clip.facts.vfr:
        raise NotSupported(
            f"{clip.name} shows its frames for different times, so that its timecode does not tell them apart; give "
            "numbers of frames, from 0, or convert it to a constant rate."
        )
    if first is None and out is None and not _is_number(request.duration):
        start = counted.read(request.begin, notes=notes)
        end = counted.read(request.out, out=True, notes=notes) if request.out is not None else None
        if end is None:
            assert request.duration is not None
            end = start + counted.read_length(request.duration, notes=notes)
        return select(counted, start, end, request.handles)
    if first is None:
        first = counted.frame_at(counted.read(request.begin, notes=notes))
    if out is None and request.out is not None:
        out = counted.frame_at(counted.read(request.out, out=True, notes=notes), out=True)
    if out is None:
        assert request.duration is not None
        out = first + _length(counted, request.duration, notes)
    return select_frames(counted, first, out, request.handles)


def _require_continuous(clip: Cuttable, request: CutRequest, selection: Selection, notes: list[str]) -> None:
    """Timecode finds frames only up to the place where it jumps; what a caller says of the start holds for all."""
    until = clip.facts.continuous_frames
    if until is None or request.start is not None or clip.start != clip.facts.start_timecode:
        return
    numbered = _is_number(request.begin) and (request.out is None or _is_number(request.out))
    if selection.wanted.end > until and not numbered:
        raise NotSupported(discontinuous(clip.name, until, clip.facts.start_timecode))
    if selection.frames.end > until:
        notes.append(f"its timecode jumps at frame {until}; the cut's own counts on from its first frame")


def discontinuous(name: str, until: int, start: Timecode | None) -> str:
    """What is said of timecode behind the place where a clip's jumps."""
    return (
        f"The timecode of {name} is not continuous: it counts {until} frames from {start}, and then jumps; frames from there on "
        "are found by their numbers only (`extract --in N --out N`)."
    )


def _length(counted: Clip, duration: str, notes: list[str]) -> int:
    """Frames of a duration: a number of them, or a timecode."""
    if _is_number(duration):
        return int(duration)
    return counted.frames_of(counted.read_length(duration, notes=notes))


def _is_number(text: str | None) -> bool:
    return text is not None and text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS


def _number(clip: Cuttable, text: str, *, out: bool = False) -> int | None:
    """The frame that a plain number means; None for timecode."""
    if not _is_number(text):
        return None
    base = clip.facts.first_frame or 0
    number = int(text) - base
    if not 0 <= number < clip.frames + (1 if out else 0):
        raise OutOfRange(f"Frame {text} is not in {clip.name}, which has frames {base} to {base + clip.frames - 1}.")
    return number


def _counted(clip: Cuttable, request: CutRequest) -> Clip:
    """How the clip's timecode counts, from the caller's start timecode where one is given; its own rate always counts."""
    rate, found = clip.rate, clip.start
    if rate is None:
        raise RateUnknown(
            f"{clip.name} does not say how many frames a second its timecode counts; it can't be cut by it. Give the rate: "
            "--rate 24."
        )
    if request.start is None:
        return Clip(clip.name, clip.frames, rate, found)
    counting, drop = (found.rate if found is not None else rate), None
    if request.rate is not None:
        counting, drop = parse_rate(request.rate)
    if counting.nominal == 0:
        raise RateUnknown("Give the rate at which the timecode counts (--rate).")
    return Clip(clip.name, clip.frames, rate, Timecode.from_string(request.start, counting, drop))

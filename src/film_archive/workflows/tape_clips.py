"""`TapeClip`: a clip among the files of cartridges, whether it is one file or the files of an image sequence.

What a clip is stands in an attribute of its file (of its first frame, where it is a sequence), so it is known without the
cartridge; one without it is looked at on its cartridge, if that is here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from film_archive.core.errors import FilmArchiveError
from film_archive.core.job import Failure
from film_archive.core.source import printable
from film_archive.core.timecode import FrameRange, FrameRate, Timecode
from film_archive.core.wording import amount
from film_archive.media.cutting.ranges import Clip
from film_archive.media.sequence import ImageSequence, find_sequences
from film_archive.tape.clip_facts import ClipFacts, is_media_name, probed, read_facts
from film_archive.tape.holdings import Holding
from film_archive.tape.restore_planning import Part, Wanted
from film_archive.tape.volumes import OpenTape

_TRIED = 3
"""So many images of a sequence are looked at for what it is."""


@dataclass(frozen=True, slots=True)
class TapeClip:
    """A clip and the files that hold it."""

    name: str
    """As it is told apart: its path, or the pattern of a sequence."""
    facts: ClipFacts
    """Its frames and rate are known."""
    files: tuple[Wanted, ...]
    """One; of a sequence those of its frames that are on tape, in order."""
    sequence: ImageSequence | None = None

    @property
    def rate(self) -> FrameRate:
        return FrameRate.of(self.facts.rate)

    @property
    def frames(self) -> int:
        return self.facts.frames or 0

    @property
    def counted(self) -> Clip:
        """How timecode is found in it."""
        start = None if self.facts.first is None else Timecode.from_string(self.facts.start, self.rate)
        return Clip(printable(self.name), self.frames, self.rate, start)

    @property
    def size(self) -> int:
        return sum(one.file.length for one in self.files)

    def cut(self, ranges: Sequence[FrameRange]) -> tuple[list[Wanted], list[str]]:
        """What is read for some of its frames, and what there is to say: of a sequence only the files of these frames."""
        if self.sequence is None:
            rate = self.facts.rate
            parts = tuple(Part(each.first, each.count, self._part_name(each), rate) for each in ranges)
            return [replace(self.files[0], parts=parts, clip_frames=self.frames)], []
        first = self.sequence.first
        numbers = {first + frame for each in ranges for frame in range(each.first, each.end)}
        there = dict(zip(self.sequence.numbers(), self.files, strict=True))
        lacking = sorted(numbers - there.keys())
        told = []
        if lacking:
            count = amount(len(lacking), "frame is", "frames are")
            told.append(f"{count} not on tape of {printable(self.name)}, the first is number {lacking[0]}.")
        return [there[number] for number in sorted(numbers & there.keys())], told

    def _part_name(self, frames: FrameRange) -> str:
        """The clip's name and the timecode at which the part begins, or its first frame."""
        place = PurePosixPath(self.files[0].path)
        if self.facts.first is not None and self.facts.start:
            start = Timecode.from_string(self.facts.start, self.rate) + frames.first
            mark = str(start).replace(":", "").replace(";", "")
        else:
            mark = str(frames.first)
        return f"{place.stem}_{mark}{place.suffix}"


@dataclass(slots=True)
class TapeClips:
    """The clips among files that were chosen; those of which nothing is known are in `unknown`."""

    found: dict[str, TapeClip] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    """Path or pattern → what there is to say of it."""

    def failed(self) -> list[Failure]:
        return [Failure(path=path, reason=reason, status=5) for path, reason in self.unknown.items()]


def clips_among(wanted: Iterable[Wanted], rate: str | None = None) -> TapeClips:
    """The clips of files; `rate` counts those that do not say theirs."""
    clips = TapeClips()
    images: list[dict[str, Wanted]] = []
    for one in wanted:
        if is_media_name(one.path):
            facts = _counted(read_facts(one.file), rate) or _looked_at(one, rate)
            _add(clips, one.path, facts, (one,), None)
        else:  # the same path on cartridges of two sets is two files
            universe = next((known for known in images if one.path not in known), None)
            if universe is None:
                images.append(universe := {})
            universe[one.path] = one
    for universe in images:
        for sequence in find_sequences(universe).sequences:
            its = tuple(universe[sequence.file(number)] for number in sequence.numbers())
            _add(clips, sequence.hashes, _of_sequence(sequence, its, rate), its, sequence)
    return clips


def _add(
    clips: TapeClips, name: str, facts: ClipFacts | None, its: tuple[Wanted, ...], sequence: ImageSequence | None
) -> None:
    if facts is None or not facts.frames or not facts.rate:
        clips.unknown[name] = _why_unknown(name, facts, its)
        return
    if name in clips.found:
        name = f"{its[0].holders[0].serial}::{name}"
    clips.found[name] = TapeClip(name, facts, its, sequence)


def _why_unknown(name: str, facts: ClipFacts | None, its: Sequence[Wanted]) -> str:
    what = printable(name)
    if facts is not None and not facts.rate:
        return f"{what} does not say how many frames a second it has; give --rate."
    away = next((one.holders[0] for one in its if all(each.address is None for each in one.holders)), None)
    if away is not None:
        return f"What {what} is is not known without {away.barcode or away.serial}, which is not here; fetch that cartridge."
    return f"What {what} is is not known; restore the whole of it."


def _of_sequence(sequence: ImageSequence, its: Sequence[Wanted], rate: str | None) -> ClipFacts | None:
    """What the first image says, and how many frames there are by their names."""
    for number, one in list(zip(sequence.numbers(), its, strict=True))[:_TRIED]:
        facts = _counted(read_facts(one.file), rate) or _looked_at(one, rate)
        if facts is None:
            continue
        ahead = number - sequence.first
        if ahead and facts.first is not None:
            facts = replace(facts, start=str(Timecode.from_string(facts.start, FrameRate.of(facts.rate)) - ahead))
        return replace(facts, frames=sequence.span)
    return None


def _counted(facts: ClipFacts | None, rate: str | None) -> ClipFacts | None:
    """Facts that are kept, if they say enough: a rate, or one that the caller gives to a clip without timecode."""
    if facts is None or facts.rate or rate is None:
        return facts
    return None


def _looked_at(one: Wanted, rate: str | None) -> ClipFacts | None:
    """What a clip is, from the clip on its cartridge; None where that is not here, or can't be told."""
    holder: Holding | None = next((each for each in one.holders if each.address is not None), None)
    if holder is None or holder.address is None:
        return None
    try:
        with OpenTape(holder.address) as tape, tape.open_file(one.path) as source:
            return probed(source, rate)
    except FilmArchiveError:  # then it can't be restored either, and is told there
        return None

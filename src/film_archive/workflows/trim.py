"""Only what a timeline shows: media cut to the ranges that are used, handles beside them, and the timeline relinked to the cuts.

What a clip shows counts its speed and the transitions beside it. Ranges of one medium that touch once they have their
handles become one cut; what can't be cut without encoding it again goes in whole, and that is said. A cut's available
range lies in the time of its original, so that every source range of the timeline stays as it is and shows the same frames.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import PurePosixPath

from film_archive.archive import layout
from film_archive.bundles.urls import MEDIA, media_url
from film_archive.core.errors import Damaged, NotFound, NotSupported, OutOfRange, UsageError
from film_archive.core.handles import with_handles
from film_archive.core.records import Record
from film_archive.core.source import printable
from film_archive.core.timecode import FrameRange
from film_archive.editorial.event import TrimmedFrom
from film_archive.editorial.otio import Change, MediaReference, Relinked, Shortened
from film_archive.editorial.otio_layout import ClipReference, LaidClip, lay_out
from film_archive.editorial.otio_values import OtioRange, OtioTime
from film_archive.media.cutting.cuttable import Cuttable
from film_archive.workflows.clips import open_to_cut
from film_archive.workflows.gathering import Found
from film_archive.workflows.timelines import Joined


@dataclass(frozen=True, slots=True, kw_only=True)
class TrimmedMedium(Record):
    """A part of a medium that goes in instead of the whole."""

    path: str
    """The medium; of an image sequence its first file that is used."""
    member: str
    """The part's path in the bundle; of an image sequence that of its first image."""
    first_frame: int
    """Its first frame in the medium, from 0, handles counted in."""
    frames: int
    """How many it has."""
    used_frames: int
    """How many of them the timeline shows; the others are handles, or lie between two ranges that touch."""
    of_frames: int
    """How many the medium has."""


@dataclass(slots=True)
class _Use:
    """What clips show of a medium, through the references that lead to it."""

    shown: list[tuple[int, ClipReference, LaidClip]] = field(default_factory=list)
    """(the reference's place, the reference, its clip)."""
    is_whole: bool = False
    """Whether something needs all of it."""


@dataclass(frozen=True, slots=True)
class Part:
    """A run of frames that is cut out as one."""

    frames: FrameRange
    uses: tuple[tuple[int, FrameRange], ...]
    """(place of a reference, what its clip shows)."""

    @property
    def used(self) -> int:
        """How many of its frames are shown."""
        return len({frame for _, shown in self.uses for frame in shown})


def trim(joined: Joined, handles: int) -> tuple[Joined, tuple[TrimmedMedium, ...]]:
    """What was put together, with the parts that are used in place of whole media.

    Raises OutOfRange where a clip shows nothing that its media have, Damaged where the timeline can't be laid out.
    """
    return _Trimming(joined, handles).trimmed()


@dataclass(slots=True)
class _Trimming:
    joined: Joined
    handles: int
    changes: dict[int, Change] = field(init=False)
    notes: list[str] = field(default_factory=list)
    cuts: list[TrimmedMedium] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.changes = dict(self.joined.changes)

    def trimmed(self) -> tuple[Joined, tuple[TrimmedMedium, ...]]:
        """The whole of it."""
        uses = self._uses()
        sequences = self._sequences()
        in_sequences = {entry.member for images in sequences.values() for _, entry in images}
        entries: list[Found] = []
        for entry in self.joined.gathered.entries:
            if entry.member not in in_sequences:
                entries += self._file(entry, uses.get(entry.member, _Use()))
            elif entry.member in uses:  # an image that is referenced by itself, too
                entries.append(entry)
        for key, images in sequences.items():
            entries += self._images(images, uses.get(key, _Use()))
        singly = {entry.member: entry for entry in entries}
        gathered = replace(self.joined.gathered, entries=tuple(singly.values()))
        warnings = (*self.joined.warnings, *dict.fromkeys(self.notes))
        media = tuple(medium for medium in self.joined.media if medium.member in singly)
        joined = replace(self.joined, gathered=gathered, changes=self.changes, media=media, warnings=warnings)
        return joined, tuple(self.cuts)

    def _uses(self) -> dict[str, _Use]:
        """Member path (of a sequence its URL's beginning) → what is shown of it."""
        document = self.joined.document
        laid = lay_out(document.text.encode("utf-8", "surrogatepass"), printable(self.joined.cut.path))
        if laid.references != len(document.references):
            raise Damaged(
                f"{printable(self.joined.cut.path)} has objects with a key twice, so what it shows can't be told; bundle it "
                "without trimming."
            )
        places = [reference.place for reference in document.references]
        uses: dict[str, _Use] = {}
        seen = set()
        for clip in laid.clips():
            for each in clip.references:
                if each.number is not None:
                    place = places[each.number]
                    seen.add(place)
                    key = _key(self.joined.changes[place])
                    if key is not None:
                        uses.setdefault(key, _Use()).shown.append((place, each, clip))
        for reference in document.references:
            key = _key(self.joined.changes[reference.place])
            if key is not None and reference.place not in seen:
                uses.setdefault(key, _Use()).is_whole = True
        return uses

    # Files

    def _file(self, entry: Found, use: _Use) -> Iterator[Found]:
        """The cuts of a file, or the file."""
        if use.is_whole or not use.shown:
            yield entry
            return
        try:
            with open_to_cut(entry.path) as opened:
                clip = opened.clip
                cuts = self._cuts(clip, entry, use)
                if any(cut.frames.count == clip.frames for cut in cuts):
                    yield entry
                    return
                made = [clip.cut_bytes(cut.frames) for cut in cuts]
                for cut, each in zip(cuts, made, strict=True):
                    yield self._cut_file(entry, clip, cut, each.suffix, each.source.size, use)
        except (NotSupported, NotFound, UsageError, Damaged) as error:
            self.notes.append(f"{printable(entry.member)} goes in whole: {error}")
            yield entry

    def _cuts(self, clip: Cuttable, entry: Found, use: _Use) -> list[Part]:
        if clip.rate is None:
            raise NotSupported(f"{clip.name} does not say how many frames a second its timecode counts.")
        shown = []
        for place, reference, laid in use.shown:
            frames = _frames(clip, reference, laid)
            whole = frames.clamped(FrameRange(0, clip.frames))
            if whole.count == 0:
                raise OutOfRange(
                    f"{laid.name or 'A clip'} shows frames {frames.first} to {frames.end - 1} of {printable(entry.path)}, which "
                    f"has {clip.frames}; nothing was written."
                )
            if whole != frames:
                self.notes.append(f"{laid.name or 'a clip'} shows more than {printable(entry.path)} has; what is there goes in")
            shown.append((place, whole))
        return merged(shown, self.handles, clip.frames)

    def _cut_file(self, entry: Found, clip: Cuttable, cut: Part, suffix: str, size: int, use: _Use) -> Found:
        """A cut as what is archived; its references are changed to lead to it."""
        name = PurePosixPath(entry.member).name
        stem = PurePosixPath(name).stem
        named = layout.fitting_name(f"{stem}_f{cut.frames.first}-{cut.frames.end - 1}{suffix}")
        start = None if clip.start is None else str(clip.start)
        kept = TrimmedFrom(
            file=PurePosixPath(entry.path).name,
            size=entry.size,
            start_timecode=start,
            reel=clip.reel,
            frames=clip.frames,
            first_frame=cut.frames.first,
        ).to_json()
        assert clip.rate is not None
        for place, reference, laid in use.shown:
            if any(place == other for other, _ in cut.uses):
                origin = _origin(clip, reference, laid)
                available = _available(reference, laid, origin + cut.frames.first / clip.rate, cut.frames.count / clip.rate)
                self.changes[place] = Shortened(media_url(named), available, kept)
        self._tell(entry, f"{MEDIA}/{named}", cut, clip.frames)
        return replace(
            entry,
            member=f"{MEDIA}/{named}",
            name_bytes=None,
            size=size,
            first_frame=cut.frames.first,
            frames=cut.frames.count,
            clip_start=start,
            clip_start_rate=None if clip.start is None else str(clip.start.rate),
            reel=clip.reel,
        )

    def _tell(self, entry: Found, member: str, cut: Part, frames: int) -> None:
        self.cuts.append(
            TrimmedMedium(
                path=printable(entry.path),
                member=member,
                first_frame=cut.frames.first,
                frames=cut.frames.count,
                used_frames=cut.used,
                of_frames=frames,
            )
        )

    # Image sequences

    def _sequences(self) -> dict[str, list[tuple[MediaReference, Found]]]:
        """URL's beginning → its images in order, each with a reference that means it."""
        members = {entry.member: entry for entry in self.joined.gathered.entries}
        found: dict[str, dict[str, tuple[MediaReference, Found]]] = {}
        for reference in self.joined.document.references:
            change = self.joined.changes[reference.place]
            key, named = _key(change), reference.sequence
            if key is None or named is None or not isinstance(change, Relinked):
                continue
            numbers = named.numbers()
            wanted: Iterable[int] = () if numbers is None else numbers
            for number in wanted:
                member = f"{MEDIA}/{change.prefix}{named.digits(number)}{change.suffix}"
                if member in members:
                    found.setdefault(key, {})[member] = (reference, members[member])
        return {key: list(images.values()) for key, images in found.items()}

    def _images(self, images: Sequence[tuple[MediaReference, Found]], use: _Use) -> Iterator[Found]:
        """The images that are used, each a file; every reference to the sequence gets its own range of them."""
        if use.is_whole or any(each.available is None or clip.rate is None for _, each, clip in use.shown):
            yield from (entry for _, entry in images)
            return
        by_member = {entry.member: entry for _, entry in images}
        wanted: dict[str, Found] = {}
        for place, each, clip in use.shown:
            assert each.reference is not None
            named, available = each.reference.sequence, each.available
            change = self.joined.changes[place]
            assert named is not None
            assert available is not None
            assert isinstance(change, Relinked)
            count = named.count or 0
            if count == 0 or available.duration.seconds <= 0:
                continue
            rate = Fraction(count) / available.duration.seconds
            shown = _at_rate(clip, available.start.seconds, rate).clamped(FrameRange(0, count))
            if shown.count == 0:
                raise OutOfRange(
                    f"{clip.name or 'A clip'} shows none of the {count} images of {printable(each.reference.pattern)}; nothing "
                    "was written."
                )
            frames = with_handles(shown, self.handles, count)
            numbers = named.numbers()
            assert numbers is not None
            for number in numbers[frames.first : frames.end]:
                member = f"{MEDIA}/{change.prefix}{named.digits(number)}{change.suffix}"
                if member in by_member:
                    wanted[member] = by_member[member]
            if frames.count < count:
                own = _available(each, clip, available.start.seconds + frames.first / rate, frames.count / rate)
                kept = {"frames": count, "first_frame": frames.first}
                self.changes[place] = Shortened(change.url, own, kept, change.prefix, numbers[frames.first])
                first = next((entry for member, entry in wanted.items() if member in by_member), None)
                if first is not None:
                    self._tell(first, first.member, Part(frames, ((place, shown),)), count)
        yield from wanted.values()


def _key(change: Change) -> str | None:
    """What a reference leads to under `media/`: a member, or of a sequence its images' common beginning and end."""
    if not isinstance(change, Relinked):
        return None
    return change.url if change.prefix is None else f"{change.url}{change.prefix}\0{change.suffix}"


def merged(shown: Iterable[tuple[int, FrameRange]], handles: int, frames: int) -> list[Part]:
    """Ranges, each with a number to know it by, with their handles, as far as the clip has those; those that touch are one."""
    cuts: list[Part] = []
    for place, used in sorted(shown, key=lambda each: (each[1].first, each[1].end)):
        wide = with_handles(used, handles, frames)
        if cuts and wide.first <= cuts[-1].frames.end:
            last = cuts.pop()
            together = FrameRange(last.frames.first, max(last.frames.end, wide.end))
            cuts.append(Part(together, (*last.uses, (place, used))))
        else:
            cuts.append(Part(wide, ((place, used),)))
    return cuts


def _frames(clip: Cuttable, reference: ClipReference, laid: LaidClip) -> FrameRange:
    """The frames of a medium, from 0, that a clip shows; before its beginning there are none, so those are cut off."""
    if laid.rate is None:
        return FrameRange(0, clip.frames)
    assert clip.rate is not None
    return _at_rate(laid, _origin(clip, reference, laid), clip.rate)


def _at_rate(laid: LaidClip, origin: Fraction, rate: Fraction) -> FrameRange:
    """Frames counted from a time on. A thousandth of a frame is what decimals for rates and times may be off by."""
    first = math.floor((laid.begin - origin) * rate + Fraction(1, 1000))
    end = math.ceil((laid.end - origin) * rate - Fraction(1, 1000))
    first = max(0, first)
    return FrameRange(first, max(first, end))


def _origin(clip: Cuttable, reference: ClipReference, laid: LaidClip) -> Fraction:
    """The second of the timeline's media time at which the medium begins.

    That is its start timecode, or 0, or where its available range begins: the first of these by which the range that the
    timeline gives lies inside the medium.
    """
    assert clip.rate is not None
    available, half = reference.available, Fraction(1, 2) / clip.rate
    length = clip.frames / Fraction(clip.rate)
    begin, end = laid.begin, laid.end
    if available is not None:
        begin, end = available.start.seconds, available.start.seconds + available.duration.seconds
    candidates = [Fraction(0)] if available is None else [Fraction(0), available.start.seconds]
    if clip.start is not None:
        candidates.insert(0, Fraction(clip.start.total_frames) / clip.start.rate)
    for candidate in candidates:
        if candidate - half <= begin and end <= candidate + length + half:
            return candidate
    near = [candidate for candidate in candidates if candidate < laid.end and laid.begin < candidate + length]
    return near[0] if near else candidates[0]


def _available(reference: ClipReference, laid: LaidClip, begin: Fraction, length: Fraction) -> OtioRange:
    """A cut's range in media time, counted as the original's was."""
    counted = None if reference.available is None else reference.available.start.rate
    rate = counted or laid.rate
    assert rate is not None
    return OtioRange(OtioTime(begin * rate, rate), OtioTime(length * rate, rate))


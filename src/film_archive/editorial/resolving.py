"""What a list's labels count to: frames of source and record, once a rate is known. Defined here and only here.

The rate is the caller's, or the list's own where the format carries one; never a guess. A list whose labels do not all
exist at that rate is still read: each event says what is wrong with it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from film_archive.core.errors import InvalidTimecode, RateUnknown
from film_archive.core.timecode import FrameRate, RateLike, Timecode, frames_per_day, parse_timecode
from film_archive.editorial.channels import tracks_of
from film_archive.editorial.counting import Counting
from film_archive.editorial.event import EditList, Event

_FRAME_NUMBER = re.compile(r"\d{1,9}", re.ASCII)

AS_PLAYED = "as_played_at_speed"
AS_NORMAL = "as_if_normal_speed"
NEITHER = "neither"


@dataclass(frozen=True, slots=True)
class Span:
    """Frames since midnight, half-open. `end` may pass the day's end where the range runs over midnight."""

    first: int
    end: int
    rate: FrameRate
    drop: bool

    @property
    def count(self) -> int:
        return self.end - self.first

    @property
    def day(self) -> int:
        return frames_per_day(self.rate.nominal, self.drop)

    @property
    def crosses_midnight(self) -> bool:
        return self.end > self.day

    @property
    def start_label(self) -> Timecode:
        return Timecode.from_frame(self.first, self.rate, self.drop)

    @property
    def end_label(self) -> Timecode:
        if self.end == self.day:
            return Timecode(24, 0, 0, 0, self.rate, self.drop)
        return Timecode.from_frame(self.end, self.rate, self.drop)


@dataclass(frozen=True, slots=True)
class Resolved:
    """An event whose labels are counted. What does not exist at the rate is None, and `problems` says why."""

    event: Event
    source: Span | None
    record: Span | None
    speed: Fraction
    """Source frames for each record frame: 1 is normal, 0 a freeze, below 0 backwards."""
    written: str | None = None
    """With a speed: how the source range is written, one of AS_PLAYED, AS_NORMAL, NEITHER."""
    tail: int = 0
    """Record frames that a following transition shows of this source after its written end."""
    continues: int | None = None
    """For the line of no length before a transition: the place in the list of the event whose end it repeats."""
    problems: tuple[str, ...] = ()
    called: str | None = None
    """For the outgoing line of a transition, which has no comments of its own: the FROM CLIP NAME behind the pair."""

    @property
    def _frames_per_frame(self) -> Fraction:
        """Source frames for a record frame at normal speed: 1 but where the two sides count at different rates."""
        if self.source is None or self.record is None or self.source.rate.nominal == self.record.rate.nominal:
            return Fraction(1)
        return self.source.rate / self.record.rate

    @property
    def needed(self) -> Span | None:
        """The source frames that playing the event takes, the tail of a transition among them; None where unknown.

        Backwards, programs write the source in three ways that can't be told apart, so that all of them are covered: the
        range as it is in the media, its last frame with a length of one (Avid), its last frame with the range's length
        (Final Cut Pro 7). What passes the media's ends is then cut off against the media.
        """
        if self.source is None:
            return None
        source, ratio = self.source, abs(self.speed) * self._frames_per_frame
        shown = self.tail + (self.record.count if self.record is not None else 0)
        if self.speed == 1 or self.record is None:
            return replace(source, end=source.end + math.ceil(self.tail * ratio))
        if self.speed == 0:
            return replace(source, end=source.first + 1)
        if self.speed > 0:
            frames = source.count + math.ceil(self.tail * ratio)
            if self.written != AS_PLAYED:
                frames = max(frames if self.written == NEITHER else 0, math.ceil(shown * ratio))
            return replace(source, end=source.first + frames)
        if self.event.source_range is not None:  # an exact format's range is as it is in the media
            return replace(source, first=max(0, source.first - math.ceil(self.tail * ratio)))
        frames = math.ceil(shown * ratio)
        if self.written == AS_PLAYED and source.count > 1:
            return replace(source, first=max(0, source.first - frames), end=max(source.end, source.first + 2))
        return replace(source, first=max(0, source.first - frames), end=source.first + 2)

    @property
    def has_media(self) -> bool:
        """Whether frames of a source are shown."""
        needed = self.needed
        shows = not self.event.is_black and not self.event.is_generated
        return shows and needed is not None and needed.count > 0


@dataclass(frozen=True, slots=True)
class ResolvedList:
    """A list's events with their frames, in the list's order."""

    edits: EditList
    counting: Counting
    events: tuple[Resolved, ...]

    def __iter__(self) -> Iterator[Resolved]:
        return iter(self.events)

    def __len__(self) -> int:
        return len(self.events)


def resolve(edits: EditList, rate: RateLike | None = None) -> ResolvedList:
    """Count a list's labels at a rate, or at the list's own. Raises RateUnknown where there is neither."""
    if rate is not None:
        counting = Counting.of(rate)
    elif edits.rate is not None:
        counting = Counting(edits.rate, edits.drop_frame)
    else:
        raise RateUnknown(
            "The list does not say its frame rate; give it, like --rate 24, --rate 23.976 or --rate 29.97df."
        )
    return ResolvedList(edits, counting, tuple(_with_tails([_resolved(event, counting) for event in edits])))


def span_of(first: str, end: str, rate: FrameRate, drop: bool | None) -> tuple[Span, tuple[str, ...]]:
    """The frames between two labels as they are written, and what was odd; an end before the start lies after midnight.

    Frame numbers are taken as they are. Drop-frame without `drop` is what `;` or `,` says. Raises InvalidTimecode where
    a label does not exist at the rate, or where the end lies before the start and midnight does not explain it.
    """
    notes: list[str] = []
    if drop is None:
        drop = any(sign in first + end for sign in ";,")
    if drop and not rate.can_drop:
        notes.append(f"there is no drop-frame at {rate.text}; {first} is counted as non-drop (is the rate right?)")
        drop = False
    if _FRAME_NUMBER.fullmatch(first) and _FRAME_NUMBER.fullmatch(end):
        span = Span(int(first), int(end), rate, drop)
        if span.count < 0:
            raise InvalidTimecode(f"The range from frame {first} to {end} ends before it begins.")
        return span, ()
    start, stop = (parse_timecode(text, rate, drop, out=text is end) for text in (first, end))
    notes += [*start.diagnostics, *stop.diagnostics] if drop or rate.can_drop else []
    begin, finish = start.timecode.total_frames, stop.timecode.total_frames
    day = frames_per_day(rate.nominal, drop)
    if finish < begin:
        finish += day
        if finish - begin > day // 2:
            raise InvalidTimecode(f"The out point {end} lies before the in point {first}.")
    return Span(begin, finish, rate, drop), tuple(notes)


def _resolved(event: Event, counting: Counting) -> Resolved:
    problems: list[str] = []
    source = _span(event.source_in, event.source_out, event.source_rate, event, counting, "source", problems)
    record = None
    if event.record_in is not None and event.record_out is not None:
        record = _span(event.record_in, event.record_out, event.record_rate, event, counting, "record", problems)
    rate = event.source_rate or counting.rate
    speed = Fraction(1) if event.speed is None else event.speed.ratio_at(rate)
    written = None
    if event.speed is not None and source is not None and record is not None:
        exact = event.source_range is not None
        written = AS_PLAYED if exact else _written(source.count, record.count, speed, rate)
        if written == NEITHER and speed > 0:
            needs = f"{math.ceil(record.count * speed)} frames"
            problems.append(f"source {source.count} f fits neither normal speed nor {float(speed):.4g} times ({needs})")
    elif source is not None and record is not None and event.source_range is None and source.count != record.count:
        problems.append(f"source {source.count} f != record {record.count} f without M2")
    return Resolved(event, source, record, speed, written, problems=tuple(problems))


def _span(
    first: str, end: str, own: FrameRate | None, event: Event, counting: Counting, side: str, problems: list[str]
) -> Span | None:
    rate = own or counting.rate
    drop = counting.drop if own is None or own == counting.rate else None
    if drop is None and not any(sign in first + end for sign in ";,"):
        drop = bool(event.drop_frame) and rate.can_drop
    try:
        span, notes = span_of(first, end, rate, drop)
    except InvalidTimecode as error:
        problems.append(f"{side}: {error}")
        return None
    problems += [f"{side}: {note}" for note in notes]
    return span


def _written(source: int, record: int, speed: Fraction, rate: FrameRate) -> str:
    """How a source range goes with a speed. M2 has one decimal, so lengths may differ by what that rounds away."""
    tolerance = Fraction(1, 20 * rate.nominal) * record + 1
    if speed == 0 and source in (0, 1, record):
        return AS_PLAYED
    if abs(source - record * abs(speed)) <= tolerance:
        return AS_PLAYED
    return AS_NORMAL if source == record else NEITHER


def _with_tails(events: list[Resolved]) -> list[Resolved]:
    """Give each transition's frames to the event that goes out in it.

    That is the line before of the same number, else what ended on the same track where the transition begins. Where that
    line has no length and repeats the end of the event before it, the frames belong to that event.
    """
    tails = [0] * len(events)
    continues: dict[int, int] = {}
    called: dict[int, str | None] = {}
    ended: dict[tuple[str, str], int] = {}
    for place, each in enumerate(events):
        event = each.event
        keys = [(track, event.record_in or "") for track in tracks_of(event)]
        before = next((ended[key] for key in keys if key in ended), None)
        if event.transition_duration and not event.transition.startswith("K"):
            outgoing = _outgoing(events, place, before)
            if outgoing is not None:
                owner = continues.get(outgoing, outgoing)
                tails[owner] = max(tails[owner], event.transition_duration)
                if events[outgoing].event.event == event.event:
                    called[outgoing] = event.from_clip_name
        elif before is not None and _repeats_end(each, events[before]):
            continues[place] = continues.get(before, before)
        for track in tracks_of(event):
            ended[track, event.record_out or ""] = place
    return [
        replace(each, tail=tails[place], continues=continues.get(place), called=called.get(place))
        for place, each in enumerate(events)
    ]


def _outgoing(events: list[Resolved], place: int, before: int | None) -> int | None:
    if place and events[place - 1].event.event == events[place].event.event:
        previous = events[place - 1].event
        if previous.record_out == events[place].event.record_in:
            return place - 1
    return before


def _repeats_end(line: Resolved, before: Resolved) -> bool:
    one, other = line.event, before.event
    return (
        one.source_in == one.source_out == other.source_out
        and one.record_in == one.record_out == other.record_out
        and one.reel == other.reel
        and not one.is_black
    )

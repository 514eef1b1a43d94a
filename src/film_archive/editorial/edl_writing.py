"""Writing CMX3600: the lines of an EDL, and what an EDL can't say.

Lists that were EDLs keep their comments as they are. Others get the comments that say their clip names, files, colour and
markers, and two lines for a transition. Layout: number (3 or more digits), reel, channels, transition, its duration in three
digits, four timecodes (CMX 3400/3600 manual, "EDL format").
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from film_archive.core.timecode import frame_digits
from film_archive.editorial.channels import shows_picture, tracks_of
from film_archive.editorial.event import ColorDecision, Event, Marker, Speed
from film_archive.editorial.export import Export, Losses, with_record
from film_archive.editorial.resolving import Resolved, ResolvedList

REEL_WIDTHS = (8, 16, 32, 128)
"""What programs call "CMX3600", "file16", "file32" and "file128" lists."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_NUMBER = re.compile(r"\d{1,6}", re.ASCII)
_CHANNELS = re.compile(r"\S{1,8}")
_WIDEST = 3200


def write_edl(events: ResolvedList, *, reel_width: int | None = 32, title: str | None = None) -> Export:
    """An EDL in UTF-8, lines ending in LF. Reels are cut at `reel_width`; None leaves them as they are."""
    losses = Losses()
    writing = _Writing(events, reel_width, losses)
    lines = [f"TITLE: {_line(title or events.edits.title or 'UNTITLED')}"]
    if events.edits.format == "edl":
        lines += [line.text for line in events.edits.header if not _is_own(line.text)]
    lines += writing.lines(with_record(events, losses))
    return Export(("\n".join(lines) + "\n").encode(), tuple(losses.found))


def _is_own(text: str) -> bool:
    return text[:6].upper() == "TITLE:" or text[:4].upper() == "FCM:"


def _line(text: str) -> str:
    """Text that stays on one line."""
    return _CONTROL.sub(" ", text).strip()[:_WIDEST]


def _narrow(reel: str, width: int) -> str:
    return "_".join(reel.split())[:width]


@dataclass(slots=True)
class _Writing:
    events: ResolvedList
    width: int | None
    losses: Losses
    mode: bool | None = None
    """The frame code mode that the last FCM line said."""
    reels: dict[str, str] = field(default_factory=dict)
    """Reel as it is written → the reel that it stands for."""

    def lines(self, events: list[Resolved]) -> Iterator[str]:
        verbatim = self.events.edits.format == "edl"
        numbered = all(_NUMBER.fullmatch(each.event.event) for each in events)
        self._picture_tracks(events)
        digits = max(3, len(str(len(events))))
        for place, each in enumerate(events):
            event = each.event
            if event.record_in is None or event.record_out is None:
                self.losses.event(each, "it has no place in record; it is left out")
                continue
            number = event.event if numbered else f"{place + 1:0{digits}d}"
            drop = event.drop_frame if verbatim else self._drops(event)
            if drop is not None and drop != self.mode:
                self.mode = drop
                yield f"FCM: {'DROP' if drop else 'NON-DROP'} FRAME"
            reel = self._reel(each)
            if event.transition != "C" and not verbatim:
                yield self._outgoing(events, place, number)
            yield self._event_line(each, number, reel)
            if event.speed is not None:
                yield self._speed_line(each, event.speed, reel)
            if verbatim:
                yield from (line.text for line in event.comments)
            else:
                yield from self._comments(each, numbered)

    def _drops(self, event: Event) -> bool:
        return any(";" in label for label in (event.record_in or "", event.source_in))

    def _picture_tracks(self, events: Iterable[Resolved]) -> None:
        tracks = {tracks_of(each.event)[0] for each in events if shows_picture(each.event) and tracks_of(each.event)}
        if len(tracks) > 1:
            self.losses.once(
                f"an EDL has one picture track and the list {len(tracks)}; their events lie over each other"
            )

    def _event_line(self, each: Resolved, number: str, reel: str) -> str:
        event = each.event
        channels = event.channels or "V"
        if _CHANNELS.fullmatch(channels) is None:
            self.losses.event(each, f"its channels {channels[:40]!r} can't be written; NONE stands for them")
            channels = "NONE"
        transition = {"KB": "K B", "KO": "K O"}.get(event.transition, event.transition)
        duration = f"{event.transition_duration:03d}" if event.transition not in ("C", "KB") else ""
        if event.transition == "C" and event.transition_duration:
            duration = f"{event.transition_duration:03d}"
        self._different_rate(each)
        times = f"{event.source_in} {event.source_out} {event.record_in} {event.record_out}"
        rest = f" {event.rest}" if event.rest else ""
        return f"{number:<3}  {reel:<8} {channels:<5} {transition:<4} {duration:>3} {times}{rest}"

    def _different_rate(self, each: Resolved) -> None:
        if each.source is not None and each.source.rate.nominal != self.events.counting.rate.nominal:
            rate, own = each.source.rate.text, self.events.counting.rate.text
            self.losses.event(each, f"its source counts at {rate}, and an EDL has one rate ({own})")

    def _outgoing(self, events: list[Resolved], place: int, number: str) -> str:
        """The first line of a transition: of no length, where the outgoing side is at its beginning; else black."""
        event = events[place].event
        cut = f"{event.record_in} {event.record_in}"
        channels = event.channels or "V"
        for other in reversed(events[max(0, place - 64) : place]):
            ends = other.event.record_out == event.record_in and other.event.track == event.track
            if ends and other.source is not None:
                reel, out = self._reel(other), other.event.source_out
                return f"{number:<3}  {reel:<8} {channels:<5} C        {out} {out} {cut}"
        zero = f"00:00:00:{'0' * frame_digits(self.events.counting.rate.nominal)}"
        return f"{number:<3}  {'BL':<8} {channels:<5} C        {zero} {zero} {cut}"

    def _reel(self, each: Resolved) -> str:
        """The reel column: the reel, else AX; cut to the width, and said where two become one."""
        event = each.event
        full = _line(event.reel or ("BL" if event.is_black else "AX"))
        reel = (full if self.width is None else _narrow(full, self.width)) or "AX"
        other = self.reels.setdefault(reel, full)
        if other != full:
            self.losses.event(each, f"its reel {full[:60]!r} becomes {reel!r}, as {other[:60]!r} did")
            self.reels[reel] = full
        return reel

    def _speed_line(self, each: Resolved, speed: Speed, reel: str) -> str:
        """M2 has one decimal of source frames a second."""
        rate = each.source.rate if each.source is not None else self.events.counting.rate
        per_second = speed.frames_per_second
        if per_second is None:
            per_second = speed.ratio_at(rate) * rate.nominal
        tenths = round(per_second * 10)
        if Fraction(tenths, 10) != per_second:
            self.losses.event(each, f"its speed of {float(per_second):.5g} frames a second is rounded to {tenths / 10}")
        if abs(tenths) > 99_999:
            self.losses.event(each, "its speed is too high for an M2 line")
        sign = "-" if tenths < 0 else ""
        text = f"{sign}{abs(tenths) // 10:03d}.{abs(tenths) % 10}"
        if speed.line is not None:  # as it was: programs put more into it
            return speed.line.text
        return f"M2   {reel:<8}     {text:>6}                {each.event.source_in}"

    def _comments(self, each: Resolved, numbered: bool) -> Iterator[str]:
        """What an event says beyond its columns."""
        event = each.event
        if not numbered:
            yield f"* EVENT: {_line(event.event)}"
        for words, text in (
            ("FROM CLIP NAME", event.from_clip_name),
            ("TO CLIP NAME", event.to_clip_name),
            ("KEY CLIP NAME", event.key_clip_name),
            ("SOURCE FILE", event.source_file),
        ):
            if text and _line(text):
                yield f"* {words}: {_line(text)}"
        full = _line(event.reel or "")
        if full and self.width is not None and len(full) > self.width and not event.is_black:
            yield f"* REEL {_narrow(full, self.width)} IS CLIP {full}"
        yield from _color(event.color)
        for marker in event.markers:
            yield from self._marker(each, marker)
        for line in event.comments:
            yield from (f"* {_line(text).lstrip('* ')}" for text in line.text.splitlines() if _line(text))

    def _marker(self, each: Resolved, marker: Marker) -> Iterator[str]:
        text = " ".join(_line(part) for part in (marker.name or "", marker.text) if _line(part))
        timecode = marker.timecode or each.event.record_in
        yield f"* LOC: {timecode} {_line(marker.color or 'WHITE').replace(' ', '_'):<7} {text}".rstrip()


def _color(color: ColorDecision | None) -> Iterator[str]:
    if color is None:
        return
    if color.slope is not None and color.offset is not None and color.power is not None:
        groups = (color.slope, color.offset, color.power)
        yield "*ASC_SOP " + "".join(f"({' '.join(format(number, 'f') for number in group)})" for group in groups)
    if color.saturation is not None:
        yield f"*ASC_SAT {color.saturation:f}"

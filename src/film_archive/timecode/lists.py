"""From an edit list's text to the source ranges that it uses."""

from __future__ import annotations

import warnings

from film_archive.core.errors import InvalidTimecode, RateUnknown, UsageError
from film_archive.core.timecode import FrameRate, RateLike, TimecodeRange, parse_rate
from film_archive.editorial.edl import read_edl
from film_archive.editorial.event import Diagnostic, Event
from film_archive.editorial.resolving import span_of


def parse_edl_timecodes(text: str, frame_rate: RateLike | None = None) -> list[TimecodeRange]:
    """The source ranges of an EDL's events, in the order of the list, ends exclusive, without handles.

    Drop-frame is what the rate says ("29.97df"), else a `;` in the timecode, else the list's FCM line. Black and lines
    of no length (the first of a dissolve) have no range. Each line that can't be read, and each event whose timecodes
    do not exist at this rate, is left out with a UserWarning that gives its number; `editorial.edl.read_edl` keeps
    everything. Raises RateUnknown without a rate: a list carries none.
    """
    if frame_rate is None:
        raise RateUnknown(
            "An EDL does not say its frame rate; give it: parse_edl_timecodes(text, frame_rate=24) "
            '(or 25, 23.976, "29.97df", Fraction(30000, 1001), …).'
        )
    rate, drop = parse_rate(frame_rate) if isinstance(frame_rate, str) else (FrameRate.of(frame_rate), None)
    edits = read_edl(text)
    odd = list(edits.diagnostics)
    ranges = []
    for event in edits:
        if not event.has_media:
            continue
        try:
            ranges.append(_source_range(event, rate, drop))
        except (InvalidTimecode, UsageError) as error:
            odd.append(Diagnostic(event.line, f"event {event.event} is left out: {error}"))
    for diagnostic in sorted(odd, key=lambda each: each.line):
        warnings.warn(f"EDL {diagnostic}", stacklevel=2)
    return ranges


def _source_range(event: Event, rate: FrameRate, drop: bool | None) -> TimecodeRange:
    if drop is None and not any(sign in event.source_in + event.source_out for sign in ";,"):
        drop = bool(event.drop_frame) and rate.can_drop
    span, _ = span_of(event.source_in, event.source_out, rate, drop)
    return TimecodeRange(span.start_label, span.end_label)

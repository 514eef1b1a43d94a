"""A frame's place in a member: its bytes, time and timecode, and from which byte on a decoder has to be fed."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from film_archive.core.errors import OutOfRange
from film_archive.core.facts import MediaFacts
from film_archive.core.frame_index import FrameIndex
from film_archive.core.timecode import Timecode


@dataclass(frozen=True, slots=True, kw_only=True)
class FramePlace:
    """Where frame `frame_number` is (counted from 0 in the order shown); offsets are bytes of the member itself."""

    frame_number: int
    offset: int
    size: int
    time: Fraction
    """Seconds from the first frame."""
    timecode: Timecode | None
    """None where the media has no start timecode."""
    is_keyframe: bool
    keyframe_number: int
    """The frame to start decoding from: itself for intra media; -1 where that one is not shown (pre-roll)."""
    keyframe_offset: int
    start_byte: int
    """With `end_byte` (inclusive, as in a StreamRequest): all picture bytes that showing the frame takes."""
    end_byte: int
    packets: int
    """How many packets have to be decoded, the frame's own included."""


def locate(index: FrameIndex, number: int, facts: MediaFacts | None = None) -> FramePlace:
    """The place of a frame; raises OutOfRange where there is no such frame. `facts` give the timecode."""
    frame = index.frame(number)
    key = index.keyframe_before(number)
    assert index.video is not None
    run = slice(key.position, frame.position + 1)
    start = facts.start_timecode if facts is not None else None
    return FramePlace(
        frame_number=number,
        offset=frame.offset,
        size=frame.size,
        time=Fraction(frame.time) / index.video.timescale,
        timecode=None if start is None else start + number,
        is_keyframe=frame.key,
        keyframe_number=key.number,
        keyframe_offset=key.offset,
        start_byte=int(index.video.offsets[run].min()),
        end_byte=int((index.video.offsets[run] + index.video.sizes[run]).max()) - 1,
        packets=frame.position - key.position + 1,
    )


def frame_at_byte(index: FrameIndex, byte: int) -> int:
    """The number of the shown frame that a byte of the member belongs to; raises OutOfRange where it is no frame's."""
    if index.video is not None:
        offsets = index.video.offsets[index.shown]
        hits = np.flatnonzero((offsets <= byte) & (byte < offsets + index.video.sizes[index.shown]))
        if len(hits):
            return int(hits[0])
    raise OutOfRange(f"Byte {byte} belongs to no frame that is shown: to sound, to an index, or to nothing.")

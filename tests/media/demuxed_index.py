"""A frame index made the slow way, by demuxing every packet: the oracle that the decoding tests number frames with."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from film_archive.core.frame_index import FrameIndex, Packets
from film_archive.core.source import ByteSource
from film_archive.core.timecode import FrameRate
from film_archive.media.av.opening import open_source


def demuxed_index(source: ByteSource, hidden: int = 0) -> FrameIndex:
    """The index of the first video track; the first `hidden` frames in display order are pre-roll."""
    with open_source(source, options={"ignore_editlist": "1"}) as opened:
        stream = opened.streams.video[0]
        packets = [packet for packet in opened.demux(stream) if packet.size]
        times = np.array([packet.pts for packet in packets], np.int64)
        end = int(times.max()) + int(packets[-1].duration or 1)
        zero = int(np.sort(times)[hidden])
        return FrameIndex(
            Packets(
                np.array([packet.pos or 0 for packet in packets], np.int64),
                np.array([packet.size for packet in packets], np.int64),
                times - zero,
                end - zero,
                1 / Fraction(stream.time_base),
            ),
            np.array([packet.is_keyframe for packet in packets], np.bool_),
            FrameRate.of(Fraction(stream.average_rate or stream.base_rate or 25)),
        )


def ending_at(index: FrameIndex, frames: int) -> FrameIndex:
    """The same index with only the first `frames` frames shown."""
    assert index.video is not None
    end = int(index.video.times[index.shown[frames]])
    return replace(index, video=replace(index.video, end=end))

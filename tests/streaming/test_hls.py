"""Playlists against a slow reading of RFC 8216, over made-up fragments."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import pairwise
from math import ceil

import pytest

pytest.importorskip("hypothesis")

from hypothesis import given
from hypothesis import strategies as st

from film_archive.streaming.fragments import FragmentIndex
from film_archive.streaming.hls import (
    TARGET,
    Rendition,
    average_bandwidth,
    bandwidth,
    master_playlist,
    media_playlist,
    segments,
)

SAME = 'CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=854x480,FRAME-RATE=23.976,CLOSED-CAPTIONS=NONE'
RATES = [Fraction(24000, 1001), Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(60000, 1001), Fraction(120)]


def index_of(frames: list[int], sizes: list[int], rate: Fraction, init: int = 1000) -> FragmentIndex:
    """Fragments of so many frames and bytes."""
    offsets, numbers = [init], [0]
    for count, size in zip(frames, sizes, strict=True):
        numbers.append(numbers[-1] + count)
        offsets.append(offsets[-1] + size)
    step = rate.denominator
    return FragmentIndex(
        init=init,
        offsets=tuple(offsets),
        times=tuple(number * step for number in numbers),
        frames=tuple(numbers),
        timescale=Fraction(rate.numerator),
        codecs="avc1.64001f,mp4a.40.2",
        width=854,
        height=480,
        shortest=step,
        vfr=False,
        size=offsets[-1],
    )


indexes = st.builds(
    lambda parts, rate: index_of([count for count, _ in parts], [size for _, size in parts], rate),
    st.lists(st.tuples(st.integers(1, 48), st.integers(100, 1_000_000)), min_size=1, max_size=60),
    st.sampled_from(RATES),
)


@given(indexes)
def test_segments_tile_the_file_and_the_time(index: FragmentIndex) -> None:
    found = segments(index)
    assert found[0].offset == index.init
    for one, following in pairwise(found):
        assert following.offset == one.offset + one.length
        assert following.offset in index.offsets, "a segment begins with a fragment"
    assert found[-1].offset + found[-1].length == index.offsets[-1]
    assert sum(segment.seconds for segment in found) == index.duration


@pytest.mark.parametrize("rate", RATES)
def test_segments_last_about_four_seconds(rate: Fraction) -> None:
    count = int(rate * 60) // 12
    found = segments(index_of([12] * count, [1000] * count, rate))
    longest = Fraction(12) / rate
    assert all(abs(segment.seconds - TARGET) <= longest for segment in found[:-1])
    assert found[-1].seconds <= TARGET + 1 + longest
    position = Fraction(0)
    for number, segment in enumerate(found[:-1], 1):
        position += segment.seconds
        assert abs(position - number * TARGET) <= longest / 2, "it does not drift"


@given(indexes)
def test_media_playlist_by_the_rules(index: FragmentIndex) -> None:
    lines = media_playlist(Rendition(index, "/hls/a.m3u8", "/media/a%20b.mp4")).splitlines()
    assert lines[0] == "#EXTM3U"
    assert lines[-1] == "#EXT-X-ENDLIST"
    assert f'#EXT-X-MAP:URI="/media/a%20b.mp4",BYTERANGE="{index.init}@0"' in lines
    target = int(next(line.partition(":")[2] for line in lines if line.startswith("#EXT-X-TARGETDURATION:")))
    durations = [Fraction(match) for line in lines for match in re.findall(r"^#EXTINF:([\d.]+),$", line)]
    assert all(round(seconds) <= target for seconds in durations)
    assert abs(sum(durations) - index.duration) <= Fraction(1, 1_000_000)
    ranges = [tuple(map(int, line.partition(":")[2].split("@"))) for line in lines if line.startswith("#EXT-X-BYTERANGE:")]
    position = index.init
    for length, offset in ranges:
        assert offset == position
        position += length
    assert position == index.offsets[-1]
    assert len(ranges) == len(durations) == sum(line == "/media/a%20b.mp4" for line in lines)


@given(indexes)
def test_bandwidth_is_the_peak_of_all_runs_of_about_a_target(index: FragmentIndex) -> None:
    found = segments(index)
    target = max(1, *(int(segment.seconds + Fraction(1, 2)) for segment in found))
    runs = [found[first:last] for first in range(len(found)) for last in range(first + 1, len(found) + 1)]
    rates = []
    for run in runs:
        seconds = sum((segment.seconds for segment in run), Fraction(0))
        if Fraction(target, 2) <= seconds <= Fraction(3 * target, 2):
            rates.append(8 * sum(segment.length for segment in run) / seconds)
    if index.duration < Fraction(target, 2):
        rates.append(Fraction(average_bandwidth(index)))
    assert bandwidth(index) == ceil(max(rates, default=Fraction(0)))
    assert bandwidth(index) >= average_bandwidth(index) or len(found) > 1


def test_master_playlist() -> None:
    small = Rendition(index_of([12] * 40, [20_000] * 40, RATES[0]), "/hls/clip/thumbnail.m3u8", "/media/t.mp4")
    large = Rendition(index_of([12] * 40, [90_000] * 40, RATES[0]), "/hls/clip/preview.m3u8", "/media/p.mp4")
    assert master_playlist([large, small]).splitlines() == [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        f"#EXT-X-STREAM-INF:BANDWIDTH={bandwidth(small.fragments)},AVERAGE-BANDWIDTH=319681,{SAME}",
        "/hls/clip/thumbnail.m3u8",
        f"#EXT-X-STREAM-INF:BANDWIDTH={bandwidth(large.fragments)},AVERAGE-BANDWIDTH=1438562,{SAME}",
        "/hls/clip/preview.m3u8",
    ]

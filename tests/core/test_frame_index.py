"""The frame index: what is shown when, what has to be decoded for it, and its stored form against hostile bytes."""

from __future__ import annotations

import random
import tracemalloc
import zlib
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

pytest.importorskip("hypothesis")

from hypothesis import given, settings
from hypothesis import strategies as st

from film_archive.core.errors import Damaged, OutOfRange
from film_archive.core.frame_index import AudioIndex, FrameIndex, Packets
from film_archive.core.timecode import FrameRange, FrameRate


def packets(offsets: Any, sizes: Any, times: Any, end: int, timescale: Fraction | int = 24) -> Packets:
    return Packets(np.asarray(offsets), np.asarray(sizes), np.asarray(times), end, Fraction(timescale))


def picture(times: list[int], keys: str, *, end: int | None = None, timescale: Fraction | int = 24) -> FrameIndex:
    """A picture track alone; `keys` has a K for each keyframe, in decode order."""
    count = len(times)
    track = packets(np.arange(count) * 100, np.full(count, 100), times, count if end is None else end, timescale)
    return FrameIndex(track, np.array([sign == "K" for sign in keys]), FrameRate(24))


def assert_same(one: FrameIndex, other: FrameIndex) -> None:
    assert (one.video is None) == (other.video is None)
    assert np.array_equal(one.keys, other.keys)
    assert (one.rate, one.diagnostics, len(one.audio)) == (other.rate, other.diagnostics, len(other.audio))
    tracks = [(one.video, other.video)] if one.video is not None else []
    for ours, theirs in zip(one.audio, other.audio, strict=True):
        assert (ours.sample_rate, ours.channels, ours.frame_bytes, ours.codec) == (
            theirs.sample_rate,
            theirs.channels,
            theirs.frame_bytes,
            theirs.codec,
        )
        tracks.append((ours.packets, theirs.packets))
    for mine, yours in tracks:
        assert mine is not None
        assert yours is not None
        assert (mine.end, mine.timescale) == (yours.end, yours.timescale)
        for name in ("offsets", "sizes", "times"):
            assert np.array_equal(getattr(mine, name), getattr(yours, name)), name


# What is shown


def test_b_frames_are_numbered_as_shown() -> None:
    index = picture([0, 3, 1, 2, 6, 4, 5], "K---K--")
    assert index.frames == 7
    assert [index.frame(number).position for number in range(7)] == [0, 2, 3, 1, 5, 6, 4]
    frame = index.frame(3)
    assert (frame.number, frame.offset, frame.size, frame.time, frame.key) == (3, 100, 100, 3, False)
    assert list(index.positions(FrameRange(1, 4))) == [2, 3, 1]


def test_pre_roll_and_what_lies_behind_the_end_are_not_shown() -> None:
    index = picture([-2, -1, 0, 1, 2, 3], "K-----", end=2)
    assert index.frames == 2
    assert [index.frame(n).position for n in (0, 1)] == [2, 3]
    before = index.keyframe_before(1)
    assert (before.number, before.position, before.time, before.key) == (-1, 0, -2, True)
    assert index.seconds == Fraction(2, 24)


def test_the_keyframe_of_a_closed_group() -> None:
    index = picture([0, 1, 2, 3, 4, 5], "K--K--")
    assert [index.keyframe_before(n).number for n in range(6)] == [0, 0, 0, 3, 3, 3]


def test_the_keyframe_of_an_open_group() -> None:
    # Decode order I0 P3 B1 B2 I6 B4 B5 P9 B7 B8: B4 and B5 come after I6, but need P3, so decoding begins at I0.
    index = picture([0, 3, 1, 2, 6, 4, 5, 9, 7, 8], "K---K-----")
    assert [index.keyframe_before(n).number for n in range(10)] == [0, 0, 0, 0, 0, 0, 6, 6, 6, 6]


def test_without_any_keyframe_decoding_begins_at_the_beginning() -> None:
    assert picture([0, 1, 2], "---").keyframe_before(2).position == 0


@given(st.lists(st.tuples(st.integers(-5, 30), st.booleans()), min_size=1, max_size=25), st.integers(1, 30))
def test_against_a_slow_reading_of_the_rules(frames: list[tuple[int, bool]], end: int) -> None:
    times = [time for time, _ in frames]
    index = picture(times, "".join("-K"[key] for _, key in frames), end=end)
    shown = sorted((n for n in range(len(times)) if 0 <= times[n] < end), key=lambda n: (times[n], n))
    assert index.frames == len(shown)
    for number, position in enumerate(shown):
        assert index.frame(number).position == position
        keys = [n for n in range(position + 1) if frames[n][1] and (n == position or times[n] <= times[position])]
        assert index.keyframe_before(number).position == (keys[-1] if keys else 0)
    for tick in range(end):
        if shown:
            expected = max((n for n, position in enumerate(shown) if times[position] <= tick), default=0)
            assert index.number_at(Fraction(tick, 24)) == expected


def test_outside() -> None:
    index = picture([0, 1, 2], "K--")
    for number in (-1, 3, 10**9):
        with pytest.raises(OutOfRange, match="frames 0 to 2"):
            index.frame(number)
    with pytest.raises(OutOfRange, match="frames 0 to 2"):
        index.positions(FrameRange(1, 4))
    for time in (Fraction(-1, 1000), Fraction(3, 24)):
        with pytest.raises(OutOfRange, match=r"lasts 0\.125 s"):
            index.number_at(time)
    empty = FrameIndex(None, np.zeros(0, np.bool_), None)
    for act in (
        lambda: empty.frame(0),
        lambda: empty.number_at(Fraction(0)),
        lambda: empty.positions(FrameRange(0, 1)),
    ):
        with pytest.raises(OutOfRange, match="no picture"):
            act()
    assert (empty.frames, empty.seconds, empty.vfr, empty.intra) == (0, 0, False, True)


@pytest.mark.parametrize(
    ("times", "vfr"),
    [
        ([0, 1, 2, 3], False),
        ([0, 33, 67, 100, 133, 167], False),  # 29.97 in milliseconds
        ([0, 3003, 6006, 9010, 12013], False),
        ([0, 1, 2, 4], True),
        ([0, 100, 200, 350], True),
        ([0, 5], False),
    ],
)
def test_variable_rates(times: list[int], vfr: bool) -> None:
    assert picture(times, "K" * len(times), end=times[-1] + 1).vfr is vfr


def test_tables_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="different lengths"):
        packets([0, 1], [1], [0], 1)
    with pytest.raises(ValueError, match="outside every file"):
        packets([-1], [1], [0], 1)
    with pytest.raises(ValueError, match="outside every file"):
        packets([1], [-1], [0], 1)
    with pytest.raises(ValueError, match="outside every file"):
        packets([2**63 - 1], [1], [0], 1)
    with pytest.raises(ValueError, match="clock"):
        packets([0], [1], [0], 1, 0)
    with pytest.raises(ValueError, match="keyframe"):
        FrameIndex(packets([0], [1], [0], 1), np.zeros(0, np.bool_), None)


def test_tables_of_any_width_are_the_same() -> None:
    wide = packets([0, 10], [10, 4], [1, 0], 2)
    for kind in (np.uint8, np.uint32, np.int16, np.uint64):
        narrow = Packets(*(np.array(column, kind) for column in ([0, 10], [10, 4], [1, 0])), np.int64(2), Fraction(24))
        index = FrameIndex(narrow, np.array([True, False]), FrameRate(24))
        again = FrameIndex.from_bytes(index.to_bytes())
        assert_same(again, FrameIndex(wide, np.array([True, False]), FrameRate(24)))


# The stored form


@st.composite
def tracks(draw: st.DrawFn) -> Packets:
    """Any order of offsets, sizes and times: B frames, gaps, overlaps, packets before the one that is decoded first."""
    count = draw(st.integers(0, 30))
    wild = draw(st.booleans())
    if wild:
        column = st.lists(st.integers(0, 2**61), min_size=count, max_size=count)
        times = draw(st.lists(st.integers(-(2**62), 2**62), min_size=count, max_size=count))
        return packets(
            np.array(draw(column), np.int64),
            np.array(draw(column), np.int64),
            np.array(times, np.int64),
            draw(st.integers(-(2**61), 2**61)),
            draw(st.fractions(min_value=Fraction(1, 1000), max_value=10**6)),
        )
    sizes = draw(st.lists(st.integers(0, 1000), min_size=count, max_size=count))
    offsets = 48 + np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes, dtype=np.int64)))[:count]
    times = draw(st.permutations(range(count)))
    return packets(offsets, np.array(sizes, np.int64), np.array(times, np.int64), count, 24)


@st.composite
def indexes(draw: st.DrawFn) -> FrameIndex:
    video = draw(st.none() | tracks())
    keys = draw(st.lists(st.booleans(), min_size=0 if video is None else len(video), max_size=len(video or ())))
    audio = [
        AudioIndex(
            track,
            draw(st.sampled_from([44100, 48000])),
            draw(st.integers(1, 64)),
            draw(st.integers(0, 64)),
            "pcm_s24le",
        )
        for track in draw(st.lists(tracks(), max_size=4))
    ]
    rate = draw(st.none() | st.sampled_from([FrameRate(24), FrameRate(30000, 1001)]))
    notes = draw(st.lists(st.text(max_size=20), max_size=3))
    return FrameIndex(video, np.array(keys, np.bool_), rate, tuple(audio), tuple(notes))


@given(indexes())
def test_round_trip(index: FrameIndex) -> None:
    stored = index.to_bytes()
    again = FrameIndex.from_bytes(stored)
    assert_same(index, again)
    assert again.to_bytes() == stored


def test_round_trip_of_nothing_and_of_sound_alone() -> None:
    nothing = FrameIndex(None, np.zeros(0, np.bool_), None)
    assert_same(FrameIndex.from_bytes(nothing.to_bytes()), nothing)
    sound = FrameIndex(
        None,
        np.zeros(0, np.bool_),
        None,
        (AudioIndex(packets([0, 48], [48, 48], [0, 8], 16, 48000), 48000, 2, 6, "x"),),
    )
    assert_same(FrameIndex.from_bytes(sound.to_bytes()), sound)
    no_packets = FrameIndex(packets([], [], [], 0), np.zeros(0, np.bool_), FrameRate(25))
    assert_same(FrameIndex.from_bytes(no_packets.to_bytes()), no_packets)


def hour(tracks: int, frame: int = 900_000, jitter: int = 200_000) -> FrameIndex:
    """An hour of ProRes-like frames at 24 fps, each followed by its PCM chunks, one a track."""
    count = 86_400
    sizes = np.random.default_rng(1).integers(frame - jitter, frame + jitter, count)
    chunk = 2000 * 3
    starts = 40 + np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes + tracks * chunk)))[:count]
    video = packets(starts, sizes, np.arange(count), count)
    audio = tuple(
        AudioIndex(
            packets(starts + sizes + n * chunk, np.full(count, chunk), np.arange(count) * 2000, count * 2000, 48000),
            *(48000, 1, 3, "pcm_s24le"),
        )
        for n in range(tracks)
    )
    return FrameIndex(video, np.ones(count, np.bool_), FrameRate(24), audio)


def test_an_hour_with_16_mono_tracks_is_under_a_megabyte() -> None:
    index = hour(16)
    stored = index.to_bytes()
    assert len(stored) < 1_000_000
    assert_same(FrameIndex.from_bytes(stored), index)


def test_an_hour_of_long_gop_is_under_a_megabyte() -> None:
    count = 86_400
    order = np.arange(count) + np.tile([0, 2, -1, -1], count // 4)
    sizes = np.random.default_rng(1).integers(2000, 60_000, count)
    starts = 40 + np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes)))[:count]
    index = FrameIndex(
        packets(starts, sizes, order * 1001, count * 1001, 24000), np.arange(count) % 12 == 0, FrameRate(24)
    )
    stored = index.to_bytes()
    assert len(stored) < 1_000_000
    assert_same(FrameIndex.from_bytes(stored), index)


# Hostile bytes

SMALL = FrameIndex(
    packets(range(0, 700, 100), [90] * 7, [0, 3, 1, 2, 6, 4, 5], 7),
    np.array([True, False, False, False, True, False, False]),
    FrameRate(24),
    (AudioIndex(packets([90, 190], [10, 10], [0, 5], 10, 48000), 48000, 1, 2, "pcm_s16le"),),
    ("odd",),
)
STORED = SMALL.to_bytes()
HEAD_END = STORED.index(b"\n", STORED.index(b"\n") + 1)


def read_or_refuse(data: bytes) -> None:
    try:
        index = FrameIndex.from_bytes(data)
    except Damaged:
        return
    index.to_bytes()
    for number in range(min(index.frames, 3)):
        index.keyframe_before(number)


def test_every_truncation_is_damage() -> None:
    for end in range(len(STORED)):
        with pytest.raises(Damaged):
            FrameIndex.from_bytes(STORED[:end])
    with pytest.raises(Damaged):
        FrameIndex.from_bytes(STORED + b"x")


def test_no_flipped_bit_of_the_tables_changes_them() -> None:
    """Each is found, but for those that DEFLATE has no use for (the padding of its last byte)."""
    harmless = 0
    for position in range(HEAD_END + 1, len(STORED)):
        for bit in range(8):
            data = bytearray(STORED)
            data[position] ^= 1 << bit
            try:
                assert_same(FrameIndex.from_bytes(bytes(data)), SMALL)
            except Damaged:
                continue
            harmless += 1
    assert harmless < 16


@pytest.mark.parametrize("seed", range(4))
def test_changed_bytes_are_read_or_damage(seed: int) -> None:
    source = random.Random(seed)
    for _ in range(500):
        data = bytearray(STORED)
        for _ in range(source.randrange(1, 4)):
            data[source.randrange(len(data))] = source.choice(b'\x00\xff09:{}[],"-.e' + source.randbytes(3))
        read_or_refuse(bytes(data))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_damage(data: bytes) -> None:
    read_or_refuse(data)
    read_or_refuse(STORED[: STORED.index(b"\n") + 1] + data)
    read_or_refuse(STORED[: HEAD_END + 1] + zlib.compress(data))


@settings(max_examples=200)
@given(st.data())
def test_any_tables_behind_a_good_head_are_read_or_damage(data: st.DataObject) -> None:
    body = zlib.decompress(STORED[HEAD_END + 1 :])
    changed = bytearray(body)
    for _ in range(data.draw(st.integers(1, 5))):
        changed[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    read_or_refuse(STORED[: HEAD_END + 1] + zlib.compress(bytes(changed)))


def heads() -> Iterator[bytes]:
    good = b'{"rate":"24/1","video":true,"tracks":[{"count":1,"end":1,"timescale":"24/1"}],"audio":[],"diagnostics":[]}'
    yield from (b"", b"{", b"[]", b"1", b"null", b'"text"', b"{}", b"[" * 5000)
    for old, new in (
        (b'"count":1', b'"count":-1'),
        (b'"count":1', b'"count":1.5'),
        (b'"count":1', b'"count":1e308'),
        (b'"count":1', b'"count":Infinity'),
        (b'"count":1', b'"count":NaN'),
        (b'"count":1', b'"count":true'),
        (b'"count":1', b'"count":"1"'),
        (b'"count":1', b'"count":99999999999999999999999'),
        (b'"count":1', b'"count":16777215'),
        (b'"end":1', b'"end":1e999'),
        (b'"end":1', b'"end":99999999999999999999999999999'),
        (b'"timescale":"24/1"', b'"timescale":"1e999999999"'),
        (b'"timescale":"24/1"', b'"timescale":"0/1"'),
        (b'"timescale":"24/1"', b'"timescale":"1/0"'),
        (b'"timescale":"24/1"', b'"timescale":24'),
        (b'"rate":"24/1"', b'"rate":"1e999999999"'),
        (b'"rate":"24/1"', b'"rate":0'),
        (b'"rate":"24/1"', b'"rate":["24"]'),
        (b'"rate":"24/1"', b'"rate":{}'),
        (b'"audio":[]', b'"audio":[{}]'),
        (b'"audio":[]', b'"audio":7'),
        (b'"diagnostics":[]', b'"diagnostics":[1]'),
        (b'"tracks":[', b'"tracks":{"a":['),
        (b'"video":true', b'"video":false'),
    ):
        assert old in good
        yield good.replace(old, new)


@pytest.mark.parametrize("head", list(heads()), ids=lambda head: repr(head)[-30:])
def test_hostile_heads_are_damage(head: bytes) -> None:
    body = zlib.compress(bytes(32) + b"\x80")
    with pytest.raises(Damaged):
        FrameIndex.from_bytes(b"film-archive frame index 1\n" + head + b"\n" + body)


def test_a_bomb_is_not_unpacked() -> None:
    bomb = zlib.compress(bytes(1 << 26))
    for count in (1, 1 << 20, 1 << 24, 1 << 40):
        head = b'{"rate":null,"video":false,"tracks":[{"count":%d,"end":1,"timescale":"1/1"}],"audio":[' % count
        head += b'{"sample_rate":1,"channels":1,"frame_bytes":1,"codec":"x"}],"diagnostics":[]}'
        tracemalloc.start()
        try:
            with pytest.raises(Damaged):
                FrameIndex.from_bytes(b"film-archive frame index 1\n" + head + b"\n" + bomb[: 1 << 15])
            assert tracemalloc.get_traced_memory()[1] < 80 << 20
        finally:
            tracemalloc.stop()


def test_owners_that_name_no_track_are_damage() -> None:
    """A track number of 2**40 must not make a table of that size."""
    body = bytearray(zlib.decompress(STORED[HEAD_END + 1 :]))
    total = 9
    body[5 * total] = 0xFF  # the sixth byte plane of the first column
    with pytest.raises(Damaged, match="contradicts"):
        FrameIndex.from_bytes(STORED[: HEAD_END + 1] + zlib.compress(bytes(body)))

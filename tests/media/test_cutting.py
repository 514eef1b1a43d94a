"""Cutting clips: the very bytes of the frames, the very samples, and the timecode that the pictures say."""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path

import pytest

from film_archive.core.errors import (
    InvalidTimecode,
    NotSupported,
    OutOfRange,
    Refused,
    TimecodeUnknown,
    UsageError,
)
from film_archive.core.handles import Selection
from film_archive.core.source import FileSource, MemorySource
from film_archive.core.timecode import FrameRange, FrameRate, Timecode
from film_archive.media.cutting.cuttable import CutResult
from film_archive.media.cutting.opening import open_clip
from film_archive.media.cutting.ranges import Clip, select
from film_archive.media.probe import index, probe
from film_archive.testing.media import ClipSpec, cached_clip
from film_archive.testing.oddities import ODDITIES
from tests.reading import assert_heard_alike, assert_is_cut_of, codes_of

FILM, NTSC = FrameRate(24_000, 1001), FrameRate(30_000, 1001)


def cut_of(spec: ClipSpec, footage: Path, frames: FrameRange, target: Path) -> CutResult:
    with FileSource(cached_clip(spec, footage)) as source:
        return open_clip(source).cut(frames, target)


def some_ranges(spec: ClipSpec, count: int = 4) -> list[FrameRange]:
    """The same at every run: the first frame, the last, all, and some at random."""
    chosen = [FrameRange(0, 1), FrameRange(spec.frames - 1, spec.frames), FrameRange(0, spec.frames)]
    choice = random.Random(spec.name)
    for _ in range(count):
        first = choice.randrange(spec.frames)
        chosen.append(FrameRange(first, choice.randint(first + 1, spec.frames)))
    return list(dict.fromkeys(chosen))


CUT = [
    "film_rate", "drop_frame", "ntsc_non_drop", "rate_47", "rate_50", "drop_frame_59", "drop_frame_119", "no_timecode",
    "no_audio", "sixteen_mono", "one_of_sixteen", "sound_16_bit", "sound_float", "sound_96k", "portrait", "odd_size",
    "anamorphic", "pal_wide", "interlaced_prores", "interlaced_h264", "prores_4444_alpha", "prores_lt", "prores_mxf",
    "dnxhr_mxf", "dnxhr_hqx_mov", "dnxhr_ntsc_mxf", "hevc_10", "mjpeg_mov", "uncompressed_mov", "cineform_mov",
    "long_gop", "open_gop", "moov_first",
]  # fmt: skip


@pytest.mark.parametrize("count", [1, pytest.param(12, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("name", CUT)
def test_bits_samples_and_timecode_of_any_range(name: str, count: int, footage: Path, tmp_path: Path) -> None:
    spec = ODDITIES[name]
    path = cached_clip(spec, footage)
    for number, frames in enumerate(some_ranges(spec, count)):
        result = cut_of(spec, footage, frames, tmp_path / f"{number}.mov")
        assert (result.frames, result.mode, result.diagnostics) == (frames, "copy", ())
        assert result.start == spec.timecode(frames.first)
        assert result.stored_from <= frames.first
        assert_is_cut_of(result.path, spec, path, frames)
        assert_heard_alike(result.path, spec, path, frames)


def test_every_range_of_a_long_gop_clip(footage: Path, tmp_path: Path) -> None:
    spec = ClipSpec(
        name="short_gops", codec="h264", frames=13, gop=5, b_frames=2, start=Timecode.from_string("00:00:59;25", NTSC),
        rate=NTSC, width=128, height=72, encoder_options=(("preset", "superfast"),),
    )  # fmt: skip
    for first in range(spec.frames):
        for end in range(first + 1, spec.frames + 1):
            result = cut_of(spec, footage, FrameRange(first, end), tmp_path / f"{first}-{end}.mov")
            assert codes_of(result.path) == [spec.code(number) for number in range(first, end)]
            assert probe(result.path).start_timecode == spec.timecode(first)


def test_a_cut_of_a_cut(footage: Path, tmp_path: Path) -> None:
    for name in ("drop_frame", "long_gop", "sixteen_mono"):
        spec = ODDITIES[name]
        once = cut_of(spec, footage, FrameRange(1, 9), tmp_path / f"{name}.mov").path
        with FileSource(once) as source:
            twice = open_clip(source).cut(FrameRange(2, 7), tmp_path / f"{name}-2.mov").path
        assert_is_cut_of(twice, spec, cached_clip(spec, footage), FrameRange(3, 8))


def test_frames_of_different_length_keep_their_times(footage: Path, tmp_path: Path) -> None:
    spec = ODDITIES["vfr"]
    result = cut_of(spec, footage, FrameRange(5, 14), tmp_path / "cut.mov")
    assert codes_of(result.path) == [spec.code(number) for number in range(5, 14)]
    old, new = index(cached_clip(spec, footage)), index(result.path)
    assert old.video is not None
    assert new.video is not None
    begin = Fraction(old.frame(5).time) / old.video.timescale
    for number in range(9):
        then = Fraction(old.frame(5 + number).time) / old.video.timescale
        assert Fraction(new.frame(number).time) / new.video.timescale == then - begin


def test_only_what_is_needed_is_read(footage: Path, tmp_path: Path) -> None:
    spec = ClipSpec(name="big", width=960, height=540, frames=24)
    path = cached_clip(spec, footage)
    result = cut_of(spec, footage, FrameRange(10, 12), tmp_path / "cut.mov")
    frames = [index(path).frame(number) for number in (10, 11)]
    assert sum(frame.size for frame in frames) <= result.bytes_read <= sum(frame.size for frame in frames) + 2 * 4096
    assert result.bytes_read < path.stat().st_size // 4


# What can't be


def test_frames_that_are_not_there(footage: Path, tmp_path: Path) -> None:
    spec, target = ODDITIES["drop_frame"], tmp_path / "cut.mov"
    for frames in (FrameRange(20, 25), FrameRange(24, 30), FrameRange(5, 5)):
        with pytest.raises(OutOfRange):
            cut_of(spec, footage, frames, target)
    with pytest.raises(OutOfRange, match="has no frames 20 to 24 to cut; it has 24"):
        cut_of(spec, footage, FrameRange(20, 25), target)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_stays(footage: Path, tmp_path: Path) -> None:
    target = tmp_path / "cut.mov"
    target.write_bytes(b"mine")
    with pytest.raises(Refused):
        cut_of(ODDITIES["drop_frame"], footage, FrameRange(0, 5), target)
    assert target.read_bytes() == b"mine"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("name", ["fragmented", "matroska", "transport_stream", "mpeg2_long_gop_mxf"])
def test_what_is_not_cut_says_so(name: str, footage: Path, tmp_path: Path) -> None:
    with pytest.raises(NotSupported) as caught:
        cut_of(ODDITIES[name], footage, FrameRange(0, 5), tmp_path / "cut.mov")
    assert str(caught.value).endswith(".")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("data", [b"", b"\0" * 64, b"no media here"])
def test_what_is_no_clip(data: bytes) -> None:
    with pytest.raises(NotSupported):
        open_clip(MemorySource(data))


# From timecode to frames


def clip(frames: int, start: str | None, rate: FrameRate = FrameRate(24, 1), counting: FrameRate | None = None) -> Clip:  # noqa: B008  a fraction, which does not change
    label = None if start is None else Timecode.from_string(start, counting or rate)
    return Clip("A001.mov", frames, rate, label)


COUNTINGS = [
    (FrameRate(24, 1), FrameRate(24, 1)),
    (FILM, FILM),
    (FrameRate(50, 1), FrameRate(25, 1)),  # two frames a label
    (FrameRate(60_000, 1001), NTSC),
    (FrameRate(120_000, 1001), NTSC),
    (FrameRate(120_000, 1001), FrameRate(60_000, 1001)),
    (FILM, NTSC),  # labels without frames
    (FrameRate(25, 1), FrameRate(24, 1)),
    (FrameRate(24, 1), FILM),  # rates that drift apart
]


@pytest.mark.parametrize(("rate", "counting"), COUNTINGS)
@pytest.mark.parametrize("frames", [1, 2, 7, 120])
def test_labels_are_found_as_by_looking_at_each_frame(rate: FrameRate, counting: FrameRate, frames: int) -> None:
    """The label of frame n is the one whose time has come when n appears; a label's frame is the first that has it."""
    starts = ["23:59:59:20", "00:00:00:00"] + (["00:00:59;28", "00:09:59;28"] if counting.can_drop else [])
    for start in starts:
        one = clip(frames, start, rate, counting)
        assert one.start is not None
        passed = [int(Fraction(number) / rate * counting) for number in range(frames)]
        assert [one.label(number) for number in range(frames)] == [one.start + count for count in passed]
        for count in range(passed[-1] + 1):
            assert one.frame_at(one.start + count) == next(n for n, label in enumerate(passed) if label >= count)
        for count in range(1, passed[-1] + 2):
            expected = next((n for n, label in enumerate(passed) if label >= count), frames)
            assert one.frame_at(one.start + count, out=True) == expected
        for wrong in (one.start - 1, one.start + (passed[-1] + 1), one.start + 12 * 3600 * counting.nominal):
            with pytest.raises(OutOfRange, match=rf"{wrong} is not in A001\.mov, which runs from {start} to "):
                one.frame_at(wrong)
        with pytest.raises(OutOfRange):
            one.frame_at(one.start + (passed[-1] + 3), out=True)


@pytest.mark.parametrize(
    ("first", "end", "handles", "selection"),
    [
        ("01:00:00:10", "01:00:00:20", 0, (10, 20, 10, 20)),
        ("01:00:00:10", "01:00:00:20", 4, (10, 20, 6, 24)),
        ("01:00:00:02", "01:00:00:20", 4, (2, 20, 0, 24)),
        ("01:00:00:10", "01:00:01:22", 8, (10, 46, 2, 48)),
        ("01:00:00:00", "01:00:02:00", 8, (0, 48, 0, 48)),
    ],
)
def test_selection(first: str, end: str, handles: int, selection: tuple[int, int, int, int]) -> None:
    one = clip(48, "01:00:00:00")
    got = select(one, one.read(first), one.read(end, out=True), handles)
    assert got == Selection(FrameRange(*selection[:2]), FrameRange(*selection[2:]))
    assert (got.head_handle, got.tail_handle) == (selection[0] - selection[2], selection[3] - selection[1])


def test_selections_that_are_none() -> None:
    one = clip(48, "01:00:00:00")
    begin = one.read("01:00:00:10")
    for end in (begin, begin - 5):
        with pytest.raises(UsageError, match=r"in point 01:00:00:10 is not before the out point .* \(which is excl"):
            select(one, begin, end)
    with pytest.raises(UsageError, match="Handles of -1"):
        select(one, begin, begin + 5, -1)
    with pytest.raises(OutOfRange, match=r"01:00:02:01 is not in A001\.mov, .* 01:00:00:00 to 01:00:01:23"):
        select(one, begin, one.read("01:00:02:01"))


def test_over_midnight_and_to_its_very_end() -> None:
    one = clip(48, "23:59:59:00")
    assert select(one, one.read("23:59:59:12"), one.read("00:00:00:12")).frames == FrameRange(12, 36)
    ends = clip(24, "23:59:59:00")
    assert select(ends, ends.read("23:59:59:12"), ends.read("24:00:00:00", out=True)).frames == FrameRange(12, 24)
    assert select(ends, ends.read("23:59:59:12"), ends.read("00:00:00:00")).frames == FrameRange(12, 24)


@pytest.mark.parametrize("start", ["00:00:00:00", "10:00:00:00"])
def test_a_clip_as_long_as_a_day(start: str) -> None:
    one = clip(24 * 86_400, start)
    assert one.start is not None
    assert select(one, one.start, one.start).frames == FrameRange(0, 24 * 86_400)
    assert select(one, one.start + 5, one.start).frames == FrameRange(5, 24 * 86_400)
    assert one.frame_at(one.start - 1) == 24 * 86_400 - 1


def test_labels_that_count_otherwise() -> None:
    one = clip(48, "01:00:00;00", NTSC)
    with pytest.raises(UsageError, match=r"counts 29\.97 fps non-drop, and A001\.mov counts 29\.97 fps drop-frame"):
        one.frame_at(Timecode.from_string("01:00:00:10", NTSC))
    with pytest.raises(UsageError, match=r"01:00:00:10 counts 25 fps, and"):
        one.frame_at(Timecode.from_string("01:00:00:10", 25))
    assert one.frame_at(Timecode.from_string("01:00:00;10", 30)) == 10  # drop-frame at 30 has the same labels
    assert clip(48, "01:00:00:00", FILM).frame_at(Timecode.from_string("01:00:00:10", 24)) == 10


def test_reading_labels_as_users_write_them() -> None:
    drop, plain = clip(48, "01:00:00;00", NTSC), clip(48, "01:00:00:00", NTSC)
    assert drop.read("01:00:00:10") == drop.read("01:00:00;10") == drop.start + 10  # type: ignore[operator]
    assert plain.read("01:00:00:10").drop_frame is False
    for sign in ";,":
        with pytest.raises(InvalidTimecode, match="counts non-drop; write 01:00:00:10"):
            plain.read(f"01:00:00{sign}10")
    with pytest.raises(TimecodeUnknown, match=r"A001\.mov has no start timecode"):
        clip(48, None).read("01:00:00:00")
    with pytest.raises(OutOfRange, match="has no frames"):
        clip(0, "01:00:00:00").frame_at(Timecode.from_string("01:00:00:00", 24))


@pytest.mark.parametrize(("first", "label", "odd"), [(10, "10:00:00:05", False), (11, "10:00:00:05", True)])
def test_cutting_where_timecode_counts_pairs_of_frames(
    first: int, label: str, odd: bool, footage: Path, tmp_path: Path
) -> None:
    spec = ODDITIES["rate_50"]
    with FileSource(cached_clip(spec, footage)) as source:
        opened = open_clip(source).starting_at(Timecode.from_string("10:00:00:00", 25))
        result = opened.cut(FrameRange(first, 20), tmp_path / "cut.mov")
    assert bool(result.diagnostics) == odd
    facts = probe(result.path)
    assert (facts.frames, facts.frame_rate) == (20 - first, FrameRate(50, 1))
    assert facts.start_timecode == result.start == Timecode.from_string(label, 25)
    assert codes_of(result.path) == [spec.code(number) for number in range(first, 20)]

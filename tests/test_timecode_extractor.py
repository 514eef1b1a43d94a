"""Extraction by timecode as the seeds show it: a range goes in, the clip's own frames come out, exactly."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from film_archive.core.errors import (
    Damaged,
    InvalidTimecode,
    NotFound,
    NotSupported,
    OutOfRange,
    PartlyDone,
    RateUnknown,
    Refused,
    TimecodeUnknown,
    UsageError,
)
from film_archive.core.models import MediaFile, Timecode, TimecodeRange, VideoCodec
from film_archive.core.source import ByteSource, FileSource, MemorySource, SliceSource
from film_archive.core.timecode import FrameRange, FrameRate
from film_archive.media.probe import probe
from film_archive.testing.media import ClipSpec, cached_clip
from film_archive.testing.oddities import ODDITIES
from film_archive.timecode.extractor import (
    TimecodeExtractor,
    create_extraction_manifest,
    merge_overlapping_ranges,
    parse_edl_timecodes,
    validate_timecode_continuity,
)
from tests.reading import assert_is_cut_of

FILM = ODDITIES["film_rate"]  # 23.976 from 23:59:59:12, 24 frames, stereo


def media_file(spec: ClipSpec, path: Path, **more: Any) -> MediaFile:
    return MediaFile(file_path=path, size=path.stat().st_size, codec=VideoCodec.named(spec.codec), **more)


def frames_as_range(spec: ClipSpec, first: int, end: int, handles: int = 0) -> TimecodeRange:
    assert spec.start is not None
    return TimecodeRange(start=spec.start + first, end=spec.start + end, handles=handles)


def extract(data: Any, media: MediaFile, wanted: TimecodeRange, output: Path | None = None, **extractor: Any) -> Path:
    return asyncio.run(TimecodeExtractor(**extractor).extract_segment(data, media, wanted, output))


def label(text: str, rate: Any = 24) -> Timecode:
    return Timecode.from_string(text, rate)


def span(start: str, end: str, handles: int = 0, rate: Any = 24) -> TimecodeRange:
    return TimecodeRange(label(start, rate), Timecode.from_string(end, rate, out=True), handles)


# What is cut


@pytest.mark.parametrize("name", ["film_rate", "drop_frame", "dnxhr_mxf", "long_gop", "rate_50", "drop_frame_119"])
def test_the_frames_of_the_range_come_out(name: str, footage: Path, tmp_path: Path) -> None:
    spec = ODDITIES[name]
    path = cached_clip(spec, footage)
    with path.open("rb") as stream:
        cut = extract(stream, media_file(spec, path), frames_as_range(spec, 5, 15), tmp_path / "cut.mov")
        assert not stream.closed
    assert cut == tmp_path / "cut.mov"
    assert_is_cut_of(cut, spec, path, FrameRange(5, 15))


def test_as_the_seed_writes_it(footage: Path, tmp_path: Path) -> None:
    spec = ClipSpec(name="scene_001", frames=48, start=label("01:00:00:00"), reel="A001")
    path = cached_clip(spec, footage)
    claimed = MediaFile(
        file_path=path, size=path.stat().st_size, codec=VideoCodec.PRORES_422, frame_rate=24.0, resolution=(320, 180),
        audio_channels=0,
    )  # fmt: skip
    wanted = TimecodeRange(
        start=Timecode(hours=1, minutes=0, seconds=1, frames=0, frame_rate=24.0),
        end=Timecode(hours=1, minutes=0, seconds=1, frames=12, frame_rate=24.0),
        handles=6,
    )
    cut = extract(path.read_bytes(), claimed, wanted, working_dir=tmp_path)
    assert cut.parent == tmp_path
    assert_is_cut_of(cut, spec, path, FrameRange(18, 42))


WAYS: dict[str, Callable[[Path], Any]] = {
    "a path": lambda path: path,
    "a path as text": str,
    "bytes": lambda path: path.read_bytes(),
    "a memoryview": lambda path: memoryview(path.read_bytes()),
    "a stream": lambda path: io.BytesIO(path.read_bytes()),
    "a source": lambda path: MemorySource(path.read_bytes()),
}


@pytest.mark.parametrize("way", WAYS)
def test_bytes_come_in_every_way(way: str, footage: Path, tmp_path: Path) -> None:
    path = cached_clip(FILM, footage)
    cut = extract(WAYS[way](path), media_file(FILM, path), frames_as_range(FILM, 3, 9), tmp_path / "cut.mov")
    assert_is_cut_of(cut, FILM, path, FrameRange(3, 9))


def test_a_source_of_the_caller_stays_open_and_a_part_is_enough(footage: Path, tmp_path: Path) -> None:
    path = cached_clip(FILM, footage)
    around = tmp_path / "around"
    around.write_bytes(b"x" * 5000 + path.read_bytes() + b"y" * 100)
    with FileSource(around) as whole:
        part: ByteSource = SliceSource(whole, 5000, path.stat().st_size)
        for number in range(2):
            cut = extract(part, media_file(FILM, path), frames_as_range(FILM, 3, 9), tmp_path / f"{number}.mov")
            assert_is_cut_of(cut, FILM, path, FrameRange(3, 9))


@pytest.mark.parametrize(
    ("first", "end", "handles", "got"),
    [(8, 16, 4, (4, 20)), (2, 10, 4, (0, 14)), (14, 22, 4, (10, 24)), (1, 23, 1000, (0, 24)), (0, 24, 8, (0, 24))],
)
def test_handles_end_where_the_clip_does(
    first: int, end: int, handles: int, got: tuple[int, int], footage: Path, tmp_path: Path
) -> None:
    path = cached_clip(FILM, footage)
    extractor = TimecodeExtractor(working_dir=tmp_path)
    wanted = frames_as_range(FILM, first, end, handles)
    cut = asyncio.run(extractor.extract_segment(path, media_file(FILM, path), wanted))
    assert_is_cut_of(cut, FILM, path, FrameRange(*got))
    (segment,) = extractor.segments
    assert (segment.path, segment.frames, segment.requested) == (cut, FrameRange(*got), wanted)
    assert (segment.head_handle, segment.tail_handle) == (first - got[0], got[1] - end)
    assert segment.handles_are_short == (got != (first - handles, end + handles))
    assert segment.start == FILM.timecode(got[0])


# Which timecode counts


def test_a_clip_without_timecode_needs_the_caller_s(footage: Path, tmp_path: Path) -> None:
    spec = ODDITIES["no_timecode"]
    path = cached_clip(spec, footage)
    wanted = span("10:00:00:05", "10:00:00:15", rate=25)
    with pytest.raises(TimecodeUnknown, match="start_timecode"):
        extract(path, media_file(spec, path), wanted, tmp_path / "cut.mov")
    assert not (tmp_path / "cut.mov").exists()
    media = media_file(spec, path, start_timecode=label("10:00:00:00", 25), reel="R7")
    facts = probe(extract(path, media, wanted, tmp_path / "cut.mov"))
    assert (facts.start_timecode, facts.reel, facts.frames) == (label("10:00:00:05", 25), "R7", 10)


@pytest.mark.parametrize("more", [{}, {"frame_rate": 25.0}])
def test_a_start_as_text_counts_as_the_clip_does(more: dict[str, Any], footage: Path, tmp_path: Path) -> None:
    spec = ODDITIES["no_timecode"]  # 25 frames a second, while a MediaFile's rate is 24 unless it is set
    path = cached_clip(spec, footage)
    media = media_file(spec, path, start_timecode="10:00:00:00", **more)
    cut = extract(path, media, span("10:00:00:05", "10:00:00:15", rate=25), tmp_path / "cut.mov")
    assert probe(cut).start_timecode == label("10:00:00:05", 25)


def test_the_clip_s_own_timecode_wins_with_a_warning(footage: Path, tmp_path: Path) -> None:
    path = cached_clip(FILM, footage)
    media = media_file(FILM, path, start_timecode=label("01:00:00:00", 23.976), frame_rate=23.976)
    with pytest.warns(UserWarning, match=r"start timecode is 23:59:59:12 at 23\.976, not 01:00:00:00"):
        cut = extract(path, media, frames_as_range(FILM, 4, 8), tmp_path / "cut.mov")
    assert_is_cut_of(cut, FILM, path, FrameRange(4, 8))


@pytest.mark.parametrize(
    ("claim", "value", "words"),
    [
        ("size", 10 * 1024**3, "not 10737418240"),
        ("codec", VideoCodec.H265, "codec is prores_422, not h265"),
        ("frame_rate", 25.0, "frame rate is 23.976, not 25"),
        ("resolution", (3840, 2160), "resolution is 320×180, not 3840×2160"),
        ("audio_channels", 8, "audio channels is 2, not 8"),
        ("reel", "B002", "reel is A001R1AB, not B002"),
    ],
)
def test_wrong_claims_are_warned_of(claim: str, value: Any, words: str, footage: Path, tmp_path: Path) -> None:
    path = cached_clip(FILM, footage)
    claims = {"file_path": path, "size": path.stat().st_size, "codec": VideoCodec.PRORES_422} | {claim: value}
    with pytest.warns(UserWarning, match=words) as caught:
        cut = extract(path, MediaFile(**claims), frames_as_range(FILM, 4, 8), tmp_path / "cut.mov")
    assert len(caught) == 1
    assert_is_cut_of(cut, FILM, path, FrameRange(4, 8))


def test_labels_of_24_are_those_of_23_976(footage: Path, tmp_path: Path) -> None:
    path = cached_clip(FILM, footage)
    cut = extract(path, media_file(FILM, path), span("23:59:59:20", "00:00:00:04"), tmp_path / "cut.mov")
    assert_is_cut_of(cut, FILM, path, FrameRange(8, 16))


def test_what_counts_otherwise_is_refused(footage: Path, tmp_path: Path) -> None:
    spec = ODDITIES["drop_frame"]
    path = cached_clip(spec, footage)
    for wanted in (span("00:58:59:22", "00:58:59:28", rate=29.97), span("00:58:59:22", "00:59:00:02", rate=25)):
        with pytest.raises(UsageError, match=r"counts 29\.97 fps drop-frame \(it starts at 00:58:59;20\)"):
            extract(path, media_file(spec, path), wanted, tmp_path / "cut.mov")
    assert list(tmp_path.iterdir()) == []


# What can't be cut


@pytest.mark.parametrize(
    ("start", "end"),
    [("23:59:59:11", "23:59:59:20"), ("00:00:00:00", "00:00:00:13"), ("10:00:00:00", "10:00:01:00"),
     ("00:00:00:12", "00:00:00:13")],
)  # fmt: skip
def test_outside_the_clip_says_what_there_is(start: str, end: str, footage: Path, tmp_path: Path) -> None:
    path = cached_clip(FILM, footage)
    with pytest.raises(OutOfRange, match=r"runs from 23:59:59:12 to 00:00:00:11 \(24 frames\)"):
        extract(path, media_file(FILM, path), span(start, end, 8, 23.976), tmp_path / "cut.mov")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(footage: Path, tmp_path: Path) -> None:
    path = cached_clip(FILM, footage)
    (tmp_path / "cut.mov").write_bytes(b"mine")
    with pytest.raises(Refused):
        extract(path, media_file(FILM, path), frames_as_range(FILM, 4, 8), tmp_path / "cut.mov")
    assert (tmp_path / "cut.mov").read_bytes() == b"mine"
    assert [each.name for each in tmp_path.iterdir()] == ["cut.mov"]


def test_cuts_without_a_name_never_meet(footage: Path, tmp_path: Path) -> None:
    path = cached_clip(FILM, footage)
    other = tmp_path / "elsewhere" / path.name
    other.parent.mkdir()
    other.write_bytes(path.read_bytes())
    extractor = TimecodeExtractor(working_dir=tmp_path / "cuts")

    async def all_at_once() -> list[Path]:
        wanted = frames_as_range(FILM, 4, 8)
        return await asyncio.gather(
            *(extractor.extract_segment(each, media_file(FILM, each), wanted) for each in (path, other, path))
        )

    cuts = asyncio.run(all_at_once())
    assert len(set(cuts)) == 3
    for cut in cuts:
        assert_is_cut_of(cut, FILM, path, FrameRange(4, 8))


def test_what_is_no_clip(tmp_path: Path, footage: Path) -> None:
    path = cached_clip(FILM, footage)
    media, wanted = media_file(FILM, path), frames_as_range(FILM, 4, 8)
    with pytest.raises(NotFound):
        extract(tmp_path / "gone.mov", media, wanted, tmp_path / "cut.mov")
    for data, error in ((b"", NotSupported), (b"hello " * 1000, NotSupported), (path.read_bytes()[:100_000], Damaged)):
        with pytest.raises(error, match=r"film_rate\.mov"):
            extract(data, media, wanted, tmp_path / "cut.mov")
    with pytest.raises(UsageError, match="binary"):
        extract(io.StringIO("text"), media, wanted, tmp_path / "cut.mov")
    assert list(tmp_path.iterdir()) == []


# Several at once


def test_several_segments_in_the_order_asked(footage: Path, tmp_path: Path) -> None:
    path = cached_clip(FILM, footage)
    wanted = [(14, 18), (2, 6), (4, 10)]
    extractor = TimecodeExtractor()
    cuts = asyncio.run(
        extractor.extract_multiple_segments(
            path, media_file(FILM, path), [frames_as_range(FILM, *each) for each in wanted], tmp_path / "cuts"
        )
    )
    for cut, each in zip(cuts, wanted, strict=True):
        assert_is_cut_of(cut, FILM, path, FrameRange(*each))
    assert {cut.parent for cut in cuts} == {tmp_path / "cuts"}
    merged = asyncio.run(
        extractor.extract_multiple_segments(
            path, media_file(FILM, path), [frames_as_range(FILM, *each) for each in wanted], tmp_path / "m", merge=True
        )
    )
    # In the order of their labels: frame 14 is 00:00:00:02, frame 2 is 23:59:59:14.
    for cut, each in zip(merged, [(14, 18), (2, 10)], strict=True):
        assert_is_cut_of(cut, FILM, path, FrameRange(*each))


def test_one_that_fails_does_not_stop_the_others(footage: Path, tmp_path: Path) -> None:
    path = cached_clip(FILM, footage)
    outside = span("10:00:00:00", "10:00:01:00", rate=23.976)
    extractor = TimecodeExtractor(tmp_path)
    wanted = [outside, frames_as_range(FILM, 2, 6)]
    with pytest.raises(PartlyDone, match=r"1 of 2 segments of .*10:00:00:00 is not in"):
        asyncio.run(extractor.extract_multiple_segments(path, media_file(FILM, path), wanted))
    (segment,) = extractor.segments
    assert_is_cut_of(segment.path, FILM, path, FrameRange(2, 6))
    with pytest.raises(OutOfRange):
        asyncio.run(extractor.extract_multiple_segments(path, media_file(FILM, path), [outside]))
    assert asyncio.run(extractor.extract_multiple_segments(path, media_file(FILM, path), [])) == []


def test_manifest_tells_what_was_got(footage: Path, tmp_path: Path) -> None:
    path = cached_clip(FILM, footage)
    extractor = TimecodeExtractor(tmp_path)
    cut = asyncio.run(extractor.extract_segment(path, media_file(FILM, path), frames_as_range(FILM, 2, 6, 4)))
    manifest = create_extraction_manifest(extractor.segments, tmp_path / "manifest.json")
    written = json.loads((tmp_path / "manifest.json").read_text("utf-8"))
    assert written == manifest.to_json()
    (line,) = written["segments"]
    assert line["path"] == str(cut)
    assert (line["in"], line["out"], line["frame_rate"]) == ("23:59:59:14", "23:59:59:18", "24000/1001")
    assert (line["first_frame"], line["frames"], line["start_timecode"]) == (0, 10, "23:59:59:12")
    assert (line["handles"], line["head_handle"], line["tail_handle"]) == (4, 2, 4)
    assert line["size"] == cut.stat().st_size
    with pytest.raises(Refused):
        extractor.create_extraction_manifest(extractor.segments, tmp_path / "manifest.json")
    before = manifest.lines[0].digest
    cut.write_bytes(cut.read_bytes() + b"\0")
    assert create_extraction_manifest(extractor.segments).lines[0].digest != before
    cut.unlink()
    with pytest.raises(NotFound):
        create_extraction_manifest(extractor.segments)


# Ranges among each other


@pytest.mark.parametrize(
    ("given", "merged"),
    [
        ([], []),
        ([("01:00:00:00", "01:00:02:00", 0)], [("01:00:00:00", "01:00:02:00", 0)]),
        ([("01:00:01:00", "01:00:03:00", 0), ("01:00:00:00", "01:00:02:00", 0)], [("01:00:00:00", "01:00:03:00", 0)]),
        ([("01:00:00:00", "01:00:01:00", 0), ("01:00:01:00", "01:00:02:00", 0)], [("01:00:00:00", "01:00:02:00", 0)]),
        (
            [("01:00:00:00", "01:00:01:00", 0), ("01:00:01:01", "01:00:02:00", 0)],
            [("01:00:00:00", "01:00:01:00", 0), ("01:00:01:01", "01:00:02:00", 0)],
        ),
        ([("01:00:00:00", "01:00:01:00", 8), ("01:00:01:16", "01:00:02:00", 8)], [("01:00:00:00", "01:00:02:00", 8)]),
        ([("01:00:00:00", "01:00:09:00", 0), ("01:00:04:00", "01:00:05:00", 2)], [("01:00:00:00", "01:00:09:00", 0)]),
        ([("01:00:00:00", "01:00:02:00", 2), ("01:00:01:00", "01:00:03:00", 6)], [("01:00:00:00", "01:00:03:00", 6)]),
        ([("23:59:50:00", "00:00:10:00", 0), ("00:00:05:00", "00:00:20:00", 0)], [("23:59:50:00", "00:00:20:00", 0)]),
        ([("00:00:00:00", "00:00:01:00", 8), ("23:59:58:00", "23:59:59:20", 0)], [("23:59:58:00", "00:00:01:00", 8)]),
        ([("00:00:00:00", "12:00:00:00", 0), ("11:00:00:00", "24:00:00:00", 0)], None),
    ],
)
def test_merging(given: list[tuple[str, str, int]], merged: list[tuple[str, str, int]] | None) -> None:
    got = merge_overlapping_ranges([span(*each) for each in given])
    if merged is None:  # a whole day is no range; the two stay as they are
        assert got == [span(*each) for each in given]
    else:
        assert got == [span(*each) for each in merged]
    assert TimecodeExtractor.merge_overlapping_ranges(got) == got


def test_ranges_that_count_differently_are_not_merged() -> None:
    with pytest.raises(UsageError, match="count differently"):
        merge_overlapping_ranges([span("01:00:00:00", "01:00:01:00"), span("01:00:00:00", "01:00:01:00", rate=25)])


def test_continuity() -> None:
    first, second = span("23:59:59:00", "00:00:01:00"), span("00:00:01:00", "00:00:02:00", 12)
    assert validate_timecode_continuity([])
    assert validate_timecode_continuity([first, second])
    gap = validate_timecode_continuity([first, span("00:00:01:02", "00:00:02:00"), span("00:00:01:12", "00:00:03:00")])
    assert not gap
    found = [(each.position, each.kind, each.frames) for each in gap.discontinuities]
    assert found == [(1, "gap", 2), (2, "overlap", -12)]
    assert str(gap.discontinuities[0]) == "range 1 begins at 00:00:01:02 and not at 00:00:01:00: gap of 2 frames"
    back = validate_timecode_continuity([second, first])
    assert back.discontinuities[0].frames == -3 * 24
    assert validate_timecode_continuity([span("23:00:00:00", "24:00:00:00"), span("00:00:00:00", "00:00:01:00")])
    with pytest.raises(UsageError):
        validate_timecode_continuity([first, span("00:00:01:00", "00:00:02:00", rate=25)])


# Edit lists

EDL = """TITLE: SCENE 12
FCM: NON-DROP FRAME

001  A001C003 V     C        01:00:04:00 01:00:06:12 10:00:00:00 10:00:02:12
* FROM CLIP NAME: A001C003_240612_R1AB
002  A001C004 V     C        02:00:00:00 02:00:00:00 10:00:02:12 10:00:02:12
002  BL       V     D    024 00:00:00:00 00:00:01:00 10:00:02:12 10:00:03:12
003  A001 C5  A12/V C        23:59:59:00 00:00:01:00 10:00:03:12 10:00:05:12
"""


def test_source_ranges_of_a_list() -> None:
    ranges = parse_edl_timecodes(EDL, frame_rate=24)
    assert ranges == [span("01:00:04:00", "01:00:06:12"), span("23:59:59:00", "00:00:01:00")]
    assert [each.duration_frames for each in ranges] == [60, 48]
    assert TimecodeExtractor().parse_edl_timecodes(EDL, 23.976)[0].start.rate == Fraction(24000, 1001)


def test_the_short_form() -> None:
    ranges = parse_edl_timecodes("001 01:00:00:00 01:00:05:00\n002 01:00:10:00 01:00:15:00\n", 24.0)
    assert ranges == [span("01:00:00:00", "01:00:05:00"), span("01:00:10:00", "01:00:15:00")]


def test_a_list_has_no_rate() -> None:
    with pytest.raises(RateUnknown, match="frame_rate=24"):
        parse_edl_timecodes(EDL)
    with pytest.raises(UsageError):
        parse_edl_timecodes(EDL, "fast")


@pytest.mark.parametrize(
    ("fcm", "sign", "rate", "drop"),
    [("NON-DROP FRAME", ":", 29.97, False), ("DROP FRAME", ":", 29.97, True), ("NON-DROP FRAME", ";", 29.97, True),
     ("DROP FRAME", ":", "29.97ndf", False), ("NON-DROP FRAME", ":", "29.97df", True), ("DROP FRAME", ":", 25, False)],
)  # fmt: skip
def test_what_makes_drop_frame(fcm: str, sign: str, rate: Any, drop: bool) -> None:
    text = f"FCM: {fcm}\n001 R1 V C 01:00:00{sign}10 01:00:01{sign}00 01:00:00:00 01:00:00:20\n"
    (only,) = parse_edl_timecodes(text, rate)
    assert (only.start.drop_frame, only.end.drop_frame) == (drop, drop)


def test_what_can_t_be_read_is_told_with_its_line() -> None:
    text = (
        "001 R1 V C 01:00:00:00 01:00:01:00 00:00:00:00 00:00:01:00\n"
        "002 R1 V C 01:00:00:30 01:00:01:00 00:00:01:00 00:00:02:00\n"  # no frame 30 at 25
        "003 R1 V C 01:00:00:00 01:00:01:00 00:00:02:00\n"  # a timecode is missing
        "* FROM CLIP NAME: LOST\n"
        "004 R1 V C 01:00:05:00 01:00:04:00 00:00:03:00 00:00:04:00\n"  # out before in
        "005 R1 V C 01:00:07:00 01:00:08:00 00:00:03:00 00:00:04:00\n"
    )
    with pytest.warns(UserWarning, match="EDL line") as caught:
        ranges = parse_edl_timecodes(text, 25)
    assert ranges == [span("01:00:00:00", "01:00:01:00", rate=25), span("01:00:07:00", "01:00:08:00", rate=25)]
    assert [str(each.message).split(":")[0] for each in caught] == [f"EDL line {line}" for line in (2, 3, 4, 5)]


def test_from_a_list_to_its_cuts(footage: Path, tmp_path: Path) -> None:
    spec = ODDITIES["drop_frame"]  # from 00:58:59;20
    path = cached_clip(spec, footage)
    text = (
        "FCM: DROP FRAME\n001  A001R1AB V  C  00:58:59;22 00:59:00;04 01:00:00;00 01:00:00;10\n"
        "002  A001R1AB V  C  00:59:00;04 00:59:00;06 01:00:00;10 01:00:00;12\n"
    )
    ranges = parse_edl_timecodes(text, FrameRate.of(29.97))
    assert validate_timecode_continuity(ranges)
    cuts = asyncio.run(TimecodeExtractor(tmp_path).extract_multiple_segments(path, media_file(spec, path), ranges))
    # 00:59:00;00 and ;01 do not exist: from ;22 to the minute are 8 frames, and 2 more.
    for cut, frames in zip(cuts, [FrameRange(2, 12), FrameRange(12, 14)], strict=True):
        assert_is_cut_of(cut, spec, path, frames)


def test_impossible_labels_are_errors() -> None:
    with pytest.raises(InvalidTimecode):
        Timecode(hours=1, minutes=1, seconds=0, frames=0, frame_rate=29.97, drop_frame=True)

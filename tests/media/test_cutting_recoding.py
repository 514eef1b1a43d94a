"""Long-GOP clips cut to the frame: what is copied is copied, what is encoded again is the right frame; nothing else is there."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from film_archive.core.errors import NotSupported, OutOfRange, Refused
from film_archive.core.source import FileSource, MemorySource
from film_archive.core.timecode import FrameRange, FrameRate, Timecode
from film_archive.media.av import recoding as encoding
from film_archive.media.bitstream.avc_record import AvcRecord, parameter_id
from film_archive.media.bitstream.bits import UnreadableError
from film_archive.media.cutting.cuttable import CutResult
from film_archive.media.cutting.opening import open_clip
from film_archive.media.cutting.recoding import Mode, RecodedClip, in_mode
from film_archive.media.cutting.splicing import Parts
from film_archive.media.mov import MovFile
from film_archive.media.probe import index, probe
from film_archive.testing.media import AudioSpec, ClipSpec, cached_clip
from film_archive.testing.oddities import ODDITIES
from tests.reading import assert_heard_alike, codes_of, codes_without_index, frame_bytes

NTSC = FrameRate(30_000, 1001)
SPEC = ClipSpec(
    name="gops", codec="h264", rate=NTSC, frames=60, gop=12, b_frames=2, container="mp4", width=128, height=72,
    start=Timecode.from_string("10:58:59;20", NTSC), audio=(AudioSpec("aac"), AudioSpec("pcm_s16le", 1)), reel="A001",
)  # fmt: skip
HEVC = (("preset", "ultrafast"), ("x265-params", "open-gop=0:log-level=none"))
KINDS = {
    "no b-frames": replace(SPEC, name="no_b", b_frames=0, audio=()),
    "ten bits": replace(SPEC, name="ten", profile="High 10", audio=()),
    "4:2:2": replace(SPEC, name="422", profile="High 4:2:2", audio=(), container="mov"),
    "main": replace(SPEC, name="main", profile="Main", audio=(), rate=FrameRate(25, 1), start=None, reel=None),
    "hevc": replace(SPEC, name="hevc", codec="h265", encoder_options=HEVC),
    "hevc ten bits": replace(SPEC, name="hevc10", codec="h265", profile="Main 10", encoder_options=HEVC, container="mov"),
    "hevc open gops": replace(ODDITIES["hevc_10"], name="hevc_open"),
    "open gops": replace(ODDITIES["open_gop"], audio=()),
}


def cut(path: Path, frames: FrameRange, target: Path, mode: Mode = Mode.SMART) -> tuple[CutResult, Parts]:
    with FileSource(path) as source:
        clip = in_mode(open_clip(source), mode)
        assert isinstance(clip, RecodedClip)
        return clip.cut(frames, target), clip.parts(frames)


def assert_shows(path: Path, spec: ClipSpec, frames: FrameRange) -> None:
    expected = [spec.code(number) for number in frames]
    assert codes_of(path) == expected
    assert codes_without_index(path) == expected
    facts = probe(path)
    assert (facts.frames, facts.start_timecode, facts.reel) == (frames.count, spec.timecode(frames.first), spec.reel)
    usual = "High" if spec.codec == "h264" else "Main"
    assert (facts.codec, facts.profile, facts.frame_rate) == (spec.codec, spec.profile or usual, spec.rate)


def assert_copied(cut: Path, original: Path, first: int, copied: FrameRange) -> None:
    """What lies in whole GOPs is the original's, bit for bit."""
    with FileSource(cut) as new, FileSource(original) as old:
        there = FrameRange(copied.first - first, copied.end - first)
        assert frame_bytes(new, there) == frame_bytes(old, copied)


RANGES = [(0, 60), (5, 50), (12, 48), (13, 20), (12, 30), (20, 60), (0, 1), (59, 60), (23, 25), (11, 25), (36, 60)]


@pytest.mark.parametrize("frames", [FrameRange(*each) for each in RANGES], ids=str)
def test_smart_cuts(frames: FrameRange, footage: Path, tmp_path: Path) -> None:
    path = cached_clip(SPEC, footage)
    result, parts = cut(path, frames, tmp_path / "cut.mov")
    assert_shows(result.path, SPEC, frames)
    assert parts.head.count + parts.copied.count + parts.tail.count == frames.count
    whole = [start for start in range(0, 60, 12) if frames.first <= start and start + 12 <= frames.end]
    if whole:
        assert parts.copied == FrameRange(whole[0], whole[-1] + 12)
    assert result.mode == ("copy" if parts.copied.count == frames.count else "smart" if parts.copied.count else "encode")
    assert result.stored_from == frames.first
    assert index(result.path).frames == len(index(result.path).keys)  # no frame in the file that is not shown
    if parts.copied.count:
        assert_copied(result.path, path, frames.first, parts.copied)
    assert_heard_alike(result.path, SPEC, path, frames)
    assert bool(result.diagnostics) == (result.mode != "copy")


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_clips(kind: str, footage: Path, tmp_path: Path) -> None:
    spec = KINDS[kind]
    path = cached_clip(spec, footage)
    choice = random.Random(kind)
    for number in range(3):
        first = choice.randrange(spec.frames - 1)
        frames = FrameRange(first, choice.randint(first + 1, spec.frames))
        result, parts = cut(path, frames, tmp_path / f"{number}.mov")
        assert_shows(result.path, spec, frames)
        if parts.copied.count:
            assert_copied(result.path, path, first, parts.copied)


def test_all_encoded(footage: Path, tmp_path: Path) -> None:
    path = cached_clip(SPEC, footage)
    result, _ = cut(path, FrameRange(5, 40), tmp_path / "cut.mov", Mode.ENCODE)
    assert (result.mode, result.stored_from) == ("encode", 5)
    assert_shows(result.path, SPEC, FrameRange(5, 40))


def test_the_same_bytes_again_and_a_cut_of_a_cut(footage: Path, tmp_path: Path) -> None:
    path = cached_clip(SPEC, footage)
    one, _ = cut(path, FrameRange(5, 50), tmp_path / "one.mov")
    with FileSource(path) as source:
        made = in_mode(open_clip(source), Mode.SMART).cut_bytes(FrameRange(5, 50)).source
        assert made.read_at(0, made.size) == one.path.read_bytes()
        assert in_mode(open_clip(source), Mode.SMART).verify(FrameRange(5, 50), one.path) is not None
        assert in_mode(open_clip(source), Mode.SMART).verify(FrameRange(6, 50), one.path) is None
    again, _ = cut(one.path, FrameRange(3, 40), tmp_path / "two.mov")
    assert codes_of(again.path) == [SPEC.code(number) for number in range(8, 45)]


def test_each_frame_alone_needs_no_mode(footage: Path) -> None:
    with FileSource(cached_clip(ClipSpec(name="intra", frames=4), footage)) as source:
        clip = open_clip(source)
        assert in_mode(clip, Mode.SMART) is clip
        assert in_mode(clip, Mode.ENCODE) is clip


@pytest.mark.parametrize("name", ["interlaced_h264"])
def test_what_is_not_encoded_again_says_what_to_do(name: str, footage: Path) -> None:
    with FileSource(cached_clip(ODDITIES[name], footage)) as source:
        clip = open_clip(source)
        assert in_mode(clip, Mode.COPY) is clip
        for mode in (Mode.SMART, Mode.ENCODE):
            with pytest.raises(NotSupported, match="--mode copy"):
                in_mode(clip, mode)


def test_what_is_not_proven_gets_no_name(footage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An encoder that gives the frame before in a frame's place is found out."""
    path, target = cached_clip(SPEC, footage), tmp_path / "cut.mov"
    before = encoding.Recoder.pictures

    def late(self: encoding.Recoder, frames: FrameRange) -> object:
        return before(self, FrameRange(frames.first - 1, frames.end - 1))

    monkeypatch.setattr(encoding.Recoder, "pictures", late)
    with pytest.raises(NotSupported, match=r"frame 0 of the cut .*--mode copy"):
        cut(path, FrameRange(5, 50), target)
    assert list(tmp_path.iterdir()) == []


def test_what_can_t_be(footage: Path, tmp_path: Path) -> None:
    path, target = cached_clip(SPEC, footage), tmp_path / "cut.mov"
    with pytest.raises(OutOfRange):
        cut(path, FrameRange(50, 61), target)
    target.write_bytes(b"mine")
    with pytest.raises(Refused):
        cut(path, FrameRange(5, 50), target)
    assert target.read_bytes() == b"mine"


# The parameter sets


def record(footage: Path) -> AvcRecord:
    with FileSource(cached_clip(SPEC, footage)) as source:
        entry = MovFile.open(source).placed_picture.track.descriptions[0].raw  # type: ignore[union-attr]
    place = entry.index(b"avcC") - 4
    return AvcRecord.parse(entry[place + 8 : place + int.from_bytes(entry[place : place + 4], "big")])


def test_a_record_there_and_back(footage: Path) -> None:
    found = record(footage)
    assert AvcRecord.parse(found.to_bytes()) == found
    assert (found.length_size, len(found.sequence), len(found.picture), found.free_id) == (4, 1, 1, 1)
    with pytest.raises(UnreadableError):
        found.joined(found.sequence, ())


def test_records_that_are_cut_off(footage: Path) -> None:
    data = record(footage).to_bytes()
    for end in range(len(data)):
        try:
            AvcRecord.parse(data[:end])
        except UnreadableError:
            continue
        assert end >= len(data) - 8  # what stands behind the sets may be missing
    with pytest.raises(UnreadableError):
        parameter_id(b"")
    assert MemorySource(data).size == len(data)

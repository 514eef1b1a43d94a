"""Cutting MXF into MXF: whole edit units, and header metadata that says of the cut what it said of the whole."""

from __future__ import annotations

import struct
import subprocess
from itertools import pairwise
from pathlib import Path
from shutil import which

import pytest

from film_archive.core.errors import Damaged, NotSupported
from film_archive.core.source import FileSource, MemorySource
from film_archive.core.timecode import FrameRange
from film_archive.media.cutting.cuttable import CutResult
from film_archive.media.cutting.mxf_clip import MxfClip
from film_archive.media.cutting.opening import open_clip
from film_archive.media.mxf import MxfFile
from film_archive.media.probe import index, probe
from film_archive.testing.media import cached_clip
from film_archive.testing.oddities import ODDITIES
from tests.media.mxf_building import (
    PICTURE_KEY,
    SOUND_KEY,
    SYSTEM_KEY,
    Entry,
    Packages,
    Part,
    Timecode,
    Units,
    assemble,
    frame_wrap,
    index_segment,
    picture_track,
    prores_frame,
    sound_track,
)
from tests.media.test_cutting import some_ranges
from tests.reading import assert_heard_alike, assert_is_cut_of

CUT = [
    "prores_mxf", "dnxhr_mxf", "dnxhr_ntsc_mxf", "dnxhd_mxf", "xavc_intra_mxf", "avc_intra_100_mxf", "jpeg2000_mxf",
]  # fmt: skip


@pytest.mark.parametrize("name", CUT)
def test_bits_samples_and_timecode_of_any_range(name: str, footage: Path, tmp_path: Path) -> None:
    spec = ODDITIES[name]
    path = cached_clip(spec, footage)
    for number, frames in enumerate(some_ranges(spec, count=2)):
        target = tmp_path / f"{number}.mxf"
        with FileSource(path) as source:
            result = open_clip(source).cut(frames, target)
        assert (result.frames, result.mode, result.diagnostics) == (frames, "copy", ())
        assert result.start == spec.timecode(frames.first)
        assert_is_cut_of(target, spec, path, frames)
        assert_heard_alike(target, spec, path, frames)
        assert_same_place_in_a_block(path, target, frames)
        # every package that had a timecode says the same
        with FileSource(target) as source:
            opened = MxfFile.open(source)
            assert len({str(each.timecode) for each in opened.origin.candidates}) == 1
            assert opened.partitions.found_by == "random index pack"
            assert opened.facts().diagnostics == probe(path).diagnostics


def assert_same_place_in_a_block(path: Path, cut: Path, frames: FrameRange) -> None:
    assert (index(path).frame(frames.first).offset - index(cut).frame(0).offset) % 4096 == 0


@pytest.mark.parametrize("name", CUT)
@pytest.mark.skipif(which("ffmpeg") is None, reason="ffmpeg is not here")
def test_another_program_reads_the_same_packets(name: str, footage: Path, tmp_path: Path) -> None:
    path = cached_clip(ODDITIES[name], footage)
    with FileSource(path) as source:
        clip = open_clip(source)
        frames = FrameRange(clip.frames // 3, max(clip.frames // 3 + 1, clip.frames - 1))
        clip.cut(frames, tmp_path / "cut.mxf")
    for streams, found in packets(tmp_path / "cut.mxf").items():
        assert found == packets(path)[streams][frames.first : frames.end]


def packets(path: Path) -> dict[str, list[str]]:
    """Stream number → digests of its packets, by FFmpeg."""
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-map", "0", "-c", "copy", "-f", "framemd5", "-"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    found: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        if not line.startswith("#"):
            words = [word.strip() for word in line.split(",")]
            found.setdefault(words[0], []).append(words[-1])
    return found


def test_identities_are_new_and_the_same_again(footage: Path, tmp_path: Path) -> None:
    path = cached_clip(ODDITIES["dnxhr_mxf"], footage)
    for name in ("a.mxf", "b.mxf"):
        with FileSource(path) as source:
            open_clip(source).cut(FrameRange(2, 9), tmp_path / name)
    assert (tmp_path / "a.mxf").read_bytes() == (tmp_path / "b.mxf").read_bytes()
    with FileSource(path) as old, FileSource(tmp_path / "a.mxf") as new:
        before, after = MxfFile.open(old).metadata, MxfFile.open(new).metadata
    for one, other in zip(before.packages, after.packages, strict=True):
        assert (one.umid == other.umid) == (one.role == "physical")
    assert {each.umid for each in after.containers} == {each.umid for each in after.packages if each.role == "file"}


def test_a_cut_of_a_cut(footage: Path, tmp_path: Path) -> None:
    for name in ("prores_mxf", "xavc_intra_mxf"):
        spec = ODDITIES[name]
        with FileSource(cached_clip(spec, footage)) as source:
            open_clip(source).cut(FrameRange(1, 9), tmp_path / f"{name}.mxf")
        with FileSource(tmp_path / f"{name}.mxf") as source:
            open_clip(source).cut(FrameRange(2, 7), tmp_path / f"{name}-2.mxf")
        assert_is_cut_of(tmp_path / f"{name}-2.mxf", spec, cached_clip(spec, footage), FrameRange(3, 8))


# Structures of other writers


def units_of(count: int, *, sound: bool = True, uniform: bool = False) -> Units:
    units = [
        [
            (SYSTEM_KEY, bytes(57)),
            (PICTURE_KEY, prores_frame(number, 250 if uniform else 200 + number % 5 * 30)),
            *([(SOUND_KEY, bytes((number % 251,)) * 3840)] if sound else []),
        ]
        for number in range(count)
    ]
    return frame_wrap(units)


def cut_of(data: bytes, frames: FrameRange, folder: Path) -> tuple[MxfFile, CutResult, MemorySource]:
    clip = open_clip(MemorySource(data, "a.mxf"))
    assert isinstance(clip, MxfClip)
    result = clip.cut(frames, folder / "cut.mxf")
    source = MemorySource((folder / "cut.mxf").read_bytes(), "cut.mxf")
    return MxfFile.open(source), result, source


def payloads(source: MemorySource, frames: FrameRange) -> list[bytes]:
    found = MxfFile.open(source).index()
    return [source.read_at(found.frame(n).offset, found.frame(n).size) for n in frames]


@pytest.mark.parametrize("run_in", [b"", b"camera" * 30])
def test_precharge_origins_and_all_three_timecodes(run_in: bytes, tmp_path: Path) -> None:
    """Two edit units before the material begins, one more by the track's origin; the tape runs at its own place."""
    units = units_of(12)
    tracks = [picture_track(duration=9, start=2, origin=1), sound_track(duration=9, start=2, origin=1)]
    packages = Packages(
        tracks,
        material_timecode=Timecode(90_000, 25),
        file_timecode=Timecode(89_997, 25),
        physical_timecode=Timecode(0, 25),
        physical_start=89_997,
        reel="A001",
    )
    entries = [Entry(start, slices=(300,)) for start in units.starts]
    data = assemble(
        [
            Part(2, packages.header()),
            Part(3, essence=units.data, body_sid=1),
            Part(4, index=index_segment(duration=12, entries=entries, deltas=[(0, 0), (0, 77), (1, 0)]), index_sid=2),
        ],
        run_in=run_in,
    )
    whole = MemorySource(data, "a.mxf")
    assert str(MxfFile.open(whole).facts().start_timecode) == "01:00:00:00"
    opened, result, source = cut_of(data, FrameRange(3, 7), tmp_path)
    assert (opened.facts().frames, opened.facts().reel) == (4, "A001")
    assert [str(each.timecode) for each in opened.origin.candidates] == ["01:00:00:03"] * 3
    assert str(result.start) == "01:00:00:03"
    assert opened.picture is not None
    assert (opened.picture.first, opened.picture.shown) == (0, 4)
    assert payloads(source, FrameRange(0, 4)) == payloads(whole, FrameRange(3, 7))
    table = next(iter(opened.streams.values())).table
    assert table is not None
    assert table.entries is not None
    assert table.entries.slices.tolist() == [[300]] * 4
    assert [(delta.slice, delta.offset) for delta in table.deltas] == [(0, 0), (0, 77), (1, 0)]


def test_several_partitions_and_a_camera_s_own_stream(tmp_path: Path) -> None:
    units = units_of(9)
    split = units.starts[5]
    packages = Packages([picture_track(duration=9), sound_track(duration=9)], material_timecode=Timecode(17_982, 30, True))
    data = assemble(
        [
            Part(2, packages.header()),
            Part(3, essence=units.data[:split], body_sid=1),
            Part(3, essence=b"<NonRealTimeMeta/>" * 20, body_sid=3, status=0x11),
            Part(3, essence=units.data[split:], body_sid=1, body_offset=split),
            Part(4, index=index_segment(duration=9, entries=[Entry(start) for start in units.starts]), index_sid=2),
        ]
    )
    opened, result, source = cut_of(data, FrameRange(4, 8), tmp_path)
    kinds = [section.partition.kind for section in opened.partitions.sections]
    assert kinds == ["header", "generic stream", "body", "footer"]
    assert b"<NonRealTimeMeta/>" * 20 in source.read_at(0, source.size)
    assert payloads(source, FrameRange(0, 4)) == payloads(MemorySource(data, "a.mxf"), FrameRange(4, 8))
    for one, other in pairwise(section.partition for section in opened.partitions.sections):
        assert other.previous == one.offset
    assert result.bytes_read == sum(units.starts[n + 1] - units.starts[n] for n in range(4, 8))


def test_one_size_gives_one_index_segment_without_rows(tmp_path: Path) -> None:
    units = units_of(10, uniform=True)
    size = units.starts[1] - units.starts[0]
    data = assemble(
        [
            Part(2, Packages([picture_track(), sound_track()]).header(),
                 index=index_segment(unit_bytes=size, deltas=[(0, 0), (0, 77)]), index_sid=2),
            Part(3, essence=units.data, body_sid=1),
            Part(4),
        ]
    )  # fmt: skip
    opened, _, _ = cut_of(data, FrameRange(1, 9), tmp_path)
    (segment,) = opened.segments
    assert (segment.unit_bytes, segment.duration, segment.entries) == (size, 8, None)
    assert opened.index().frames == 8


def test_many_units_take_several_segments(tmp_path: Path) -> None:
    units = units_of(6100, sound=False)
    data = assemble(
        [Part(2, Packages([picture_track(duration=6100)]).header()), Part(3, essence=units.data, body_sid=1), Part(4)]
    )
    opened, _, source = cut_of(data, FrameRange(50, 6050), tmp_path)
    assert [segment.duration for segment in opened.segments] == [5957, 43]
    assert opened.index().frames == 6000
    assert payloads(source, FrameRange(5990, 6000)) == payloads(MemorySource(data, "a.mxf"), FrameRange(6040, 6050))


def test_what_can_t_be_mxf_becomes_a_movie_and_says_why(tmp_path: Path) -> None:
    units = units_of(6, sound=False)
    sound = bytes(6 * 3840)
    tracks = [picture_track(duration=6), sound_track(number=0x16010400, body_sid=2, duration=6)]
    data = assemble(
        [
            Part(2, Packages(tracks).header()),
            Part(3, essence=units.data, body_sid=1),
            Part(3, essence=SOUND_KEY[:14] + b"\4\0" + b"\x83" + struct.pack(">I", len(sound))[1:] + sound, body_sid=2),
            Part(4),
        ]
    )
    clip = open_clip(MemorySource(data, "a.mxf"))
    assert not isinstance(clip, MxfClip)
    assert clip.suffixes[0] == ".mov"
    assert clip.notes == ("the cut is a QuickTime movie and no MXF: its tracks do not lie together in one stream",)


def test_long_gop_says_why_it_is_neither(footage: Path) -> None:
    path = cached_clip(ODDITIES["mpeg2_long_gop_mxf"], footage)
    with FileSource(path) as source, pytest.raises(NotSupported, match="can't be MXF either: its frames need each other"):
        open_clip(source)


def test_frames_that_quicktime_can_t_hold_ask_for_mxf(footage: Path, tmp_path: Path) -> None:
    path = cached_clip(ODDITIES["xavc_intra_mxf"], footage)
    with FileSource(path) as source, pytest.raises(NotSupported, match=r"call the cut \.mxf"):
        open_clip(source).cut(FrameRange(0, 2), tmp_path / "cut.mov")


def test_a_recording_without_a_whole_frame_is_not_taken_for_sound(footage: Path) -> None:
    whole = cached_clip(ODDITIES["dnxhr_mxf"], footage).read_bytes()
    with FileSource(cached_clip(ODDITIES["dnxhr_mxf"], footage)) as source:
        first = int(index(source).video.offsets[0])
    for size in (first + 100, first + 1000):
        with pytest.raises(Damaged, match="no complete frame"):
            open_clip(MemorySource(whole[:size], "begun.mxf"))

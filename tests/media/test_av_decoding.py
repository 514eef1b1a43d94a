from __future__ import annotations

import os
import random
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from film_archive.core.errors import Damaged, NotSupported, OutOfRange, StorageError
from film_archive.core.source import ByteSource, FileSource, MemorySource
from film_archive.core.timecode import FrameRate
from film_archive.media.av.decoding import DecodedFrame, decode_frames
from film_archive.media.av.encoders import encoder_for
from film_archive.media.av.encoding import ContainerWriter, VideoSettings
from film_archive.media.av.frames import luma_of, rgb_of
from film_archive.media.av.opening import open_source
from film_archive.media.mov import MovFile
from film_archive.media.mxf import MxfFile
from film_archive.testing.media import ClipSpec, cached_clip, read_frame_code
from film_archive.testing.oddities import ODDITIES
from film_archive.testing.picture import Painter
from film_archive.testing.wave import WaveSpec, wave_bytes
from tests.media.demuxed_index import demuxed_index, ending_at

KEYFRAMED = ("long_gop", "open_gop", "fragmented", "mpeg2_long_gop_mxf", "h264_long_gop_mxf", "hevc_10", "matroska",
             "transport_stream", "vfr", "drop_frame_59")


def pixels(frame: DecodedFrame) -> bytes:
    assert frame.frame is not None
    return luma_of(frame.frame).tobytes()


def check(frame: DecodedFrame, spec: ClipSpec) -> None:
    assert frame.frame is not None
    assert not frame.corrupt
    assert read_frame_code(rgb_of(frame.frame)) == spec.code(frame.number)


@pytest.mark.parametrize("spec", ODDITIES.values(), ids=ODDITIES)
def test_every_frame_of_every_kind_has_its_number_and_time(spec: ClipSpec, footage: Path) -> None:
    with FileSource(cached_clip(spec, footage)) as source:
        counted = list(decode_frames(source, threads=1))
        indexed = list(decode_frames(source, threads=2, index=demuxed_index(source)))
    assert [frame.number for frame in counted] == list(range(spec.frames))
    assert [frame.time * spec.rate for frame in counted] == [tick for tick, _ in spec.shown()]
    for frame in counted:
        check(frame, spec)
    assert [(frame.number, frame.time, pixels(frame)) for frame in indexed] == [
        (frame.number, frame.time, pixels(frame)) for frame in counted
    ]


@pytest.mark.parametrize("name", KEYFRAMED)
@pytest.mark.parametrize("in_memory", [False, True], ids=["file", "memory"])
def test_decoding_from_any_frame_is_decoding_from_the_start(name: str, in_memory: bool, footage: Path) -> None:
    spec = ODDITIES[name]
    path = cached_clip(spec, footage)
    with FileSource(path) as file:
        source: ByteSource = MemorySource(path.read_bytes()) if in_memory else file
        index = demuxed_index(source)
        whole = [pixels(frame) for frame in decode_frames(source, index=index)]
        for start in range(0, spec.frames - 1, 1 if in_memory else 5):
            part = list(decode_frames(source, start=start, count=2, index=index, threads=1))
            assert [(frame.number, frame.corrupt, pixels(frame)) for frame in part] == [
                (number, False, whole[number]) for number in (start, start + 1)
            ]


def test_counting_skips_to_the_start_too(footage: Path) -> None:
    spec = ODDITIES["long_gop"]
    with FileSource(cached_clip(spec, footage)) as source:
        part = list(decode_frames(source, start=37, count=3))
    assert [frame.number for frame in part] == [37, 38, 39]
    assert part[0].time == 37 / spec.rate
    for frame in part:
        check(frame, spec)


@pytest.mark.parametrize("name", ["long_gop", "open_gop", "dnxhr_mxf", "mpeg2_long_gop_mxf"])
def test_pre_roll_and_what_lies_behind_the_end_are_not_shown(name: str, footage: Path) -> None:
    spec = ODDITIES[name]
    with FileSource(cached_clip(spec, footage)) as source:
        index = ending_at(demuxed_index(source, hidden=7), 10)
        shown = list(decode_frames(source, index=index))
        last = list(decode_frames(source, index=index, start=9))
    codes = [read_frame_code(rgb_of(frame.frame)) for frame in shown if frame.frame is not None]
    assert [frame.number for frame in shown] == list(range(10))
    assert codes == [spec.code(number + 7) for number in range(10)]
    assert [(frame.number, pixels(frame)) for frame in last] == [(9, pixels(shown[9]))]


def test_an_edit_list_in_the_file_hides_its_pre_roll_without_an_index(tmp_path: Path) -> None:
    spec = ClipSpec(name="trimmed", codec="h264")
    painter = Painter.of(320, 180, spec.name)
    path = tmp_path / "trimmed.mov"
    settings = VideoSettings(encoder=encoder_for("h264"), width=320, height=180, rate=spec.rate, gop=12)
    with ContainerWriter(path, "mov", options={"use_editlist": "1"}) as writer:
        track = writer.add_video(settings)
        for number in range(24):
            track.write(painter.frame(number, None), at=number - 5)
    with FileSource(path) as source:
        shown = list(decode_frames(source))
        hidden = list(decode_frames(source, index=demuxed_index(source, hidden=5)))
    assert [frame.number for frame in shown] == list(range(19))
    codes = [read_frame_code(rgb_of(frame.frame)) for frame in shown if frame.frame is not None]
    assert codes == [spec.code(number + 5) for number in range(19)]
    assert [pixels(frame) for frame in hidden] == [pixels(frame) for frame in shown]


def damaged(path: Path, source: ByteSource, positions: list[int]) -> MemorySource:
    """The file with the bytes of these packets (in decode order) zeroed."""
    index = demuxed_index(source)
    assert index.video is not None
    data = bytearray(path.read_bytes())
    for position in positions:
        offset, size = int(index.video.offsets[position]), int(index.video.sizes[position])
        if path.suffix == ".mxf":  # FFmpeg tells the place of the KLV, whose key and length are no part of the frame
            offset += 20
        data[offset : offset + size] = bytes(size)
    return MemorySource(data, path.name)


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("with_index", [True, False], ids=["index", "counting"])
@pytest.mark.parametrize("name", ["dnxhr_mxf", "no_audio", "mjpeg_mov", "long_gop", "open_gop", "hevc_10",
                                  "mpeg2_long_gop_mxf", "xavc_intra_mxf"])
def test_a_damaged_frame_is_reported_in_its_place(name: str, with_index: bool, threads: int, footage: Path) -> None:
    spec = ODDITIES[name]
    path = cached_clip(spec, footage)
    with FileSource(path) as source:
        index = demuxed_index(source)
        clean = [pixels(frame) for frame in decode_frames(source)]
        for positions in ([9], [3, 4], [spec.frames - 1], [13, 20]):
            bad = damaged(path, source, positions)
            frames = list(decode_frames(bad, index=index if with_index else None, threads=threads))
            assert [frame.number for frame in frames] == list(range(spec.frames))
            hurt = {int(np.flatnonzero(index.shown == position)[0]) for position in positions}
            assert hurt <= {frame.number for frame in frames if frame.corrupt}
            for frame in frames:
                if not frame.corrupt:
                    assert pixels(frame) == clean[frame.number]
            if index.intra:
                assert hurt == {frame.number for frame in frames if frame.corrupt}


def test_damage_ends_at_the_next_keyframe(footage: Path) -> None:
    spec = ODDITIES["long_gop"]
    path = cached_clip(spec, footage)
    with FileSource(path) as source:
        index = demuxed_index(source)
        bad = damaged(path, source, [1])
        frames = list(decode_frames(bad, index=index, threads=1))
        later = list(decode_frames(bad, index=index, start=10, count=2, threads=1))
    assert index.keys[24]
    assert [frame.number for frame in frames if frame.corrupt] == list(range(1, 24))
    assert all(frame.corrupt for frame in later), "what was decoded before the start counts"


@pytest.mark.parametrize("threads", [1, 3])
def test_a_truncated_file_ends_in_corrupt_frames(threads: int, footage: Path) -> None:
    spec = ODDITIES["moov_first"]
    path = cached_clip(spec, footage)
    with FileSource(path) as source:
        index = demuxed_index(source)
        assert index.video is not None
        cut = int(index.video.offsets[15]) + 100
        frames = list(decode_frames(MemorySource(path.read_bytes()[:cut]), index=index, threads=threads))
    assert [(frame.number, frame.corrupt) for frame in frames] == [(number, number >= 15) for number in range(24)]
    assert frames[20].frame is None
    for frame in frames[:15]:
        check(frame, spec)


def test_a_truncated_file_without_an_index_does_not_just_end(footage: Path) -> None:
    path = cached_clip(ODDITIES["moov_first"], footage)
    with FileSource(path) as source:
        index = demuxed_index(source)
        assert index.video is not None
        cut = int(index.video.offsets[15]) + 100
    short = MemorySource(path.read_bytes()[:cut])
    for count in (None, 24):
        with pytest.raises(Damaged, match="cut short"):
            list(decode_frames(short, count=count))
    assert len(list(decode_frames(short, count=15))) == 15


def test_ranges_outside_the_file(footage: Path) -> None:
    with FileSource(cached_clip(ODDITIES["no_audio"], footage)) as source:
        index = demuxed_index(source)
        for start, count in ((24, 1), (0, 25), (-1, 2), (30, None)):
            with pytest.raises(OutOfRange):
                list(decode_frames(source, index=index, start=start, count=count))
        assert list(decode_frames(source, index=index, start=24)) == []
        assert list(decode_frames(source, count=0)) == []
        for start, count in ((24, 1), (0, 25), (30, None), (-1, 1), (0, -1)):
            with pytest.raises(OutOfRange):
                list(decode_frames(source, start=start, count=count))


@pytest.mark.parametrize("data", [b"", b"\0" * 5000, b"Slate 12 take 3\n" * 400, os.urandom(4000)],
                         ids=["empty", "zeros", "text", "noise"])
def test_what_is_no_media(data: bytes) -> None:
    with pytest.raises((Damaged, NotSupported)):
        list(decode_frames(MemorySource(data)))


def test_sound_alone_has_no_picture() -> None:
    with pytest.raises(NotSupported, match="no picture"):
        list(decode_frames(MemorySource(wave_bytes(WaveSpec(name="tone")))))


def test_a_claim_of_an_enormous_picture_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "huge.mov"
    with ContainerWriter(path, "mov") as writer:
        track = writer.add_video(VideoSettings(encoder=encoder_for("png"), width=64, height=48, rate=FrameRate(24, 1)))
        for number in range(3):
            track.write(Painter.of(64, 48, "huge").frame(number, None))
    data = bytearray(path.read_bytes())
    header = data.index(b"IHDR", data.index(b"IHDR") + 1)
    data[header + 4 : header + 12] = (60_000).to_bytes(4, "big") * 2
    frames = list(decode_frames(MemorySource(data)))
    assert [frame.corrupt for frame in frames] == [False, True, False]


class FailingSource(MemorySource):
    """Bytes that can't be read beyond a place."""

    limit = 1 << 40

    def read_into(self, offset: int, buffer: memoryview) -> int:
        if offset + len(buffer) > self.limit:
            raise StorageError("Could not read the card at byte 4711: Input/output error.")
        return super().read_into(offset, buffer)


def test_a_disk_that_fails_is_not_a_corrupt_frame(footage: Path) -> None:
    path = cached_clip(ODDITIES["moov_first"], footage)
    with FileSource(path) as whole:
        index = demuxed_index(whole)
    source = FailingSource(path.read_bytes())
    frames = decode_frames(source, index=index, threads=1)
    assert next(frames).number == 0
    source.limit = 600_000
    with pytest.raises(StorageError, match="4711"):
        list(frames)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc to count open files")
def test_nothing_stays_open(footage: Path) -> None:
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    path = cached_clip(ODDITIES["long_gop"], footage)
    before = open_files()
    with FileSource(path) as source:
        frames = decode_frames(source)
        next(frames)
        assert open_files() == before + 2
        frames.close()  # type: ignore[attr-defined]  # it is a generator
        assert open_files() == before + 1
        list(decode_frames(source))
    assert open_files() == before


def test_times_are_exact(footage: Path) -> None:
    with FileSource(cached_clip(ODDITIES["drop_frame"], footage)) as source:
        frames = list(decode_frames(source, index=demuxed_index(source)))
    assert frames[23].time == Fraction(23 * 1001, 30_000)


def test_an_index_that_knows_the_order_better_than_the_container(footage: Path) -> None:
    spec = ODDITIES["h264_long_gop_mxf"]
    with FileSource(cached_clip(spec, footage)) as source:
        index = demuxed_index(source)
        assert index.video is not None
        with open_source(source) as opened:
            told = [frame.pts for frame in opened.decode(video=0)]
        assert told != sorted(told), "FFmpeg's MXF writer gives long-GOP H.264 the times of decoding"
        times = np.zeros(spec.frames, np.int64)
        times[told] = np.arange(spec.frames)
        better = replace(index, video=replace(index.video, times=times))
        for start in range(0, spec.frames, 3):
            frames = list(decode_frames(source, index=better, start=start))
            assert [frame.number for frame in frames] == list(range(start, spec.frames))
            for frame in frames:
                check(frame, spec)


# For long-GOP H.264 in MXF without temporal offsets the reader has no index to give.
INDEXED = sorted(
    {name for name, clip in ODDITIES.items() if clip.container in ("mov", "mp4", "mxf")} - {"h264_long_gop_mxf"}
)


@pytest.mark.parametrize("name", INDEXED)
def test_the_own_readers_index_numbers_frames_alike(name: str, footage: Path) -> None:
    spec = ODDITIES[name]
    with FileSource(cached_clip(spec, footage)) as source:
        index = (MxfFile if spec.container == "mxf" else MovFile).open(source).index()
        assert index.frames == spec.frames
        for start in (0, spec.frames // 3, spec.frames // 2 + 3, spec.frames - 1):
            frames = list(decode_frames(source, index=index, start=min(start, spec.frames - 1)))
            assert [frame.number for frame in frames] == list(range(min(start, spec.frames - 1), spec.frames))
            for frame in frames:
                check(frame, spec)


@pytest.mark.parametrize("name", ["long_gop", "dnxhr_mxf", "hevc_10", "transport_stream"])
@pytest.mark.parametrize("seed", range(12))
def test_broken_files_end_in_our_errors_or_in_numbered_frames(name: str, seed: int, footage: Path) -> None:
    spec = ODDITIES[name]
    path = cached_clip(spec, footage)
    chance = random.Random(seed)
    data = bytearray(path.read_bytes())
    with FileSource(path) as source:
        index = demuxed_index(source)
    for _ in range(chance.choice([1, 5, 30])):
        place = chance.choice([chance.randrange(len(data)), chance.randrange(2000), -chance.randrange(1, 2000)])
        data[place] = chance.randrange(256)
    if seed % 4 == 3:
        del data[chance.randrange(len(data)) :]
    for known in (index, None):
        try:
            frames = list(decode_frames(MemorySource(data), index=known))
        except (Damaged, NotSupported, OutOfRange):
            continue
        assert [frame.number for frame in frames] == list(range(len(frames)))
        assert known is None or len(frames) == spec.frames

from __future__ import annotations

import errno
import io
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from film_archive.core.errors import FilmArchiveError, NoSpace, NotFound, NotSupported, StorageError, UsageError
from film_archive.core.facts import ColorFacts
from film_archive.core.source import FileSource, MemorySource
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.media.av.decoding import decode_frames
from film_archive.media.av.encoders import encoder_for
from film_archive.media.av.encoding import AudioSettings, ContainerWriter, VideoSettings
from film_archive.media.av.frames import frame_of, luma_of, rgb_of
from film_archive.testing.media import read_frame_code
from film_archive.testing.picture import Painter, frame_picture

RATE = FrameRate(24, 1)
PAL = FrameRate(25, 1)


def settings(codec: str = "prores_422", profile: str | None = None, **fields: Any) -> VideoSettings:
    shape: dict[str, Any] = {"width": 160, "height": 96, "rate": RATE} | fields
    return VideoSettings(encoder=encoder_for(codec, profile), **shape)


def written(container: str, video: VideoSettings, frames: int = 6, sound: int = 0, **about: Any) -> bytes:
    file = io.BytesIO()
    painter = Painter.of(video.width, video.height, "written")
    with ContainerWriter(file, container, **about) as writer:
        track = writer.add_video(video)
        tracks = [writer.add_audio(AudioSettings(channels=1)) for _ in range(sound)]
        for number in range(frames):
            track.write(painter.frame(number, None))
            for each in tracks:
                each.write(np.zeros((2000, 1), np.int16))
    return file.getvalue()


@pytest.mark.parametrize(
    ("container", "rate", "label"),
    [
        ("mov", RATE, "01:00:00:00"),
        ("mov", FrameRate(30_000, 1001), "10:58:59;28"),
        ("mov", FrameRate(60_000, 1001), "10:58:59;58"),
        ("mov", FrameRate(120_000, 1001), "10:58:59;118"),
        ("mov", FrameRate(24_000, 1001), "23:59:59:23"),
        ("mxf", PAL, "09:30:00:00"),
        ("mxf", FrameRate(30_000, 1001), "10:58:59;28"),
        ("mp4", FrameRate(30_000, 1001), "10:58:59;28"),
    ],
)
def test_timecode_and_reel(container: str, rate: FrameRate, label: str) -> None:
    video = settings("h264" if container == "mp4" else "prores_422", rate=rate)
    data = written(container, video, timecode=Timecode.from_string(label, rate), reel="A001R1AB")
    with av.open(io.BytesIO(data)) as opened:
        tags = {**opened.metadata}
        for stream in opened.streams:
            tags.update(stream.metadata)
    assert tags["timecode"] == label
    assert tags["com.apple.proapps.reel" if container == "mp4" else "reel_name"] == "A001R1AB"


def test_a_reel_without_timecode_goes_into_the_metadata_keys() -> None:
    with av.open(io.BytesIO(written("mov", settings(), reel="B002"))) as opened:
        assert opened.metadata["com.apple.proapps.reel"] == "B002"


def test_without_timecode_and_reel_there_is_neither() -> None:
    with av.open(io.BytesIO(written("mov", settings()))) as opened:
        assert len(opened.streams) == 1
        assert "timecode" not in opened.streams.video[0].metadata


@pytest.mark.parametrize("rate", [RATE, PAL, FrameRate(24_000, 1001), FrameRate(30_000, 1001), FrameRate(120_000, 1001),
                                  FrameRate(15, 2), FrameRate(25, 2)], ids=str)
@pytest.mark.parametrize("container", ["mov", "mp4"])
def test_quicktime_times_are_exact(container: str, rate: FrameRate) -> None:
    data = written(container, settings("h264", rate=rate, gop=6, b_frames=2), frames=10)
    with av.open(io.BytesIO(data)) as opened:
        stream = opened.streams.video[0]
        assert stream.time_base is not None
        assert stream.duration is not None
        assert stream.duration * stream.time_base == 10 / rate
        assert stream.average_rate == rate
    header = data.index(b"mvhd")
    timescale, duration = struct.unpack_from(">II", data, header + 16)
    assert Fraction(duration, timescale) == 10 / rate, "the movie's own clock expresses whole frames"


def test_pictures_are_shown_for_as_long_as_asked() -> None:
    file = io.BytesIO()
    video = settings("h264", rate=RATE, time_base=Fraction(1, 90_000))
    with ContainerWriter(file, "mp4") as writer:
        track = writer.add_video(video)
        at = 0
        for number, hold in enumerate((3000, 3003, 9000, 1500)):
            track.write(frame_picture(number, None, 160, 96, name="held"), at=at, duration=hold)
            at += hold
    with MemorySource(file.getvalue()) as source:
        times = [frame.time for frame in decode_frames(source)]
    assert times == [Fraction(tick, 90_000) for tick in (0, 3000, 6003, 15_003)]
    with av.open(io.BytesIO(file.getvalue())) as opened:
        stream = opened.streams.video[0]
        assert stream.duration is not None
        assert stream.time_base is not None
        assert stream.duration * stream.time_base == Fraction(16_503, 90_000)


@pytest.mark.parametrize(
    ("container", "codec"), [("mov", "prores_422"), ("mxf", "prores_422"), ("mp4", "h264"), ("mov", "h265")]
)
def test_colour_tags_are_written(container: str, codec: str) -> None:
    color = ColorFacts(primaries="bt2020", transfer="arib-std-b67", matrix="bt2020nc", range="limited")
    data = written(container, settings(codec, color=color, width=256, height=128))
    with av.open(io.BytesIO(data)) as opened:
        frame = next(opened.decode(video=0))
        assert (frame.color_primaries, frame.color_trc, frame.colorspace, frame.color_range) == (9, 18, 9, 1)


def test_the_matrix_that_is_tagged_is_the_one_that_was_used() -> None:
    red = np.zeros((96, 160, 3), np.uint8)
    red[:] = (255, 0, 0)
    for matrix, luma in (("bt709", 250), ("bt2020nc", 294), ("smpte170m", 326)):
        file = io.BytesIO()
        with ContainerWriter(file, "mov") as writer:
            writer.add_video(settings("uncompressed", color=ColorFacts(matrix=matrix, range="limited"))).write(red)
        frame = next(decode_frames(MemorySource(file.getvalue()))).frame
        assert frame is not None
        plane = np.frombuffer(bytes(frame.planes[0]), np.uint16)
        assert abs(int(plane[0]) - luma) <= 1


def test_pixel_aspect_and_field_order() -> None:
    for container, codec in (("mov", "prores_422"), ("mp4", "h264"), ("mov", "dnxhr")):
        data = written(container, settings(codec, pixel_aspect=Fraction(2), width=256, height=128))
        with av.open(io.BytesIO(data)) as opened:
            assert opened.streams.video[0].sample_aspect_ratio == 2
    for scan in ("tff", "bff"):
        for codec in ("prores_422", "h264"):
            with av.open(io.BytesIO(written("mov", settings(codec, scan=scan, rate=PAL)))) as opened:
                assert next(opened.decode(video=0)).interlaced_frame
    with av.open(io.BytesIO(written("mov", settings()))) as opened:
        assert not next(opened.decode(video=0)).interlaced_frame


@pytest.mark.parametrize("kind", ["rgb", "rgba", "gray", "rgb16", "gray16", "frame", "yuv"])
def test_what_a_picture_may_be(kind: str) -> None:
    picture = frame_picture(7, None, 160, 96, name="kinds")
    gray = picture[:, :, 1]
    given: Any = {
        "rgb": picture,
        "rgba": np.dstack((picture, np.full_like(gray, 255))),
        "gray": gray,
        "rgb16": picture.astype(np.uint16) * 257,
        "gray16": gray.astype(np.uint16) * 257,
        "frame": frame_of(picture),
        "yuv": frame_of(np.vstack((gray, np.full((48, 160), 128, np.uint8))), "yuv420p"),
    }[kind]
    file = io.BytesIO()
    with ContainerWriter(file, "mov") as writer:
        writer.add_video(settings()).write(given)
    frame = next(decode_frames(MemorySource(file.getvalue()))).frame
    assert frame is not None
    code = read_frame_code(rgb_of(frame))
    assert code is not None
    assert code.number == 7
    if kind != "yuv":  # there full-range gray was taken for limited-range luma
        wanted = luma_of(frame_of(gray if kind.startswith("gray") else picture))
        assert np.abs(luma_of(frame).astype(int) - wanted.astype(int)).mean() < 6


@pytest.mark.parametrize(
    "picture",
    [np.zeros((4, 4, 2), np.uint8), np.zeros((4, 4, 3), np.float64), np.zeros(16, np.uint8)],
    ids=["two channels", "floats", "a line"],
)
def test_what_no_picture_is(picture: np.ndarray[Any, Any]) -> None:
    with ContainerWriter(io.BytesIO(), "mov") as writer:
        track = writer.add_video(settings())
        with pytest.raises(UsageError, match="picture"):
            track.write(picture)


def test_a_frame_that_was_handed_in_stays_as_it_was() -> None:
    with MemorySource(written("mov", settings("h264"))) as source:
        frames = [decoded.frame for decoded in decode_frames(source) if decoded.frame is not None]
    before = [(frame.pts, frame.time_base, frame.pict_type, luma_of(frame).tobytes()) for frame in frames]
    outputs = [io.BytesIO(), io.BytesIO()]
    for file, rate in zip(outputs, (RATE, FrameRate(30_000, 1001)), strict=True):
        with ContainerWriter(file, "mov") as writer:
            track = writer.add_video(settings("h264", rate=rate, gop=3))
            for frame in frames:
                track.write(frame)
    assert [(frame.pts, frame.time_base, frame.pict_type, luma_of(frame).tobytes()) for frame in frames] == before
    for file in outputs:
        with MemorySource(file.getvalue()) as source:
            assert len(list(decode_frames(source))) == len(frames)


def test_pictures_are_scaled_to_the_track() -> None:
    file = io.BytesIO()
    with ContainerWriter(file, "mov") as writer:
        track = writer.add_video(settings("h264", width=320, height=180))
        for number in range(4):
            track.write(frame_picture(number, None, 640, 360, name="scaled"))
    frames = decode_frames(MemorySource(file.getvalue()))
    codes = [read_frame_code(rgb_of(frame.frame)) for frame in frames if frame.frame]
    assert [code and code.number for code in codes] == [0, 1, 2, 3]


def test_the_same_input_makes_the_same_bytes() -> None:
    for container, codec in (("mov", "prores_422"), ("mp4", "h264"), ("mov", "h265"), ("mov", "dnxhr")):
        video = settings(codec, width=256, height=128)
        made = [written(container, video, sound=1, metadata={"title": "x"}) for _ in (0, 1)]
        assert made[0] == made[1]


def test_each_mxf_has_its_own_identity() -> None:
    first, second = (written("mxf", settings(rate=PAL)) for _ in (0, 1))
    with av.open(io.BytesIO(first)) as one, av.open(io.BytesIO(second)) as other:
        assert one.metadata["material_package_umid"] != other.metadata["material_package_umid"]


class FullDisk(io.BytesIO):
    """A file that takes only so many bytes."""

    name = "full.mov"

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def write(self, data: Any) -> int:
        if self.tell() + len(data) > self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data)


@pytest.mark.parametrize("room", [0, 100, 20_000, 60_000])
@pytest.mark.parametrize(("container", "codec"), [("mov", "prores_422"), ("mxf", "dnxhr"), ("mp4", "h264")])
def test_a_full_disk_is_told_and_lets_go(container: str, codec: str, room: int) -> None:
    file = FullDisk(room)
    painter = Painter.of(256, 144, "full")
    with pytest.raises(NoSpace, match=r"full\.mov"), ContainerWriter(file, container) as writer:  # noqa: PT012
        track = writer.add_video(settings(codec, width=256, height=144, rate=PAL, bit_rate=8_000_000))
        for number in range(40):
            track.write(painter.frame(number, None))
    assert writer.tracks == []
    writer.close()
    with pytest.raises(UsageError, match="closed"):
        track.write(painter.frame(0, None))
    assert not file.closed, "a file that was handed in is its owner's to close"


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc to count open files")
def test_nothing_stays_open(tmp_path: Path) -> None:
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = open_files()
    path = tmp_path / "a.mov"
    with pytest.raises(RuntimeError, match="stop"), ContainerWriter(path, "mov") as writer:  # noqa: PT012
        writer.add_video(settings()).write(frame_picture(0, None, 160, 96))
        assert open_files() == before + 1
        raise RuntimeError("stop")
    assert open_files() == before
    with pytest.raises(FilmArchiveError), FileSource(path) as source:
        list(decode_frames(source))
    with ContainerWriter(path, "mov") as writer:
        writer.add_video(settings()).write(frame_picture(0, None, 160, 96))
    assert open_files() == before
    with FileSource(path) as source:
        assert len(list(decode_frames(source))) == 1


def test_wrong_use_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotSupported, match="x-ocn"):
        encoder_for("x-ocn")
    with pytest.raises(NotSupported, match="422 Super"):
        encoder_for("prores_422", "422 Super")
    with pytest.raises(NotFound):
        ContainerWriter(tmp_path / "no" / "folder.mov", "mov")
    with pytest.raises((UsageError, NotSupported)):
        ContainerWriter(io.BytesIO(), "no such container")
    with pytest.raises(UsageError), ContainerWriter(io.BytesIO(), "mp4") as writer:
        writer.add_video(settings("cineform"))
    with ContainerWriter(io.BytesIO(), "mov") as writer:
        track = writer.add_video(settings())
        track.write(frame_picture(0, None, 160, 96))
        with pytest.raises(UsageError, match="before the first"):
            writer.add_audio(AudioSettings())
    with ContainerWriter(io.BytesIO(), "mov") as writer:
        sound = writer.add_audio(AudioSettings(channels=2))
        for samples in (np.zeros((10, 3), np.int16), np.zeros(10, np.int16), np.zeros((10, 2), np.float64)):
            with pytest.raises(UsageError):
                sound.write(samples)
        with pytest.raises(UsageError):
            writer.add_audio(AudioSettings(codec="libx264"))


def test_a_container_that_has_no_pictures_is_whole_all_the_same() -> None:
    file = io.BytesIO()
    with ContainerWriter(file, "mov") as writer:
        writer.add_video(settings())
    with MemorySource(file.getvalue()) as source, pytest.raises((FilmArchiveError, StopIteration)):
        next(decode_frames(source, count=1))


@pytest.mark.parametrize("codec", ["pcm_s16le", "pcm_s24le", "pcm_f32le"])
def test_sound_of_all_sample_types(codec: str) -> None:
    from film_archive.media.av.sound import decode_audio

    wave = (np.arange(4000) * 7 % 6000 - 3000).astype(np.int16)
    for samples in (wave, wave.astype(np.int32) << 16, wave.astype(np.float32) / np.float32(32_768)):
        file = io.BytesIO()
        with ContainerWriter(file, "mov") as writer:
            writer.add_audio(AudioSettings(codec=codec, channels=1)).write(samples[:, None])
        heard = np.concatenate([run.samples for run in decode_audio(MemorySource(file.getvalue()))])[:, 0]
        if heard.dtype == np.float32:
            assert np.array_equal(np.rint(heard * 32_768).astype(np.int16), wave)
        else:
            assert np.array_equal(heard.astype(np.int64) >> (heard.dtype.itemsize * 8 - 16), wave)


def test_errors_of_the_file_object_come_through() -> None:
    class Broken(io.BytesIO):
        def write(self, data: Any) -> int:
            raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(StorageError, match="Input/output"), ContainerWriter(Broken(), "mov") as writer:
        writer.add_video(settings()).write(frame_picture(0, None, 160, 96))

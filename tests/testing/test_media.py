from __future__ import annotations

import io
import json
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from film_archive.core.errors import Refused, UsageError
from film_archive.core.source import FileSource, MemorySource
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.media.av.decoding import decode_frames
from film_archive.media.av.encoding import ContainerWriter
from film_archive.media.av.fragments import fragment_video
from film_archive.media.av.frames import rgb_of
from film_archive.testing.media import (
    ClipSpec,
    cached_clip,
    demo_clips,
    demo_production,
    make_clip,
    read_frame_code,
)
from film_archive.testing.oddities import ODDITIES

BOX = (320, 180)
needs_ffprobe = pytest.mark.skipif(shutil.which("ffprobe") is None, reason="ffprobe is not installed")


def fitted(width: int, height: int) -> tuple[int, int]:
    """The size in which a picture fits inside the smallest proxy: even, never enlarged."""
    scale = min(Fraction(BOX[0], width), Fraction(BOX[1], height), Fraction(1))
    return int(width * scale) // 2 * 2, int(height * scale) // 2 * 2


def read_after_proxy(path: Path, spec: ClipSpec) -> list[Any]:
    """The codes that are read from a clip after scaling into 320×180 and x264 superfast at 0.5 Mb/s."""
    file = io.BytesIO()
    with FileSource(path) as source, ContainerWriter(file, "mp4") as writer:
        track = writer.add_video(fragment_video(*fitted(spec.width, spec.height), spec.rate, 500_000))
        for decoded in decode_frames(source):
            assert decoded.frame is not None
            track.write(decoded.frame, at=decoded.number)
    with MemorySource(file.getvalue()) as proxy:
        return [read_frame_code(rgb_of(frame.frame)) for frame in decode_frames(proxy) if frame.frame is not None]


@pytest.mark.parametrize("spec", ODDITIES.values(), ids=ODDITIES)
def test_every_kind_can_be_read_from_its_smallest_proxy(spec: ClipSpec, footage: Path) -> None:
    codes = read_after_proxy(cached_clip(spec, footage), spec)
    assert codes == [spec.code(number) for number in range(spec.frames)]


def ffprobe(path: Path) -> dict[str, Any]:
    command = ["ffprobe", "-v", "error", "-show_format", "-show_streams", "-of", "json", str(path)]
    said: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return said


def tags(said: dict[str, Any]) -> dict[str, str]:
    found = dict(said["format"].get("tags", {}))
    for stream in said["streams"]:
        found.update(stream.get("tags", {}))
    return found


@needs_ffprobe
@pytest.mark.parametrize("spec", ODDITIES.values(), ids=ODDITIES)
def test_another_program_finds_what_was_asked_for(spec: ClipSpec, footage: Path) -> None:
    said = ffprobe(cached_clip(spec, footage))
    video = next(stream for stream in said["streams"] if stream["codec_type"] == "video")
    assert (video["width"], video["height"]) == (spec.width, spec.height)
    if spec.holds == (1,):
        assert Fraction(video["r_frame_rate"]) == spec.rate
    found = tags(said)
    assert found.get("timecode") == (None if spec.start is None else str(spec.start))
    assert found.get("com.apple.proapps.reel" if spec.container == "mp4" else "reel_name") == spec.reel
    sound = [stream for stream in said["streams"] if stream["codec_type"] == "audio"]
    assert [(stream["channels"], int(stream["sample_rate"])) for stream in sound] == [
        (track.channels, track.sample_rate) for track in spec.audio
    ]
    if spec.pixel_aspect != 1:
        assert Fraction(video["sample_aspect_ratio"].replace(":", "/")) == spec.pixel_aspect
    orders = {"progressive": (None, "progressive", "unknown"), "tff": ("tt", "tb"), "bff": ("bb", "bt")}
    assert video.get("field_order") in orders[spec.scan]


PROFILES = {
    "prores_lt": ("prores", "LT"),
    "prores_mxf": ("prores", "HQ"),
    "prores_4444_alpha": ("prores", "4444"),
    "dnxhr_mxf": ("dnxhd", "DNXHR HQ"),
    "dnxhr_hqx_mov": ("dnxhd", "DNXHR HQX"),
    "dnxhd_mxf": ("dnxhd", "DNXHD"),
    "xavc_intra_mxf": ("h264", "High 4:2:2 Intra"),
    "avc_intra_100_mxf": ("h264", "High 4:2:2 Intra"),
    "hevc_10": ("hevc", "Main 10"),
    "jpeg2000_mxf": ("jpeg2000", None),
    "long_gop": ("h264", "High"),
}


@needs_ffprobe
@pytest.mark.parametrize("name", PROFILES)
def test_codecs_are_the_real_ones(name: str, footage: Path) -> None:
    video = next(
        stream for stream in ffprobe(cached_clip(ODDITIES[name], footage))["streams"] if stream["codec_type"] == "video"
    )
    codec, profile = PROFILES[name]
    assert video["codec_name"] == codec
    if profile is not None:
        assert video["profile"] == profile
    if name == "prores_4444_alpha":
        assert video["pix_fmt"].startswith("yuva444p")
    if name == "hevc_10":
        assert (video["color_primaries"], video["color_transfer"], video["color_space"]) == (
            "bt2020", "arib-std-b67", "bt2020nc",
        )


def test_a_clip_is_not_overwritten(tmp_path: Path) -> None:
    spec = ClipSpec(name="once", frames=2)
    path = make_clip(spec, tmp_path)
    before = path.read_bytes()
    with pytest.raises(Refused):
        make_clip(spec, tmp_path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_the_cache_makes_each_spec_once(tmp_path: Path) -> None:
    spec = ClipSpec(name="kept", frames=2)
    path = cached_clip(spec, tmp_path)
    made = path.stat().st_mtime_ns
    assert cached_clip(spec, tmp_path) == path
    assert path.stat().st_mtime_ns == made
    other = cached_clip(ClipSpec(name="kept", frames=3), tmp_path)
    assert other.name == path.name
    assert other != path
    assert sorted(tmp_path.iterdir()) == sorted((path.parent, other.parent)), "nothing unfinished is left"


def test_a_clip_that_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    spec = ClipSpec(name="wrong", codec="cineform", container="mp4", frames=2)
    for make in (make_clip, cached_clip):
        with pytest.raises(UsageError, match=r"wrong\.mp4"):
            make(spec, tmp_path)
        assert list(tmp_path.iterdir()) == []


def test_a_spec_counts_its_time() -> None:
    rate = FrameRate(30_000, 1001)
    spec = ClipSpec(name="held", rate=rate, frames=5, holds=(1, 3), start=Timecode.from_string("10:58:59;28", rate))
    assert list(spec.shown()) == [(0, 1), (1, 3), (4, 1), (5, 3), (8, 1)]
    assert spec.ticks == 9
    assert str(spec.timecode(2)) == "10:59:00;02"
    assert spec.code(2).drop_frame


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    return demo_production(tmp_path_factory.mktemp("production"), seconds=1)


def test_the_demos_clips(production: tuple[Path, ...]) -> None:
    specs = demo_clips(seconds=1)
    assert [path.name for path in production] == [spec.file_name for spec in specs]
    assert [path.suffix for path in production] == [".mov", ".mp4", ".mxf"]
    assert str(specs[0].start) == "01:00:00:00"
    longer = demo_clips()[1]
    labels = [str(longer.timecode(number)) for number in range(longer.frames)]
    assert "10:59:00;02" in labels, "the second clip crosses a minute that drops labels"
    assert "10:59:00;01" not in labels
    for spec, path in zip(specs, production, strict=True):
        with FileSource(path) as source:
            frames = list(decode_frames(source))
        assert len(frames) == spec.frames
        for frame in frames[:: max(1, spec.frames // 6)]:
            assert frame.frame is not None
            assert read_frame_code(rgb_of(frame.frame)) == spec.code(frame.number)


@needs_ffprobe
def test_the_demos_clips_as_another_program_sees_them(production: tuple[Path, ...]) -> None:
    kinds = [("prores", "HQ"), ("h264", "High"), ("dnxhd", "DNXHR HQ")]
    for spec, path, kind in zip(demo_clips(seconds=1), production, kinds, strict=True):
        said = ffprobe(path)
        video = said["streams"][0]
        assert (video["codec_name"], video["profile"]) == kind
        assert (video["width"], video["height"], Fraction(video["r_frame_rate"])) == (1920, 1080, spec.rate)
        found = tags(said)
        assert found["timecode"] == str(spec.start)
        assert found.get("reel_name", found.get("com.apple.proapps.reel")) == spec.reel

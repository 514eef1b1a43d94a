"""Probing through FFmpeg's demuxers: facts against what was encoded, and packets against the file's own bytes."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from typing import Any

import pytest

from film_archive.core.errors import Damaged, NotMedia
from film_archive.core.facts import MediaFacts
from film_archive.core.frame_index import FrameIndex
from film_archive.core.source import MemorySource
from film_archive.core.timecode import FrameRate
from film_archive.media.av.probing import index_with_libav, probe_with_libav
from tests.media.making import film, sound_file

mkv = partial(film, "matroska", "mpeg4", "yuv420p")


def facts_of(data: bytes, demuxer: str) -> MediaFacts:
    return probe_with_libav(MemorySource(data, "a"), demuxer)


def index_of(data: bytes, demuxer: str) -> FrameIndex:
    return index_with_libav(MemorySource(data, "a"), demuxer)


def test_a_film() -> None:
    facts = facts_of(mkv(rate=Fraction(30000, 1001), sound="aac"), "matroska")
    assert (facts.codec, facts.width, facts.height, facts.frames) == ("mpeg4", 64, 48, 12)
    assert facts.frame_rate == FrameRate(30000, 1001)
    assert (facts.bit_depth, facts.vfr, facts.decodable) == (8, False, True)
    (track,) = facts.audio
    assert (track.codec, track.channels, track.sample_rate, track.layout) == ("aac", 2, 48_000, "stereo")


def test_tags() -> None:
    tags = (("timecode", "10:00:00:00"), ("creation_time", "2024-05-06T07:08:09.000000Z"), ("reel_name", "A001"))
    facts = facts_of(mkv(metadata=tags), "matroska")
    assert (str(facts.start_timecode), facts.start_source) == ("10:00:00:00", "container")
    assert facts.created == "2024-05-06T07:08:09.000000Z"
    assert (facts.reel, facts.reel_source) == ("A001", "container")
    wrong = facts_of(mkv(metadata=(("timecode", "10:00:00:77"),)), "matroska")
    assert wrong.start_timecode is None
    assert "timecode was left out" in wrong.diagnostics[0]


@pytest.mark.parametrize(
    ("codec", "pixels", "options", "name", "profile"),
    [
        ("prores_ks", "yuv422p10le", (("profile", "3"),), "prores_422", "422 HQ"),
        ("prores_ks", "yuv444p10le", (("profile", "4"),), "prores_4444", "4444"),
        ("mjpeg", "yuvj420p", (), "mjpeg", None),
        ("v210", "yuv422p10le", (), "uncompressed", None),
        ("png", "rgb24", (), "png", None),
    ],
)
def test_codecs_in_quicktime(
    codec: str, pixels: str, options: tuple[tuple[str, str], ...], name: str, profile: str | None
) -> None:
    facts = facts_of(film("mov", codec, pixels, options=options), "mov")
    assert facts.codec == name
    assert profile is None or facts.profile == profile


def test_vc3_in_mxf() -> None:
    data = film("mxf", "dnxhd", "yuv422p", options=(("profile", "dnxhr_sq"),), size=(256, 128), frames=3)
    facts = facts_of(data, "mxf")
    assert (facts.codec, facts.frames, facts.width) == ("dnxhr", 3, 256)


@pytest.mark.parametrize(
    ("data", "demuxer", "codec", "exact"),
    [
        (partial(film, "avi", sound="pcm_s16le"), "avi", "mjpeg", True),
        (partial(mkv, sound="aac"), "matroska", "mpeg4", True),
        (partial(film, "mov"), "mov", "mjpeg", True),
        (partial(film, "mpegts", "mpeg2video", "yuv420p"), "mpegts", "mpeg2", False),
    ],
)
def test_packets_lie_where_the_index_says(data: Any, demuxer: str, codec: str, exact: bool) -> None:
    import io

    import av

    made = data()
    index = index_of(made, demuxer)
    assert facts_of(made, demuxer).codec == codec
    assert any("do not lie in one piece" in said for said in index.diagnostics) != exact
    if not exact:
        return
    with av.open(io.BytesIO(made), format=demuxer) as theirs:
        packets = [bytes(packet) for packet in theirs.demux(theirs.streams.video[0]) if packet.size]
    assert index.video is not None
    places = zip(index.video.offsets.tolist(), index.video.sizes.tolist(), strict=True)
    assert [made[offset : offset + size] for offset, size in places] == packets


def test_frames_in_the_order_in_which_they_are_shown() -> None:
    data = mkv(frames=24, options=(("bf", "2"), ("g", "12")))
    index = index_of(data, "matroska")
    assert (index.frames, index.intra, index.vfr) == (24, False, False)
    times = [index.frame(number).time for number in range(24)]
    assert times == sorted(times)
    assert times[0] == 0
    assert [frame.key for frame in map(index.frame, (0, 12))] == [True, True]
    positions = [index.frame(number).position for number in range(24)]
    assert sorted(positions) == list(range(24))
    assert positions != sorted(positions)
    assert index.seconds == pytest.approx(24 / 25, abs=2e-3)


@pytest.mark.parametrize(
    ("container", "codec", "name", "bits"),
    [("flac", "flac", "flac", None), ("aiff", "pcm_s16be", "pcm_s16be", 16), ("w64", "pcm_s24le", "pcm_s24le", 24)],
)
def test_sound_alone(container: str, codec: str, name: str, bits: int | None) -> None:
    data = sound_file(container, codec)
    facts = facts_of(data, container)
    assert (facts.codec, facts.frames, facts.frame_rate, facts.width) == (name, None, None, None)
    assert (facts.audio[0].bits, facts.audio[0].sample_rate) == (bits, 48_000)
    index = index_of(data, container)
    (track,) = index.audio
    assert (index.video, index.frames, track.channels) == (None, 0, 2)
    assert track.packets.end / track.packets.timescale == pytest.approx(0.5, abs=0.05)
    if bits is not None:
        assert track.frame_bytes == bits // 4
        assert int(track.packets.sizes.sum()) == 24_000 * track.frame_bytes


def test_a_film_cut_short_counts_what_is_there() -> None:
    data = mkv(frames=24)
    facts = facts_of(data[: len(data) * 2 // 3], "matroska")
    assert facts.frames is not None
    assert 0 < facts.frames < 24


def test_what_makes_no_sense() -> None:
    with pytest.raises(Damaged):
        facts_of(b"no matroska", "matroska")
    with pytest.raises((Damaged, NotMedia)):
        facts_of(mkv()[:300], "matroska")

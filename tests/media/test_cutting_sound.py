"""Cutting recordings: the very samples from the start of a frame to the end of another, and where they belong."""

from __future__ import annotations

import math
import struct
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("hypothesis")
from hypothesis import given
from hypothesis import strategies as st

from film_archive.core.errors import NotSupported, OutOfRange
from film_archive.core.source import FileSource, MemorySource
from film_archive.core.timecode import FrameRange, FrameRate, Timecode
from film_archive.media.cutting.opening import open_clip
from film_archive.media.cutting.recording import RecordingClip, open_recording
from film_archive.media.riff import Chunks
from film_archive.media.wave import WaveFile
from film_archive.testing.wave import WaveSpec, cached_wave
from tests.media.making import bext, chunk, fmt, ixml, rf64, riff

NTSC = FrameRate(30_000, 1001)
SPECS = {
    spec.name: spec
    for spec in (
        WaveSpec(name="film", rate=FrameRate(24, 1), start=Timecode.from_string("01:00:00:00", 24), tape="S1"),
        WaveSpec(name="ntsc", rate=NTSC, start=Timecode.from_string("10:00:00;02", NTSC), channels=8, bits=16),
        WaveSpec(name="pulled", rate=FrameRate(24_000, 1001), start=Timecode.from_string("23:59:59:12", "23.976"),
                 sample_rate=96_000, samples=100_000, bits=32, channels=1),
        WaveSpec(name="plain", rate=FrameRate(25, 1), start=Timecode.from_string("00:00:00:00", 25), ixml=False),
    )
}


def samples_of(path: Path) -> tuple[WaveFile, bytes]:
    with FileSource(path) as source:
        wave = WaveFile.open(source)
        return wave, source.read_at(wave.data.offset, wave.data.size)


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("frames", [FrameRange(0, 1), FrameRange(3, 20), FrameRange(7, 8)])
def test_samples_and_time_reference(name: str, frames: FrameRange, footage: Path, tmp_path: Path) -> None:
    spec = SPECS[name]
    path = cached_wave(spec, footage)
    before, sound = samples_of(path)
    with FileSource(path) as source:
        clip = open_recording(source, spec.rate)
        result = clip.cut(frames, tmp_path / "cut.wav")
    after, found = samples_of(tmp_path / "cut.wav")
    align = before.format.block_align
    first, end = (math.ceil(Fraction(n) * spec.sample_rate / spec.rate) for n in (frames.first, frames.end))
    assert found == sound[first * align : end * align]
    assert after.format == before.format
    assert after.start_samples is not None
    assert before.start_samples is not None
    assert after.start_samples.count == before.start_samples.count + first
    assert spec.start is not None
    assert result.start == spec.start + frames.first
    facts = after.facts(rate=spec.rate, drop_frame=spec.start.drop_frame)
    assert facts.start_timecode == result.start
    assert facts.reel == before.facts().reel
    assert after.ixml == before.ixml or after.ixml.timestamp == before.ixml.timestamp + first  # type: ignore[union-attr,operator]
    assert after.diagnostics == ()
    # what can be shared by a file system keeps its place in a block
    assert (after.data.offset - before.data.offset - first * align) % 4096 == 0


def test_all_cuts_put_together_are_the_recording(footage: Path, tmp_path: Path) -> None:
    spec = SPECS["ntsc"]
    _, sound = samples_of(cached_wave(spec, footage))
    parts = b""
    with FileSource(cached_wave(spec, footage)) as source:
        clip = open_recording(source, "29.97df")
        for number in range(0, clip.frames, 7):
            target = tmp_path / f"{number}.wav"
            clip.cut(FrameRange(number, min(number + 7, clip.frames)), target)
            parts += samples_of(target)[1]
    assert parts == sound


def wave_of(*chunks: bytes, count: int = 4800, rate: int = 48_000) -> MemorySource:
    sound = np.arange(count, dtype="<i2").tobytes()
    return MemorySource(riff(fmt(1, 16, rate), *chunks, chunk(b"data", sound)), "a.wav")


def clip_of(*chunks: bytes, rate: str | None = "25", **sizes: int) -> RecordingClip:
    return open_recording(wave_of(*chunks, **sizes), rate)


def test_a_recording_that_begins_within_a_frame(tmp_path: Path) -> None:
    """Its first frame has fewer samples; the next begins where the picture's does."""
    clip = clip_of(bext(48_000 * 3600 + 500))
    assert clip.samples(FrameRange(0, 1)) == (0, 1420)
    assert clip.samples(FrameRange(1, 2)) == (1420, 3340)
    assert clip.frames == 3
    clip.cut(FrameRange(1, 2), tmp_path / "cut.wav")
    after, _ = samples_of(tmp_path / "cut.wav")
    assert after.start_samples is not None
    assert after.start_samples.count == 48_000 * 3600 + 1920
    assert str(after.facts(rate=25).start_timecode) == "01:00:00:01"


def test_what_points_into_the_sound_is_left_out_and_said(tmp_path: Path) -> None:
    clip = clip_of(bext(0), chunk(b"cue ", bytes(28)), chunk(b"LIST", b"INFOINAM\4\0\0\0abc\0"), chunk(b"odd ", b"xyz"))
    result = clip.cut(FrameRange(0, 2), tmp_path / "cut.wav")
    assert result.diagnostics == ("its cue chunk points into the sound as it was, and was left out",)
    data = (tmp_path / "cut.wav").read_bytes()
    assert b"INFOINAM" in data
    assert b"odd \3\0\0\0xyz\0" in data
    assert b"cue " not in data


def test_a_start_that_the_caller_knows_is_written(tmp_path: Path) -> None:
    clip = clip_of()
    assert clip.start is None
    clip.starting_at(Timecode.from_string("10:00:00:00", 25)).cut(FrameRange(1, 2), tmp_path / "cut.wav")
    wave, _ = samples_of(tmp_path / "cut.wav")
    assert wave.bext is not None
    assert wave.bext.time_reference == 48_000 * 36_000 + 1920


def test_ixml_keeps_everything_but_its_times(tmp_path: Path) -> None:
    stamps = {"TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_HI": 1, "TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_LO": 4_294_967_000,
              "TIMESTAMP_SAMPLE_RATE": 48_000, "TIMECODE_RATE": "25/1", "TIMECODE_FLAG": "NDF"}  # fmt: skip
    clip = clip_of(ixml(stamps, scene="12A", note="wind &amp; rain"), rate=None)
    clip.cut(FrameRange(2, 3), tmp_path / "cut.wav")
    wave, _ = samples_of(tmp_path / "cut.wav")
    assert wave.ixml is not None
    assert clip.wave.ixml is not None
    assert wave.ixml.note == "wind & rain"
    first, _ = clip.samples(FrameRange(2, 3))
    assert wave.ixml.timestamp == (clip.wave.ixml.timestamp or 0) + first
    assert b"<TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_HI>2<" in (tmp_path / "cut.wav").read_bytes()


def test_large_forms(tmp_path: Path) -> None:
    """An RF64 that is small again becomes RIFF; one that stays large keeps its 64-bit sizes."""
    clip = open_recording(MemorySource(rf64(), "a.wav"), "25")
    clip.cut(FrameRange(0, 2), tmp_path / "cut.wav")
    assert (tmp_path / "cut.wav").read_bytes()[:4] == b"RIFF"
    head, _ = clip._head(0, 3 << 30, 0)  # no bytes of it are made
    assert head[:4] == b"RF64"
    assert head[12:16] == b"ds64"
    assert struct.unpack_from("<QQQ", head, 20)[1:] == (6 << 30, 3 << 30)
    assert struct.unpack_from("<Q", head, 20)[0] == len(head) - 8 + (6 << 30)


def test_what_is_not_cut(tmp_path: Path) -> None:
    with pytest.raises(OutOfRange, match="has no frames 2 to 3 to cut; it has 3"):
        clip_of(bext(0), count=5000).cut(FrameRange(2, 4), tmp_path / "a.wav")
    with pytest.raises(NotSupported, match="adpcm_ms"):
        open_clip(MemorySource(riff(fmt(1, 16, tag=2), chunk(b"data", bytes(400)))))
    assert clip_of(rate=None).rate is None


@given(st.integers(0, 44_100 * 82_000), st.sampled_from(["24", "25", "23.976", "29.97", "29.97df", "59.94"]),
       st.sampled_from([44_100, 48_000, 48_048, 96_000]))  # fmt: skip
def test_frames_share_no_sample_and_leave_none_out(reference: int, rate: str, sample_rate: int) -> None:
    clip = open_recording(wave_of(bext(reference), rate=sample_rate), rate)
    bounds = [clip.samples(FrameRange(number, number + 1)) for number in range(clip.frames)]
    assert bounds[0][0] == 0
    assert bounds[-1][1] == 4800
    assert all(one[1] == other[0] for one, other in pairwise(bounds))
    assert clip.start is not None
    for number, (first, _) in enumerate(bounds[1:], 1):
        at = (clip.reference or 0) + first  # the first sample that lies in the frame
        exact = (clip.start.total_frames + number) * Fraction(sample_rate) / clip.start.rate
        assert -1 < at - exact < 2


def history_of(path: Path) -> list[str]:
    with FileSource(path) as source:
        (found,) = [each for each in Chunks(source) if each.kind == b"bext"]
        history = source.read_at(found.offset + 602, found.size - 602)
    assert history.endswith(b"\r\n")
    return history.decode("ascii").split("\r\n")[:-1]


def test_a_cut_says_in_its_coding_history_where_it_comes_from(footage: Path, tmp_path: Path) -> None:
    """What recorders wrote there stays before it; a cut of a cut has a line for each."""
    path = cached_wave(SPECS["film"], footage)
    before = history_of(path)
    for number, name in enumerate(("once.wav", "twice.wav"), 1):
        with FileSource(path) as source:
            clip = open_recording(source, FrameRate(24, 1)).identified("a" * 32)
            clip.cut(FrameRange(2 - number, 7 - number), tmp_path / name)
        assert len(lines := history_of(tmp_path / name)) == len(before) + number
        assert lines[: len(before)] == before
        first = (2 - number) * 2000
        said = f"cut of {path.name}; samples {first} to {first + 9999}; XXH3-128 {'a' * 32}"
        assert lines[-1].startswith("A=PCM,F=48000,W=24,M=stereo,T=film-archive ")
        assert lines[-1].endswith(said)
        path = tmp_path / name


def test_history_of_recorders_is_kept(tmp_path: Path) -> None:
    old = b"A=ANALOGUE,M=mono,T=Studer\r\nA=PCM,F=48000,W=16"
    fixed = bext(48_000 * 3600)[8 : 8 + 602]
    data = riff(fmt(), chunk(b"bext", fixed + old + bytes(40)), chunk(b"data", bytes(48_000)))
    clip = open_recording(MemorySource(data, "folder/name, with\u00e9.wav"), "24")
    clip.cut(FrameRange(0, 2), tmp_path / "cut.wav")
    lines = history_of(tmp_path / "cut.wav")
    assert lines[:2] == old.decode().split("\r\n")
    assert lines[2].endswith("cut of name_ with\\xe9.wav; samples 0 to 3999")

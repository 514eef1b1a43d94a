from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("hypothesis")
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from film_archive.core.errors import Damaged, NotFound, NotSupported, OutOfRange, UsageError
from film_archive.core.source import ByteSource, FileSource, MemorySource
from film_archive.media.av.encoding import AudioSettings, ContainerWriter
from film_archive.media.av.opening import open_source
from film_archive.media.av.sound import decode_audio
from film_archive.testing.media import (
    AudioSpec,
    ClipSpec,
    cached_clip,
    is_position_coded,
    read_sample_position,
)
from film_archive.testing.oddities import ODDITIES
from film_archive.testing.sound import position_coded
from film_archive.testing.wave import WaveSpec, wave_bytes

LOSSLESS = [name for name, clip in ODDITIES.items() if clip.audio and clip.audio[0].codec.startswith("pcm_")]


def joined(source: ByteSource, **what: Any) -> tuple[int, NDArray[Any]]:
    """(first position, samples) of runs that follow each other without a hole."""
    runs = list(decode_audio(source, **what))
    for run, after in pairwise(runs):
        assert after.position == run.position + len(run.samples)
    assert not any(run.corrupt for run in runs)
    return runs[0].position, np.concatenate([run.samples for run in runs])


@pytest.mark.parametrize("name", LOSSLESS)
def test_every_sample_of_every_track_is_in_its_place(name: str, footage: Path) -> None:
    spec = ODDITIES[name]
    channel = 0
    with FileSource(cached_clip(spec, footage)) as source:
        for track, audio in enumerate(spec.audio):
            first, samples = joined(source, track=track)
            assert (first, samples.shape) == (0, (spec.samples(track), audio.channels))
            for column in range(audio.channels):
                assert is_position_coded(samples[:, column], 0, channel + column)
            channel += audio.channels
        with pytest.raises(NotFound, match="sound tracks"):
            list(decode_audio(source, track=len(spec.audio)))


@pytest.mark.parametrize("name", ["dnxhr_ntsc_mxf", "drop_frame", "sound_96k"])
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_any_run_of_samples(name: str, footage: Path, data: st.DataObject) -> None:
    spec = ODDITIES[name]
    total = spec.samples()
    start = data.draw(st.integers(0, total - 1))
    count = data.draw(st.integers(1, total - start))
    with FileSource(cached_clip(spec, footage)) as source:
        first, samples = joined(source, start=start, count=count)
    assert (first, len(samples)) == (start, count)
    assert is_position_coded(samples[:, 1], start, 1)


def test_a_wave_file_is_sound_too() -> None:
    for bits in (16, 24, 32):
        source = MemorySource(wave_bytes(WaveSpec(name="scene", bits=bits, channels=3, samples=10_007)))
        _, samples = joined(source, start=123)
        assert len(samples) == 10_007 - 123
        found = read_sample_position(samples[:, 2])
        assert found is not None
        assert (found.position, found.channel) == (123, 2)


def chirp(count: int) -> NDArray[np.int16]:
    place = np.arange(count)
    return (np.sin(place * 0.03 * (1 + place / count)) * 9000).astype(np.int16)[:, None]


@pytest.mark.parametrize("start", [0, 5000, 30_000])
@pytest.mark.parametrize("container", ["mp4", "mov", "matroska"])
def test_coded_sound_lies_where_it_was(container: str, start: int) -> None:
    wave = chirp(60_000)
    file = io.BytesIO()
    with ContainerWriter(file, container) as writer:
        writer.add_audio(AudioSettings(codec="aac", channels=1, bit_rate=128_000)).write(wave)
    first, samples = joined(MemorySource(file.getvalue()), start=start, count=20_000)
    assert first == start
    settled = 1024  # FFmpeg's encoder itself stumbles in the first frame of a sound that sets in at once
    error = np.abs(samples[settled:, 0] - wave[start + settled : start + 20_000, 0] / np.float32(32_768))
    assert error.max() < 0.02


def test_a_damaged_packet_is_silence_in_its_place() -> None:
    wave = chirp(60_000)
    file = io.BytesIO()
    with ContainerWriter(file, "mp4") as writer:
        writer.add_audio(AudioSettings(codec="aac", channels=1, bit_rate=128_000)).write(wave)
    data = bytearray(file.getvalue())
    with open_source(MemorySource(data)) as opened:
        packets = [packet for packet in opened.demux(audio=0) if packet.size]
    hurt = packets[20]
    assert hurt.pos is not None
    assert hurt.pts is not None
    data[hurt.pos : hurt.pos + hurt.size] = b"\xff" * hurt.size
    runs = list(decode_audio(MemorySource(data)))
    silent = [run for run in runs if run.corrupt]
    assert [(run.position, len(run.samples), run.samples.any()) for run in silent] == [(hurt.pts, 1024, False)]
    samples = np.concatenate([run.samples for run in runs])
    error = np.abs(samples[hurt.pts + 3000 : 55_000, 0] - wave[hurt.pts + 3000 : 55_000, 0] / np.float32(32_768))
    assert error.max() < 0.02, "what follows stays in its place"


def test_sound_that_begins_late_begins_at_its_place() -> None:
    file = io.BytesIO()
    clip = ClipSpec(name="late", audio=(AudioSpec(),))
    from film_archive.media.av.encoders import encoder_for
    from film_archive.media.av.encoding import VideoSettings
    from film_archive.testing.picture import frame_picture

    with ContainerWriter(file, "mov") as writer:
        video = writer.add_video(
            VideoSettings(encoder=encoder_for("prores_422"), width=160, height=96, rate=clip.rate)
        )
        sound = writer.add_audio(AudioSettings(channels=1))
        for number in range(24):
            video.write(frame_picture(number, None, 160, 96, name="late"))
        sound.write(position_coded(0, 20_000, 1, 48_000), at=12_000)
    first, samples = joined(MemorySource(file.getvalue()))
    assert first == 12_000
    assert is_position_coded(samples[:, 0], 0, 0)


def test_ranges_outside_the_sound(footage: Path) -> None:
    spec = ODDITIES["film_rate"]
    with FileSource(cached_clip(spec, footage)) as source:
        total = spec.samples()
        for start, count in ((0, total + 1), (total, 1), (total + 9000, 1)):
            with pytest.raises(OutOfRange):
                list(decode_audio(source, start=start, count=count))
        for start, count in ((-1, 5), (0, -1)):
            with pytest.raises(UsageError):
                list(decode_audio(source, start=start, count=count))
        assert list(decode_audio(source, start=total)) == []


def test_what_has_no_sound(footage: Path) -> None:
    with FileSource(cached_clip(ODDITIES["no_audio"], footage)) as source, pytest.raises(NotFound):
        list(decode_audio(source))
    with pytest.raises((Damaged, NotSupported)):
        list(decode_audio(MemorySource(b"RIFF\0\0\0\0WAVE")))


@settings(max_examples=40, deadline=None)
@given(place=st.integers(0, 1500), value=st.integers(0, 255), cut=st.integers(44, 3000))
def test_broken_wave_files_end_in_our_errors(place: int, value: int, cut: int) -> None:
    data = bytearray(wave_bytes(WaveSpec(name="broken", samples=300)))
    data[place] = value
    try:
        for run in decode_audio(MemorySource(data[:cut])):
            assert run.samples.nbytes <= 1 << 22
    except (Damaged, NotSupported, NotFound, OutOfRange):
        pass

"""Reading back what test clips say: the codes of their pictures, the positions of their sound, the bytes of frames."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from film_archive.core.source import ByteSource, FileSource
from film_archive.core.timecode import FrameRange
from film_archive.media.av.decoding import decode_frames
from film_archive.media.av.frames import rgb_of
from film_archive.media.av.sound import decode_audio
from film_archive.media.probe import index, probe
from film_archive.testing.media import ClipSpec, FrameCode, is_position_coded, read_frame_code
from film_archive.testing.sound import first_sample


def codes_of(path: Path) -> list[FrameCode | None]:
    """The code of each frame that is shown, in order; every frame has to be there, whole."""
    with FileSource(path) as source:
        frames = list(decode_frames(source, index=index(source), threads=1))
    assert [frame.number for frame in frames] == list(range(len(frames)))
    assert not any(frame.corrupt for frame in frames)
    return [read_frame_code(rgb_of(frame.frame)) for frame in frames if frame.frame is not None]


def codes_without_index(path: Path) -> list[FrameCode | None]:
    """The same as another program would see them: the container's own edit list tells what is shown."""
    with FileSource(path) as source:
        frames = [each.frame for each in decode_frames(source, threads=1)]
    return [read_frame_code(rgb_of(frame)) for frame in frames if frame is not None]


def samples_of(path: Path, track: int) -> NDArray[Any]:
    """All samples of a sound track, (count, channels)."""
    with FileSource(path) as source:
        runs = list(decode_audio(source, track=track))
    assert not any(run.corrupt for run in runs)
    for before, after in itertools.pairwise(runs):
        assert before.position + len(before.samples) == after.position
    return np.concatenate([run.samples for run in runs])


def frame_bytes(source: ByteSource, frames: FrameRange) -> list[bytes]:
    """The coded bytes of frames as a file's own index has them."""
    table = index(source)
    found = [table.frame(number) for number in frames]
    return [source.read_at(frame.offset, frame.size) for frame in found]


def assert_is_cut_of(cut: Path, spec: ClipSpec, original: Path, frames: FrameRange) -> None:
    """A cut holds these frames of a test clip and no others, bit for bit, with their timecode, reel and sound."""
    expected = [spec.code(number) for number in frames]
    assert codes_of(cut) == expected
    assert codes_without_index(cut) == expected
    facts = probe(cut)
    assert (facts.frames, facts.frame_rate) == (frames.count, spec.rate)
    assert facts.start_timecode == spec.timecode(frames.first)
    assert facts.reel == spec.reel
    assert (facts.width, facts.height, facts.pixel_aspect or 1) == (spec.width, spec.height, spec.pixel_aspect)
    with FileSource(cut) as new, FileSource(original) as old:
        assert frame_bytes(new, FrameRange(0, frames.count)) == frame_bytes(old, frames)
    channel = 0
    for track, sound in enumerate(spec.audio):
        if sound.codec.startswith("pcm_"):
            assert_sound(samples_of(cut, track), spec, track, frames, channel)
        channel += sound.channels


def assert_sound(samples: NDArray[Any], spec: ClipSpec, track: int, frames: FrameRange, channel: int) -> None:
    """A track's samples are those that sound while the frames are shown; the first lies within half a sample of it."""
    sound = spec.audio[track]
    first = first_sample(frames.first, sound.sample_rate, spec.rate)
    last = min(first_sample(frames.end, sound.sample_rate, spec.rate), spec.samples(track))
    assert samples.shape == (last - first, sound.channels)
    for column in range(sound.channels):
        assert is_position_coded(samples[:, column], first, channel + column)


def assert_heard_alike(cut: Path, spec: ClipSpec, original: Path, frames: FrameRange) -> None:
    """Sound of a cut, decoded, is the original's of the same moments: PCM exactly, coded sound at the very sample.

    Coded sound is not equal when decoded from another packet on (AAC's noise substitution is random), so it is enough
    that it is near, and nearer than a sample earlier or later. FFmpeg does not trim a coded track's last packet.
    """
    for track, sound in enumerate(spec.audio):
        first = first_sample(frames.first, sound.sample_rate, spec.rate)
        whole, heard = samples_of(original, track), samples_of(cut, track)
        expected = whole[first : first_sample(frames.end, sound.sample_rate, spec.rate)]
        if sound.codec.startswith("pcm_"):
            assert np.array_equal(heard, expected)
            continue
        assert 0 <= len(heard) - len(expected) < 2048
        shifted = {shift: heard[1 + shift : len(expected) - 1 + shift] for shift in (-1, 0, 1)}
        differences = {shift: _rms(samples - expected[1:-1]) for shift, samples in shifted.items()}
        assert differences[0] < 0.2 * _rms(expected)
        assert differences[0] == min(differences.values())


def _rms(samples: NDArray[Any]) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))

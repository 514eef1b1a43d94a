from __future__ import annotations

import io
import struct
from fractions import Fraction

import av
import numpy as np
import pytest

from film_archive.core.errors import Damaged, UsageError
from film_archive.core.source import MemorySource
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.media.av.decoding import decode_frames
from film_archive.media.av.fragments import (
    GOP,
    audio_span,
    fragment_audio,
    fragment_video,
    join_fragments,
    open_fragments,
)
from film_archive.media.av.frames import rgb_of
from film_archive.media.av.sound import decode_audio
from film_archive.testing.media import read_frame_code
from film_archive.testing.picture import Painter

RATES = ["24", "23.976", "29.97", "59.94", "119.88", "12.5", "15/2"]
FRAMES = 50


def piece(
    first: int, end: int, rate: FrameRate, *, sound: np.ndarray | None = None, last: bool = False
) -> MemorySource:
    painter = Painter.of(640, 360, "piece")
    start = Timecode.from_frame(86_400, rate)
    file = io.BytesIO()
    with open_fragments(file, first_frame=first, timecode=start, reel="A001R1AB") as writer:
        video = writer.add_video(fragment_video(320, 180, rate, 500_000))
        if sound is not None:
            until = None if last else end
            heard = writer.add_audio(fragment_audio(rate, first_frame=first, end_frame=until, channels=1))
            begin, stop = audio_span(first, until, rate)
            heard.write(sound[begin:stop], at=begin)
        for number in range(first, end):
            video.write(painter.frame(number, start + number), at=number)
    return MemorySource(file.getvalue(), f"piece {first}")


def join(*pieces: MemorySource) -> MemorySource:
    file = io.BytesIO()
    assert join_fragments(pieces, file) == len(file.getvalue())
    return MemorySource(file.getvalue())


def boxes(data: bytes) -> list[tuple[str, int]]:
    found, offset = [], 0
    while offset < len(data):
        size, kind = struct.unpack_from(">I4s", data, offset)
        found.append((kind.decode(), offset))
        offset += size
    return found


def first_times(data: bytes) -> list[int]:
    """The base decode time of every track fragment, in file order."""
    times, place = [], data.find(b"tfdt")
    while place >= 0:
        times.append(struct.unpack_from(">q", data, place + 8)[0])
        place = data.find(b"tfdt", place + 4)
    return times


@pytest.mark.parametrize("text", RATES)
def test_a_proxy_is_one_closed_gop_a_fragment(text: str) -> None:
    rate = FrameRate.of(text)
    whole = piece(0, FRAMES, rate)
    data = bytes(whole.read_at(0, whole.size))
    count = -(-FRAMES // GOP)
    assert [kind for kind, _ in boxes(data)] == ["ftyp", "moov"] + ["moof", "mdat"] * count
    with av.open(io.BytesIO(data)) as opened:
        stream = opened.streams.video[0]
        packets = [packet for packet in opened.demux(stream) if packet.size]
        assert stream.time_base is not None
        assert [packet.pts * stream.time_base for packet in packets if packet.pts is not None] == [
            number / rate for number in range(FRAMES)
        ]
        assert all(packet.pts == packet.dts for packet in packets), "no B-frames"
        assert [number for number, packet in enumerate(packets) if packet.is_keyframe] == list(range(0, FRAMES, GOP))
        assert len(opened.streams) == 1
        assert opened.metadata["com.apple.proapps.reel"] == "A001R1AB"
        assert opened.metadata["timecode"] == str(Timecode.from_frame(86_400, rate))
        context = stream.codec_context
        assert (context.pix_fmt, context.color_primaries, context.color_trc, context.colorspace) == ("yuv420p", 1, 1, 1)


@pytest.mark.parametrize("text", RATES)
def test_pieces_joined_are_the_whole(text: str) -> None:
    rate = FrameRate.of(text)
    joined = join(piece(0, 24, rate), piece(24, 36, rate), piece(36, FRAMES, rate))
    whole = piece(0, FRAMES, rate)
    made, whole_data = (bytes(source.read_at(0, source.size)) for source in (joined, whole))
    assert first_times(made) == first_times(whole_data)
    assert [kind for kind, _ in boxes(made)] == [kind for kind, _ in boxes(whole_data)]
    sequence = [struct.unpack_from(">I", made, made.index(b"mfhd", place) + 8)[0]
                for kind, place in boxes(made) if kind == "moof"]
    assert sequence == list(range(1, len(sequence) + 1))
    frames = list(decode_frames(joined))
    assert [frame.time * rate for frame in frames] == list(range(FRAMES))
    for frame in frames:
        assert frame.frame is not None
        code = read_frame_code(rgb_of(frame.frame))
        assert code is not None
        assert (code.number, code.timecode_frames) == (frame.number, 86_400 + frame.number)


@pytest.mark.parametrize("text", ["24", "29.97"])
def test_sound_is_joined_without_a_seam(text: str) -> None:
    rate = FrameRate.of(text)
    total = int(FRAMES * 48_000 / rate)
    place = np.arange(total)
    wave = (np.sin(place * 0.03 * (1 + place / total)) * 9000).astype(np.int16)[:, None]
    joined = join(piece(0, 24, rate, sound=wave), piece(24, 48, rate, sound=wave),
                  piece(48, FRAMES, rate, sound=wave, last=True))
    whole = piece(0, FRAMES, rate, sound=wave, last=True)
    times = [first_times(bytes(source.read_at(0, source.size))) for source in (joined, whole)]
    assert times[0] == times[1]
    assert min(times[0]) == 0, "a time below 0 is no time in a fragment"
    for source in (joined, whole):
        runs = list(decode_audio(source))
        assert runs[0].position == 0
        assert not any(run.corrupt for run in runs)
        samples = np.concatenate([run.samples for run in runs])[:total, 0]
        error = np.abs(samples[1024:] - wave[1024 : len(samples), 0] / np.float32(32_768))
        assert error.max() < 0.03, "after the first 21 ms, which fade in"
        assert len(list(decode_frames(source))) == FRAMES


def test_pieces_of_different_make_are_not_joined() -> None:
    rate = FrameRate(24, 1)
    with pytest.raises(Damaged, match="other settings"):
        join(piece(0, 12, rate), piece(12, 24, FrameRate(25, 1)))


def test_a_piece_that_is_cut_short_is_not_joined() -> None:
    rate = FrameRate(24, 1)
    good, later = piece(0, 12, rate), piece(12, 24, rate)
    data = bytes(later.read_at(0, later.size))
    for length in (len(data) - 1, len(data) // 2, 900, 20, 4):
        with pytest.raises(Damaged):
            join(good, MemorySource(data[:length], "short"))
    for other in (b"", data[28:], b"\0" * 64):
        with pytest.raises(Damaged):
            join(good, MemorySource(other, "other"))
    with pytest.raises(UsageError):
        join_fragments([], io.BytesIO())


def test_what_cannot_be_asked_for() -> None:
    rate = FrameRate(24, 1)
    with pytest.raises(UsageError, match="multiple of 12"):
        open_fragments(io.BytesIO(), first_frame=13)
    with pytest.raises(UsageError, match="even"):
        fragment_video(321, 180, rate, 500_000)


def test_the_span_of_a_pieces_sound() -> None:
    rate = FrameRate(30_000, 1001)
    assert audio_span(0, None, rate) == (0, None)
    first, stop = audio_span(240, 480, rate)
    assert first % 1024 == 0
    assert stop is not None
    assert first <= int(Fraction(240 * 48_000) / rate) - 2048
    assert stop >= int(Fraction(480 * 48_000) / rate) + 2048

from __future__ import annotations

import io
import struct
from fractions import Fraction
from itertools import pairwise

import av
import pytest

from film_archive.core.errors import UsageError
from film_archive.core.source import MemorySource
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.media.av import fragments
from film_archive.media.av.coded import CodedPacket
from film_archive.media.av.decoding import decode_frames
from film_archive.media.av.fragments import GOP, FragmentWriter, fragment_video
from film_archive.media.av.frames import converted, frame_of, rgb_of
from film_archive.media.av.settings import VideoSettings, video_encoder
from film_archive.testing.media import read_frame_code
from film_archive.testing.picture import Painter

RATES = ["24", "23.976", "29.97", "59.94", "119.88", "12.5", "15/2"]
FRAMES = 50


def coded(settings: VideoSettings, first: int, end: int, rate: FrameRate) -> list[CodedPacket]:
    """The packets of frames first … end − 1, from an encoder of their own."""
    painter, start = Painter.of(640, 360, "piece"), Timecode.from_frame(86_400, rate)
    encoder, packets = video_encoder(settings), []
    for number in [*range(first, end), None]:
        frame = None
        if number is not None:
            frame = converted(frame_of(painter.frame(number, start + number)), 320, 180, "yuv420p", matrix=1, full_range=False)
            frame.pts, frame.time_base, frame.duration = number, settings.tick, 1
        packets += [CodedPacket(bytes(p), p.pts or 0, 1, p.is_keyframe) for p in encoder.encode(frame)]
    return packets


def proxy(rate: FrameRate, edges: list[int], frames: int | None = None) -> bytes:
    """A proxy whose pictures were coded in pieces that begin at `edges`, the last of which is the end."""
    settings = fragment_video(320, 180, rate, 500_000)
    file = io.BytesIO()
    start = Timecode.from_frame(86_400, rate)
    writer = FragmentWriter(file, settings, frames=frames or edges[-1], timecode=start, reel="A001R1AB")
    writer.write([packet for first, end in pairwise(edges) for packet in coded(settings, first, end, rate)])
    writer.close()
    return file.getvalue()


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
    data = proxy(rate, [0, FRAMES])
    count = -(-FRAMES // GOP)
    assert [kind for kind, _ in boxes(data)] == ["ftyp", "moov", "sidx"] + ["moof", "mdat"] * count
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
def test_pieces_make_a_whole(text: str) -> None:
    rate = FrameRate.of(text)
    made, whole = proxy(rate, [0, 24, 36, FRAMES]), proxy(rate, [0, FRAMES])
    assert first_times(made) == first_times(whole)
    assert [kind for kind, _ in boxes(made)] == [kind for kind, _ in boxes(whole)]
    sequence = [struct.unpack_from(">I", made, made.index(b"mfhd", place) + 8)[0]
                for kind, place in boxes(made) if kind == "moof"]
    assert sequence == list(range(1, len(sequence) + 1))
    frames = list(decode_frames(MemorySource(made)))
    assert [frame.time * rate for frame in frames] == list(range(FRAMES))
    for frame in frames:
        assert frame.frame is not None
        code = read_frame_code(rgb_of(frame.frame))
        assert code is not None
        assert (code.number, code.timecode_frames) == (frame.number, 86_400 + frame.number)


@pytest.mark.parametrize(("most", "references"), [(0xFFFF, 5), (5, 5), (4, 3), (2, 2), (1, 1)])
def test_the_index_leads_to_every_fragment(most: int, references: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fragments, "_MOST_REFERENCES", most)
    rate = FrameRate(24_000, 1001)
    data = proxy(rate, [0, FRAMES])
    place = next(place for kind, place in boxes(data) if kind == "sidx")
    size, _, _, track, scale, begin, distance, _, count = struct.unpack_from(">I4sIIIQQHH", data, place)
    assert (track, begin, distance, count) == (1, 0, 0, references)
    offset, time = place + size, 0
    starts = [place for kind, place in boxes(data) if kind == "moof"]
    together = -(-len(starts) // most)
    for number in range(count):
        assert offset == starts[number * together]
        assert Fraction(time, scale) == number * together * GOP / Fraction(rate)
        length, ticks, access = struct.unpack_from(">III", data, place + 40 + 12 * number)
        assert access == 0x90000000
        offset, time = offset + length, time + ticks
    assert offset == len(data)
    assert Fraction(time, scale) == FRAMES / Fraction(rate)


def test_a_proxy_of_other_length_than_was_said_is_refused() -> None:
    settings = fragment_video(320, 180, FrameRate(24, 1), 500_000)
    writer = FragmentWriter(io.BytesIO(), settings, frames=48)
    writer.write(coded(settings, 0, 24, FrameRate(24, 1)))
    with pytest.raises(UsageError, match="groups of pictures"):
        writer.close()

"""How our proxies are written: H.264 4:2:0 BT.709 in fragmented MP4, one closed GOP of 12 frames a fragment.

No B-frames (without an edit list they would show everything late by a frame), a keyframe exactly every 12th frame,
and one `moof` + `mdat` for each. So a proxy can be made in pieces, by several processes, and joined byte by byte: a
piece that begins at frame n has the same `moov`, and its fragments are counted and timed from n.

Timecode and reel lie in the file's metadata keys (`timecode`, `com.apple.proapps.reel`); there is no tmcd track, which
browsers may refuse.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

from film_archive.core.errors import Damaged, UsageError
from film_archive.core.source import ByteSource
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.media.av.encoders import encoder_for
from film_archive.media.av.encoding import AudioSettings, ContainerWriter, VideoSettings

GOP = 12
"""Frames in a fragment."""

_FLAGS = "cmaf+frag_keyframe+empty_moov+default_base_moof+skip_sidx+frag_discont+skip_trailer+use_metadata_tags"
_BLOCK = 1 << 20
_AAC_FRAME = 1024


def fragment_video(
    width: int,
    height: int,
    rate: FrameRate,
    bit_rate: int,
    *,
    preset: str = "superfast",
    pixel_aspect: Fraction = Fraction(1),
    threads: int = 1,
) -> VideoSettings:
    """The picture track of a proxy; width and height are even."""
    if width % 2 or height % 2 or min(width, height) < 2:
        raise UsageError(f"A 4:2:0 picture of {width}×{height} is not possible; give even numbers.")
    return VideoSettings(
        encoder=encoder_for("h264", "High"),
        width=width,
        height=height,
        rate=rate,
        bit_rate=bit_rate,
        gop=GOP,
        b_frames=0,
        pixel_aspect=pixel_aspect,
        threads=threads,
        options={
            "preset": preset,
            "maxrate": str(bit_rate * 3 // 2),
            "bufsize": str(bit_rate * 2),
            "forced-idr": "1",
            "x264-params": "open-gop=0:log=none",
        },
    )


def fragment_audio(
    rate: FrameRate,
    *,
    channels: int = 2,
    sample_rate: int = 48_000,
    bit_rate: int = 128_000,
    first_frame: int = 0,
    end_frame: int | None = None,
) -> AudioSettings:
    """The AAC track of a proxy, or of its piece from `first_frame` to before `end_frame` (the last piece has none).

    Give the track the samples of `audio_span(...)`: a piece then hears what comes before and after it, as the whole
    would, and writes only the packets that begin in it. The run-up packet before sample 0 is left out (its time would
    be negative), so the first 21 ms of a proxy fade in.
    """
    end = None if end_frame is None else _sample(end_frame, rate, sample_rate)
    keep = (_sample(first_frame, rate, sample_rate), end)
    return AudioSettings(codec="aac", sample_rate=sample_rate, channels=channels, bit_rate=bit_rate, keep=keep)


def audio_span(
    first_frame: int, end_frame: int | None, rate: FrameRate, sample_rate: int = 48_000
) -> tuple[int, int | None]:
    """From which sample to before which a piece's track is given: a little more than the piece on both sides.

    The first lies on the grid of AAC frames that counts from sample 0; the second is None for the last piece: all
    there is.
    """
    first = max(0, _sample(first_frame, rate, sample_rate) // _AAC_FRAME - 2) * _AAC_FRAME
    return first, None if end_frame is None else _sample(end_frame, rate, sample_rate) + 4 * _AAC_FRAME


def _sample(frame: int, rate: FrameRate, sample_rate: int) -> int:
    return int(Fraction(frame * sample_rate) / rate + Fraction(1, 2))


def open_fragments(
    target: Path | BinaryIO,
    *,
    first_frame: int = 0,
    timecode: Timecode | None = None,
    reel: str | None = None,
    metadata: Mapping[str, str] | None = None,
) -> ContainerWriter:
    """A writer for a proxy, or for the piece of one that begins at `first_frame` (a multiple of 12).

    `timecode` is that of frame 0, in every piece. Pictures are written at their numbers: `track.write(picture, at=n)`.
    """
    if first_frame < 0 or first_frame % GOP:
        raise UsageError(f"A piece of a proxy begins at a multiple of {GOP} frames, not at {first_frame}.")
    options = {
        "movflags": _FLAGS,
        "write_tmcd": "0",
        "use_editlist": "0",
        "fragment_index": str(first_frame // GOP + 1),
    }
    return ContainerWriter(target, "mp4", options=options, metadata=metadata, timecode=timecode, reel=reel)


def join_fragments(pieces: Sequence[ByteSource], target: BinaryIO) -> int:
    """Write the pieces of a proxy, in order, as one file; returns its size.

    Raises Damaged where a piece is not whole or was made with other settings than the first.
    """
    if not pieces:
        raise UsageError("A proxy is joined from one piece or more; none was given.")
    size, head = 0, b""
    for piece in pieces:
        length = _head_length(piece)
        here = piece.read_at(0, length)
        if not head:
            head = here
            size += target.write(head)
        elif here != head:
            raise Damaged(f"{piece.name} was made with other settings than {pieces[0].name}; make the pieces again.")
        for offset in range(length, piece.size, _BLOCK):
            size += target.write(piece.read_at(offset, _BLOCK))
    return size


def _head_length(piece: ByteSource) -> int:
    """Bytes before the first fragment; checks that the rest is whole fragments."""
    kinds = list(_boxes(piece))
    names = [name for name, _, _ in kinds]
    if names[:2] != [b"ftyp", b"moov"] or names[2:] != [b"moof", b"mdat"] * (len(names[2:]) // 2):
        raise Damaged(f"{piece.name} is not a piece of a proxy: it has {b' '.join(names[:8]).decode('latin-1')}.")
    return kinds[1][1] + kinds[1][2]


def _boxes(piece: ByteSource) -> Iterator[tuple[bytes, int, int]]:
    """(type, offset, size) of the top-level boxes (ISO/IEC 14496-12, 4.2)."""
    offset = 0
    while offset < piece.size:
        header = piece.read_at(offset, 16)
        size, name = struct.unpack(">I4s", header[:8]) if len(header) >= 8 else (0, b"")
        least = 8
        if size == 1 and len(header) == 16:
            size, least = struct.unpack(">Q", header[8:])[0], 16
        if size < least or offset + size > piece.size:
            raise Damaged(f"{piece.name} is cut short at byte {offset}; make the piece again.")
        yield name, offset, size
        offset += size

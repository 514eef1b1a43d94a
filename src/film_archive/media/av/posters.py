"""Stills of a clip as people use them, made from its smallest proxy: a poster, a strip for scrubbing, a contact sheet.

The strip is one JPEG of small pictures side by side and a WebVTT file that tells for which time which of them is shown
(`strip.jpg#xywh=…`, as players read it).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

import av
import numpy as np
from numpy.typing import NDArray

from film_archive.core.errors import Damaged
from film_archive.core.ladder import fit
from film_archive.core.source import ByteSource
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.media.av.clip_pictures import Pictures
from film_archive.media.av.encoders import encoder_for
from film_archive.media.av.fragments import GOP
from film_archive.media.av.frames import converted, frame_of, rgb_of
from film_archive.media.av.opening import explained, open_source
from film_archive.media.av.overlays import Graded, Treatment
from film_archive.media.av.settings import VideoSettings, video_encoder
from film_archive.media.glyphs import HEIGHT, text_mask

POSTER = (1280, 720)
TILE = (160, 90)
_COLUMNS = 10
_MOST_TILES = 200
_SHEET_COLUMNS, _SHEET_ROWS = 5, 6
_JPEG_SIDE = 65_500

Rgb = NDArray[np.uint8]
Moments = Callable[[int], Fraction]
"""Frame number → seconds at which it appears; the number of frames → the end."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A frame of a proxy, small."""

    number: int
    picture: Rgb


def jpeg(picture: Rgb | av.VideoFrame) -> bytes:
    """A picture as baseline JPEG (JFIF: BT.601, full range)."""
    given = picture if isinstance(picture, av.VideoFrame) else frame_of(np.ascontiguousarray(picture))
    encoder = encoder_for("mjpeg")
    settings = VideoSettings(
        encoder=encoder, width=given.width, height=given.height, rate=FrameRate(1, 1), pixel_format="yuvj420p"
    )
    frame = converted(given, pixel_format="yuvj420p", matrix=5, full_range=True)
    frame.pts, frame.time_base, frame.pict_type = 0, Fraction(1), 0
    coder = video_encoder(settings, in_band=True)
    packets = [*coder.encode(frame), *coder.encode(None)]
    return b"".join(bytes(packet) for packet in packets)


def poster(
    pictures: Pictures,
    number: int,
    box: tuple[int, int] = POSTER,
    *,
    pixel_aspect: Fraction = Fraction(1),
    treatment: Treatment | None = None,
) -> bytes:
    """A frame of the original as JPEG, inside the box, never larger than it is; raises Damaged where it can't be decoded.

    Its colours are changed as the treatment says; there is no burn-in in it.
    """
    width, height = fit(pictures.width, pictures.height, box, pixel_aspect)
    for decoded in pictures.read(number, 1):
        if decoded.frame is not None and not decoded.corrupt:
            frame = decoded.frame
            if treatment is not None and not treatment.grade.is_nothing:
                frame = Graded(treatment.grade, width, height)(frame, number)
            return jpeg(converted(frame, width, height, "rgb24", interpolation="AREA"))
    raise Damaged(f"Frame {number} of {pictures.name} can't be decoded; no poster was made.")


def best_frames(tiles: Sequence[Tile]) -> list[int]:
    """Frames that can stand for a clip, the best first: those in its middle third that show most, by the spread of levels."""
    third = len(tiles) // 3
    middle = tiles[third : len(tiles) - third] or tiles
    return [tile.number for tile in sorted(middle, key=lambda tile: float(np.std(tile.picture)), reverse=True)]


def tiles_of(proxy: ByteSource, frames: int, most: int = _MOST_TILES, box: tuple[int, int] = TILE) -> list[Tile]:
    """At most so many keyframes of a finished proxy, evenly spread, inside the box."""
    groups = ceil(frames / GOP)
    step = GOP * max(1, ceil(groups / most))
    return [Tile(number, picture) for number, picture in _keyframes(proxy, step, box)]


def _keyframes(proxy: ByteSource, step: int, box: tuple[int, int]) -> Iterator[tuple[int, Rgb]]:
    with open_source(proxy, container="mov") as opened:
        stream = opened.streams.video[0]
        context = stream.codec_context
        context.thread_count = 1
        numbers: dict[int | None, int] = {}
        try:
            for number, packet in enumerate(packet for packet in opened.demux(stream) if packet.size):
                if number % step == 0:
                    numbers[packet.pts] = number
                    for picture in context.decode(packet):
                        yield numbers.pop(picture.pts), _small(picture, box)
            for picture in context.decode(None):
                yield numbers.pop(picture.pts), _small(picture, box)
        except av.error.FFmpegError as error:
            raise explained(error, f"decode {proxy.name}") from error


def _small(picture: av.VideoFrame, box: tuple[int, int]) -> Rgb:
    scale = min(Fraction(1), Fraction(box[0], picture.width), Fraction(box[1], picture.height))
    width, height = max(2, int(picture.width * scale) // 2 * 2), max(2, int(picture.height * scale) // 2 * 2)
    return rgb_of(converted(picture, width, height, interpolation="AREA"))


def strip(tiles: Sequence[Tile], frames: int, moments: Moments, image_name: str) -> tuple[bytes, str]:
    """(JPEG, WebVTT) of a strip; each tile stands for the frames from its own to before the next one's.

    `image_name` is how the WebVTT calls the JPEG.
    """
    if not tiles:
        raise Damaged("A strip is made of one picture or more; there is none.")
    height, width, _ = tiles[0].picture.shape
    columns = min(_COLUMNS, len(tiles), _JPEG_SIDE // width)
    rows = -(-len(tiles) // columns)
    sheet = np.zeros((rows * height, columns * width, 3), np.uint8)
    cues = ["WEBVTT", ""]
    ends = [tile.number for tile in tiles[1:]] + [frames]
    for place, (tile, end) in enumerate(zip(tiles, ends, strict=True)):
        top, left = place // columns * height, place % columns * width
        sheet[top : top + height, left : left + width] = tile.picture
        cues += [
            f"{_clock(moments(tile.number))} --> {_clock(moments(end))}",
            f"{image_name}#xywh={left},{top},{width},{height}",
            "",
        ]
    return jpeg(sheet), "\n".join(cues)


def _clock(seconds: Fraction) -> str:
    """WebVTT's time, to the millisecond, rounded up: a cue begins when its frame is there."""
    milliseconds = -int(-seconds * 1000 // 1)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}.{rest % 1000:03d}"


def contact_sheet(tiles: Sequence[Tile], title: str, start: Timecode | None) -> bytes:
    """A JPEG of up to 30 frames with their timecodes, or numbers, below a title."""
    step = -(-len(tiles) // (_SHEET_COLUMNS * _SHEET_ROWS))
    chosen = tiles[:: max(1, step)]
    if not chosen:
        raise Damaged("A contact sheet is made of one picture or more; there is none.")
    height, width, _ = chosen[0].picture.shape
    cell_width, cell_height = max(width, 80) + 8, height + HEIGHT + 10
    rows = -(-len(chosen) // _SHEET_COLUMNS)
    sheet = np.full((24 + rows * cell_height, 8 + _SHEET_COLUMNS * cell_width, 3), 24, np.uint8)
    _write(sheet, title, 8, 8)
    for place, tile in enumerate(chosen):
        top, left = 24 + place // _SHEET_COLUMNS * cell_height, 8 + place % _SHEET_COLUMNS * cell_width
        sheet[top : top + height, left : left + width] = tile.picture
        _write(sheet, str(tile.number) if start is None else str(start + tile.number), top + height + 3, left)
    return jpeg(sheet[: sheet.shape[0] // 2 * 2, : sheet.shape[1] // 2 * 2])


def _write(sheet: Rgb, text: str, top: int, left: int) -> None:
    mask = text_mask(text)[:, : sheet.shape[1] - left]
    sheet[top : top + mask.shape[0], left : left + mask.shape[1]][mask] = 230

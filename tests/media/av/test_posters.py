"""Posters, strips and contact sheets: the frames they show are those they say."""

from __future__ import annotations

import io
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from film_archive.core.errors import Damaged
from film_archive.core.ladder import parse_sizes
from film_archive.core.source import FileSource
from film_archive.core.timecode import Timecode
from film_archive.media.av.clip_pictures import FilePictures
from film_archive.media.av.posters import best_frames, contact_sheet, poster, strip, tiles_of
from film_archive.media.probe import index, probe
from film_archive.proxy.making import make
from film_archive.testing.media import ClipSpec, cached_clip, read_frame_code

SPEC = ClipSpec(
    name="stills",
    codec="h264",
    frames=62,
    start=Timecode.from_string("01:00:00:00", 24),
    encoder_options=(("preset", "ultrafast"),),
)


@pytest.fixture(scope="module")
def proxy(footage: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with FileSource(cached_clip(SPEC, footage)) as source:
        (made,) = make(source, probe(source), index(source), parse_sizes("thumbnail"), tmp_path_factory.mktemp("proxy"))
    return made.path


def opened(data: bytes) -> Any:
    with av.open(io.BytesIO(data)) as image:
        return next(image.decode(video=0)).to_ndarray(format="rgb24")


def test_a_poster_is_the_frame(footage: Path) -> None:
    with FileSource(cached_clip(SPEC, footage)) as source:
        picture = opened(poster(FilePictures(source, probe(source), index(source)), 17))
    assert picture.shape == (180, 320, 3)
    assert read_frame_code(picture) == SPEC.code(17)


def test_a_strip_shows_the_frames_of_its_times(proxy: Path) -> None:
    with FileSource(proxy) as source:
        tiles = tiles_of(source, SPEC.frames, box=(320, 180))
    assert [tile.number for tile in tiles] == [0, 12, 24, 36, 48, 60]
    image, cues = strip(tiles, SPEC.frames, lambda number: Fraction(number, 24), "strip.jpg")
    sheet, found = opened(image), re.findall(r"([\d:.]+) --> ([\d:.]+)\nstrip.jpg#xywh=(\d+),(\d+),(\d+),(\d+)\n", cues)
    assert cues.startswith("WEBVTT\n\n")
    assert (found[0][0], found[-1][1]) == ("00:00:00.000", "00:00:02.584")
    for number, (begin, _, left, top, width, height) in zip(range(0, 62, 12), found, strict=True):
        x, y, w, h = int(left), int(top), int(width), int(height)
        assert float(begin.split(":")[-1]) >= number / 24
        code = read_frame_code(np.ascontiguousarray(sheet[y : y + h, x : x + w]))
        assert code is not None
        assert code.number == number


@pytest.mark.parametrize(("most", "numbers"), [(6, [0, 12, 24, 36, 48, 60]), (5, [0, 24, 48]), (1, [0])])
def test_tiles_are_not_more_than_asked(most: int, numbers: list[int], proxy: Path) -> None:
    with FileSource(proxy) as source:
        assert [tile.number for tile in tiles_of(source, SPEC.frames, most)] == numbers


def test_a_sheet_has_five_columns(proxy: Path) -> None:
    with FileSource(proxy) as source:
        tiles = tiles_of(source, SPEC.frames)
    sheet = opened(contact_sheet(tiles, "A001C001", SPEC.start))
    assert sheet.shape[1] > 5 * 160
    assert sorted(best_frames(tiles)) == [24, 36]
    with pytest.raises(Damaged):
        contact_sheet([], "none", None)

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from film_archive.core.digest import MultiHasher
from film_archive.core.errors import UsageError
from film_archive.core.timecode import Timecode
from film_archive.media.av.frames import converted, frame_of, luma_of
from film_archive.media.glyphs import text_mask
from film_archive.testing.frame_code import code_box, read_frame_code
from film_archive.testing.picture import Painter, frame_picture

START = Timecode.from_string("01:00:00:00", 24)
SIZES = [(1920, 1080), (320, 180), (180, 320), (333, 187), (256, 214), (720, 576), (101, 67), (38, 44)]


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_every_size_says_its_number(width: int, height: int) -> None:
    picture = frame_picture(77, START + 77, width, height, name="sizes")
    assert picture.shape == (height, width, 3)
    code = read_frame_code(picture)
    assert code is not None
    assert (code.number, code.timecode_frames) == (77, 86_477)


def test_a_shift_of_one_frame_is_seen_where_people_look_for_it() -> None:
    for size in ((1920, 1080), (320, 180)):
        pictures = [frame_picture(number, None, *size, name="shift") for number in range(50)]
        box = code_box(*size)
        beside = [picture[:, : box.left - box.cell] for picture in pictures]  # what has no code and no text
        small = [luma_of(converted(frame_of(np.ascontiguousarray(part)), 64, 96)) for part in beside]
        for one, other in pairwise(small):
            assert np.abs(one.astype(int) - other.astype(int)).mean() > 0.5


def test_the_same_frame_is_the_same_everywhere() -> None:
    hasher = MultiHasher()
    hasher.update(frame_picture(5, START + 5, 320, 180, name="golden").tobytes())
    assert hasher.digests()["xxh128"] == "52a5435082145caaf40892b399de3832"


def test_fields_are_of_two_moments_and_of_one_code() -> None:
    painter = Painter(320, 180, "fields")
    progressive = painter.frame(9, START + 9)
    for top_first in (True, False):
        woven = painter.interlaced_frame(9, START + 9, top_first=top_first)
        early = slice(0, None, 2) if top_first else slice(1, None, 2)
        late = slice(1, None, 2) if top_first else slice(0, None, 2)
        assert np.array_equal(woven[early], progressive[early])
        assert not np.array_equal(woven[late], progressive[late])
        code = read_frame_code(woven)
        assert code is not None
        assert code.number == 9


def read_line(picture: np.ndarray, text: str) -> bool:
    """Whether a line of text stands somewhere in a picture, black on white, letter by letter."""
    inked = picture[:, :, 1] > 127
    for scale in range(1, 16):
        mask = text_mask(text, scale)
        height, width = mask.shape
        if width > inked.shape[1]:
            return False
        left = (inked.shape[1] - width) // 2
        for top in range(inked.shape[0] - height):
            if np.array_equal(inked[top : top + height, left : left + width], mask):
                return True
    return False


def test_people_can_read_it() -> None:
    picture = frame_picture(31, START + 31, 320, 180, name="A001C003")
    assert read_line(picture, "01:00:01:07")
    assert read_line(picture, "FRAME 000031")
    assert read_line(picture, "A001C003")
    assert not read_line(picture, "01:00:01:08")


def test_too_small_a_picture_is_refused() -> None:
    with pytest.raises(UsageError, match="too small"):
        frame_picture(0, None, 30, 30)

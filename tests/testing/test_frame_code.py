from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("hypothesis")
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from film_archive.core.errors import UsageError
from film_archive.core.timecode import Timecode
from film_archive.media.av.frames import converted, frame_of, rgb_of
from film_archive.testing.frame_code import FrameCode, clip_id, code_box, code_cells, draw_code, read_frame_code
from film_archive.testing.picture import frame_picture

codes = st.builds(
    FrameCode,
    clip=st.integers(0, 0xFFFF),
    number=st.integers(0, 0xFF_FFFF),
    timecode_frames=st.none() | st.integers(0, 0xFF_FFFF),
    drop_frame=st.booleans(),
)
CODE = FrameCode(clip_id("A001"), 123_456, 1_036_799, True)


def scaled(picture: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    return rgb_of(converted(frame_of(picture), width, height, "rgb24"))


def street() -> NDArray[np.uint8]:
    return frame_picture(1234, Timecode.from_string("10:58:59;28", "29.97"), 1280, 720, name="street")


@given(code=codes, width=st.integers(38, 300), height=st.integers(44, 300))
@settings(deadline=None)
def test_what_was_drawn_is_read(code: FrameCode, width: int, height: int) -> None:
    picture = np.full((height, width, 3), 200, np.uint8)
    draw_code(picture, code)
    assert read_frame_code(picture) == code
    assert read_frame_code(picture[:, :, 0]) == code


@given(code=codes, flips=st.sets(st.tuples(st.integers(0, 7), st.integers(0, 16)), min_size=1, max_size=40))
@settings(deadline=None)
def test_a_wrong_cell_is_never_a_wrong_number(code: FrameCode, flips: set[tuple[int, int]]) -> None:
    cells = code_cells(code)
    for row, column in flips:
        cells[row, column] = not cells[row, column]
    picture = np.zeros((220, 190), np.uint8)
    box = code_box(190, 220)
    picture[box.top : box.bottom, box.left : box.right] = cells.repeat(box.cell, 0).repeat(box.cell, 1) * np.uint8(255)
    assert read_frame_code(picture) in (None, code)


def test_a_code_in_other_hands() -> None:
    picture = street()
    for other in (
        picture.astype(np.uint16) * 257,
        picture.astype(np.uint16) * 4,  # 10 bits kept in 16
        picture.astype(np.float32) / 255,
        (picture.astype(np.float32) / 255) ** 2.4,  # scene-linear
        np.dstack((picture, picture[:, :, :1])),
        picture // 2 + 60,
        picture[:, :, 1],
        picture[:, :, 1:2],
    ):
        found = read_frame_code(other)
        assert found is not None
        assert (found.number, found.clip, found.drop_frame) == (1234, clip_id("street"), True)


@pytest.mark.parametrize("size", [(1920, 1080), (320, 180), (160, 90), (128, 72), (333, 187), (213, 120)], ids=str)
def test_scaling(size: tuple[int, int]) -> None:
    found = read_frame_code(scaled(street(), *size))
    assert found is not None
    assert found.number == 1234


@pytest.mark.parametrize("size", [(640, 720), (1280, 360), (180, 320), (320, 90), (400, 500)], ids=str)
def test_each_axis_may_be_scaled_for_itself(size: tuple[int, int]) -> None:
    found = read_frame_code(scaled(street(), *size))
    assert found is not None
    assert found.number == 1234


@given(
    left=st.integers(0, 90), right=st.integers(0, 90), top=st.integers(0, 90), bottom=st.integers(0, 90),
    level=st.integers(0, 255),
)
@settings(deadline=None, max_examples=40)
def test_borders(left: int, right: int, top: int, bottom: int, level: int) -> None:
    bordered = np.pad(scaled(street(), 320, 180), ((top, bottom), (left, right), (0, 0)), constant_values=level)
    found = read_frame_code(bordered)
    assert found is not None
    assert found.number == 1234


def test_crops_that_keep_the_middle() -> None:
    picture = street()
    for across, down in ((1.0, 0.744), (0.75, 1.0), (0.9, 0.9)):  # 16:9 → 2.39:1, → 4:3, action safe
        height, width = round(720 * down), round(1280 * across)
        top, left = (720 - height) // 2, (1280 - width) // 2
        found = read_frame_code(picture[top : top + height, left : left + width])
        assert found is not None
        assert found.number == 1234


def test_what_is_no_code() -> None:
    picture = street()
    noise = np.random.default_rng(3).integers(0, 256, (360, 640, 3)).astype(np.uint8)
    stripes = np.zeros((360, 640), np.uint8)
    stripes[:, ::2] = 255
    wide = np.zeros((360, 640), np.uint8)
    wide[:, (np.arange(640) // 8) % 2 == 0] = 255
    for other in (
        picture[::-1], picture[:, ::-1], np.rot90(picture), noise, stripes, wide,
        np.zeros((1, 1), np.uint8), np.zeros((0, 0, 3), np.uint8), np.zeros((50, 50), np.float32),
        np.full((50, 50), np.nan, np.float32), picture[: code_box(1280, 720).top + 40],
    ):
        assert read_frame_code(other) is None


def test_a_code_has_room_for_a_day_and_no_more() -> None:
    assert FrameCode(0, 10_368_000, 10_367_999).timecode_frames == 10_367_999  # the last frame of a day at 120 fps
    with pytest.raises(UsageError):
        FrameCode(0, 1 << 24)
    with pytest.raises(UsageError):
        FrameCode(1 << 16, 0)
    with pytest.raises(UsageError):
        FrameCode(0, 0, -1)
    with pytest.raises(UsageError, match="too small"):
        code_box(37, 44)


def test_the_form_of_the_code_does_not_change() -> None:
    rows = ["".join("#" if cell else "." for cell in row) for row in code_cells(CODE)]
    assert rows == GOLDEN


GOLDEN = [
    "#.#.#.#.#.#.#.#.#",
    "###....##.##...#.",
    ".##...###.#..##.#",
    ".......######.##.",
    "..#.#........#.##",
    "#..#..#.#####...#",
    "###..####.#..#..#",
    "#.#.#.#.#.#.#.#.#",
]

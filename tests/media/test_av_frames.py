from __future__ import annotations

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter

from film_archive.core.errors import UsageError
from film_archive.media.av.frames import converted, copy_of, frame_of, luma_of, matrix_of, rgb_of


def flat(color: tuple[int, int, int], width: int = 64, height: int = 48) -> np.ndarray:
    picture = np.zeros((height, width, 3), np.uint8)
    picture[:] = color
    return picture


# 10-bit limited-range codes of BT.709 (R'G'B' → Y'CbCr by the weights 0.2126, 0.7152, 0.0722), worked out by hand.
BT709 = {
    (255, 255, 255): (940, 512, 512),
    (0, 0, 0): (64, 512, 512),
    (255, 0, 0): (250, 409, 960),
    (0, 255, 0): (691, 167, 105),
    (0, 0, 255): (127, 960, 471),
}


@pytest.mark.parametrize("color", BT709)
def test_rgb_becomes_bt709(color: tuple[int, int, int]) -> None:
    frame = converted(frame_of(flat(color)), pixel_format="yuv422p10le")
    codes = [int(np.frombuffer(bytes(plane), np.uint16)[0]) for plane in frame.planes]
    assert np.abs(np.array(codes) - BT709[color]).max() <= 1
    assert (frame.colorspace, frame.color_range) == (1, 1)
    assert np.abs(rgb_of(frame).astype(int) - color).max() <= 1


@pytest.mark.parametrize("matrix", [1, 6, 9])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p10le", "yuv444p10le"])
def test_there_and_back(matrix: int, full: bool, pixel_format: str) -> None:
    for color in [*BT709, (12, 200, 77), (191, 0, 191)]:
        there = converted(frame_of(flat(color)), pixel_format=pixel_format, matrix=matrix, full_range=full)
        assert np.abs(rgb_of(there).astype(int) - color).max() <= 2


@pytest.mark.parametrize("size", [(64, 36), (32, 18)])
@pytest.mark.parametrize("wanted", ["rgb24", "rgb48le", "rgba64le", "gbrp16le"])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le"])
def test_colours_stay_in_their_channels(pixel_format: str, wanted: str, size: tuple[int, int]) -> None:
    """At the picture's own size too, where FFmpeg goes another way."""
    for color in ((235, 20, 20), (20, 235, 20), (20, 20, 235), (235, 235, 20), (120, 60, 200)):
        picture = frame_of(np.full((36, 64, 3), color, np.uint8))
        made = converted(converted(picture, pixel_format=pixel_format), *size, wanted).to_ndarray()
        whole = 255 if made.dtype == np.uint8 else 65_535
        assert np.abs(made[9, 16, :3] / whole * 255 - color).max() < 4


def test_luma_is_the_tracks_own() -> None:
    for color, codes in BT709.items():
        frame = converted(frame_of(flat(color)), pixel_format="yuv422p10le")
        assert abs(int(luma_of(frame)[0, 0]) - round((codes[0] - 64) * 255 / 876)) <= 1
    assert luma_of(frame_of(np.full((10, 21), 77, np.uint8))).tolist() == [[77] * 21] * 10


def test_the_matrix_of_untagged_pictures() -> None:
    assert matrix_of(av.VideoFrame(1920, 1080, "yuv420p")) == 1
    assert matrix_of(av.VideoFrame(320, 180, "yuv420p")) == 1
    assert matrix_of(av.VideoFrame(720, 576, "yuv420p")) == 6
    tagged = av.VideoFrame(720, 576, "yuv420p")
    tagged.colorspace = 1
    assert matrix_of(tagged) == 1


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p10le", "rgb24", "gray", "nv12", "gbrp10le"])
@pytest.mark.parametrize(("width", "height"), [(64, 48), (63, 47), (1, 1)])
def test_a_copy_is_the_same_picture_in_other_memory(pixel_format: str, width: int, height: int) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (height, width, 3)).astype(np.uint8)
    frame = converted(frame_of(noise), pixel_format=pixel_format)
    before = rgb_of(frame).tobytes()
    copy = copy_of(frame)
    assert (copy.format.name, copy.color_range, copy.colorspace) == (pixel_format, frame.color_range, frame.colorspace)
    assert rgb_of(copy).tobytes() == before
    np.frombuffer(copy.planes[0], np.uint8)[:] = 0
    assert rgb_of(frame).tobytes() == before


def test_scaling_keeps_the_level() -> None:
    kept = VideoReformatter()
    for width, height in ((32, 18), (640, 360), (33, 17)):
        frame = converted(frame_of(flat((90, 120, 30))), width, height, "yuv420p", reformatter=kept)
        assert (frame.width, frame.height) == (width, height)
        assert np.abs(rgb_of(frame).astype(int) - (90, 120, 30)).max() <= 2


def test_arrays_by_format() -> None:
    planes = np.full((72, 64), 128, np.uint8)
    assert frame_of(planes, "yuv420p").height == 48
    assert frame_of(np.zeros((8, 8, 4), np.uint16)).format.name == "rgba64le"
    with pytest.raises(UsageError, match="does not fit"):
        frame_of(np.zeros((8, 8, 3), np.uint8), "gray")
    with pytest.raises(UsageError, match="no picture"):
        frame_of(np.zeros((8, 8), np.int32))

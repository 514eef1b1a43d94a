from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import OpenImageIO as oiio  # noqa: N813  the name its own documentation uses
import pytest

from film_archive.core.errors import NotSupported
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.media.codeword import code_word
from film_archive.testing.frame_code import read_frame_code
from film_archive.testing.stills import SequenceSpec, cached_sequence, make_sequence

FILM = FrameRate(24_000, 1001)


def spec(kind: str, **fields: object) -> SequenceSpec:
    start = Timecode.from_string("01:00:00:00", FILM)
    about = {"name": "A001C003", "format": kind, "rate": FILM, "start": start, "reel": "A001R1AB", "frames": 4} | fields
    return SequenceSpec(**about)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["dpx", "exr", "tiff", "jpeg"])
def test_every_image_has_its_number(kind: str, footage: Path) -> None:
    made = spec(kind)
    paths = cached_sequence(made, footage)
    assert [path.name for path in paths] == [made.file_name(number) for number in range(4)]
    for number, path in enumerate(paths):
        image = oiio.ImageInput.open(str(path))
        pixels = image.read_image()
        image.close()
        assert read_frame_code(pixels) == made.code(number)
    assert cached_sequence(made, footage) == paths


def test_dpx_headers(footage: Path) -> None:
    paths = cached_sequence(spec("dpx", pixel_aspect=Fraction(2)), footage)
    for number, path in enumerate(paths):
        data = path.read_bytes()
        order = {b"SDPX": ">", b"XPDS": "<"}[data[:4]]  # SMPTE ST 268: the magic number tells the byte order
        assert data[803] == 10, "bits a sample of image element 0"
        assert struct.unpack_from(f"{order}I", data, 1920)[0] == 0x0100_0000 + number, "television header: timecode"
        assert data[1556:1588].rstrip(b"\0") == b"A001R1AB", "orientation header: input device"
        assert struct.unpack_from(f"{order}f", data, 1724)[0] == pytest.approx(24_000 / 1001), "film header: frame rate"
        assert struct.unpack_from(f"{order}2I", data, 1628) == (2, 1)


def test_exr_attributes(footage: Path) -> None:
    path = cached_sequence(spec("exr", compression="dwaa:45"), footage)[3]
    image = oiio.ImageInput.open(str(path))
    about = image.spec()
    image.close()
    assert str(about.format) == "half"
    assert about.getattribute("smpte:TimeCode")[0] == 0x0100_0003
    assert about.getattribute("reelName") == "A001R1AB"
    assert about.getattribute("compression") == "dwaa"
    data = path.read_bytes()
    name = data.index(b"framesPerSecond\0rational\0")
    assert struct.unpack_from("<iI", data, name + 15 + 1 + 8 + 1 + 4) == (24_000, 1001)
    assert b"timeCode\0timecode\0" in data


def test_a_hole_in_a_sequence(tmp_path: Path) -> None:
    made = spec("jpeg", frames=8, missing=(2, 3, 6), first_number=998, digits=4)
    names = [path.name for path in make_sequence(made, tmp_path)]
    assert names == [f"A001C003.{number:04d}.jpg" for number in (998, 999, 1002, 1003, 1005)]


def test_a_sequence_is_the_same_every_time(tmp_path: Path) -> None:
    for kind in ("dpx", "exr", "tiff", "jpeg"):
        made = []
        for place in ("one", "other"):
            folder = tmp_path / kind / place
            folder.mkdir(parents=True)
            made.append([path.read_bytes() for path in make_sequence(spec(kind, frames=2), folder)])
        assert made[0] == made[1]


@pytest.mark.parametrize(
    ("label", "rate", "word"),
    [
        ("23:59:59:29", "30", 0x23595929),
        ("10:58:59;28", "29.97", 0x10585928 | 0x40),
        ("00:00:00:47", "48", 0x00000023 | 0x8000),  # the second of pair 23
        ("00:00:00:46", "48", 0x00000023),
    ],
)
def test_the_code_word(label: str, rate: str, word: int) -> None:
    assert code_word(Timecode.from_string(label, rate)) == word


def test_other_formats_are_not_made(tmp_path: Path) -> None:
    with pytest.raises(NotSupported, match="cineon"):
        make_sequence(spec("cineon"), tmp_path)


def test_exr_is_linear(footage: Path) -> None:
    image = oiio.ImageInput.open(str(cached_sequence(spec("exr"), footage)[0]))
    pixels = image.read_image("float")
    image.close()
    assert pixels[2, 2].tolist() == pytest.approx([(191 / 255) ** 2.4] * 3, rel=1e-3)
    assert isinstance(pixels, np.ndarray)

"""Stills: facts of real images, DPX headers laid out by hand, EXIF, and sequences as clips."""

from __future__ import annotations

import resource
import shutil
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("hypothesis")

from hypothesis import given
from hypothesis import strategies as st

from film_archive.core.errors import Damaged, NoSpace, NotFound, NotMedia
from film_archive.core.facts import ColorFacts, MediaFacts
from film_archive.core.source import FileSource, MemorySource
from film_archive.core.timecode import FrameRange, FrameRate, Timecode
from film_archive.media.codeword import CodeWord, read_code_word, read_plain_digits
from film_archive.media.dates import iso_date, with_offset
from film_archive.media.dpx import read_dpx
from film_archive.media.exr import exr_problem
from film_archive.media.images import open_image
from film_archive.media.sequence import ImageSequence, find_sequences
from film_archive.media.stills import FORMATS, sequence_facts, still_facts, still_format, still_index
from tests.media import making


def facts_of(data: bytes, rate: Any = None) -> MediaFacts:
    return still_facts(MemorySource(data, "image"), rate=rate)


# What every format tells


@pytest.mark.parametrize(
    ("extension", "pixels", "bits", "profile"),
    [
        ("exr", "half", 16, "half ZIP"),
        ("exr", "float", 32, "float ZIP"),
        ("tif", "uint16", 16, "ZIP"),
        ("tif", "float", 32, "ZIP"),
        ("jpg", "uint8", 8, "4:2:0"),
        ("png", "uint8", 8, None),
        ("png", "uint16", 16, None),
        ("sgi", "uint8", 8, None),
        ("bmp", "uint8", 8, None),
        ("hdr", "float", 32, None),
        ("webp", "uint8", 8, None),
        ("jp2", "uint16", 16, None),
    ],
)
def test_facts_of_each_format(extension: str, pixels: str, bits: int, profile: str | None) -> None:
    facts = facts_of(making.image(extension, (), pixels))
    row = next(row for row in FORMATS if extension in row.extensions)
    assert (facts.container, facts.codec, facts.profile) == (row.name, row.name, profile)
    assert (facts.width, facts.height, facts.bit_depth, facts.frames) == (48, 32, bits, 1)
    assert (facts.frame_rate, facts.start_timecode, facts.color) == (None, None, ColorFacts())
    assert facts.diagnostics == ()
    assert facts.decodable


def test_an_exr_s_attributes() -> None:
    facts = facts_of(
        making.exr(
            ("smpte:TimeCode", "timecode", (0x10203013, 0)),
            ("FramesPerSecond", "rational", (24000, 1001)),
            ("reelName", "", "A001R1AB"),
            ("cameraModel", "", "Model X"),
            ("Copyright", "", "a studio"),
            ("utcOffset", "", -7200.0),
            ("PixelAspectRatio", "", 2.0),
            ("compression", "", "dwaa:45"),
            ("chromaticities", "float[8]", (0.713, 0.293, 0.165, 0.83, 0.128, 0.044, 0.32168, 0.33767)),
        )
    )
    assert facts.start_timecode == Timecode(10, 20, 30, 13, FrameRate(24000, 1001))
    assert facts.start_source == "image header"
    assert facts.frame_rate == FrameRate(24000, 1001)
    assert (facts.reel, facts.reel_source) == ("A001R1AB", "image header")
    assert facts.camera == {"model": "Model X", "owner": "a studio"}
    assert (facts.created, facts.created_source) == ("2024-05-06T07:08:09+02:00", "capDate")
    assert facts.pixel_aspect == 2
    assert facts.profile == "half DWAA"
    assert facts.color == ColorFacts(transfer="linear", space="ACEScg")


@pytest.mark.parametrize(
    ("chromaticities", "expected"),
    [
        ((0.64, 0.33, 0.3, 0.6, 0.15, 0.06, 0.3127, 0.329), ColorFacts(primaries="bt709")),
        ((0.708, 0.292, 0.17, 0.797, 0.131, 0.046, 0.3127, 0.329), ColorFacts(primaries="bt2020")),
        (
            (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, 0.32168, 0.33767),
            ColorFacts(transfer="linear", space="ACES2065-1"),
        ),
        ((0.6, 0.3, 0.3, 0.6, 0.1, 0.1, 0.3, 0.3), ColorFacts()),
    ],
)
def test_an_exr_s_primaries(chromaticities: tuple[float, ...], expected: ColorFacts) -> None:
    assert facts_of(making.exr(("chromaticities", "float[8]", chromaticities))).color == expected


@pytest.mark.parametrize("name", ["framesPerSecond", "FramesPerSecond"])
def test_drop_frame_in_an_exr(name: str) -> None:
    """The first is OpenEXR's own attribute, the second what OpenImageIO's users write."""
    data = making.exr(("smpte:TimeCode", "timecode", (0x01000042, 0)), (name, "rational", (30000, 1001)))
    assert str(facts_of(data).start_timecode) == "01:00:00;02"


def test_a_timecode_without_a_rate_waits_for_one() -> None:
    data = making.exr(("smpte:TimeCode", "timecode", (0x01020304, 0)))
    facts = facts_of(data)
    assert (facts.start_timecode, facts.frame_rate, facts.camera["timecode"]) == (None, None, "01:02:03:04")
    assert facts.diagnostics == ("its header has timecode 01:02:03:04 but no frame rate: give one to use it",)
    given_rate = facts_of(data, rate=25)
    assert str(given_rate.start_timecode) == "01:02:03:04"
    assert given_rate.frame_rate == 25
    assert given_rate.diagnostics == ()


def test_a_data_window_is_told() -> None:
    import OpenImageIO as Oiio

    spec = Oiio.ImageSpec(20, 10, 3, "half")
    spec.x, spec.y = 5, 6
    spec.full_width, spec.full_height = 48, 32
    facts = facts_of(_written("exr", spec, np.zeros((10, 20, 3), np.float32)))
    assert (facts.width, facts.height) == (48, 32)
    assert facts.diagnostics == ("its data window is 20×10 at 5, 6 of the display window",)


def _written(extension: str, spec: Any, pixels: Any) -> bytes:
    import tempfile

    import OpenImageIO as Oiio

    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, f"image.{extension}"))
        output = Oiio.ImageOutput.create(path)
        assert output.open(path, spec)
        assert output.write_image(pixels)
        output.close()
        return Path(path).read_bytes()


def test_what_a_jpeg_s_exif_says() -> None:
    facts = facts_of(making.jpeg_with_exif())
    assert (facts.created, facts.created_source) == ("2024-05-06T07:08:09.25+02:00", "EXIF DateTimeOriginal")
    assert facts.camera == {"make": "Maker", "model": "Model X"}
    assert facts_of(making.jpeg_with_exif(None)).created == "2024-05-06T07:08:09.25"
    assert facts_of(making.jpeg_with_exif("nonsense")).created == "2024-05-06T07:08:09.25"


def test_endless_exif_ends() -> None:
    facts = facts_of(making.jpeg_with_exif(endless=True))
    assert facts.created is not None  # a directory that follows itself is met once


def test_exif_with_endless_directories_is_left() -> None:
    count = 5000
    chain = b"MM\0*" + struct.pack(">I", 8)
    for place in range(count):
        entries = struct.pack(">HHII", 0x0100, 3, 400, 8) * 3
        chain += struct.pack(">H", 3) + entries + struct.pack(">I", 8 + (place + 1) * 42)
    plain = making.image("jpg")
    facts = facts_of(b"".join((plain[:2], _segments(b"Exif\0\0" + chain), plain[2:])))
    assert any("EXIF" in problem for problem in facts.diagnostics)
    assert (facts.width, facts.height) == (48, 32)


def _segments(data: bytes) -> bytes:
    return b"\xff\xe1" + struct.pack(">H", min(len(data), 65_533) + 2) + data[:65_533]


def test_a_tiff_s_date_of_change_is_no_recording_date() -> None:
    assert facts_of(making.image("tif", (("DateTime", "", "2020:01:01 00:00:00"),))).created is None


# Files that are not whole


@pytest.mark.parametrize("extension", ["jpg", "png", "exr"])
def test_an_image_cut_short_is_told(extension: str) -> None:
    data = making.image(extension, (), "half" if extension == "exr" else "uint8")
    facts = facts_of(data[:-30])
    assert len(facts.diagnostics) == 1
    assert facts.diagnostics[0].startswith("it is cut short")


@pytest.mark.parametrize("compression", ["none", "rle", "zips", "zip", "piz", "pxr24", "b44", "b44a", "dwaa", "dwab"])
@pytest.mark.parametrize("tile", [0, 16])
def test_exr_that_is_whole_and_that_is_not(compression: str, tile: int) -> None:
    import OpenImageIO as Oiio

    spec = Oiio.ImageSpec(50, 300, 3, "half")
    spec.attribute("compression", compression)
    spec.tile_width = spec.tile_height = tile
    data = _written("exr", spec, np.random.default_rng(1).random((300, 50, 3), np.float32))
    assert exr_problem(MemorySource(data)) is None
    assert exr_problem(MemorySource(data + b"trailing")) is None
    assert "behind its end" in (exr_problem(MemorySource(data[:-1])) or "")
    header = data.index(b"\0\0", data.index(b"screenWindowWidth"))
    end_of_header = next(
        place for place in range(header, len(data)) if exr_problem(MemorySource(data[:place])) is not None
    )
    assert "is not all there" in (exr_problem(MemorySource(data[:end_of_header])) or "")
    unwritten = bytearray(data)
    unwritten[end_of_header : end_of_header + 8] = bytes(8)
    assert "1 of its" in (exr_problem(MemorySource(bytes(unwritten))) or "")


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (5, b"\x10"),  # several parts
        (5, b"\x08"),  # deep data
        (0, b"no"),  # no EXR at all
    ],
)
def test_exr_that_is_not_looked_into(place: int, value: bytes) -> None:
    data = bytearray(making.exr()[:-30])
    data[place : place + len(value)] = value
    assert exr_problem(MemorySource(bytes(data))) is None


@pytest.mark.parametrize("name", [b"dataWindow", b"compression"])
def test_exr_headers_that_are_damaged_are_left_to_openimageio(name: bytes) -> None:
    data = bytearray(making.exr())
    at = data.index(name + b"\0") + len(name) + 1
    at = data.index(b"\0", at) + 1
    for size in (0xFFFFFFFF, 0x7FFFFFFF, 0):
        struct.pack_into("<I", data, at, size)
        assert exr_problem(MemorySource(bytes(data))) is None
    assert exr_problem(MemorySource(bytes(making.exr()[:12]))) is None


def test_tiled_exr_with_levels_is_not_looked_into() -> None:
    import OpenImageIO as Oiio

    spec = Oiio.ImageSpec(64, 64, 3, "half")
    spec.tile_width = spec.tile_height = 32
    data = bytearray(_written("exr", spec, np.zeros((64, 64, 3), np.float32)))
    tiles = data.index(b"tiledesc\0") + len(b"tiledesc\0") + 4
    data[tiles + 8] = 1
    assert exr_problem(MemorySource(bytes(data[:-20]))) is None
    data[tiles : tiles + 9] = bytes(9)
    assert exr_problem(MemorySource(bytes(data[:-20]))) is None


def test_errors_are_sentences() -> None:
    with pytest.raises(NotMedia, match="no image of a format"):
        facts_of(b"not an image at all")
    with pytest.raises(Damaged, match="could not be opened as an image") as raised:
        facts_of(making.exr()[:100])
    assert "film-archive-" not in str(raised.value)  # the temporary copy is nobody's business
    assert "\n" not in str(raised.value)


@given(st.binary(min_size=12, max_size=80))
def test_formats_are_told_apart_without_error(head: bytes) -> None:
    matching = [row.name for row in FORMATS if row.matches(head)]
    assert len(matching) <= 1
    found = still_format(head)
    assert [found.name] == matching if found is not None else matching == []


# Where the bytes are


def test_names_that_openimageio_misreads(tmp_path: Path) -> None:
    data = making.exr()
    for name in ("a?b=1.exr", "noextension", "wrong.jpg", "tab\t.exr"):
        tmp_path.joinpath(name).write_bytes(data)
        with FileSource(tmp_path / name) as source:
            assert still_facts(source).container == "exr"
    odd = Path(f"{tmp_path}/\udcff.exr")
    shutil.copyfile(tmp_path / "noextension", odd)
    with FileSource(odd) as source:
        assert still_facts(source).width == 48


def test_a_plain_file_is_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.joinpath("a.exr").write_bytes(making.exr())
    monkeypatch.setattr("tempfile.NamedTemporaryFile", None)
    with FileSource(tmp_path / "a.exr") as source, open_image(source, "exr") as image:
        assert image.spec().width == 48
    with FileSource(tmp_path / "a.exr") as source:
        part = source.slice(0, source.size - 1)
        with pytest.raises(TypeError), open_image(part, "exr"):
            pass


def test_no_room_for_the_copy_is_our_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = making.exr()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(data) - 1, limits[1]))
    try:
        with pytest.raises(NoSpace, match="copy image into a temporary file"):
            facts_of(data)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with pytest.raises(NotFound, match="make a temporary file for image"):
        facts_of(data)


# DPX, by a header laid out by hand


def test_a_dpx_by_our_own_writer() -> None:
    for order in (">", "<"):
        data = making.timed_dpx(0x10203013, 23.976, order=order)
        facts = facts_of(data)
        assert (facts.container, facts.codec, facts.profile) == ("dpx", "dpx", "RGB")
        assert (facts.width, facts.height, facts.bit_depth) == (48, 32, 10)
        assert facts.start_timecode == Timecode(10, 20, 30, 13, FrameRate(24000, 1001))
        assert facts.color == ColorFacts(primaries="bt709", transfer="bt709")
        assert facts.scan == "progressive"
        assert facts.diagnostics == ()


def test_a_dpx_by_openimageio() -> None:
    attributes = (*making.TIMED, ("dpx:FrameRate", "", 24.0), ("dpx:InputDevice", "", "A001C002_240506AB"))
    facts = facts_of(making.image("dpx", (*attributes, ("oiio:BitsPerSample", "", 10)), "uint16"))
    assert (facts.width, facts.height, facts.bit_depth) == (48, 32, 10)
    assert str(facts.start_timecode) == "01:02:03:04"
    assert facts.frame_rate == 24
    assert (facts.reel, facts.reel_source) == ("A001", "image header")
    assert facts.camera["input_device"] == "A001C002_240506AB"


def test_a_dpx_without_industry_header_has_no_timecode() -> None:
    """As FFmpeg writes it: the image begins at 1664, where others read a film header."""
    pixels = b"\x01\x02\x03\x04" * 100
    data = making.dpx(offset=1664, pixels=0) + pixels * 20
    facts = facts_of(data)
    assert (facts.width, facts.height, facts.start_timecode, facts.frame_rate) == (48, 32, None, None)
    assert "timecode" not in facts.camera
    header = read_dpx(MemorySource(data))
    assert (header.timecode, header.film_rate, header.slate, header.user_identification) == (None, None, None, None)


def test_ffmpeg_s_own_dpx_has_no_timecode() -> None:
    import av

    context: Any = av.codec.CodecContext.create("dpx", "w")
    context.width, context.height, context.pix_fmt, context.time_base = 48, 32, "gbrp10be", Fraction(1, 24)
    frame = av.VideoFrame.from_ndarray(np.full((32, 48, 3), 77, np.uint8)).reformat(format="gbrp10be")
    frame.pts = 0
    data = b"".join(bytes(packet) for packet in (*context.encode(frame), *context.encode(None)))
    facts = facts_of(data)
    assert (facts.width, facts.height, facts.bit_depth) == (48, 32, 10)
    assert (facts.start_timecode, facts.frame_rate, facts.reel) == (None, None, None)
    assert facts.camera == {}


@pytest.mark.parametrize("industry", [bytes(384), b"\xff" * 384], ids=["zeros", "undefined"])
def test_an_empty_industry_header_has_no_timecode(industry: bytes) -> None:
    facts = facts_of(making.dpx(industry=industry))
    assert (facts.start_timecode, facts.frame_rate, facts.camera) == (None, None, {})


@pytest.mark.parametrize(
    ("word", "rate", "expected"),
    [
        (0x01000000, 24.0, "01:00:00:00"),
        (0x00000000, 24.0, "00:00:00:00"),
        (0x23595924, 25.0, "23:59:59:24"),
        (0x01000042, 29.97, "01:00:00;02"),  # ST 12's drop-frame bit
        (0x01000002, 29.97, "01:00:00:02"),
        (0x01000047, 48.0, "01:00:00:47"),  # written in full above 30
        (0x01000059, 59.94, "01:00:00:59"),
        (0x01000024, 24.0, None),
        (0x01000100, 0.0, None),
        (0x9A000000, 24.0, None),
        (0xFFFFFFFF, 24.0, None),
    ],
)
def test_dpx_timecodes(word: int, rate: float, expected: str | None) -> None:
    start = facts_of(making.timed_dpx(word, rate)).start_timecode
    assert (None if start is None else str(start)) == expected


@pytest.mark.parametrize(
    ("film", "television", "expected"),
    [
        (24.0, float("nan"), FrameRate(24)),
        (float("nan"), 25.0, FrameRate(25)),
        (23.976, 23.976, FrameRate(24000, 1001)),
        (23.98, 0.0, FrameRate(24000, 1001)),
        (29.97, 29.97, FrameRate(30000, 1001)),
        (0.0, 0.0, None),
        (1e30, -5.0, None),
        (float("inf"), 2000.0, None),
    ],
)
def test_dpx_rates(film: float, television: float, expected: FrameRate | None) -> None:
    data = making.dpx({1920: ("I", 0x01000000), 1724: ("f", film), 1940: ("f", television)})
    assert facts_of(data).frame_rate == expected


def test_dpx_rates_that_disagree_are_told() -> None:
    facts = facts_of(making.dpx({1724: ("f", 24.0), 1940: ("f", 30.0)}))
    assert facts.frame_rate == 24
    assert "its television header 30" in facts.diagnostics[0]


def test_dpx_texts_and_dates() -> None:
    data = making.dpx(
        {
            136: ("24s", b"2024:05:06:07:08:09LTZ"),
            260: ("200s", b"A Film"),
            1432: ("100s", b"A001C001_170101_R1AB.0000123.ari"),
            1532: ("24s", b"2023:01:02:03:04:05Z"),
            1556: ("32s", b"SPIRIT \xff"),
            1628: ("I", 2),
            1632: ("I", 1),
            1764: ("100s", b"12A-3"),
        }
    )
    facts = facts_of(data)
    assert (facts.created, facts.created_source) == ("2023-01-02T03:04:05Z", "image header")
    assert facts.pixel_aspect == 2
    assert facts.reel == "A001R1AB"
    assert facts.camera == {
        "project": "A Film",
        "source_name": "A001C001_170101_R1AB.0000123.ari",
        "slate": "12A-3",
    }


def test_a_dpx_that_is_cut_short_or_wrong() -> None:
    whole = making.dpx()
    assert facts_of(whole).diagnostics == ()
    assert "its header states 8192 bytes and 8191 are there" in facts_of(whole[:-1]).diagnostics[0]
    no_image = making.dpx({16: ("I", 0xFFFFFFFF)}, pixels=0)
    assert facts_of(no_image).diagnostics == ("it is cut short: it has a header and no image",)
    for data, why in (
        (whole[:1663], "ends within its DPX header"),
        (making.dpx({772: ("I", 0)}), "states no image size"),
        (making.dpx({4: ("I", 100)}), "inside the header"),
    ):
        with pytest.raises(Damaged, match=why):
            facts_of(data)


def test_interlaced_dpx_does_not_tell_its_field_order() -> None:
    facts = facts_of(making.dpx({1928: ("B", 1)}))
    assert facts.scan is None
    assert "interlaced" in facts.diagnostics[0]


def test_real_images() -> None:
    nuke = making.corpus("media", "AcademySoftwareFoundation__OpenImageIO-images", "dpx", "dpx_nuke_10bits_rgb.dpx")
    with FileSource(nuke) as source:
        facts = still_facts(source)
    assert (facts.width, facts.height, facts.bit_depth, facts.profile) == (512, 512, 10, "RGB")
    assert (facts.start_timecode, facts.frame_rate, facts.pixel_aspect) == (None, None, 1)
    assert facts.created == "2011-03-08T14:47:25"
    assert facts.diagnostics == ()
    xstudio = making.corpus("media", "AcademySoftwareFoundation__xstudio", "test.0001.exr")
    with FileSource(xstudio) as source:
        facts = still_facts(source)
    assert (facts.width, facts.height, facts.bit_depth, facts.profile) == (64, 64, 16, "half ZIPS")
    assert facts.created == "2020-01-21T09:38:59"
    assert facts.diagnostics == ()


# Code words and dates


def test_code_words_at_high_rates_are_pairs() -> None:
    word = CodeWord(1, 0, 0, 12, second_of_pair=True)
    assert str(word.timecode(FrameRate(50))) == "01:00:00:25"
    assert str(word.timecode(FrameRate(48))) == "01:00:00:25"
    assert str(word.timecode(FrameRate(120))) == "01:00:00:050"
    assert str(word.timecode(FrameRate(24))) == "01:00:00:12"
    assert CodeWord(1, 0, 0, 27).timecode(FrameRate(48)) is None
    assert word.timecode(FrameRate(71)) is None
    assert CodeWord(1, 1, 0, 0, drop_frame=True).timecode(FrameRate(30000, 1001)) is None


@given(st.integers(0, 23), st.integers(0, 59), st.integers(0, 59), st.integers(0, 29), st.booleans(), st.booleans())
def test_code_words_against_their_digits(
    hours: int, minutes: int, seconds: int, frames: int, drop: bool, late: bool
) -> None:
    plain = int(f"{hours:02d}{minutes:02d}{seconds:02d}{frames:02d}", 16)
    flagged = plain | drop * 0x40 | late * 0x8000 | 0x80 | 0x80_0000 | 0xC000_0000
    assert read_plain_digits(plain) == CodeWord(hours, minutes, seconds, frames, in_full=True)
    assert read_code_word(flagged) == CodeWord(hours, minutes, seconds, frames, drop, late)


@given(st.integers(-5, 1 << 33))
def test_any_word_is_read_or_refused(word: int) -> None:
    for found in (read_code_word(word), read_plain_digits(word)):
        assert found is None or (found.hours < 24 and found.minutes < 60 and found.seconds < 60)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024:05:06 07:08:09", "2024-05-06T07:08:09"),
        ("2024:05:06:07:08:09LTZ", "2024-05-06T07:08:09"),
        ("2024:05:06:07:08:09UTC", "2024-05-06T07:08:09Z"),
        ("2024-05-06T07:08:09+10:00", "2024-05-06T07:08:09+10:00"),
        ("2024-05-06T07:08:09-0330", "2024-05-06T07:08:09-03:30"),
        ("2024-05-06T07:08:09+02", "2024-05-06T07:08:09+02:00"),
        ("2024-05-06T07:08:09.123Z", "2024-05-06T07:08:09.123Z"),
        ("2024:02:30 07:08:09", None),
        ("0000:00:00 00:00:00", None),
        ("2024:05:06", None),
        ("", None),
        (None, None),
    ],
)
def test_dates(text: str | None, expected: str | None) -> None:
    assert iso_date(text) == expected


def test_offsets() -> None:
    assert with_offset("2024-05-06T07:08:09", 0) == "2024-05-06T07:08:09Z"
    assert with_offset("2024-05-06T07:08:09", -16200) == "2024-05-06T07:08:09-04:30"
    assert with_offset("2024-05-06T07:08:09Z", 3600) == "2024-05-06T07:08:09Z"
    assert with_offset("2024-05-06T07:08:09", 1e9) == "2024-05-06T07:08:09"


# Sequences as clips


def read(frames: dict[int, bytes]) -> Callable[[int], MediaFacts]:
    return lambda number: still_facts(MemorySource(frames[number], f"a.{number:04d}.dpx"))


def sequence(numbers: list[int], stem: str = "a.") -> ImageSequence:
    (found,) = find_sequences(f"{stem}{number:04d}.dpx" for number in numbers).sequences
    return found


def test_a_sequence_is_a_clip_from_first_to_last() -> None:
    numbers = [1001, 1002, 1005, 1006]
    frames = {number: making.timed_dpx(0x01000000 + number - 1001, 24.0) for number in numbers}
    facts = sequence_facts(sequence(numbers), read(frames))
    assert (facts.frames, facts.first_frame) == (6, 1001)
    assert facts.missing == (FrameRange(1003, 1005),)
    assert facts.to_json()["missing"] == [1003, 1004]
    assert str(facts.start_timecode) == "01:00:00:00"
    assert facts.seconds == Fraction(6, 24)
    assert facts.diagnostics == ()
    assert MediaFacts.from_json(facts.to_json()) == facts


def test_a_sequence_whose_timecode_does_not_run_with_its_numbers() -> None:
    frames = {number: making.timed_dpx(0x01000000, 24.0) for number in (1, 2, 3)}
    facts = sequence_facts(sequence([1, 2, 3]), read(frames))
    assert "01:00:00:02 would follow" in facts.diagnostics[0]


def test_a_sequence_whose_last_image_is_another_or_damaged() -> None:
    other = making.dpx({772: ("I", 50)})
    assert "dpx 50×32, unlike" in sequence_facts(sequence([1, 2]), read({1: making.dpx(), 2: other})).diagnostics[0]
    cut = making.dpx()[:-5]
    assert (
        "a.0002.dpx: it is cut short"
        in sequence_facts(sequence([1, 2]), read({1: making.dpx(), 2: cut})).diagnostics[0]
    )
    gone = making.dpx()[:100]
    assert (
        "last image can't be read" in sequence_facts(sequence([1, 2]), read({1: making.dpx(), 2: gone})).diagnostics[0]
    )


def test_a_sequence_whose_first_images_are_damaged() -> None:
    gone = making.dpx()[:100]
    frames = {number: making.timed_dpx(0x01000000 + number - 1, 24.0) for number in range(1, 10)}
    facts = sequence_facts(sequence([*frames]), read({**frames, 1: gone, 2: b""}))
    assert (facts.frames, facts.first_frame, str(facts.start_timecode)) == (9, 1, "01:00:00:00")
    assert "its first image can't be read" in facts.diagnostics[0]
    assert "those of a.0003.dpx" in facts.diagnostics[0]
    with pytest.raises(Damaged):
        sequence_facts(sequence([1, 2]), read({1: gone, 2: gone}))
    with pytest.raises(Damaged):
        sequence_facts(sequence([*frames]), read(dict.fromkeys(frames, gone) | {9: making.dpx()}))


def test_a_sequence_s_reel_by_its_name() -> None:
    facts = sequence_facts(sequence([1, 2], "A001C001_170101_R1AB."), read({1: making.dpx(), 2: making.dpx()}))
    assert (facts.reel, facts.reel_source) == ("A001R1AB", "file name")


def test_a_sequence_that_begins_below_zero() -> None:
    names = [f"a.-{number:04d}.dpx" for number in (5, 4)] + [f"a.{number:04d}.dpx" for number in (0, 1, 4)]
    (found,) = find_sequences(names).sequences
    facts = sequence_facts(found, read(dict.fromkeys(found.numbers(), making.dpx())))
    assert (facts.frames, facts.first_frame, facts.missing) == (10, -5, (FrameRange(2, 4),))
    assert facts.diagnostics == ("frames with numbers below 0 are missing as well: -3 to -1",)


def test_a_still_is_an_index_of_one_frame() -> None:
    data = making.timed_dpx(0, 25.0)
    index = still_index(MemorySource(data))
    frame = index.frame(0)
    assert (index.frames, frame.offset, frame.size, frame.key) == (1, 0, len(data), True)
    assert index.seconds == Fraction(1, 25)

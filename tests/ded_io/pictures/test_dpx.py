"""DPX: what is written is read back by our reader and by OpenImageIO, header and pixel."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from ded_io.pictures.dpx import DpxLabels, dpx_header, extract_dpx, write_dpx
from ded_io.pictures.exr import library, write_exr
from ded_io.pictures.source import SourceClip
from film_archive.core.errors import OutOfRange, Refused, UsageError
from film_archive.core.source import FileSource
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.media.dpx import read_dpx
from film_archive.media.images import read_pixels
from film_archive.media.probe import probe
from film_archive.testing.media import ClipSpec, cached_clip, read_frame_code
from film_archive.testing.stills import SequenceSpec, make_sequence
from tests.ded_io.pictures.plates import camera_picture

START = Timecode.from_string("23:59:59:20", 24)
MOVIE = ClipSpec(name="A001C002_240911L8", start=START, reel="A001", frames=12)

LABELS = DpxLabels(
    source_name="A001C002_240911L8.mxf", reel="A001", serial="0010123", created="2024-09-11T10:20:30+02:00", project="Feature",
    slate="sht100", rate=Fraction(24000, 1001), timecode=Timecode.from_string("01:02:03:04", "23.976"), position=3, frames=67,
    frame_id="103", pixel_aspect=Fraction(2), mark="film-archive 0123456789abcdef",
)  # fmt: skip


@pytest.mark.parametrize("bit_depth", [10, 16])
def test_pixels_are_read_back_exactly(tmp_path: Path, bit_depth: int) -> None:
    pixels = camera_picture(61, 23)
    write_dpx(tmp_path / "a.dpx", pixels, LABELS, bit_depth=bit_depth)
    with FileSource(tmp_path / "a.dpx") as source:
        read = read_pixels(source, "dpx")
    if bit_depth == 16:
        assert np.array_equal(read, pixels)
    else:
        codes = np.round(pixels / 65_535 * 1023).astype(np.uint16)
        assert np.array_equal(read >> 6, codes)


def test_eight_bits_fill_the_range(tmp_path: Path) -> None:
    pixels = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 256, 3)
    write_dpx(tmp_path / "a.dpx", pixels, LABELS)
    with FileSource(tmp_path / "a.dpx") as source:
        read = read_pixels(source, "dpx") >> 6
    assert (read[0, 0] == 0).all()
    assert (read[0, 255] == 1023).all()
    assert (np.diff(read[0, :, 0].astype(int)) > 0).all()


def test_our_reader_reads_all_headers(tmp_path: Path) -> None:
    write_dpx(tmp_path / "a.dpx", camera_picture(64, 36), LABELS)
    with FileSource(tmp_path / "a.dpx") as source:
        header = read_dpx(source)
        assert header.stated_size == source.size
    assert (header.width, header.height, header.bit_depth, header.packing, header.components) == (64, 36, 10, 1, "RGB")
    assert (header.elements, header.orientation, header.encoding, header.line_padding) == (1, 0, 0, 0)
    assert header.pixel_aspect == 2
    assert (header.source_name, header.input_device, header.input_serial) == ("A001C002_240911L8.mxf", "A001", "0010123")
    assert (header.project, header.slate) == ("Feature", "sht100")
    assert header.source_created == "2024-09-11T10:20:30"
    assert header.user_identification == "film-archive 0123456789abcdef"
    facts = probe(tmp_path / "a.dpx")
    assert facts.start_timecode == LABELS.timecode
    assert facts.frame_rate == FrameRate(24000, 1001)
    assert facts.reel == "A001"
    assert facts.color.space == "logarithmic"
    assert facts.diagnostics == ()


def test_openimageio_reads_the_film_header(tmp_path: Path) -> None:
    write_dpx(tmp_path / "a.dpx", camera_picture(64, 36), LABELS)
    image = library().ImageInput.open(str(tmp_path / "a.dpx"))
    spec = image.spec()
    image.close()
    said = {attribute.name: attribute.value for attribute in spec.extra_attribs}
    assert said["dpx:FramePosition"] == 3
    assert said["dpx:SequenceLength"] == 67
    assert said["dpx:FrameId"] == "103"
    assert said["dpx:SlateInfo"] == "sht100"
    assert said["dpx:FrameRate"] == pytest.approx(24000 / 1001)
    assert said["dpx:TimeCode"] == "01:02:03:04"
    assert said["dpx:InputDevice"] == "A001"
    assert said["PixelAspectRatio"] == 2.0
    assert said["oiio:BitsPerSample"] == 10


def test_long_names_are_cut_at_a_whole_sign() -> None:
    head = dpx_header(8, 8, 10, 9000, "ä" * 80, DpxLabels(reel="é" * 40))
    assert head[36:136].rstrip(b"\0").decode() == "ä" * 49
    assert head[1556:1588].rstrip(b"\0").decode() == "é" * 15


def test_floats_are_not_clipped_into_dpx(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="would clip"):
        write_dpx(tmp_path / "a.dpx", np.zeros((4, 4, 3), np.float32), LABELS)
    write_dpx(tmp_path / "a.dpx", np.zeros((4, 4, 3), np.uint8), LABELS)
    with pytest.raises(Refused):
        write_dpx(tmp_path / "a.dpx", np.zeros((4, 4, 3), np.uint8), LABELS)


def test_a_movies_frames_are_numbered_and_labelled(tmp_path: Path, footage: Path) -> None:
    told: list[int] = []
    with SourceClip.open(cached_clip(MOVIE, footage)) as clip:
        made = extract_dpx(
            clip, 2, 7, directory=tmp_path / "dpx", base_name="sht100", start_number=993, workers=2, on_frame=told.append
        )
    assert [path.name for path in made] == [f"sht100.{number:04d}.dpx" for number in range(993, 999)]
    assert told == list(range(993, 999))
    for place, path in enumerate(made):
        with FileSource(path) as source:
            assert read_frame_code((read_pixels(source, "dpx") >> 8).astype(np.uint8)) == MOVIE.code(2 + place)
        facts = probe(path)
        assert facts.start_timecode == START + 2 + place  # beyond midnight it goes on at 0
        assert facts.reel == "A001"


def test_what_is_extracted_already_is_kept(tmp_path: Path, footage: Path) -> None:
    with SourceClip.open(cached_clip(MOVIE, footage)) as clip:
        made = extract_dpx(clip, 0, 5, directory=tmp_path, base_name="s", start_number=1001)
        stamps = [path.stat().st_mtime_ns for path in made]
        made[1].unlink()
        made[4].write_bytes(made[4].read_bytes()[:-1])
        again = extract_dpx(clip, 0, 5, directory=tmp_path, base_name="s", start_number=1001)
        assert again == made
        kept = [path.stat().st_mtime_ns == stamp for path, stamp in zip(made, stamps, strict=True)]
        assert kept == [True, False, True, True, False, True]
        other = extract_dpx(clip, 1, 6, directory=tmp_path, base_name="s", start_number=1001)
        with FileSource(other[0]) as source:
            assert read_dpx(source).film_rate == 24
        assert probe(other[0]).start_timecode == START + 1


def test_images_are_taken_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    frames = make_sequence(SequenceSpec(name="x", first_number=10, digits=4, missing=(3,)), tmp_path / "in")
    told: list[int] = []
    with SourceClip.open(tmp_path / "in") as clip:
        made = extract_dpx(
            clip, 1, 5, directory=tmp_path / "out", base_name="s", start_number=993, on_frame=told.append
        )
        assert [path.name for path in made] == ["s.0993.dpx", "s.0994.dpx", "s.0996.dpx", "s.0997.dpx"]
        assert told == [993, 994, 996, 997]
        assert [path.read_bytes() for path in made] == [frames[place].read_bytes() for place in (1, 2, 3, 4)]
        assert extract_dpx(clip, 1, 5, directory=tmp_path / "out", base_name="s", start_number=993) == made
        before = frames[1].read_bytes()
        made[0].write_bytes(b"graded")  # as tools do that write into a file instead of a new one
        assert frames[1].read_bytes() == before


def test_scene_linear_images_stay_exr(tmp_path: Path) -> None:
    for number in (1, 2):
        write_exr(tmp_path / f"l.{number:04d}.exr", np.full((4, 8, 3), 30, np.float16), compression="zip")
    with SourceClip.open(tmp_path) as clip:
        made = extract_dpx(clip, 0, 1, directory=tmp_path / "o", base_name="s", start_number=1001)
    assert [path.name for path in made] == ["s.1001.exr", "s.1002.exr"]


def test_what_is_not_there_is_refused_before_anything_is_written(tmp_path: Path, footage: Path) -> None:
    with SourceClip.open(cached_clip(MOVIE, footage)) as clip:
        for first, last in ((0, 12), (-1, 3), (5, 4)):
            with pytest.raises(OutOfRange):
                extract_dpx(clip, first, last, directory=tmp_path / "o", base_name="s", start_number=1)
        with pytest.raises(UsageError):
            extract_dpx(clip, 0, 1, directory=tmp_path / "o", base_name="s", start_number=1, bit_depth=12)
    assert not (tmp_path / "o").exists()

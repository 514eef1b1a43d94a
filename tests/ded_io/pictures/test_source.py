"""Clips as frames, and what they say of themselves."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from ded_io.pictures.source import SourceClip, colorspace_of
from film_archive.core.errors import Damaged, FilmArchiveError, NotFound, NotMedia, NotSupported, OutOfRange, UsageError
from film_archive.core.facts import ColorFacts, MediaFacts
from film_archive.core.frame_index import FrameIndex
from film_archive.core.source import ByteSource
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.media.probe import index, probe
from film_archive.testing.media import AudioSpec, ClipSpec, cached_clip, read_frame_code
from film_archive.testing.stills import SequenceSpec, cached_sequence, make_sequence

START = Timecode.from_string("01:00:00:00", 24)
MOVIE = ClipSpec(name="A001C002_240911L8", start=START, reel="A001", frames=12, audio=(AudioSpec(),))
IMAGES = SequenceSpec(name="B007C001_240911AB", start=START, reel="B007C001_240911AB", first_number=86400)

SIDECAR = """<?xml version="1.0" encoding="UTF-8"?>
<NonRealTimeMeta xmlns="urn:schemas-professionalDisc:nonRealTimeMeta:ver.2.00">
 <Duration value="12"/>
 <VideoFormat><VideoFrame videoCodec="ProRes" captureFps="24p" formatFps="24p"/>
  <VideoLayout pixel="320" numOfVerticalLine="180" pixelAspect="2.0:1"/></VideoFormat>
 <AcquisitionRecord><Group name="CameraUnitMetadataSet">
  <Item name="CaptureGammaEquation" value="s-log3"/><Item name="CaptureColorPrimaries" value="s-gamut3-cine"/>
  <Item name="ISOSensitivity" value="2500"/><Item name="ExposureIndexOfPhotoMeter" value="3200"/>
  <Item name="CameraAttributes" value="MPC-3628 0010123 Version3.00"/></Group>
  <Group name="LensUnitMetadataSet"><Item name="LensAttributes" value="Hawk V-Lite 50"/>
  <Item name="LensZoomActualFocalLength" value="50.0mm"/><Item name="IrisTNumber" value="T2.8"/></Group></AcquisitionRecord>
 <ExtendedContents><cdl:ColorCorrectionCollection xmlns:cdl="urn:ASC:CDL:v1.2"><cdl:ColorCorrection><cdl:SOPNode>
  <cdl:Slope>1.1 1.0 0.9</cdl:Slope><cdl:Offset>0 0.01 0</cdl:Offset><cdl:Power>1 1 1</cdl:Power></cdl:SOPNode>
  <cdl:SatNode><cdl:Saturation>0.9</cdl:Saturation></cdl:SatNode></cdl:ColorCorrection></cdl:ColorCorrectionCollection>
 </ExtendedContents></NonRealTimeMeta>"""


@pytest.fixture
def movie(footage: Path) -> Path:
    return cached_clip(MOVIE, footage)


def test_a_movie(movie: Path) -> None:
    with SourceClip.open(movie) as clip:
        assert (clip.frames, clip.rate, clip.width, clip.height) == (12, 24, 320, 180)
        assert (clip.start_timecode, clip.reel, clip.name) == (START, "A001", movie.name)
        assert (clip.colorspace, clip.squeeze, clip.needs_exporter) == (None, None, False)
        assert clip.timecode(5) == START + 5
        assert clip.files(0, 3) is None
        got = {position: read_frame_code(picture) for position, picture in clip.pictures(3, 6)}
        assert got == {position: MOVIE.code(position) for position in (3, 4, 5, 6)}


@pytest.mark.parametrize("form", ["mov", "mxf"])
def test_a_file_is_indexed_once_and_only_for_its_frames(footage: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    spec = ClipSpec(name=f"indexed-{form}", container=form, codec="dnxhr", profile="DNxHR HQ", frames=6)
    calls: list[str] = []

    def counted(source: ByteSource) -> FrameIndex:
        calls.append(source.name)
        return index(source)

    monkeypatch.setattr("ded_io.pictures.source.index", counted)
    with SourceClip.open(cached_clip(spec, footage)) as clip:
        assert (clip.frames, calls) == (6, [])
        for first in (1, 4):
            assert [read_frame_code(picture) for _, picture in clip.pictures(first, first)] == [spec.code(first)]
        assert len(calls) == 1


def test_frames_that_can_not_be_addressed_are_told_before_one_is_asked_for(
    movie: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As MXF tells it: its frames are counted all the same, and what is odd stands in the facts."""
    facts = replace(probe(movie), diagnostics=("the two fields of a frame lie apart",))

    def refused(source: ByteSource) -> FrameIndex:
        raise NotSupported("the two fields of a frame lie apart")

    monkeypatch.setattr("ded_io.pictures.source.probe", lambda source, rate=None: facts)
    monkeypatch.setattr("ded_io.pictures.source.index", refused)
    with pytest.raises(NotSupported, match="lie apart"):
        SourceClip.open(movie)


def test_a_sequence_by_folder_pattern_and_frame(footage: Path) -> None:
    paths = cached_sequence(IMAGES, footage)
    folder = paths[0].parent
    for named in (folder, folder / "B007C001_240911AB.#######.dpx", folder / "B007C001_240911AB.%07d.dpx", paths[2]):
        with SourceClip.open(named) as clip:
            assert (clip.frames, clip.rate, clip.reel, clip.start_timecode) == (8, 24, "B007", START)
            assert clip.is_images
            assert clip.files(2, 3) == list(paths[2:4])
            (position, picture), = clip.pictures(4, 4)
            assert position == 4
            assert read_frame_code(picture) == IMAGES.code(4)


def test_holes_are_told_and_left_out(tmp_path: Path) -> None:
    make_sequence(SequenceSpec(name="h", first_number=10, digits=4, missing=(2, 3, 6)), tmp_path)
    with SourceClip.open(tmp_path) as clip:
        assert clip.frames == 8
        assert clip.missing == {2, 3, 6}
        assert [position for position, _ in clip.pictures(1, 7)] == [1, 4, 5, 7]
        found = clip.files(1, 3)
        assert found is not None
        assert found[1:] == [None, None]


def test_a_rate_is_taken_where_the_files_have_none(tmp_path: Path) -> None:
    make_sequence(SequenceSpec(name="t", format="tiff", first_number=10, digits=4), tmp_path)
    with SourceClip.open(tmp_path, fps=Fraction(24000, 1001)) as clip:
        assert clip.rate == Fraction(24000, 1001)
    with SourceClip.open(tmp_path) as clip:
        assert clip.rate == 24


def test_members_of_an_archive(tmp_path: Path, movie: Path, footage: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(movie, f"day1/{movie.name}")
    with SourceClip.open(f"{tmp_path}/a.zip::day1/{movie.name}") as clip:
        assert (clip.frames, clip.reel) == (12, "A001")
        assert [read_frame_code(picture) for _, picture in clip.pictures(11, 11)] == [MOVIE.code(11)]
    with pytest.raises(NotFound):
        SourceClip.open(f"{tmp_path}/a.zip::day1/other.mov")


def test_sonys_sidecar_tells_squeeze_colour_lens_and_cdl(tmp_path: Path, movie: Path) -> None:
    here = tmp_path / movie.name
    here.write_bytes(movie.read_bytes())
    (tmp_path / f"{movie.stem}M01.XML").write_text(SIDECAR)
    with SourceClip.open(here) as clip:
        assert clip.camera["lens"] == "Hawk V-Lite 50"
        assert clip.camera["exposure_index"] == "3200"
        assert clip.camera["focal_length"] == "50.0mm"
        assert clip.camera["t_stop"] == "T2.8"
        assert clip.camera["cdl_slope"] == "1.1 1.0 0.9"
        assert clip.camera["cdl_saturation"] == "0.9"
        assert clip.squeeze == 2
        assert clip.colorspace == "S-Log3 Venice S-Gamut3.Cine"
        assert clip.as_codes


def test_levels_can_be_decided(movie: Path) -> None:
    with SourceClip.open(movie) as clip:
        assert not clip.as_codes
    with SourceClip.open(movie, levels="codes") as codes, SourceClip.open(movie, levels="video") as video:
        (_, as_codes), = codes.pictures(0, 0)
        (_, as_video), = video.pictures(0, 0)
    lit = (as_video > 3000) & (as_video < 62_000)
    stretched = (as_codes[lit].astype(np.float64) / 65_535 * 1023 - 64) / 876
    assert np.abs(stretched - as_video[lit] / 65_535).max() < 2e-4


@pytest.mark.parametrize(
    ("space", "camera", "name"),
    [
        ("s-log3-cine s-gamut3-cine", {"model": "ILME-FX6V"}, "S-Log3 S-Gamut3.Cine"),
        ("s-log3 s-gamut3", {"model": "MPC-3628 0010123 Version3.00"}, "S-Log3 Venice S-Gamut3"),
        ("S-Log3 S-Gamut3.Cine", {"model": "VENICE 2"}, "S-Log3 Venice S-Gamut3.Cine"),
        ("ACEScg", {}, "ACEScg"),
        ("rec709", {}, None),
        ("s-log3", {}, None),
        (None, {}, None),
    ],
)
def test_names_of_colour_spaces(space: str | None, camera: dict[str, str], name: str | None) -> None:
    assert colorspace_of(MediaFacts(container="mxf", color=ColorFacts(space=space), camera=camera)) == name


def test_xocn_opens_and_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, movie: Path) -> None:
    """No X-OCN can be made here: a movie stands in, with the facts that a probe gives of X-OCN."""
    facts = MediaFacts(
        container="mxf", codec="xocn", width=8640, height=5760, frame_rate=FrameRate(24, 1), frames=240, start_timecode=START,
        decodable=False, note="X-OCN",
    )  # fmt: skip
    monkeypatch.setattr("ded_io.pictures.source.probe", lambda source, rate=None: facts)
    with SourceClip.open(movie) as clip:
        assert clip.needs_exporter
        assert (clip.frames, clip.width) == (240, 8640)
        with pytest.raises(NotSupported, match="install RAW Viewer"):
            next(clip.pictures(0, 1))


def test_what_can_not_be_opened(tmp_path: Path, footage: Path, movie: Path) -> None:
    with pytest.raises(NotFound):
        SourceClip.open(tmp_path / "none.mxf")
    (tmp_path / "empty.mov").write_bytes(b"")
    with pytest.raises(NotMedia):
        SourceClip.open(tmp_path / "empty.mov")
    (tmp_path / "cut.mov").write_bytes(movie.read_bytes()[:5000])
    with pytest.raises(FilmArchiveError):
        SourceClip.open(tmp_path / "cut.mov")
    (tmp_path / "empty.mov").unlink()
    (tmp_path / "cut.mov").unlink()
    with pytest.raises(NotFound):
        SourceClip.open(tmp_path)
    for name in ("a", "b"):
        make_sequence(SequenceSpec(name=name, frames=2), tmp_path)
    with pytest.raises(UsageError, match="2 clips"):
        SourceClip.open(tmp_path)
    sound = ClipSpec(name="s", frames=4)
    with SourceClip.open(cached_clip(sound, footage)) as clip:
        for first, last in ((-1, 2), (0, 4), (3, 2), (4, 4)):
            with pytest.raises(OutOfRange):
                list(clip.pictures(first, last))


def test_a_frame_that_is_damaged_is_named(tmp_path: Path, movie: Path) -> None:
    data = bytearray(movie.read_bytes())
    with SourceClip.open(movie) as clip:
        frame = clip._frame_index.frame(5)
    data[frame.offset + 8 : frame.offset + frame.size] = bytes(frame.size - 8)
    broken = tmp_path / movie.name
    broken.write_bytes(data)
    with SourceClip.open(broken) as clip:
        assert len(list(clip.pictures(0, 4))) == 5
        with pytest.raises(Damaged, match="frame 5"):
            list(clip.pictures(4, 6))


@pytest.mark.parametrize("form", ["dpx", "exr", "tiff"])
def test_one_image_is_a_clip_of_one_frame(tmp_path: Path, form: str) -> None:
    (only,) = make_sequence(SequenceSpec(name="only", format=form, frames=1), tmp_path)
    for named in (only, tmp_path):
        with SourceClip.open(named) as clip:
            assert clip.frames == 1
            assert clip.files(0, 0) == [only]
            (place, picture), = clip.pictures(0, 0)
            assert (place, picture.shape) == (0, (180, 320, 3))

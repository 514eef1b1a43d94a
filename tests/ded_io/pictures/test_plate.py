"""Plates: what oiiotool makes of the same frame, whole or not at all, and gone on with."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ded_io.pictures import plate
from ded_io.pictures.dpx import DpxLabels, write_dpx
from ded_io.pictures.exr import library, read_attribute, write_exr
from ded_io.pictures.framing import Framing
from ded_io.pictures.plate import (
    FrameJob,
    PlateLook,
    convert_frames,
    frame_memory,
    tool_command,
    tool_line,
    workers_for,
)
from film_archive.core import files
from film_archive.core.errors import Damaged, NoSpace, NotFound, Refused, UsageError
from film_archive.core.timecode import Timecode
from film_archive.media.probe import probe
from tests.ded_io.pictures.plates import CONFIG, SLOG3, camera_frame, camera_picture, oiiotool, read_floats

LOOK = PlateLook(SLOG3, "ACEScg", Fraction(2), 96, 54, compression="zip", ocio_config=CONFIG)


def jobs_of(folder: Path, count: int = 4, attributes: Mapping[str, object] | None = None, **frame: Any) -> list[FrameJob]:
    made = []
    for number in range(993, 993 + count):
        source = camera_frame(folder / f"a.{number:04d}.dpx", seed=number, **frame)
        made.append(FrameJob(source, folder / f"p.{number:04d}.exr", number, attributes or {}))
    return made


def test_frames_are_made_in_order_and_told(tmp_path: Path) -> None:
    jobs, told = jobs_of(tmp_path), list[int]()
    made = list(convert_frames(jobs, LOOK, workers=2, on_frame=told.append))
    assert [each.number for each in made] == told == [993, 994, 995, 996]
    assert [each.destination for each in made] == [job.destination for job in jobs]
    for each in made:
        assert each.size == each.destination.stat().st_size
        facts = probe(each.destination)
        assert (facts.width, facts.height, facts.profile) == (96, 54, "half ZIP")


def test_bars_are_black_and_equal(tmp_path: Path) -> None:
    job, *_ = jobs_of(tmp_path, 1)
    list(convert_frames([job], LOOK))
    pixels = read_floats(job.destination)
    lit = pixels.any(axis=(1, 2)).nonzero()[0]
    assert (lit.min(), lit.max()) == (14, 39)  # 128×36 shown is 96×27: 26 lines, of the two even numbers beside it the smaller


CHAINS = [
    LOOK,
    replace(LOOK, fit="crop"),
    replace(LOOK, fit="none"),
    replace(LOOK, squeeze=Fraction(1), width=48, height=48),
    replace(LOOK, squeeze=Fraction(3, 2), width=None, height=None),
    replace(LOOK, source_colorspace="ACEScct", target_colorspace="ACES2065-1", bit_depth="float"),
    replace(LOOK, source_colorspace="ACEScg", target_colorspace="S-Log3 S-Gamut3"),
]


@pytest.mark.parametrize("look", CHAINS, ids=[str(place) for place in range(len(CHAINS))])
@pytest.mark.parametrize("bit_depth", [10, 16])
def test_pixels_are_those_of_oiiotool(tmp_path: Path, look: PlateLook, bit_depth: int) -> None:
    """Before compression: abs(a - b) ≤ 1e-2 · max(abs(b), 0.05) for 99.99 % of values, mean < 1e-3; here for all of them."""
    program = oiiotool()
    if program is None:
        pytest.skip("OpenImageIO is here without oiiotool")
    job, *_ = jobs_of(tmp_path, 1, bit_depth=bit_depth, attributes={"reelName": "A001", "imageCounter": 993})
    list(convert_frames([job], look))
    other = replace(job, destination=tmp_path / "tool.exr")
    subprocess.run(tool_command(other, look, oiiotool=program), check=True, timeout=120)
    ours, theirs = read_floats(job.destination), read_floats(other.destination)
    assert ours.shape == theirs.shape
    apart = np.abs(ours - theirs)
    assert (apart <= 1e-2 * np.maximum(np.abs(theirs), 0.05)).all()
    assert apart.mean() < 1e-3
    assert theirs.max() > 0.5
    ours_says, theirs_says = probe(job.destination), probe(other.destination)
    assert (ours_says.width, ours_says.height, ours_says.pixel_aspect) == (
        theirs_says.width, theirs_says.height, theirs_says.pixel_aspect,
    )  # fmt: skip


def test_headers_say_where_a_plate_came_from(tmp_path: Path) -> None:
    label = Timecode.from_string("10:00:59;28", "29.97df")
    attributes = {
        "smpte:TimeCode": label, "framesPerSecond": Fraction(30000, 1001), "reelName": "A001", "cameraModel": "VENICE 2",
        "isoSpeed": 800.0, "imageCounter": 993, "film-archive:source": "ä.mxf", "big": 1 << 40,
        "chromaticities": (0.713, 0.293, 0.165, 0.83, 0.128, 0.044, 0.32168, 0.33767),
    }  # fmt: skip
    job, *_ = jobs_of(tmp_path, 1, attributes)
    list(convert_frames([job], LOOK))
    facts = probe(job.destination)
    assert facts.start_timecode == label
    assert facts.reel == "A001"
    assert facts.color.space == "ACEScg"
    image = library().ImageInput.open(str(job.destination))
    spec = image.spec()
    image.close()
    assert spec.getattribute("film-archive:source") == "ä.mxf"
    assert spec.getattribute("isoSpeed") == 800.0
    assert spec.getattribute("imageCounter") == 993
    assert spec.getattribute("big") == str(1 << 40)
    with pytest.raises(UsageError, match="no place for a dict"):
        list(convert_frames([replace(job, attributes={"x": {}})], LOOK))


def test_what_is_there_is_kept_and_the_rest_is_made(tmp_path: Path) -> None:
    jobs = jobs_of(tmp_path)
    list(convert_frames(jobs[:2], LOOK))
    stamps = [job.destination.stat().st_mtime_ns for job in jobs[:2]]
    jobs[1].destination.write_bytes(jobs[1].destination.read_bytes()[:-1000])  # as a crash might leave it
    jobs[2].destination.write_bytes(b"")  # a disk that was full
    made = list(convert_frames(jobs, LOOK))
    assert [each.kept for each in made] == [True, False, False, False]
    assert jobs[0].destination.stat().st_mtime_ns == stamps[0]
    assert all(each.kept for each in convert_frames(jobs, LOOK))
    assert not any(each.kept for each in convert_frames(jobs, replace(LOOK, compression="zips")))
    camera_frame(jobs[3].source, seed=77)
    assert [each.kept for each in convert_frames(jobs, replace(LOOK, compression="zips"))] == [True, True, True, False]


def test_a_file_of_somebody_elses_is_not_touched(tmp_path: Path) -> None:
    job, *_ = jobs_of(tmp_path, 1)
    write_exr(job.destination, np.zeros((4, 4, 3), np.float16), compression="zip")
    before = job.destination.read_bytes()
    with pytest.raises(Refused, match="no plate of ours"):
        list(convert_frames([job], LOOK))
    assert job.destination.read_bytes() == before


def test_a_frame_of_another_size_stops_the_shot_and_is_named(tmp_path: Path) -> None:
    jobs = jobs_of(tmp_path)
    camera_frame(jobs[2].source, 60, 36)
    with pytest.raises(Damaged, match=r"a\.0995\.dpx has 60×36 pixels, and .*a\.0993\.dpx has 64×36.*frame 995 was not made"):
        list(convert_frames(jobs, LOOK, workers=1))
    assert not jobs[2].destination.exists()
    assert not [path for path in tmp_path.iterdir() if files.is_temporary_name(path.name)]


@pytest.mark.parametrize("keep", [0, 3, 1000, 2047, 8192, 9000])
def test_a_source_that_is_cut_short(tmp_path: Path, keep: int) -> None:
    jobs = jobs_of(tmp_path, 2)
    jobs[1].source.write_bytes(jobs[1].source.read_bytes()[:keep])
    with pytest.raises((Damaged, NotFound), match=r"a\.0994\.dpx"):
        list(convert_frames(jobs, LOOK, workers=1))
    assert not jobs[1].destination.exists()


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    jobs = jobs_of(tmp_path, 2)
    jobs[1].source.unlink()
    with pytest.raises(NotFound, match=r"a\.0994\.dpx"):
        list(convert_frames(jobs, LOOK))


def test_names_are_looked_up_before_anything_is_read(tmp_path: Path) -> None:
    job = FrameJob(tmp_path / "none.dpx", tmp_path / "none.exr", 1)
    for wrong in (
        {"source_colorspace": "S-Log9"}, {"target_colorspace": "x"}, {"ocio_config": str(tmp_path / "no.ocio")},
        {"compression": "lzw"}, {"compression": "zip:3"}, {"compression": "dwaa:x"}, {"bit_depth": "uint8"}, {"width": 0},
        {"squeeze": Fraction(9)}, {"fit": "stretch"},
    ):  # fmt: skip
        with pytest.raises(UsageError):
            list(convert_frames([job], replace(LOOK, **wrong)))


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job, *_ = jobs_of(tmp_path, 1)

    class Full:
        def open(self, path: str, spec: object) -> bool:
            Path(path).write_bytes(b"half of it")
            return True

        def write_image(self, pixels: object) -> bool:
            return False

        def close(self) -> bool:
            return False

        def geterror(self) -> str:
            return "Failed OpenEXR write: No space left on device"

    class Library:
        def __getattr__(self, name: str) -> Any:
            return getattr(library(), name)

        ImageOutput = type("ImageOutput", (), {"create": staticmethod(lambda form: Full())})

    monkeypatch.setattr("ded_io.pictures.exr.library", Library)
    with pytest.raises(NoSpace, match=r"p\.0993\.exr: the disk is full.*nothing was kept"):
        list(convert_frames([job], LOOK))
    assert [path.name for path in tmp_path.iterdir()] == ["a.0993.dpx"]


def test_memory_bounds_the_workers() -> None:
    uhd = LOOK.framing(4096, 2160)
    assert workers_for(uhd, 64) * frame_memory(uhd) <= plate.MEMORY
    assert workers_for(uhd, 2) == 2
    huge = Framing((8640, 5760), (17280, 5760), (17280, 5760), 0, 0)
    assert workers_for(huge, 64, in_floats=True) == 1


def test_the_command_is_what_a_shell_takes(tmp_path: Path) -> None:
    job = FrameJob(tmp_path / "a b.dpx", tmp_path / "p.exr", 993, {"smpte:TimeCode": Timecode.from_string("01:00:00:00", 24)})
    command = tool_command(job, LOOK, size=(64, 36))
    assert tool_line(command) == (
        f"oiiotool --colorconfig {CONFIG} '{tmp_path}/a b.dpx' --ch R,G,B --colorconvert '{SLOG3}' ACEScg "
        "--resize:filter=lanczos3 96x26 --origin +0+14 --fullsize 96x54+0+0 --crop 96x54+0+0 "
        "--attrib:type=timecode smpte:TimeCode 01:00:00:00 --attrib:type=float PixelAspectRatio 1 -d half --compression zip "
        f"-o {tmp_path}/p.exr"
    )


def test_images_of_any_kind_become_plates(tmp_path: Path) -> None:
    """EXR with light above 1.0, in linear: nothing of it is lost on the way."""
    source = tmp_path / "lin.exr"
    pixels = np.random.default_rng(2).uniform(0, 40, (36, 64, 3)).astype(np.float16)
    write_exr(source, pixels, compression="zip")
    look = replace(LOOK, source_colorspace="ACES2065-1", squeeze=Fraction(1), width=None, height=None)
    list(convert_frames([FrameJob(source, tmp_path / "p.exr", 1)], look))
    made = read_floats(tmp_path / "p.exr")
    assert made.max() > 40
    list(convert_frames([FrameJob(tmp_path / "p.exr", tmp_path / "back.exr", 1)], replace(
        look, source_colorspace="ACEScg", target_colorspace="ACES2065-1", bit_depth="float",
    )))  # fmt: skip
    assert np.allclose(read_floats(tmp_path / "back.exr"), pixels.astype(np.float32), rtol=2e-2, atol=2e-2)


def test_attributes_of_what_is_no_plate(tmp_path: Path) -> None:
    assert read_attribute(tmp_path / "none.exr", "x") is None
    (tmp_path / "text.exr").write_text("no picture")
    assert read_attribute(tmp_path / "text.exr", "x") is None
    write_dpx(tmp_path / "a.exr", camera_picture(8, 8), DpxLabels())
    assert read_attribute(tmp_path / "a.exr", "x") is None


def test_the_same_frame_has_the_same_bytes(tmp_path: Path) -> None:
    job, *_ = jobs_of(tmp_path, 1)
    look = replace(LOOK, compression="dwaa:15")
    list(convert_frames([job], look))
    first = job.destination.read_bytes()
    job.destination.unlink()
    list(convert_frames([job], look))
    assert job.destination.read_bytes() == first
    assert probe(job.destination).created is None, "the time of making is no time of capture"


def test_what_a_killed_run_left_is_taken_over(tmp_path: Path) -> None:
    jobs = jobs_of(tmp_path, 2)
    left = files.temporary_name(jobs[0].destination, "new")
    left.write_bytes(b"half a frame")
    assert [each.kept for each in convert_frames(jobs, LOOK)] == [False, False]
    assert not left.exists()


def test_stopping_in_the_middle_leaves_whole_frames_only(tmp_path: Path) -> None:
    jobs = jobs_of(tmp_path, 8)
    for result in convert_frames(jobs, LOOK, workers=2):
        if result.number == 995:
            break
    there = [job for job in jobs if job.destination.exists()]
    assert len(there) >= 3
    kept = [each.kept for each in convert_frames(jobs, LOOK)]
    assert kept == [job in there for job in jobs]

"""What is odd about plates is found, and told of the right frames."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from ded_io.pictures.exr import write_exr
from ded_io.pictures.levels import FrameLevels, levels_of
from ded_io.pictures.plate import FrameJob, PlateLook, convert_frames
from ded_io.pictures.qc import Finding, QcReport, examine
from tests.ded_io.pictures.plates import CONFIG, SLOG3, camera_frame

WINDOW = (0, 10, 48, 26)


def plate(path: Path, light: float = 0.2, seed: int = 0, size: tuple[int, int] = (48, 36)) -> Path:
    """A plate with bars above and below, noisy like a sensor's picture."""
    pixels = np.zeros((size[1], size[0], 3), np.float16)
    rng = np.random.default_rng(seed)
    pixels[10:26] = (light * (1 + rng.normal(0, 0.1, pixels[10:26].shape))).astype(np.float16)
    write_exr(path, pixels, compression="zip", replace=True)
    return path


@pytest.fixture
def shot(tmp_path: Path) -> dict[int, Path]:
    return {number: plate(tmp_path / f"p.{number:04d}.exr", seed=number) for number in range(993, 1001)}


def found(report: QcReport) -> list[tuple[str, int, int]]:
    return [(each.kind.value, each.first, each.last) for each in report.findings]


def looked(shot: dict[int, Path]) -> QcReport:
    return examine(shot, first=993, last=1000, window=WINDOW, workers=2)


def test_a_sound_shot_has_no_findings(shot: dict[int, Path]) -> None:
    told: list[int] = []
    report = examine(shot, first=993, last=1000, window=WINDOW, on_frame=told.append)
    assert report == QcReport(first=993, last=1000, examined=8, findings=())
    assert report.ok
    assert sorted(told) == list(range(993, 1001))


def test_missing_and_unreadable_frames_are_faults(shot: dict[int, Path]) -> None:
    del shot[995], shot[996], shot[1000]
    shot[998].write_bytes(shot[998].read_bytes()[:300])
    report = looked(shot)
    assert found(report) == [("missing", 995, 996), ("unreadable", 998, 998), ("missing", 1000, 1000)]
    assert not report.ok
    assert report.examined == 4


def test_black_and_frozen_frames(shot: dict[int, Path], tmp_path: Path) -> None:
    plate(shot[994], light=0.0001)
    for number in (997, 998):
        shot[number].write_bytes(shot[996].read_bytes())
    report = looked(shot)
    assert found(report) == [("black", 994, 994), ("frozen", 997, 998)]
    assert report.ok, "odd, but it can be worked with"


@pytest.mark.parametrize(("value", "kind"), [(np.nan, "not a number"), (np.inf, "infinite"), (-np.inf, "infinite")])
@pytest.mark.parametrize("place", [(11, 0), (25, 47), (12, 3)])
def test_one_value_that_is_no_number_is_found(
    shot: dict[int, Path], value: float, kind: str, place: tuple[int, int]
) -> None:
    from film_archive.core.source import FileSource
    from film_archive.media.images import read_pixels

    with FileSource(shot[999]) as source:
        pixels = read_pixels(source, "exr").copy()
    pixels[(*place, 1)] = value
    write_exr(shot[999], pixels, compression="zip", replace=True)
    report = looked(shot)
    assert found(report) == [(kind, 999, 999)]
    assert "1 value" in report.findings[0].says
    assert not report.ok


def test_clipped_off_size_and_jumping_frames(shot: dict[int, Path]) -> None:
    pixels = np.zeros((36, 48, 3), np.float16)
    pixels[10:26] = np.random.default_rng(5).uniform(0.1, 0.3, (16, 48, 3))
    pixels[10:12, 3:40] = 12.0
    write_exr(shot[994], pixels, compression="zip", replace=True)
    plate(shot[996], light=0.05, seed=3)
    plate(shot[998], seed=4, size=(50, 36))
    report = looked(shot)
    assert ("clipped", 994, 994) in found(report)
    assert ("level", 996, 996) in found(report)
    assert "-2.0 stops" in next(each.says for each in report.findings if each.first == 996)
    assert ("off-size", 998, 998) in found(report)
    assert not report.ok


def test_a_bright_highlight_is_not_clipping(shot: dict[int, Path]) -> None:
    pixels = np.zeros((36, 48, 3), np.float16)
    pixels[10:26] = np.random.default_rng(5).uniform(0.1, 0.3, (16, 48, 3))
    pixels[14, 4] = 30.0
    write_exr(shot[994], pixels, compression="zip", replace=True)
    assert "clipped" not in {kind for kind, *_ in found(looked(shot))}


def test_levels_that_are_known_are_not_read_again(tmp_path: Path) -> None:
    look = PlateLook(SLOG3, "ACEScg", Fraction(2), 96, 54, compression="zip", ocio_config=CONFIG)
    jobs = [
        FrameJob(camera_frame(tmp_path / f"a.{n}.dpx", seed=n), tmp_path / f"p.{n}.exr", n) for n in range(1001, 1004)
    ]
    made = {each.number: each.levels for each in convert_frames(jobs, look) if each.levels is not None}
    window = look.framing(64, 36).window
    files = {job.number: job.destination for job in jobs}
    read = examine(files, first=1001, last=1003, window=window)
    for path in files.values():
        path.write_bytes(b"")
    assert examine(files, first=1001, last=1003, window=window, known=made) == read
    assert read.examined == 3


def test_levels_of_a_picture() -> None:
    pixels = np.zeros((6, 8, 3), np.float32)
    pixels[2:4] = 0.5, 0.25, 1.0
    assert levels_of(pixels, (0, 2, 8, 4)) == FrameLevels(
        width=8, height=6, red=0.5, green=0.25, blue=1.0, darkest=0.25, brightest=1.0, plateau=1.0, not_numbers=0, infinite=0,
        fingerprint=levels_of(pixels, (0, 2, 8, 4)).fingerprint,
    )  # fmt: skip
    assert levels_of(pixels, (0, 2, 8, 2)).mean == levels_of(pixels).mean


def test_a_report_is_read_back(shot: dict[int, Path]) -> None:
    del shot[995]
    report = looked(shot)
    assert QcReport.from_json(report.to_json()) == report
    assert report.findings[0].kind is Finding.MISSING

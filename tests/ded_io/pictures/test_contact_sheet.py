"""The contact sheet: first, middle and last frame of each shot, in their places."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ded_io.pictures.contact_sheet import ROWS, SheetShot, sheet_page, shown_places, write_contact_sheet
from ded_io.pictures.exr import write_exr
from ded_io.pictures.qc import Finding, QcFinding, QcReport
from ded_io.pictures.review import ReviewLook
from film_archive.core.errors import Refused
from film_archive.media.probe import probe
from tests.ded_io.pictures.plates import CONFIG

LOOK = ReviewLook(480, 270, ocio_config=CONFIG)


@pytest.fixture
def shots(tmp_path: Path) -> list[SheetShot]:
    made = []
    for name in ("sht100", "sht110"):
        frames = []
        for place in range(5):
            path = tmp_path / f"{name}.{993 + place:04d}.exr"
            write_exr(path, np.full((54, 96, 3), 0.02 * 3**place, np.float16), compression="zip")
            frames.append(path)
        made.append(SheetShot(name, frames, 993, ("A001C002", "01:00:00:00")))
    return made


def test_pictures_are_in_their_places(shots: list[SheetShot]) -> None:
    page = sheet_page(shots, LOOK).astype(int)
    assert page.shape == (2 * (270 + 12 + 96) + 24, 12 + 3 * 492, 3)
    for row in range(2):
        middles = [page[12 + row * 378 + 72 + 135, 12 + column * 492 + 240].mean() for column in range(3)]
        assert middles == sorted(middles)
        assert len(set(middles)) == 3


def test_a_frame_that_can_not_be_shown_leaves_its_place(shots: list[SheetShot]) -> None:
    shots[0].frames[2].write_bytes(b"no picture")
    shots[1].frames[4].unlink()
    page = sheet_page(shots, LOOK)
    assert (page[12 + 72, 12 + 492 + 240] == 48).all()
    assert (page[12 + 378 + 72, 12 + 2 * 492 + 240] == 48).all()


def test_findings_stand_in_red(shots: list[SheetShot]) -> None:
    finding = QcFinding(kind=Finding.BLACK, first=994, last=994, says="frame 994 is black")
    report = QcReport(first=993, last=997, examined=5, findings=(finding,))
    told = SheetShot("sht100", shots[0].frames, 993, qc=report)
    plain, with_finding = (sheet_page([shot], LOOK) for shot in (shots[0], told))
    assert not (plain == (240, 90, 70)).all(axis=2).any()
    assert (with_finding == (240, 90, 70)).all(axis=2).sum() > 100


def test_pages(tmp_path: Path, shots: list[SheetShot]) -> None:
    empty = [SheetShot(f"s{number}", (), 1) for number in range(ROWS)]
    pages = write_contact_sheet([*shots, *empty], tmp_path / "sheet.jpg", look=LOOK)
    assert [page.name for page in pages] == ["sheet.jpg", "sheet_2.jpg"]
    assert [probe(page).codec for page in pages] == ["jpeg", "jpeg"]
    with pytest.raises(Refused):
        write_contact_sheet(shots, tmp_path / "sheet.jpg", look=LOOK)
    assert write_contact_sheet(shots, tmp_path / "sheet.jpg", look=LOOK, replace=True) == pages[:1]
    assert write_contact_sheet([], tmp_path / "none.jpg", look=LOOK) == []


@pytest.mark.parametrize(("count", "places"), [(0, ()), (1, (0,)), (2, (0, 1)), (3, (0, 1, 2)), (67, (0, 33, 66))])
def test_which_frames_are_shown(count: int, places: tuple[int, ...]) -> None:
    assert shown_places(count) == places

"""The contact sheet of a batch: of each shot its first, middle and last frame as the review shows them, with its numbers.

JPEG pages, a row a shot. A frame that can't be shown leaves its place empty with the reason in it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ded_io.pictures.qc import QcReport
from ded_io.pictures.review import ReviewLook, shown_picture
from film_archive.core import files
from film_archive.core.errors import Damaged, NotFound, NotMedia
from film_archive.core.executors.executor import worker_count
from film_archive.core.executors.threads import ThreadExecutor
from film_archive.media.glyphs import HEIGHT, text_mask

TILE = (480, 270)
"""(width, height) of a picture."""
ROWS = 20
"""Shots on a page."""
_GAP = 12
_LINE = 24
_SCALE = 2
_PAPER, _INK, _FAINT, _RED = (24, 24, 24), (235, 235, 235), (150, 150, 150), (240, 90, 70)

Card = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class SheetShot:
    """A shot's row: `frames` are its plates in order, the first with the number `first_number`."""

    name: str
    frames: Sequence[Path]
    first_number: int
    notes: tuple[str, ...] = ()
    """Lines below the name: source, timecode, handles."""
    qc: QcReport | None = None


def write_contact_sheet(
    shots: Sequence[SheetShot], destination: Path, *, look: ReviewLook, replace: bool = False, workers: int | None = None
) -> list[Path]:
    """Write the pages: `destination` itself, and behind it `…_2.jpg`, `…_3.jpg` for more shots than a page has rows.

    `look` says how plates are shown. Returns the pages, in order; none without a shot. Raises Refused where a
    page exists (unless told to `replace` it).
    """
    from film_archive.media.av.posters import jpeg

    small = dataclasses.replace(look, width=TILE[0], height=TILE[1], burn_in=None, slate=None)
    pages = []
    for page, begin in enumerate(range(0, len(shots), ROWS), 1):
        path = destination if page == 1 else destination.with_name(f"{destination.stem}_{page}{destination.suffix}")
        files.write_atomically(path, jpeg(sheet_page(shots[begin : begin + ROWS], small, workers)), replace=replace)
        pages.append(path)
    return pages


def sheet_page(shots: Sequence[SheetShot], look: ReviewLook, workers: int | None = None) -> Card:
    """One page, (height, width, 3)."""
    width, height = _GAP + 3 * (TILE[0] + _GAP), TILE[1] + _GAP + 4 * _LINE
    page = np.full((len(shots) * height + 2 * _GAP, width, 3), _PAPER, np.uint8)
    with ThreadExecutor(min(worker_count(workers), 4)) as executor:
        wanted = (shot.frames[at] for shot in shots for at in shown_places(len(shot.frames)))
        shown = executor.map(partial(_tile, look=look), wanted)
        for place, shot in enumerate(shots):
            _row(page[_GAP + place * height : _GAP + (place + 1) * height], shot, shown)
    return page


def shown_places(count: int) -> tuple[int, ...]:
    """The places of first, middle and last frame among so many; fewer where there are fewer."""
    return tuple(dict.fromkeys((0, count // 2, count - 1))) if count else ()


def _tile(frame: Path, look: ReviewLook) -> Card:
    """A frame as it is shown, or why it can't be."""
    try:
        return shown_picture(frame, look)
    except (Damaged, NotFound, NotMedia) as error:
        tile = np.full((TILE[1], TILE[0], 3), 48, np.uint8)
        _text(tile, _GAP, TILE[1] // 2, str(error), _RED)
        return tile


def _row(row: Card, shot: SheetShot, tiles: Iterator[Card]) -> None:
    _text(row, _GAP, 0, shot.name, _INK)
    _text(row, TILE[0] + 2 * _GAP, 0, f"{len(shot.frames)} frames", _FAINT)
    _text(row, _GAP, _LINE, "  ".join(shot.notes), _FAINT)
    if shot.qc is not None and shot.qc.findings:
        _text(row, _GAP, 2 * _LINE, "; ".join(finding.says for finding in shot.qc.findings), _RED)
    for column, place in enumerate(shown_places(len(shot.frames))):
        left, top = _GAP + column * (TILE[0] + _GAP), 3 * _LINE
        row[top : top + TILE[1], left : left + TILE[0]] = next(tiles)
        _text(row, left, top + TILE[1] + 4, f"{shot.first_number + place:04d}", _FAINT)


def _text(card: Card, left: int, top: int, text: str, ink: tuple[int, int, int]) -> None:
    if not text:
        return
    mask = text_mask(text[: card.shape[1] // (6 * _SCALE)], _SCALE)
    rows, columns = min(HEIGHT * _SCALE, card.shape[0] - top), min(mask.shape[1], card.shape[1] - left)
    if rows > 0 and columns > 0:
        card[top : top + rows, left : left + columns][mask[:rows, :columns]] = ink

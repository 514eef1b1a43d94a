"""The count sheet: a row a shot, with the clip, both ends as frames and timecodes, handles, counts, retimes and notes.

As CSV for spreadsheets, and as a page of HTML without anything from elsewhere.
"""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ded_io.cut_list import speed_text
from ded_io.models import EditorialCutInfo, ProcessingResult, ShotInfo
from ded_io.preparing import prepare, timecode_of
from ded_io.settings import Settings
from film_archive.core import files
from film_archive.core.errors import FilmArchiveError, UsageError

COLUMNS = (
    *("shot", "element", "clip", "reel", "source in", "source out", "in frame", "out frame", "cut frames"),
    *("head handle", "tail handle", "frames", "first number", "last number", "record in", "record out", "retime"),
    *("notes", "problems"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """A shot's cells, in the order of `COLUMNS`. Source in and out are the cut's, without handles; out is the last frame."""

    cells: tuple[str, ...]


def count(cuts: Iterable[EditorialCutInfo], settings: Settings, project: str) -> list[Row]:
    """A row for each cut. A cut that can't be counted has a row that says why."""
    return [_row(cut, settings, project) for cut in cuts]


def _row(cut: EditorialCutInfo, settings: Settings, project: str) -> Row:
    shot = ShotInfo(project, cut.sequence, cut.shot, cut, settings)
    result = ProcessingResult("count")
    try:
        prepare(shot, result)
    except FilmArchiveError as error:
        result.add_error(str(error))
    made, frames = shot.outputs, shot.outputs.frames
    said = "; ".join((*result.errors, *result.warnings))
    if frames is None:
        numbers: tuple[object, ...] = ("", "", cut.in_point, cut.out_point, "", "", "", "", "", "")
    else:
        ends = (frames.in_number, frames.number_of(frames.out_frame))
        first, last = (timecode_of(made, number) for number in ends)
        numbers = (
            *(first or "", last or "", frames.in_frame, frames.out_frame, frames.cut_count),
            *(frames.head, frames.tail, frames.count, frames.first_number, frames.last_number),
        )
    cells = (shot.code, shot.element, cut.clip or cut.source_file.name, made.reel or "", *numbers)
    more = (cut.record_in or "", cut.record_out or "", speed_text(cut.speed), cut.notes, said)
    return Row(tuple(str(cell) for cell in (*cells, *more)))


def write_count_sheet(path: Path, rows: Sequence[Row], title: str) -> None:
    """Write a sheet as its ending says, .csv or .html; an older one is replaced. Raises UsageError for other endings."""
    ending = path.suffix.lower()
    if ending == ".csv":
        text = _csv(rows)
    elif ending in (".html", ".htm"):
        text = _html(rows, title)
    else:
        raise UsageError(f"A count sheet is written as .csv or .html, not as {path.name!r}.")
    files.make_folders(path.absolute().parent)
    files.write_atomically(path, text.encode("utf-8"), replace=True)


def _csv(rows: Sequence[Row]) -> str:
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows([_harmless(cell) for cell in row.cells] for row in rows)
    return "\ufeff" + made.getvalue()


def _harmless(cell: str) -> str:
    """A cell that a spreadsheet does not take for a formula."""
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t") and not cell.lstrip("+-").isdecimal() else cell


def _html(rows: Sequence[Row], title: str) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in COLUMNS)
    body = "\n".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row.cells) + "</tr>" for row in rows)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8">\n'
        f"<title>{html.escape(title)}</title>\n"
        "<style>body{font:13px sans-serif;margin:2em}table{border-collapse:collapse}"
        "td,th{border:1px solid #bbb;padding:3px 7px;text-align:left;vertical-align:top}"
        "th{background:#eee;position:sticky;top:0}</style></head>\n"
        f"<body><h1>{html.escape(title)}</h1>\n<p>{len(rows)} shots. Out is the last frame of a shot.</p>\n"
        f"<table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></body></html>\n"
    )

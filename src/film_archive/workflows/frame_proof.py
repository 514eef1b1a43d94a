"""Holding a cut's frames against the digests that an archive keeps of its clips' frames."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from film_archive.archive import layout
from film_archive.archive.opened import Archive
from film_archive.core import files
from film_archive.core.digest import KEY, digest_source
from film_archive.core.errors import Damaged, NotFound
from film_archive.core.facts import frame_ranges
from film_archive.core.frame_table import FrameTable, SequenceName
from film_archive.core.member import Member
from film_archive.core.source import FileSource, printable
from film_archive.core.timecode import FrameRange
from film_archive.media.cutting.cuttable import CutResult
from film_archive.media.frame_sums import differing
from film_archive.media.probe import index


class FrameDigests(Protocol):
    """What an archive knows of each frame of a clip."""

    def told(self, result: CutResult) -> tuple[int, list[int]]:
        """(how many frames of a cut could be held against it, the clip's numbers of those that differ)."""


@dataclass(frozen=True, slots=True)
class MovieDigests:
    """Of a clip that was archived with `--frame-digests`; none of others."""

    archive: Archive
    member: Member

    def told(self, result: CutResult) -> tuple[int, list[int]]:
        if result.mode != "copy" or self.archive.is_foreign:
            return 0, []
        try:
            sums = self.archive.read(layout.sums_path(self.member.path))
        except NotFound:
            return 0, []
        with FileSource(result.path) as made:
            frames = index(made)
            wrong = [result.frames.first + number for number in differing(made, frames, sums, result.frames.first)]
        return frames.frames, wrong


@dataclass(frozen=True, slots=True)
class SequenceDigests:
    """Of a sequence in an archive, which has a digest of each file."""

    table: FrameTable
    sequence: SequenceName

    def told(self, result: CutResult) -> tuple[int, list[int]]:
        first, wrong, checked = int(self.table.numbers[0]), [], 0
        for number in range(first + result.frames.first, first + result.frames.end):
            known = self.table.find(number)
            if known is None:
                continue
            checked += 1
            with FileSource(result.path / Path(self.sequence.path(number)).name) as made:
                if digest_source(made)[KEY] != known.xxh128:
                    wrong.append(number)
        return checked, wrong


def require_frames(name: str, digests: FrameDigests | None, result: CutResult) -> int:
    """How many frames of a cut are proven to be what was archived; a cut that is not is removed, and Damaged raised."""
    if digests is None:
        return 0
    checked, wrong = digests.told(result)
    if not wrong:
        return checked
    if result.path.is_dir():
        files.remove_tree(result.path)
    else:
        files.remove(result.path)
    runs = frame_ranges(wrong)
    listed = ", ".join(_text(run) for run in runs[:5]) + (", …" if len(runs) > 5 else "")
    raise Damaged(
        f"{name}: frames {listed} are not what was archived, so the cut {printable(result.path)} was removed; run `check` on "
        "the archive, and take these frames from another copy."
    )


def _text(run: FrameRange) -> str:
    return str(run.first) if run.count == 1 else f"{run.first}–{run.end - 1}"

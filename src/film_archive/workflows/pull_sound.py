"""Recordings that ran while a picture was shot: found by timecode of the day, over midnight too."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator

from film_archive.core.timecode import FrameRange, Timecode, frames_per_day
from film_archive.workflows.pull_sources import SourceClip


class Recordings:
    """Takes by the time of day at which they begin."""

    def __init__(self, takes: Iterable[SourceClip]) -> None:
        self._takes: dict[tuple[int, bool], list[tuple[int, SourceClip]]] = {}
        for take in takes:
            start = take.candidate.start
            if start is not None and take.candidate.frames > 0:
                self._takes.setdefault(_counting(start), []).append((start.total_frames, take))
        self._longest: dict[tuple[int, bool], int] = {}
        for counting, rows in self._takes.items():
            rows.sort(key=lambda row: (row[0], row[1].what))
            self._longest[counting] = max(take.candidate.frames for _, take in rows)

    def during(self, start: Timecode | None, frames: int) -> Iterator[tuple[SourceClip, FrameRange]]:
        """The takes that overlap a cut that begins at `start`, in order, each with its frames that do.

        Only takes whose timecode counts as the cut's does (24 and 23.976 count alike) can be compared.
        """
        if start is None:
            return
        counting = _counting(start)
        rows = self._takes.get(counting, [])
        day = frames_per_day(*counting)
        for first in (start.total_frames - day, start.total_frames, start.total_frames + day):
            low = bisect_left(rows, first - self._longest.get(counting, 0), key=lambda row: row[0])
            for begin, take in rows[low:]:
                if begin >= first + frames:
                    break
                head = max(0, first - begin)
                end = min(take.candidate.frames, first + frames - begin)
                if end > head:
                    yield take, FrameRange(head, end)


def _counting(start: Timecode) -> tuple[int, bool]:
    return start.rate.nominal, start.drop_frame

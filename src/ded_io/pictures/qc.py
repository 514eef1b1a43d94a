"""What is odd about a shot's plates: missing, black, frozen, clipped and off-size frames, values that are no numbers, and
levels that jump.

Findings are for people to look at, with the frame's number; whether one stops a delivery is theirs to say. Only what makes
a frame unusable in any comp is a fault.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path

from ded_io.pictures.levels import FrameLevels, Window, levels_of
from film_archive.core.errors import Damaged, NotFound, NotMedia
from film_archive.core.executors.executor import worker_count
from film_archive.core.executors.threads import ThreadExecutor
from film_archive.core.records import Record
from film_archive.core.source import FileSource
from film_archive.core.wording import amount
from film_archive.media.images import read_pixels

OnFrame = Callable[[int], None]


class Finding(StrEnum):
    """What can be odd about a frame."""

    MISSING = "missing"
    UNREADABLE = "unreadable"
    OFF_SIZE = "off-size"
    NOT_A_NUMBER = "not a number"
    INFINITE = "infinite"
    BLACK = "black"
    FROZEN = "frozen"
    CLIPPED = "clipped"
    LEVEL = "level"

    @property
    def is_fault(self) -> bool:
        """Whether a frame with it can't be worked with."""
        return self in _FAULTS


_FAULTS = {Finding.MISSING, Finding.UNREADABLE, Finding.OFF_SIZE, Finding.NOT_A_NUMBER, Finding.INFINITE}


@dataclass(frozen=True, slots=True, kw_only=True)
class QcLimits:
    """From where on a frame is odd; light is linear, 0.18 is middle gray."""

    black: float = 0.002
    """A frame whose brightest value is below is black."""
    clipped: float = 0.01
    """The part of a frame that may lie on a plateau above white before it is called clipped."""
    white: float = 1.0
    """A plateau below is no clipping."""
    stops: float = 1.0
    """By how much the mean may differ from the first frame's, in stops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QcFinding(Record):
    """Something odd about a frame, or a run of frames."""

    kind: Finding
    """What it is."""
    first: int
    """The first frame's number."""
    last: int
    """The last frame's number; the same for one frame."""
    says: str
    """One sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QcReport(Record):
    """What was looked at, and what was found."""

    first: int
    """The first frame's number."""
    last: int
    """The last frame's number."""
    examined: int
    """Frames that could be looked at."""
    findings: tuple[QcFinding, ...]
    """What is odd, by frame."""

    @property
    def ok(self) -> bool:
        """Whether every frame can be worked with."""
        return not any(finding.kind.is_fault for finding in self.findings)


def examine(
    frames: Mapping[int, Path],
    *,
    first: int,
    last: int,
    window: Window | None = None,
    known: Mapping[int, FrameLevels] | None = None,
    limits: QcLimits | None = None,
    workers: int | None = None,
    on_frame: OnFrame | None = None,
) -> QcReport:
    """Look at the plates of a shot, whose frames should run from `first` to `last`, both included.

    `frames` are the files by number, `window` the picture on the plate where it has bars. Frames whose levels are `known`
    (as `convert_frames` tells them) are not read again. `on_frame` hears each number. Raises only what stops all work
    (the disk); what is wrong with a frame is a finding.
    """
    limits = limits or QcLimits()
    numbers = range(first, last + 1)
    levels = {number: known[number] for number in numbers if known and number in known and number in frames}
    problems: dict[int, str] = {}
    unread = [(number, frames[number]) for number in numbers if number in frames and number not in levels]
    with ThreadExecutor(min(worker_count(workers), 4)) as executor:
        for number, found in executor.map(partial(_look, window=window), unread):
            if isinstance(found, FrameLevels):
                levels[number] = found
            else:
                problems[number] = found
            if on_frame is not None:
                on_frame(number)
    findings = [QcFinding(kind=Finding.UNREADABLE, first=at, last=at, says=why) for at, why in problems.items()]
    for number in numbers:
        if number not in frames:
            findings.append(_finding(Finding.MISSING, number, f"frame {number} is missing"))
        elif number in levels:
            findings += _judged(number, levels, limits)
    ordered = sorted(findings, key=lambda each: (list(Finding).index(each.kind), each.first))
    joined = sorted(_joined(ordered), key=lambda each: (each.first, each.last))
    return QcReport(first=first, last=last, examined=len(levels), findings=tuple(joined))


def _look(job: tuple[int, Path], window: Window | None) -> tuple[int, FrameLevels | str]:
    number, path = job
    try:
        with FileSource(path) as source:
            return number, levels_of(read_pixels(source, path.suffix.lstrip(".") or "exr"), window)
    except (Damaged, NotFound, NotMedia) as error:
        return number, str(error)


def _judged(number: int, levels: Mapping[int, FrameLevels], limits: QcLimits) -> Iterator[QcFinding]:
    """What is odd about a frame that could be read."""
    found = levels[number]
    start = levels[min(levels)]
    if (found.width, found.height) != (start.width, start.height):
        size, wanted = f"{found.width}×{found.height}", f"{start.width}×{start.height}"
        yield _finding(Finding.OFF_SIZE, number, f"frame {number} has {size} pixels, the first one {wanted}")
    if found.not_numbers:
        count = amount(found.not_numbers, "value")
        yield _finding(Finding.NOT_A_NUMBER, number, f"frame {number} has {count} that are no numbers")
    if found.infinite:
        yield _finding(Finding.INFINITE, number, f"frame {number} has {amount(found.infinite, 'value')} that are infinite")
    if found.brightest < limits.black:
        yield _finding(Finding.BLACK, number, f"frame {number} is black")
        return
    before = levels.get(number - 1)
    if before is not None and before.fingerprint == found.fingerprint:
        yield _finding(Finding.FROZEN, number, f"frame {number} shows the same as the one before it")
    if found.plateau >= limits.clipped and found.brightest > limits.white:
        part = f"{found.plateau:.1%}"
        yield _finding(Finding.CLIPPED, number, f"frame {number} is clipped: {part} of it is at {found.brightest:.3g}")
    stops = _stops(found.mean, start.mean)
    if stops is not None and abs(stops) > limits.stops:
        yield _finding(Finding.LEVEL, number, f"frame {number} is {stops:+.1f} stops from the first")


def _stops(mean: float, first: float) -> float | None:
    return math.log2(mean / first) if mean > 0 and first > 0 else None


def _finding(kind: Finding, number: int, says: str) -> QcFinding:
    return QcFinding(kind=kind, first=number, last=number, says=says)


def _joined(findings: list[QcFinding]) -> Iterator[QcFinding]:
    """Runs of frames with the same finding as one."""
    run: QcFinding | None = None
    for finding in findings:
        if run is not None and finding.kind is run.kind and finding.first == run.last + 1:
            numbers = f"frames {run.first} to {finding.last}"
            says = f"{numbers}: {finding.kind.value}; of the last, {finding.says.removeprefix(f'frame {finding.first} ')}"
            run = replace(run, last=finding.last, says=says)
            continue
        if run is not None:
            yield run
        run = finding
    if run is not None:
        yield run

"""Progress on stderr: a bar a phase on a terminal, a quiet line every ten seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from film_archive.cli.output import shown, size_text

if TYPE_CHECKING:
    from film_archive.core.progress import Count, Phase, Progress

EVERY = 10.0
"""Seconds between two lines."""
_SHOWN = 0.1
"""Seconds between two looks at a bar."""


@contextmanager
def progress(stream: TextIO | None = None, *, now: Callable[[], float] = time.monotonic) -> Iterator[Progress]:
    """Counts that are shown while the block runs; bars are taken away at its end, however it ends."""
    from film_archive.core.progress import Progress

    stream = sys.stderr if stream is None else stream
    if not stream.isatty():
        yield Progress(_Lines(stream, now))
        return
    bars = _Bars(stream, now)
    with bars.display:
        yield Progress(bars)


class _Pace:
    """How fast a phase is, over its whole time: the only measure that a burst of cached blocks does not fool."""

    def __init__(self, count: Count, now: float) -> None:
        self._before = count.done  # in no time that is known
        self._begun = now

    def rate(self, count: Count, now: float) -> float:
        return (count.done - self._before) / (now - self._begun) if now > self._begun else 0.0

    def left(self, count: Count, now: float) -> float | None:
        """Seconds that it will still take at this pace; None where that can't be said."""
        rate = self.rate(count, now)
        return max(0, count.total - count.done) / rate if rate and count.total else None


class _Lines:
    """A line for each phase that is under way, every ten seconds."""

    def __init__(self, stream: TextIO, now: Callable[[], float]) -> None:
        self._stream = stream
        self._now = now
        self._paces: dict[Phase, _Pace] = {}
        self._said: dict[Phase, float] = {}

    def __call__(self, phase: Phase, count: Count) -> None:
        now = self._now()
        if not count.done:
            return
        pace = self._paces.setdefault(phase, _Pace(count, now))
        if now - self._said.setdefault(phase, now) < EVERY:
            return
        self._said[phase] = now
        print(shown(f"{phase}: {_figures(phase, count, pace, now)}", self._stream), file=self._stream, flush=True)


class _Bars:
    """rich's bars; made only on a terminal."""

    def __init__(self, stream: TextIO, now: Callable[[], float]) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn
        from rich.progress import Progress as Display

        self._stream = stream
        self._now = now
        self.display = Display(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[figures]}", markup=False),
            console=Console(file=stream),
            transient=True,
            redirect_stdout=sys.stdout.isatty(),  # lines between the bars; what goes to a file or a pipe still goes there
            redirect_stderr=False,
        )
        self._tasks: dict[Phase, Any] = {}
        self._paces: dict[Phase, _Pace] = {}
        self._drawn: dict[Phase, float] = {}

    def __call__(self, phase: Phase, count: Count) -> None:
        now = self._now()
        if phase not in self._tasks:
            if not count.done:
                return
            self._tasks[phase] = self.display.add_task(str(phase), total=None, figures="")
            self._paces[phase] = _Pace(count, now)
        elif now - self._drawn[phase] < _SHOWN and count.done < count.total:
            return
        self._drawn[phase] = now
        figures = shown(_figures(phase, count, self._paces[phase], now), self._stream)
        self.display.update(self._tasks[phase], completed=count.done, total=count.total or None, figures=figures)


def _figures(phase: Phase, count: Count, pace: _Pace, now: float) -> str:
    """ "1.20 GB of 4.00 GB, 310.00 MB/s, 9 s left, A001C001.mov"."""
    rate, left = pace.rate(count, now), pace.left(count, now)
    if phase.counts_frames:
        words = [f"{count.done} of {count.total} frames", f"{rate:.0f} fps"]
    else:
        words = [f"{size_text(count.done)} of {size_text(count.total)}", f"{size_text(rate)}/s"]
    if left is not None and rate:
        words.append(f"{_time_text(left)} left")
    if count.subject:
        words.append(count.subject)
    return ", ".join(words)


def _time_text(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"

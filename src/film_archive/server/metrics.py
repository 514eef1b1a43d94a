"""What a server has done, as numbers for Prometheus (text format 0.0.4).

Each worker counts into a small file of its own, mapped into memory; whichever worker is asked adds up all of them. So
`/metrics` tells of the whole server. Without a folder a worker counts for itself alone.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

PLANES = ("media", "hls", "api", "page")
_CLASSES = ("2xx", "3xx", "4xx", "5xx", "broken")
_SECONDS = (0.001, 0.01, 0.1, 1.0, 10.0)
"""Upper bounds of the histogram of answers; what plays film is often taken slowly, so the last ones are wide."""

_ROWS = len(PLANES) * len(_CLASSES)
_BYTES = _ROWS
_BUCKETS = _BYTES + len(PLANES)
_SUM = _BUCKETS + len(_SECONDS) + 1
_ACTIVE = _SUM + 1
_JOBS = _ACTIVE + 1
_JOB_STATES = ("done", "failed", "cancelled")
_SLOTS = _JOBS + len(_JOB_STATES)
_SIZE = 8 * _SLOTS


class Metrics:
    """One worker's counts; used from its event loop (and, for jobs, from threads: each counts in a slot of its own)."""

    def __init__(self, folder: Path | None = None, worker: int = 0) -> None:
        self._folder = folder
        if folder is None:
            self._table: mmap.mmap | bytearray = bytearray(_SIZE)
        else:
            descriptor = os.open(folder / f"metrics-{worker}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.ftruncate(descriptor, _SIZE)
                self._table = mmap.mmap(descriptor, _SIZE)
            finally:
                os.close(descriptor)
        self._values = memoryview(self._table).cast("d")
        self._values[_ACTIVE] = 0  # of a worker that died and whose place this one takes

    def begin(self) -> None:
        """A request has come."""
        self._values[_ACTIVE] += 1

    def end(self, path: str, status: int, sent: int, seconds: float) -> None:
        """Its answer has ended; status 0: there was none."""
        values = self._values
        first = path.partition("/")[2].partition("/")[0]
        plane = PLANES.index(first) if first in PLANES else len(PLANES) - 1
        row = status // 100 - 2 if 200 <= status < 600 else len(_CLASSES) - 1
        values[plane * len(_CLASSES) + row] += 1
        values[_BYTES + plane] += sent
        values[_BUCKETS + next((index for index, bound in enumerate(_SECONDS) if seconds <= bound), len(_SECONDS))] += 1
        values[_SUM] += seconds
        values[_ACTIVE] -= 1

    def job_ended(self, state: str) -> None:
        self._values[_JOBS + _JOB_STATES.index(state)] += 1

    def text(self, version: str) -> str:
        """All workers' numbers, as a scraper reads them."""
        return "\n".join(_lines([sum(column) for column in zip(*self._tables(), strict=True)], version)) + "\n"

    def _tables(self) -> Iterator[tuple[float, ...]]:
        if self._folder is None:
            yield tuple(self._values)
            return
        for file in sorted(self._folder.glob("metrics-*")):
            with suppress(FileNotFoundError):
                data = file.read_bytes()
                if len(data) == _SIZE:
                    yield struct.unpack(f"{_SLOTS}d", data)


def _lines(values: list[float], version: str) -> Iterator[str]:
    name = "film_archive"
    yield from _head(f"{name}_info", "gauge", "The server's version.")
    yield f'{name}_info{{version="{version}"}} 1'
    yield from _head(f"{name}_requests_total", "counter", "Answers that have ended, by plane and class of status.")
    for plane, of in enumerate(PLANES):
        for row, status in enumerate(_CLASSES):
            count = values[plane * len(_CLASSES) + row]
            yield f'{name}_requests_total{{plane="{of}",status="{status}"}} {count:.0f}'
    yield from _head(f"{name}_sent_bytes_total", "counter", "Bytes of bodies that were sent.")
    for plane, of in enumerate(PLANES):
        yield f'{name}_sent_bytes_total{{plane="{of}"}} {values[_BYTES + plane]:.0f}'
    yield from _head(f"{name}_answer_seconds", "histogram", "From a request's arrival to the end of its answer.")
    yield from _histogram(f"{name}_answer_seconds", values)
    yield from _head(f"{name}_active_requests", "gauge", "Answers that are under way.")
    yield f"{name}_active_requests {values[_ACTIVE]:.0f}"
    yield from _head(f"{name}_jobs_total", "counter", "Extraction jobs that have ended.")
    for index, state in enumerate(_JOB_STATES):
        yield f'{name}_jobs_total{{state="{state}"}} {values[_JOBS + index]:.0f}'


def _head(name: str, kind: str, text: str) -> Iterable[str]:
    return (f"# HELP {name} {text}", f"# TYPE {name} {kind}")


def _histogram(name: str, values: list[float]) -> Iterator[str]:
    total = 0.0
    for index, bound in enumerate((*map(str, _SECONDS), "+Inf")):
        total += values[_BUCKETS + index]
        yield f'{name}_bucket{{le="{bound}"}} {total:.0f}'
    yield f"{name}_sum {values[_SUM]:.6f}"
    yield f"{name}_count {total:.0f}"

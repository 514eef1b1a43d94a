"""Running cases in processes of their own, with limits to memory and to the CPU time of a case; what fails is kept.

A process is a fork that takes the next case of the target on which it has spent the least. Which case it is at stands in
memory that the parent sees: so also what ends the process itself (a crash in a library, a limit) is known and kept. POSIX only.
"""

from __future__ import annotations

import mmap
import os
import shlex
import signal
import struct
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from unittest import mock

from film_archive.core import files
from film_archive.testing import crash
from film_archive.testing.fuzz.target import Sample, Target, case

CASE_SECONDS = 20.0
"""Of CPU, for one case; whole ones take milliseconds."""
STUCK_SECONDS = 120.0
"""By the clock, without CPU: something waits for what never comes."""
MEMORY = 2 << 30
"""Bytes of addresses that a process may take beyond what it began with."""

_FOUND = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """A case that failed, and where it is kept."""

    target: str
    number: int
    what: str
    folder: Path


@dataclass(frozen=True, slots=True)
class Outcome:
    cases: Mapping[str, int]
    seconds: float
    finding: Finding | None


@dataclass(frozen=True, slots=True)
class Bench:
    """Targets with their samples. `numbers` are the cases to be run; without an end, until the time is up."""

    targets: Sequence[Target]
    samples: Mapping[str, Sequence[Sample]]
    seed: int
    found: Path
    """Where findings are kept."""

    @classmethod
    def of(cls, targets: Sequence[Target], seed: int, found: Path) -> Bench:
        """Make the samples, each target's in a folder of its own; they are held in memory."""
        samples = {}
        with _folder() as folder:
            for target in targets:
                place = folder / target.name
                place.mkdir()
                samples[target.name] = tuple(target.make(place))
        return cls(tuple(targets), samples, seed, found)

    def run(self, seconds: float, processes: int = 1) -> Outcome:
        """Cases for so many seconds, by the clock, or until one fails."""
        begun = time.monotonic()
        board = _Board(processes, len(self.targets))

        def working(number: int) -> None:
            self._work(board, number, processes, begun + seconds)

        children = {crash.start(lambda number=number: working(number)): number for number in range(processes)}  # type: ignore[misc]
        finding = None
        try:
            while children:
                finding = finding or self._reap(children, board)
                if finding is not None:
                    break
                time.sleep(0.02)
        finally:
            for child in children:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
        counts = {target.name: board.total(at) for at, target in enumerate(self.targets)}
        return Outcome(counts, time.monotonic() - begun, finding)

    def run_one(self, target: Target, number: int) -> Outcome:
        """One case, with the same limits."""
        begun = time.monotonic()
        board = _Board(1, len(self.targets))
        at = self.targets.index(target)

        def working() -> None:
            with _limits(), _folder() as folder:
                self._case(board, 0, at, number, folder)

        children = {crash.start(working): 0}
        finding = None
        while children and finding is None:
            finding = self._reap(children, board)
            time.sleep(0.02)
        return Outcome({target.name: board.total(at)}, time.monotonic() - begun, finding)

    # in the parent

    def _reap(self, children: dict[int, int], board: _Board) -> Finding | None:
        for child, slot in list(children.items()):
            done, status = os.waitpid(child, os.WNOHANG)
            if not done and board.is_stuck(slot):
                os.kill(child, signal.SIGKILL)
                done, status = os.waitpid(child, 0)
            if not done:
                continue
            del children[child]
            code = os.waitstatus_to_exitcode(status)
            if code:
                return self._keep(board, slot, code)
        return None

    def _keep(self, board: _Board, slot: int, code: int) -> Finding:
        """Write a failed case down: its bytes, what happened, and how to have it again."""
        at, number = board.where(slot)
        target = self.targets[at]
        folder = self.found / f"{target.name}-{self.seed}-{number}"
        with files.explaining(f"keep a finding in {folder}"):
            folder.mkdir(parents=True, exist_ok=True)
        sample, data = case(target, self.samples[target.name], self.seed, number)
        said = folder / "error.txt"
        if code == _FOUND and said.exists():
            what = said.read_text().strip().rpartition("\n")[2]
        else:
            what = _why(code)
            files.write_atomically(said, f"{what}\n".encode(), replace=True)
        again = f"python -m film_archive.testing.fuzz --seed {self.seed} --case {number} {shlex.quote(target.name)}\n"
        files.write_atomically(folder / "again.txt", again.encode(), replace=True)
        files.write_atomically(folder / Path(sample.name).name, data, replace=True)
        return Finding(target.name, number, what, folder)

    # in the children

    def _work(self, board: _Board, slot: int, step: int, deadline: float) -> None:
        spent = [0.0] * len(self.targets)
        numbers = [slot] * len(self.targets)
        with _limits(), _folder() as folder:
            while time.monotonic() < deadline:
                at = spent.index(min(spent))
                begun = time.process_time()
                self._case(board, slot, at, numbers[at], folder)
                spent[at] += time.process_time() - begun + 1e-5
                numbers[at] += step

    def _case(self, board: _Board, slot: int, at: int, number: int, folder: Path) -> None:
        board.begin(slot, at, number)
        target = self.targets[at]
        sample, data = case(target, self.samples[target.name], self.seed, number)
        place = folder / "case"
        place.mkdir()
        signal.setitimer(signal.ITIMER_PROF, CASE_SECONDS)
        try:
            target.examine(sample, data, place)
        except BaseException:  # noqa: BLE001  whatever it is, it is written down, and ends this process
            signal.setitimer(signal.ITIMER_PROF, 0)
            kept = self.found / f"{target.name}-{self.seed}-{number}"
            kept.mkdir(parents=True, exist_ok=True)
            files.write_atomically(kept / "error.txt", traceback.format_exc().encode(), replace=True)
            os._exit(_FOUND)
        signal.setitimer(signal.ITIMER_PROF, 0)
        files.remove_tree(place)
        board.end(slot, at)


class _Board:
    """What processes are at, in memory that they share with their parent."""

    def __init__(self, processes: int, targets: int) -> None:
        self._targets = targets
        self._processes = processes
        self._memory = mmap.mmap(-1, processes * (16 + 8 * targets))
        self._seen: dict[int, tuple[tuple[int, int], float]] = {}

    def _offset(self, slot: int) -> int:
        return slot * (16 + 8 * self._targets)

    def begin(self, slot: int, target: int, number: int) -> None:
        struct.pack_into("<2Q", self._memory, self._offset(slot), target, number)

    def end(self, slot: int, target: int) -> None:
        at = self._offset(slot) + 16 + 8 * target
        struct.pack_into("<Q", self._memory, at, struct.unpack_from("<Q", self._memory, at)[0] + 1)

    def where(self, slot: int) -> tuple[int, int]:
        """(target, case)"""
        target, number = struct.unpack_from("<2Q", self._memory, self._offset(slot))
        return target, number

    def total(self, target: int) -> int:
        places = (self._offset(slot) + 16 + 8 * target for slot in range(self._processes))
        return sum(struct.unpack_from("<Q", self._memory, at)[0] for at in places)

    def is_stuck(self, slot: int) -> bool:
        """Whether a process has been at one case for longer than any can take."""
        now, where = time.monotonic(), self.where(slot)
        if self._seen.get(slot, (None, 0.0))[0] != where:
            self._seen[slot] = (where, now)
        return now - self._seen[slot][1] > STUCK_SECONDS


def _why(code: int) -> str:
    if code == -signal.SIGPROF:
        return f"it took more than {CASE_SECONDS:.0f} s of CPU"
    if code == -signal.SIGKILL:
        return f"it waited for more than {STUCK_SECONDS:.0f} s, or the system ended it"
    return f"its process ended with {code}"


@contextmanager
def _limits() -> Iterator[None]:
    """Bounded memory, no core files, nothing waits for the medium; a timer ends the process, even inside a library."""
    import resource

    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    taken = Path("/proc/self/statm")
    if taken.exists():
        pages = int(taken.read_text().split()[0])
        most = pages * resource.getpagesize() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))
    with mock.patch.object(files, "sync"), mock.patch.object(files, "sync_folder"):
        yield


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(mkdtemp(prefix="film-archive-fuzz-"))
    try:
        yield folder
    finally:
        files.remove_tree(folder)


if sys.platform == "win32":
    raise ImportError("fuzzing needs fork and limits, which this system does not have")

"""Killing a writer at each line that it runs, to see what is there afterwards.

Run as a program: `python -m tests.core.killing SCENARIO FOLDER FIRST STEP`. A fork does the scenario and ends at its
n-th line in the modules under test, n = FIRST, FIRST + STEP …, without any clean-up, as SIGKILL would; after each the
scenario's promise is checked, and the scenario is run again to its end.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from film_archive.core import copying, digest, files, journal, source
from film_archive.core.errors import Refused
from film_archive.core.journal import Journal
from film_archive.core.source import FileSource, MemorySource

TRACED = {module.__file__ for module in (copying, files, digest, source, journal)}
OLD, NEW = b"old" * 1000, b"new" * 2000


@dataclass
class Scenario:
    """`prepare` an empty folder, `act` (and be killed), `check` the folder; `again` is what the next run does."""

    prepare: Callable[[Path], None]
    act: Callable[[Path], None]
    check: Callable[[Path], None]
    again: Callable[[Path], None]
    leaves: set[str]


def nothing(folder: Path) -> None:
    return


def without_exclusive_rename(act: Callable[[Path], None]) -> Callable[[Path], None]:
    def do(folder: Path) -> None:
        files._exclusive_rename_call = lambda: None  # type: ignore[assignment]  # in a fork that ends soon
        act(folder)

    return do


def write_new(folder: Path) -> None:
    with contextlib.suppress(Refused):  # an earlier run has done it
        files.write_atomically(folder / "a", NEW)


def replace(folder: Path) -> None:
    files.write_atomically(folder / "a", NEW, replace=True)


def copy(folder: Path) -> None:
    if not (folder / "a").exists():
        with FileSource(folder / "source") as origin:
            copying.verified_copy(origin, folder / "a", like=origin.status)


def move(folder: Path) -> None:
    if (folder / "source").exists():
        copying.move(folder / "source", folder / "a")


RENAME = files._exclusive_rename_call()


def _rename_within(source: bytes, target: bytes) -> int:
    """As if the folder's two names were on two devices."""
    return errno.EXDEV if source.endswith(b"/source") or RENAME is None else RENAME(source, target)


def move_across(folder: Path) -> None:
    files._exclusive_rename_call = lambda: _rename_within  # type: ignore[assignment]
    try:
        if (folder / "source").exists():
            copying.move(folder / "source", folder / "a")
    except Refused:
        # Killed between the copy's name and the source's removal: both are whole, and the user is told.
        assert (folder / "a").read_bytes() == (folder / "source").read_bytes() == NEW
        (folder / "source").unlink()


def old_or_new(*allowed: bytes | None) -> Callable[[Path], None]:
    def check(folder: Path) -> None:
        target = folder / "a"
        found = target.read_bytes() if target.exists() else None
        assert found in allowed, f"{len(found or b'')} bytes"

    return check


def one_whole(folder: Path) -> None:
    whole = [path for path in (folder / "source", folder / "a") if path.exists()]
    assert whole
    assert all(path.read_bytes() == NEW for path in whole)


def put(name: str, data: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(data) and None


JOURNAL_BEFORE = [{"number": n} for n in range(3)]


def journal_prepare(folder: Path) -> None:
    with Journal.open(folder / "journal", {"verb": "test"}) as before:
        for entry in JOURNAL_BEFORE:
            before.append(entry)


def journal_act(folder: Path) -> None:
    with Journal.open(folder / "journal", {"verb": "test"}) as continued:
        for n in range(len(continued), 6):
            continued.append({"number": n}, sync=n % 2 == 0)


def journal_check(folder: Path) -> None:
    with Journal.open(folder / "journal", {"verb": "test"}) as continued:
        found = list(continued.entries())
    assert found[:3] == JOURNAL_BEFORE
    assert found == [{"number": n} for n in range(len(found))]


SCENARIOS = {
    "write": Scenario(nothing, write_new, old_or_new(None, NEW), write_new, {"a"}),
    "write by link": Scenario(nothing, without_exclusive_rename(write_new), old_or_new(None, NEW), write_new, {"a"}),
    "write over a link": Scenario(nothing, without_exclusive_rename(write_new), old_or_new(None, NEW), replace, {"a"}),
    "replace": Scenario(put("a", OLD), replace, old_or_new(OLD, NEW), replace, {"a"}),
    "copy": Scenario(put("source", NEW), copy, old_or_new(None, NEW), copy, {"source", "a"}),
    "move": Scenario(put("source", NEW), move, one_whole, move, {"a"}),
    "move across": Scenario(put("source", NEW), move_across, one_whole, move_across, {"a"}),
    "journal": Scenario(journal_prepare, journal_act, journal_check, journal_act, {"journal"}),
}


def run(act: Callable[[Path], None], folder: Path, stop: int | None) -> bool:
    """Do it in a fork that dies at its `stop`-th line; whether it came to its end."""
    child = os.fork()
    if child:
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status in (0, 9), f"ended with {status}"
        return status == 0
    lines = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal lines
        if frame.f_code.co_filename not in TRACED:
            return None
        if event == "line":
            if lines == stop:
                os._exit(9)
            lines += 1
        return trace

    try:
        if stop is not None:
            sys.settrace(trace)
        act(folder)
        sys.settrace(None)
    except BaseException as error:  # noqa: BLE001  a fork must end here, whatever happens
        sys.settrace(None)
        print(repr(error), file=sys.stderr)
        os._exit(1)
    os._exit(0)


def main(name: str, root: Path, first: int, step: int) -> int:
    """Kill the scenario at each `step`-th of its lines; returns how many there were."""
    scenario = SCENARIOS[name]
    stop = first
    while True:
        folder = root / f"{stop}"
        folder.mkdir()
        scenario.prepare(folder)
        finished = run(scenario.act, folder, stop)
        scenario.check(folder)
        assert run(scenario.again, folder, None)
        scenario.check(folder)
        left = {path.name for path in folder.iterdir()}
        assert left == scenario.leaves, f"killed at line {stop}, left {left}"
        shutil.rmtree(folder)
        if finished:
            return stop
        stop += step


if __name__ == "__main__":
    # Imported now, since a fork that imports is slow.
    MemorySource(b"")
    digest.MultiHasher(["xxh128", "crc32"])
    print(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))

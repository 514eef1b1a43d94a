"""Watching a drop folder: what is still written waits, what belongs together waits together, nothing is told twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("hypothesis")

from hypothesis import given
from hypothesis import strategies as st

from film_archive.core.errors import NotFound, UsageError
from film_archive.library.ingester import Ingested, ingest
from film_archive.library.moves import unfinished
from film_archive.library.watching import Settling, watch
from film_archive.testing import crash, faults
from film_archive.testing.faults import Kill
from tests.cli.running import film_archive
from tests.library.test_ingester import names
from tests.library.test_offload import CARD
from tests.library.trees import write


class _DoneError(Exception):
    """No more looks are to be taken."""


class Looks:
    """A clock that goes on by one second at each pause, before which the next change to the folder is made."""

    def __init__(self, *changes: Callable[[], object] | None) -> None:
        self.now = 0.0
        self._changes = iter(changes)

    def pause(self, seconds: float) -> None:
        self.now += seconds
        try:
            change = next(self._changes)
        except StopIteration:
            raise _DoneError from None
        if change is not None:
            change()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "drop").mkdir()
    (tmp_path / "target").mkdir()
    return tmp_path


def watching(place: Path, *changes: Callable[[], object] | None, settled: float = 2, copy: bool = False) -> list[Ingested]:
    """The reports of watching while the folder changes, one change after each look, a second apart."""
    looks = Looks(*changes)

    def run() -> Iterator[Ingested]:
        try:
            yield from watch(
                place / "drop", place / "target", settled=settled, every=1, copy=copy, clock=lambda: looks.now, pause=looks.pause
            )
        except _DoneError:
            return

    return list(run())


def test_a_file_is_taken_when_nothing_has_written_to_it_for_a_while(place: Path) -> None:
    clip = place / "drop/clip.mov"

    def grow() -> None:
        with clip.open("ab") as file:
            file.write(b"more")

    write(place / "drop", {"clip.mov": b"begun", "still.txt": b"done"})
    done = watching(place, grow, grow, grow, None, None)
    assert [[Path(each.from_).name for each in report.moved] for report in done] == [["still.txt"], ["clip.mov"]]
    assert done[1].moved[0].size == len(b"begun") + 3 * len(b"more")
    assert names(place / "drop") == set()


def test_a_clip_waits_for_its_sidecar_and_a_card_for_its_last_file(place: Path) -> None:
    write(place / "drop/A001", dict(list(CARD.items())[:2]))
    write(place / "drop", {"loose/b.mov": b"b"})

    def more() -> None:
        write(place / "drop", {"loose/b.xmp": b"sidecar"})
        write(place / "drop/A001", dict(list(CARD.items())[2:4]))

    done = watching(place, None, more, None, None)
    first = done[0]
    assert [Path(each.from_).name for each in first.moved] == ["b.mov", "b.xmp"]
    assert [card.files for card in first.cards] == [4]
    assert len(done) == 1


def test_what_is_called_unfinished_waits_for_its_name(place: Path) -> None:
    write(place / "drop", {"clip.mov.part": b"all of it"})
    rename = lambda: (place / "drop/clip.mov.part").rename(place / "drop/clip.mov")  # noqa: E731  one of the changes
    assert watching(place, None, None, None) == []
    (done,) = watching(place, rename, None, None, None)
    assert [Path(each.from_).name for each in done.moved] == ["clip.mov"]


def test_what_stays_is_told_once(place: Path) -> None:
    write(place / "drop", {"a.mov": b"same"})
    ingest(place / "drop", place / "target")
    write(place / "drop", {"a.mov": b"same"})
    late = lambda: write(place / "drop", {"b.mov": b"other"})  # noqa: E731  one of the changes
    done = watching(place, None, None, None, late, None, None, None)
    assert [(len(report.already), len(report.moved)) for report in done] == [(1, 0), (0, 1)]
    assert names(place / "drop") == {"a.mov"}


def test_copies_are_made_once(place: Path) -> None:
    write(place / "drop", {"a.mov": b"a"})
    (done,) = watching(place, None, None, None, None, None, copy=True)
    assert len(done.moved) == 1
    assert names(place / "drop") == {"a.mov"}


def test_the_job_of_a_killed_run_is_completed_first(place: Path) -> None:
    write(place / "drop", {f"{number}.mov": b"%d" % number for number in range(3)})

    def killed() -> None:
        with faults.failing(1, Kill.BEFORE, names=("rename",)):
            ingest(place / "drop", place / "target")

    crash.run(killed)
    assert unfinished(place / "target")
    done = watching(place)
    assert sum(len(report.moved) for report in done) == 3
    assert names(place / "drop") == set()


def test_a_folder_that_goes_away_ends_it(place: Path) -> None:
    with pytest.raises(NotFound, match="any more"):
        watching(place, (place / "drop").rmdir)
    with pytest.raises(UsageError):
        next(watch(place / "target", place, settled=-1))


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("ab")), max_size=30), st.integers(0, 5))
def test_stable_is_what_was_the_same_at_every_look_for_long_enough(looks: list[tuple[int, str]], settled: int) -> None:
    settling = Settling(settled)
    history: list[tuple[int, dict[str, tuple[int, int, int]]]] = []
    now = 0
    for number, (size, name) in enumerate(looks):
        now += number % 3
        seen = {name: (size, 0, 0)}
        history.append((now, seen))
        expected = set()
        since = now
        for at, before in reversed(history):  # the slow way: back to the first look at which it was so
            if before.get(name) != (size, 0, 0):
                break
            since = at
        if now - since >= settled:
            expected.add(name)
        assert settling.stable(seen, now) == expected


def test_sigterm_ends_it_cleanly(place: Path) -> None:
    words = ["library", "ingest", place / "drop", place / "target", "--watch", "--settled", "0", "--every", "0.1"]
    command = [sys.executable, "-c", "from film_archive.cli.main import run; run()", *words, "--catalog", place / "c.sqlite"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Watching")
        write(place / "drop", {"a.mov": b"a"})
        assert "->" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        rest, errors = process.communicate()
    assert process.returncode == 0, errors
    assert "Stopped watching" in rest
    assert "Traceback" not in errors
    assert names(place / "drop") == set()


def test_what_does_not_go_together(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for option in (["--dry-run"], ["--report", place / "r.html"]):
        ran = film_archive(capfd, "library", "ingest", place / "drop", place / "target", "--watch", *option)
        assert ran.status == 2
        assert "leave one out" in ran.errors

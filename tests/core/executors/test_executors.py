"""One suite that all executors pass; a new one is a line in EXECUTORS."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("hypothesis")

from hypothesis import given
from hypothesis import strategies as st

from film_archive.core.errors import Damaged, ProgramFailed, UsageError
from film_archive.core.executors.executor import Executor, worker_count
from film_archive.core.executors.inline import InlineExecutor
from film_archive.core.executors.processes import ProcessExecutor
from film_archive.core.executors.threads import ThreadExecutor
from tests.core.executors import work

EXECUTORS: dict[str, Callable[[], Executor]] = {
    "inline": InlineExecutor,
    "threads": lambda: ThreadExecutor(3),
    "processes": lambda: ProcessExecutor(2),
}


@pytest.fixture(params=EXECUTORS)
def fresh(request: pytest.FixtureRequest) -> Iterator[Executor]:
    """An executor of one's own, to stop or break."""
    executor = EXECUTORS[request.param]()
    yield executor
    executor.stop()


@pytest.fixture(scope="module", params=EXECUTORS)
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    with EXECUTORS[request.param]() as executor:
        yield executor


# The suite


def test_submit(executor: Executor) -> None:
    assert executor.submit(work.add, 2, 3).result(30) == 5
    futures = [executor.submit(work.square, number) for number in range(10)]
    assert [future.result(30) for future in futures] == [number * number for number in range(10)]


def test_an_error_is_in_the_future(executor: Executor) -> None:
    future = executor.submit(work.fail_at_three, 3)
    error = future.exception(30)
    assert isinstance(error, Damaged)
    assert str(error) == "three is damaged"
    with pytest.raises(Damaged):
        future.result(30)


def test_map_keeps_the_order(executor: Executor) -> None:
    assert list(executor.map(work.slow_square, range(12))) == [number * number for number in range(12)]
    assert list(executor.map(work.square, [])) == []


def test_map_takes_items_as_they_are_needed(executor: Executor) -> None:
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        for number in itertools.count():
            taken += 1
            yield number

    results = executor.map(work.square, endless())
    assert [next(results) for _ in range(20)] == [number * number for number in range(20)]
    assert taken <= 20 + 2 * executor.workers
    results.close()  # type: ignore[attr-defined]  # it is a generator


def test_map_raises_the_first_error(executor: Executor) -> None:
    with pytest.raises(Damaged, match="three"):
        list(executor.map(work.fail_at_three, range(10)))
    assert executor.submit(work.square, 3).result(30) == 9  # and the executor can go on


def test_an_error_cancels_the_rest(executor: Executor, tmp_path: Path) -> None:
    with pytest.raises(Damaged, match="one"):
        list(executor.map(partial(work.note_and_fail, str(tmp_path)), range(1000)))
    executor.submit(work.square, 1).result(30)  # what was under way is over
    assert len(list(tmp_path.iterdir())) <= 2 + 4 * executor.workers


def test_an_error_of_the_items_is_raised(executor: Executor) -> None:
    def items() -> Iterator[int]:
        yield 1
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        list(executor.map(work.square, items()))


@given(st.lists(st.integers(-100, 100), max_size=30))
def test_map_is_map(executor: Executor, numbers: list[int]) -> None:
    assert list(executor.map(work.square, numbers)) == list(map(work.square, numbers))


def test_after_closing_nothing_is_done(fresh: Executor) -> None:
    fresh.close()
    with pytest.raises(UsageError, match="closed already"):
        fresh.submit(work.square, 2)
    fresh.close()
    fresh.stop()


def test_leaving_the_block_finishes_the_work(fresh: Executor) -> None:
    with fresh:
        future = fresh.submit(work.slow_square, 2)
    assert future.result(0) == 4


def test_an_error_in_the_block_drops_what_has_not_begun(fresh: Executor) -> None:
    futures = []
    with pytest.raises(RuntimeError, match="mine"), fresh:  # noqa: PT012  the block is what is tested
        futures += [fresh.submit(work.slow_square, 0) for _ in range(40)]
        raise RuntimeError("mine")
    if fresh.workers > 1:
        assert any(future.cancelled() or future.exception(0) for future in futures)
    assert all(future.done() for future in futures)


# What is particular


def test_processes_are_others() -> None:
    with ProcessExecutor(1) as processes:
        assert processes.submit(work.process).result(30) != os.getpid()
    assert InlineExecutor().submit(work.process).result(0) == os.getpid()


def test_a_worker_that_dies_is_told() -> None:
    with ProcessExecutor(2) as processes:
        with pytest.raises(ProgramFailed, match="worker process died"):
            processes.submit(work.die).result(30)
        with pytest.raises(ProgramFailed, match="worker process died"):
            list(processes.map(work.square, range(3)))


def test_errors_that_cannot_be_sent_are_still_errors() -> None:
    with ProcessExecutor(1) as processes, pytest.raises(Exception, match=r"pickle|local"):
        processes.submit(work.fail_oddly).result(30)


def test_stopping_ends_workers_in_mid_work(tmp_path: Path) -> None:
    processes = ProcessExecutor(2)
    for _ in range(2):
        processes.submit(work.note_pid_and_sleep, str(tmp_path))
    wait_until(lambda: len(list(tmp_path.iterdir())) == 2)
    processes.stop()
    assert_gone(tmp_path)


def test_workers_do_not_hear_ctrl_c(tmp_path: Path) -> None:
    with ProcessExecutor(1) as processes:
        future = processes.submit(work.note_pid_and_finish, str(tmp_path))
        wait_until(lambda: len(list(tmp_path.iterdir())) == 1)
        os.kill(int(next(tmp_path.iterdir()).name), signal.SIGINT)
        assert future.result(60) == "finished"


def test_stopping_threads_waits_for_what_has_begun() -> None:
    begun, finish = threading.Event(), threading.Event()

    def hold() -> str:
        begun.set()
        finish.wait(30)
        return "finished"

    threads = ThreadExecutor(1)
    first, second = threads.submit(hold), threads.submit(work.square, 2)
    begun.wait(30)
    threading.Timer(0.05, finish.set).start()
    threads.stop()
    assert first.result(0) == "finished"
    assert second.cancelled()


def test_how_many_workers() -> None:
    assert worker_count(None) >= 1
    assert worker_count(7) == 7
    with pytest.raises(UsageError):
        worker_count(0)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_the_program(ending: signal.Signals, tmp_path: Path) -> None:
    """Ctrl-C reaches all processes of a terminal at once; SIGKILL only the one that is meant."""
    paths = os.pathsep.join(path for path in sys.path if path)
    program = subprocess.Popen(
        [sys.executable, "-m", "tests.core.executors.work", str(tmp_path)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": paths},
    )
    try:
        wait_until(lambda: len(list(tmp_path.iterdir())) == 2)
        if ending is signal.SIGINT:
            os.killpg(program.pid, ending)
        else:
            program.send_signal(ending)
        _, printed = program.communicate(timeout=60)
    finally:
        program.kill()
        program.wait()
    if ending is signal.SIGINT:
        assert (tmp_path / "interrupted").exists()
        (tmp_path / "interrupted").unlink()
        assert printed.count("Traceback") == 1  # the program's own; the workers say nothing
    assert_gone(tmp_path)


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        if time.monotonic() > deadline:
            pytest.fail("it did not happen in a minute")
        time.sleep(0.01)


def assert_gone(folder: Path) -> None:
    pids = [int(path.name) for path in folder.iterdir()]
    assert len(pids) == 2
    wait_until(lambda: not any(is_running(pid) for pid in pids))


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie that nobody has waited for yet is gone as well.
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")

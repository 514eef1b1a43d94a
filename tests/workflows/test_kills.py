"""Killed at any instant: what has its final name is whole, the next run completes the job and leaves nothing else.

`film_archive.testing.crash` kills at random instants; `film_archive.testing.faults` before and after each system call.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from film_archive.core import files
from film_archive.testing import crash, faults
from film_archive.testing.faults import Kill
from tests.killing import kill_at_calls
from tests.workflows.jobs import Job
from tests.workflows.making import create, sources

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="killing needs fork")


def completed(job: Job, expected: object) -> None:
    assert job.state() == expected


def kill(job: Job, times: int, seed: int) -> None:
    expected = job.expect()
    killed = crash.kill_often(
        job.work,
        times,
        again=lambda: job.again(expected),
        prepare=job.prepare,
        after_kill=job.whole,
        after_rerun=lambda: completed(job, expected),
        seed=seed,
    )
    assert killed >= times // 4


@pytest.mark.ci
def test_killed_at_random_instants(job: Job) -> None:
    kill(job, 20, seed=1)


@pytest.mark.nightly
def test_killed_at_200_random_instants(job: Job) -> None:
    kill(job, 200, seed=2)


def at_calls(job: Job, step: int) -> None:
    expected = job.expect()
    kill_at_calls(
        job.work,
        step,
        prepare=job.prepare,
        whole=job.whole,
        again=lambda: job.again(expected),
        finished=lambda: completed(job, expected),
        least=11,
    )


def test_killed_at_some_system_calls(job: Job) -> None:
    at_calls(job, 47)


@pytest.mark.nightly
def test_killed_at_each_system_call(job: Job) -> None:
    at_calls(job, 1)


def test_killed_twice(creating: Job, appending: Job) -> None:
    """The run that continues is killed too, and the one after it."""
    for job in (creating, appending):
        job.prepare()
        with faults.counting() as calls:
            job.work()
        expected = job.state()
        job.prepare()
        for share in (0.3, 0.5, 0.5, 0.9):
            number = int(len(calls) * share)

            def work(number: int = number, job: Job = job, expected: object = expected) -> None:
                with faults.failing(number, Kill.AFTER):
                    job.again(expected)

            crash.run(work)
            job.whole()
        job.again(expected)
        assert job.state() == expected


# The real command


def command(*arguments: object, paused: int, reached: Path) -> list[str]:
    """The command line, in a process that waits before a certain write, so that the signal never comes too late."""
    code = (
        "from pathlib import Path; from film_archive.cli.main import run; from film_archive.testing import faults\n"
        f"with faults.pausing({paused}, Path({os.fspath(reached)!r}), names=('pwrite',)): run()"
    )
    return [sys.executable, "-c", code, *map(str, arguments)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_command_is_stopped_and_continued(tmp_path: Path, number: int) -> None:
    media = sources(tmp_path / "media", size=4_000_000)
    whole = tmp_path / "whole.zip"
    create(whole, media)
    target = tmp_path / "job" / "archive.zip"
    target.parent.mkdir()
    work = files.temporary_name(target, "work")
    status, output, errors = crash.signal_command(
        command("create", target, media, "--proxies", "none", paused=12, reached=tmp_path / "reached"),
        number,
        begun=(tmp_path / "reached").exists,
    )
    assert not target.exists()
    assert work.exists()
    if number == signal.SIGKILL:
        assert status == -number
    else:
        assert status == 128 + number, (output, errors)
        assert "the same command continues" in errors
        assert "Traceback" not in errors
    made = create(target, media)
    assert made.reused > 1
    assert target.read_bytes() == whole.read_bytes()
    assert [place.name for place in target.parent.iterdir()] == ["archive.zip"]


def test_killed_while_proxies_are_made(with_proxies: Job) -> None:
    kill(with_proxies, 4, seed=3)


def test_killed_while_proxies_are_added(proxying: Job) -> None:
    kill(proxying, 4, seed=8)


@pytest.mark.nightly
def test_killed_often_while_proxies_are_added(proxying: Job) -> None:
    kill(proxying, 60, seed=6)
    kill_at_calls(proxying, 2)


@pytest.mark.nightly
def test_killed_often_while_proxies_are_made(with_proxies: Job) -> None:
    kill(with_proxies, 60, seed=4)
    kill_at_calls(with_proxies, 3)

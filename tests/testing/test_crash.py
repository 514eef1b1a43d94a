"""Killing: what is killed really ends where it stands, and what fails is not taken for killed."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from film_archive.testing import crash

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="killing needs fork")


def test_work_that_is_not_killed_finishes(tmp_path: Path) -> None:
    done = crash.run(lambda: (tmp_path / "done").touch())
    assert done.finished
    assert (tmp_path / "done").exists()


def test_killed_work_cleans_nothing_up(tmp_path: Path) -> None:
    def work() -> None:
        (tmp_path / "begun").touch()
        try:
            time.sleep(60)
        finally:
            (tmp_path / "cleaned up").touch()

    done = crash.run(work, kill_after=0.2)
    assert not done.finished
    assert done.seconds < 30
    assert [place.name for place in tmp_path.iterdir()] == ["begun"]


def test_work_that_fails_is_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="work failed"):
        crash.run(lambda: 1 // 0)
    assert "ZeroDivisionError" in capfd.readouterr().err
    with pytest.raises(RuntimeError, match="work failed"):
        crash.run(lambda: sys.exit(3))


def test_killing_often(tmp_path: Path) -> None:
    """A writer that is not careful is caught; one that is, is not."""
    target = tmp_path / "target"

    def careless() -> None:
        with target.open("wb", buffering=0) as file:
            for _ in range(200):
                file.write(bytes(1000))
                time.sleep(0.0001)

    def careful() -> None:
        temporary = tmp_path / "temporary"
        with temporary.open("wb", buffering=0) as file:
            for _ in range(200):
                file.write(bytes(1000))
                time.sleep(0.0001)
        os.replace(temporary, target)

    def whole() -> None:
        assert not target.exists() or target.stat().st_size == 200_000

    def prepare() -> None:
        target.unlink(missing_ok=True)

    assert crash.kill_often(careful, 5, prepare=prepare, after_kill=whole, after_rerun=whole) > 0
    with pytest.raises(AssertionError):
        crash.kill_often(careless, 20, prepare=prepare, after_kill=whole, after_rerun=whole)


def test_signals_for_a_command(tmp_path: Path) -> None:
    script = (
        "import pathlib, sys, time\n"
        "try:\n    pathlib.Path(sys.argv[1]).touch()\n    time.sleep(60)\n"
        "except KeyboardInterrupt:\n    print('stopped')\n    sys.exit(7)\n"
    )
    ready = tmp_path / "ready"
    command = [sys.executable, "-c", script, str(ready)]
    assert crash.signal_command(command, signal.SIGINT, begun=ready.exists) == (7, "stopped\n", "")
    ready.unlink()
    assert crash.signal_command(command, signal.SIGKILL, begun=ready.exists)[0] == -signal.SIGKILL
    short = [sys.executable, "-c", "print('done')"]
    assert crash.signal_command(short, signal.SIGINT, begun=lambda: False) == (0, "done\n", "")
    with pytest.raises(TimeoutError):
        crash.signal_command(command, signal.SIGINT, begun=lambda: False, patience=0.5)

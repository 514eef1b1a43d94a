"""Progress: quiet lines where nobody watches, bars on a terminal, nothing of it on stdout."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from film_archive.cli import progress as shown
from film_archive.cli.progress import progress
from film_archive.core.progress import Phase
from tests.workflows.making import write_tree


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_line_every_ten_seconds_and_none_before() -> None:
    stream, clock = io.StringIO(), Clock()
    with progress(stream, now=clock) as counted:
        counted.expect(Phase.WRITING, 4_000_000_000)
        counted.expect(Phase.ENCODING, 240)
        counted.begin(Phase.WRITING, "A001C001.mov")
        for _ in range(30):
            counted.add(Phase.WRITING, 100_000_000)
            counted.add(Phase.ENCODING, 8)
            clock.now += 1
    lines = stream.getvalue().splitlines()
    assert lines[:2] == [
        "writing: 1.10 GB of 4.00 GB, 100.00 MB/s, 29 s left, A001C001.mov",
        "encoding: 88 of 240 frames, 8 fps, 19 s left",
    ]
    assert len(lines) == 4


def test_what_takes_no_time_says_nothing() -> None:
    stream = io.StringIO()
    with progress(stream, now=Clock()) as counted:
        counted.expect(Phase.VERIFYING, 10)
        counted.add(Phase.VERIFYING, 10)
    assert stream.getvalue() == ""


def test_the_time_left_is_that_of_all_that_is_left() -> None:
    """By the pace since the phase began, however it went in between."""
    stream, clock = io.StringIO(), Clock()
    with progress(stream, now=clock) as counted:
        counted.expect(Phase.ENCODING, 1000)
        counted.add(Phase.ENCODING, 1)
        clock.now += 1
        counted.add(Phase.ENCODING, 90)  # a burst
        clock.now += 99
        counted.add(Phase.ENCODING, 10)
    assert stream.getvalue().splitlines() == ["encoding: 101 of 1000 frames, 1 fps, 14 min 59 s left"]


def test_names_do_nothing_to_a_terminal() -> None:
    stream, clock = io.StringIO(), Clock()
    with progress(stream, now=clock) as counted:
        counted.begin(Phase.WRITING, "\x1b[2J[red]a")
        counted.add(Phase.WRITING, 1)
        clock.now += shown.EVERY
        counted.add(Phase.WRITING, 1)
    assert "\\x1b[2J[red]a" in stream.getvalue()


def test_bars_are_taken_away_however_it_ends() -> None:
    for error in (SystemExit, KeyboardInterrupt, ValueError):
        stream = Terminal()
        clock = Clock()

        def work(error: type[BaseException], stream: Terminal, clock: Clock) -> None:
            with progress(stream, now=clock) as counted:
                counted.expect(Phase.READING, 100)
                for _ in range(10):
                    counted.add(Phase.READING, 10)
                    clock.now += 1
                counted.begin(Phase.ENCODING, "[red]a.mov")
                counted.add(Phase.ENCODING, 3)
                raise error

        with pytest.raises(error):
            work(error, stream, clock)
        text = stream.getvalue()
        assert "reading" in text
        assert "[red]a.mov" in text
        assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1  # the cursor is shown again


PROGRAM = [sys.executable, "-c", "from film_archive.cli.main import run; run()"]


def test_stdout_has_nothing_but_the_document(tmp_path: Path) -> None:
    """On a real terminal: stderr is one, stdout a pipe."""
    media = write_tree(tmp_path / "media", {f"{n}.bin": os.urandom(3_000_000) for n in range(8)})
    command = [*PROGRAM, "create", str(tmp_path / "a.zip"), str(media), "--proxies", "none", "--json"]
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, stdin=subprocess.DEVNULL) as process:
        os.close(theirs)
        said = b""
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:  # how a terminal says that its other end is closed
                break
            if not part:
                break
            said += part
        assert process.stdout is not None
        output = process.stdout.read()
    os.close(ours)
    assert process.returncode == 0, said
    assert json.loads(output)["members"] == 10
    assert b"writing" in said
    assert said.count(b"\x1b[?25l") == said.count(b"\x1b[?25h")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (59.4, "59 s"), (61, "1 min 1 s"), (3599, "59 min 59 s"), (7260, "2 h 1 min")]
)
def test_times(seconds: float, text: str) -> None:
    assert shown._time_text(seconds) == text

"""Ends what a test run has started when the run itself is gone, however it went: a process of its own, at the end of a pipe.

Lines of stdin: `process PID`, `done PID`, `folder PATH`, `gone PATH`. When stdin ends, what was named and not taken back is
killed and removed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time


def main() -> None:
    processes: set[int] = set()
    folders: set[str] = set()
    for line in sys.stdin:
        word, _, what = line.rstrip("\n").partition(" ")
        if word == "process":
            processes.add(int(what))
        elif word == "done":
            processes.discard(int(what))
        elif word == "folder":
            folders.add(what)
        elif word == "gone":
            folders.discard(what)
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    for folder in folders:
        for _ in range(100):  # what was killed may take a moment to be gone
            shutil.rmtree(folder, ignore_errors=True)
            if not os.path.exists(folder):
                break
            time.sleep(0.1)


if __name__ == "__main__":
    main()

"""The programs that the engine `tools` runs: on PATH, or beside this interpreter, where wheels put them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from film_archive.core import programs
from film_archive.core.errors import ProgramFailed

_SENTENCE = 500
"""Characters of what a tool says that are shown."""


def run_tool(command: Sequence[str], *, timeout: float, progress: Callable[[], object] | None = None) -> None:
    """Run a tool to its end. Raises ProgramFailed with its own sentence: oiiotool's last line is only its command again."""
    done = programs.run(command, timeout=timeout, progress=progress)
    said = [line.strip() for line in done.messages.decode("utf-8", "replace").splitlines() if " ERROR" in line]
    if done.status > 0 and said:
        raise ProgramFailed(f"{Path(command[0]).name} failed with status {done.status}: {said[0][:_SENTENCE]}")
    done.require_success()


def program(name: str, key: str) -> str:
    """A program's path; raises NotSupported that names the key of the settings where it is not there."""
    beside = programs.find(str(Path(sys.executable).parent / name)) if "/" not in name else None
    return str(programs.find(name) or beside or programs.require(name, f"set tools.{key}, or pipeline.engine to builtin"))

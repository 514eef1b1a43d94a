"""Where the programs are that the engine `tools` runs: on PATH, or beside this interpreter, where wheels put them."""

from __future__ import annotations

import sys
from pathlib import Path

from film_archive.core import programs


def program(name: str, key: str) -> str:
    """A program's path; raises NotSupported that names the key of the settings where it is not there."""
    beside = programs.find(str(Path(sys.executable).parent / name)) if "/" not in name else None
    return str(programs.find(name) or beside or programs.require(name, f"set tools.{key}, or pipeline.engine to builtin"))

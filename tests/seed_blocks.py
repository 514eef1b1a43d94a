"""The blocks of the seeds: found, numbered, given paths that exist here, and run as they are written."""

from __future__ import annotations

import ast
import asyncio
import inspect
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import warm

_TIMEOUT = 300
_PLACES = ("footage", "archives", "archive_repo", "graded", "path/to", "output/path", "tmp", "var/tmp", "mnt/projects", "mnt/c")
"""Folders at the root of the file system of whom the seeds speak."""
_PLACE = re.compile(rf"(?<![\w./~}}])/(?=(?:{'|'.join(_PLACES)})(?![\w]))")


@dataclass(frozen=True)
class Block:
    """A fenced block of a seed, or a command between backticks on a line of its own."""

    name: str
    """`film_archive:2`: the page and which of its blocks, from 1."""
    language: str
    code: str
    line: int

    def __str__(self) -> str:
        return self.name


def blocks(page: Path) -> Iterator[Block]:
    """A page's blocks, in order."""
    lines = page.read_text("utf-8").splitlines()
    index = count = 0
    while index < len(lines):
        opening = re.fullmatch(r"```(\w*)", lines[index])
        command = re.fullmatch(r"`(otio\w+ [^`]+)`\s*", lines[index])
        if opening is not None:
            end = lines.index("```", index + 1) if "```" in lines[index + 1 :] else _odd_end(lines, index + 1)
            count += 1
            yield Block(f"{page.stem}:{count}", opening[1], "\n".join(lines[index + 1 : end]), index + 1)
            index = end
        elif command is not None:
            count += 1
            yield Block(f"{page.stem}:{count}", "bash", command[1], index + 1)
        index += 1


def _odd_end(lines: list[str], start: int) -> int:
    """Of a block whose closing fence has something behind it."""
    return next(index for index in range(start, len(lines)) if lines[index].startswith("```"))


def placed(code: str, root: Path) -> str:
    """The code with the seeds' folders at the root of the file system below another one."""
    return _PLACE.sub(f"{root.as_posix()}/", code)


def run_python(block: Block, root: Path, names: dict[str, Any]) -> list[warnings.WarningMessage]:
    """Run a block, which may await at its top level; `names` has what it finds and gets what it leaves."""
    tree = ast.parse("\n" * block.line + placed(block.code, root), block.name)
    code = compile(tree, block.name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    names.setdefault("__name__", "seed")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        result = eval(code, names)
        if inspect.iscoroutine(result):
            asyncio.run(result)
    return said


class CommandFailed(AssertionError):
    """A command of a shell block ended with another status than 0."""


def run_shell(block: Block, root: Path, work: Path, environment: Mapping[str, str], instead: Mapping[str, str]) -> str:
    """Run a block's commands in one shell, which stops at the first that fails; returns what they print.

    `instead` has patterns of commands that can't run here and what stands for them.
    """
    check_shell(block)
    lines = []
    for command in commands(placed(block.code, root)):
        stand_in = next((other for pattern, other in instead.items() if re.fullmatch(pattern, command, re.DOTALL)), command)
        lines.append(stand_in)
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", "\n".join(lines)],
        cwd=work,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_TIMEOUT,
        check=False,
    )
    if done.returncode:
        raise CommandFailed(f"{block.name} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def check_shell(block: Block) -> None:
    """Whether a shell can parse a block."""
    done = subprocess.run(["bash", "-n", "-c", block.code], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode or done.stderr:
        raise CommandFailed(f"{block.name} is no shell script: {done.stderr}")


def commands(code: str) -> list[str]:
    """The commands of a block, without comments, each on one line."""
    joined = re.sub(r"\\\n\s*", "", code)
    without = (re.sub(r"(^|\s)#.*", "", line).strip() for line in joined.splitlines())
    return [line for line in without if line]


def environment(folder: Path, checkout: Path) -> dict[str, str]:
    """An environment in which the console scripts, `python`, `pip` and `pytest` are those under test; nothing is downloaded."""
    programs = folder / "bin"
    (folder / "temp").mkdir(exist_ok=True)
    warm.programs(programs)
    scripts = {
        "pip": "from pip._internal.cli.main import main; sys.exit(main())",
        "pytest": "import pytest; sys.exit(pytest.console_main())",
        "otioconvert": "from opentimelineio.console import otioconvert; otioconvert.main()",
    }
    for name, code in scripts.items():
        (programs / name).write_text(f"#!{sys.executable}\nimport sys\n{code}\n")
        (programs / name).chmod(0o755)
    own = ("FILM_ARCHIVE_", "PIP_", "PYTEST_", "COV_", "COVERAGE_", "KITSU_", "OCIO", "VIRTUAL_ENV")
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith(own)},
        "PATH": os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join([str(checkout / "src"), *filter(None, sys.path)]),
        "HOME": str(folder),
        "FILM_ARCHIVE_DATA": str(folder / "data"),
        "FILM_ARCHIVE_STATE": str(folder / "state"),
        "FILM_ARCHIVE_CACHE": str(folder / "cache"),
        "FILM_ARCHIVE_TEMP": str(folder / "temp"),  # a block keeps its temporary frames
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip's way to say that it is not wanted
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
    }

"""Verbs are loaded one at a time, and are the same as when all are loaded."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from film_archive.cli.main import VERBS, application


def words(command: Any, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Of all verbs."""
    for name, each in getattr(command, "commands", {}).items():
        path = (*before, *name.split())
        if hasattr(each, "commands"):
            yield from words(each, path)
        else:
            yield path


ALL = sorted(set(words(typer.main.get_command(application()))))


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_each_verb_is_found_alone(path: tuple[str, ...]) -> None:
    alone = set(words(typer.main.get_command(application([*path, "--help"]))))
    assert path in alone
    assert {each[0] for each in alone} == {path[0]}


def test_help_lists_them_in_the_order_of_the_table() -> None:
    """Those of one word first, which is how the parser's library has it."""
    command = typer.main.get_command(application(["--help"]))
    listed = list(dict.fromkeys(path[0] for path in words(command)))
    two = [name for name in VERBS if hasattr(command.commands[name], "commands")]  # type: ignore[attr-defined]
    assert listed == [name for name in VERBS if name not in two] + two


@pytest.mark.parametrize("arguments", [[], ["--help"], ["no-such-verb"], ["repo"], ["repo", "--help"], ["repo", "no-such-verb"]])
def test_what_is_no_verb_has_all_to_choose_from(arguments: list[str]) -> None:
    found = set(words(typer.main.get_command(application(arguments))))
    wanted = [path for path in ALL if not (arguments and arguments[0] in VERBS) or path[0] == arguments[0]]
    assert found == set(wanted)


def test_no_verb_loads_what_only_others_need() -> None:
    code = (
        "import sys; from film_archive.cli.main import application; application(['ls']); "
        "print(sorted(name for name in sys.modules if name.startswith('film_archive.cli.')))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "film_archive.cli.ls" in loaded
    assert "film_archive.cli.repo" not in loaded
    assert "film_archive.cli.serve" not in loaded

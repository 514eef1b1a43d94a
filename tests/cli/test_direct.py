"""Command lines that are parsed without typer: they come to what typer makes of them, or are left to it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("hypothesis")
import typer
from hypothesis import given
from hypothesis import strategies as st

from film_archive.cli import direct
from film_archive.cli.main import application
from film_archive.cli.repo import commit, status
from film_archive.cli.repo.committing import make_commit, show_status

FUNCTIONS = {"show_status": show_status, "make_commit": make_commit}
WORDS = st.sampled_from(
    [
        *("--json", "--all", "-a", "--branch", "--repo", "--message", "-m", "main", "a b", "x=y", "", "-", "--", "-h", "--help"),
        *("--branch=vfx", "--repo=.", "--message=", "--message=a=b", "-mtext", "-am", "-m=x", "--jso", "--json=1", "vfx", "ä"),
    ]
)


def by_typer(words: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any] | None:
    """What typer hands to the verb's function; None where it does not come to that."""
    got: list[dict[str, Any]] = []

    def taken(**given: Any) -> int:
        got.append(given)
        return 0

    with monkeypatch.context() as patched:
        patched.setattr(status, "show_status", taken)
        patched.setattr(commit, "make_commit", taken)
        command = typer.main.get_command(application(words))
        try:
            command.main(args=list(words), prog_name="film-archive", standalone_mode=False)
        except Exception:  # noqa: BLE001  typers differ in what they raise; all that counts is that nothing was run
            return None
    return got[0] if got else None


@given(verb=st.sampled_from(sorted(direct.VERBS)), words=st.lists(WORDS, max_size=5))
def test_what_is_parsed_directly_is_what_typer_makes_of_it(verb: tuple[str, str], words: list[str]) -> None:
    given_directly = direct.parsed(direct.VERBS[verb], words)
    if given_directly is None:
        return
    by_rule = by_typer([*verb, *words], pytest.MonkeyPatch())
    assert by_rule is not None
    assert {**{name: None if name in ("branch", "repo") else False for name in by_rule}, **given_directly} == by_rule


@pytest.mark.parametrize("verb", sorted(direct.VERBS))
def test_every_option_of_a_verb_is_known_directly(verb: tuple[str, str]) -> None:
    group: Any = typer.main.get_command(application(verb))
    parameters = group.commands["repo"].commands[verb[1]].params
    told = {name: parameter.name for parameter in parameters for name in parameter.opts if parameter.name != "help"}
    known = direct.VERBS[verb]
    assert {**known.flags, **known.values} == told
    assert known.required == {parameter.name for parameter in parameters if parameter.required}


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["repo", "status"], {}),
        (["repo", "status", "--json", "--repo", "x"], {"json": True, "repo": Path("x")}),
        (["repo", "commit", "-a", "-m", "edit"], {"everything": True, "message": "edit"}),
        (["repo", "commit", "--message=a=b"], {"message": "a=b"}),
    ],
)
def test_plain_command_lines_are_parsed_directly(words: list[str], wanted: dict[str, object]) -> None:
    assert direct.parsed(direct.VERBS[words[0], words[1]], words[2:]) == wanted
    assert direct.direct(words) is not None


@pytest.mark.parametrize(
    "words",
    [
        *([], ["repo"], ["status"], ["repo", "status", "-h"], ["repo", "status", "main"], ["repo", "status", "--branch"]),
        *(["repo", "status", "--json", "--json"], ["repo", "commit"]),
        *(["repo", "commit", "-m", "-a"], ["repo", "commit", "-m", ""]),
    ],
)
def test_all_others_are_left_to_typer(words: list[str]) -> None:
    assert direct.direct(words) is None


def test_a_status_loads_no_parser() -> None:
    code = (
        "import sys\nfrom film_archive.cli.main import run\n"
        "try:\n    run(['repo', 'status', '--repo', '/'])\nexcept SystemExit as end:\n"
        "    print(end.code, [name for name in sys.modules if name in ('typer', 'rich', 'pydantic', 'pydantic_core', 'ctypes')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "3 []\n"

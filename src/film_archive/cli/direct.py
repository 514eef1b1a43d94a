"""Command lines that are parsed without typer: few verbs, written the plain way.

Loading typer takes longer than looking through 50,000 files. What is the least unusual (help, a value that begins with
a dash, an option twice, an argument too many, one missing) is left to typer, so that there is one parser for what is
right and what is wrong; a test holds both equal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple


class Verb(NamedTuple):
    """A verb's function and its options: name on the command line → argument."""

    module: str
    function: str
    flags: Mapping[str, str]
    values: Mapping[str, str]
    required: frozenset[str] = frozenset()


_AT = {"--branch": "branch", "--repo": "repo"}
VERBS: Mapping[tuple[str, str], Verb] = {
    ("repo", "status"): Verb("film_archive.cli.repo.committing", "show_status", {"--json": "json"}, _AT),
    ("repo", "commit"): Verb(
        "film_archive.cli.repo.committing",
        "make_commit",
        {"--json": "json", "--all": "everything", "-a": "everything"},
        {**_AT, "--message": "message", "-m": "message"},
        frozenset(("message",)),
    ),
}
_PATHS = frozenset(("repo",))


def direct(arguments: Sequence[str]) -> Callable[[], object] | None:
    """The work that a plain command line asks for; None where typer has to look at it."""
    verb = VERBS.get((arguments[0], arguments[1])) if len(arguments) > 1 else None
    given = None if verb is None else parsed(verb, arguments[2:])
    if verb is None or given is None:
        return None
    return partial(getattr(import_module(verb.module), verb.function), **given)


def parsed(verb: Verb, words: Sequence[str]) -> dict[str, Any] | None:
    """What plain words give a verb; None where they are not plain."""
    given: dict[str, Any] = {}
    left = iter(words)
    for word in left:
        name, sign, value = word.partition("=")
        if word in verb.flags:
            argument: str | None = verb.flags[word]
            found: Any = True
        elif name.startswith("--") and name in verb.values:
            argument = verb.values[name]
            found = value if sign else next(left, "")
        else:
            argument = verb.values.get(word)
            found = next(left, "")
        if argument is None or argument in given or not found or (found is not True and found.startswith("-")):
            return None
        given[argument] = Path(found) if argument in _PATHS else found
    return given if verb.required <= given.keys() else None

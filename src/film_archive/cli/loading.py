"""Loading verbs: of all that there are, the modules of the one that a command line names.

A verb has options, of which a parser is made, and that takes longer than many a verb's work; a list of all verbs, as
help shows it, loads all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import import_module

import typer


def add_verbs(app: typer.Typer, package: str, modules: Iterable[str], words: Sequence[str]) -> None:
    """Register a package's verbs: the one that `words` begin with, else all.

    A module is called as its verb is, with `_` behind what has a meaning in Python, and its `register` takes the app
    and, where it is a package, the words that follow.
    """
    listed = tuple(modules)
    named = [module for module in listed if words and module.removesuffix("_") == words[0]]
    for module in named or listed:
        verb = import_module(f"{package}.{module}")
        if hasattr(verb, "__path__"):
            verb.register(app, words[1:] if named else ())
        else:
            verb.register(app)


def add_group(
    app: typer.Typer, package: str, modules: Iterable[str], words: Sequence[str], *, name: str, help: str
) -> None:
    """Register a verb of two words; `modules` are those of its second ones."""
    group = typer.Typer(
        name=name,
        help=help,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    add_verbs(group, package, modules, words)
    app.add_typer(group)

"""`repo init [FOLDER]`: make a repository."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.repo.options import JSON


def register(app: typer.Typer) -> None:
    app.command("init")(init)


def init(
    folder: Path = typer.Argument(Path(), help="The folder that shall be a work tree, with the repository inside it."),
    bare: bool = typer.Option(False, "--bare", help="A repository without a work tree: the folder itself, empty."),
    branch: str = typer.Option("main", "--branch", help="The name of the work tree's branch."),
    json: bool = JSON,
) -> int:
    """Make a repository. No file is touched: `repo add` takes them in."""
    from film_archive.cli.output import print_json, say
    from film_archive.versioning.reports import Begun
    from film_archive.versioning.starting import begin

    work = begin(folder, branch, bare=bare)
    begun = Begun(
        repository=str(folder.absolute() if work is None else work.repository.root.absolute()),
        folder=None if work is None else str(work.root.absolute()),
        branch=None if work is None else branch,
    )
    if json:
        print_json(begun.to_json())
    else:
        say(f"A repository is in {begun.repository}." + ("" if work is None else f" {begun.folder} is on the branch {branch}."))
    return 0

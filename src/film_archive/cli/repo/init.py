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
    database: str = typer.Option(
        "", "--database", help="Where branches and commits shall lie, for many machines: postgresql://USER@HOST/NAME."
    ),
    store: str = typer.Option("", "--store", help="Where contents shall lie: s3://BUCKET/PREFIX, or a folder."),
    endpoint: str = typer.Option(
        "", "--endpoint", help="The bucket's server; without it AWS_ENDPOINT_URL's, or Amazon's.", metavar="URL"
    ),
    json: bool = JSON,
) -> int:
    """Make a repository, or a way to the one in a database. No file is touched: `repo add` takes them in."""
    from film_archive.cli.output import print_json, say
    from film_archive.versioning.elsewhere import Elsewhere
    from film_archive.versioning.reports import Begun
    from film_archive.versioning.starting import begin

    elsewhere = Elsewhere.named(database=database, store=store, endpoint=endpoint)
    work = begin(folder, branch, bare=bare, elsewhere=elsewhere)
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

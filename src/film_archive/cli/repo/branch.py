"""`repo branch NAME [FROM]`: make a branch, or remove one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from film_archive.cli.repo.options import JSON, REPO

if TYPE_CHECKING:
    from film_archive.cli.repo.here import Here
    from film_archive.versioning.refs import Branch


def register(app: typer.Typer) -> None:
    app.command("branch")(branch)


def branch(
    name: str = typer.Argument(..., help="Its name; slashes are fine: vfx/vendor-a."),
    start: str | None = typer.Argument(
        None, metavar="[FROM]", help="An archive, a folder, a branch or a commit; without it, the branch of the work tree."
    ),
    origin: str | None = typer.Option(None, "--from", help="The same as FROM."),
    description: str = typer.Option("", "--description", "-d", help="What it is for."),
    delete: bool = typer.Option(False, "--delete", help="Remove the branch; its commits can be brought back for 90 days."),
    repo: Path | None = REPO,
    json: bool = JSON,
) -> int:
    """Make a branch. Of an archive only the manifest is read, of a branch nothing."""
    from film_archive.cli.output import print_json, say
    from film_archive.cli.repo.here import here
    from film_archive.versioning.commits import load_commit
    from film_archive.versioning.reports import BranchReport

    at = here(repo)
    opened = at.repository.opened
    if delete:
        made = at.repository.remove_branch(opened.refs.named(name).id)
    else:
        made = _made(at, name, start if start is not None else origin, description)
    report = BranchReport.of(made, load_commit(opened.objects(), made.head))
    if json:
        print_json(report.to_json())
    elif delete:
        say(f"Removed the branch {made.name}, which was at {made.head[:12]}.")
    else:
        say(f"{made.name} has {report.files} paths, {report.bytes} bytes.")
    return 0


def _made(at: Here, name: str, start: str | None, description: str) -> Branch:
    from film_archive.archive.layout import MANIFEST
    from film_archive.cli.progress import progress
    from film_archive.versioning.starting import branch_from_folder

    if start is None:
        return at.repository.branch_from(at.branch(None).id, name, description)
    known = {branch.name for branch in at.repository.branches()}
    place = Path(start)
    if start in known or not place.exists():
        return at.repository.branch_from(start, name, description)
    if place.is_dir() and not (place / MANIFEST).is_file():
        with progress() as counted:
            return branch_from_folder(at.repository, place, name, description, counted)
    return at.repository.create_branch(place, name, description)

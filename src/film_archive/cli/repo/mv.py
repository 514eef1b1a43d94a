"""`repo mv FROM TO`: rename."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.repo.options import BRANCH, JSON, REPO


def register(app: typer.Typer) -> None:
    app.command("mv")(mv)


def mv(
    source: str = typer.Argument(..., metavar="FROM", help="A file or folder; with --branch a path of the branch."),
    target: str = typer.Argument(..., metavar="TO", help="Its new path, or a folder that it goes into."),
    branch: str | None = BRANCH,
    repo: Path | None = REPO,
    json: bool = JSON,
) -> int:
    """Rename a file or folder, on disk too, and stage that. Nothing is overwritten."""
    from film_archive.cli.output import print_json, say
    from film_archive.cli.repo.here import here
    from film_archive.versioning.reports import MovedReport
    from film_archive.versioning.staging import stage_move
    from film_archive.versioning.worktree import Renamed

    at = here(repo)
    on = at.branch(branch)
    if at.work is not None and at.work.branch_id == on.id:
        moved = at.work.move(Path(source), Path(target))
    else:
        moved = stage_move(at.repository, on, source.rstrip("/"), target.rstrip("/"))
    renamed = tuple(Renamed(from_=one, to=other) for one, other in moved)
    if json:
        print_json(MovedReport(branch=on.name, renamed=renamed).to_json())
    else:
        say(f"{len(moved)} paths are renamed with the next commit.")
    return 0

"""`repo branches`: which branches there are."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.repo.options import JSON, REPO


def register(app: typer.Typer) -> None:
    app.command("branches")(branches)


def branches(repo: Path | None = REPO, json: bool = JSON) -> int:
    """List all branches, oldest first."""
    from film_archive.cli.output import print_json, say, size_text, table
    from film_archive.cli.repo.here import here
    from film_archive.versioning.commits import load_commit
    from film_archive.versioning.reports import BranchesReport, BranchReport

    at = here(repo)
    objects = at.repository.opened.objects()
    listed = [BranchReport.of(branch, load_commit(objects, branch.head)) for branch in at.repository.branches()]
    if json:
        print_json(BranchesReport(branches=tuple(listed)).to_json())
        return 0
    current = None if at.work is None else at.work.branch_id
    table(
        (
            (
                "*" if one.id == current else " ",
                one.name,
                one.head[:12],
                f"{one.files} paths",
                size_text(one.bytes),
                one.description,
            )
            for one in listed
        ),
        right=(3, 4),
    )
    if not listed:
        say("There is no branch yet; `film-archive repo branch NAME ARCHIVE` makes one.")
    return 0

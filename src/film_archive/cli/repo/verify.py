"""`repo verify`: read everything again and compare."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.catalog_option import CATALOG
from film_archive.cli.repo.options import JSON, REPO

_DAMAGED = 11


def register(app: typer.Typer) -> None:
    app.command("verify")(verify)


def verify(
    part: str = typer.Option("1/1", "--part", help="A share of the contents, for a run a night: 3/30."),
    catalog: str | None = CATALOG,
    repo: Path | None = REPO,
    json: bool = JSON,
) -> int:
    """Compare every content, node and commit with its digest, borrowed bytes too. The status is 11 for damage."""
    from film_archive.cli.output import print_json, say, size_text
    from film_archive.cli.progress import progress
    from film_archive.cli.repo.here import here
    from film_archive.versioning.verifying import verify as verify_repository

    at = here(repo, catalog)
    with progress() as counted:
        found = verify_repository(at.repository.opened, part=part, progress=counted)
    if json:
        print_json(found.to_json())
    else:
        for problem in found.problems:
            say(f"{problem.path}: {problem.what}")
        for problem in found.offline:
            say(f"offline: {problem.path}: {problem.what}")
        say(
            f"{'Nothing is damaged' if found.ok else 'There is damage'}: {found.commits} commits, {found.nodes} nodes, "
            f"{found.contents} contents and {found.proven} borrowed files read ({size_text(found.bytes)})."
        )
    return 0 if found.ok else _DAMAGED

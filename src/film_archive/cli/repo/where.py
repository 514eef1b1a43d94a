"""`repo where PATH`: every branch, commit and archive that holds a content."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.repo.options import BRANCH, JSON, REPO


def register(app: typer.Typer) -> None:
    app.command("where")(where)


def where(
    path: str = typer.Argument(..., help="A path of a branch, or a file on disk."),
    branch: str | None = BRANCH,
    repo: Path | None = REPO,
    json: bool = JSON,
) -> int:
    """Tell where a content is: branches, older commits, and the archive that has the bytes. Status 3: nowhere."""
    from film_archive.cli.output import print_json, table
    from film_archive.cli.repo.here import here
    from film_archive.core.errors import NotFound
    from film_archive.versioning.holdings import Whereabouts, content_of_file, places_of

    at = here(repo)
    wanted = None if branch is None and at.work is None else at.repository.tree(at.branch(branch).id).get(path)
    if wanted is None and Path(path).is_file():
        wanted = content_of_file(Path(path))
    if wanted is None:
        for known in at.repository.branches():
            wanted = wanted or at.repository.tree(known.id).get(path)
    found = () if wanted is None else tuple(places_of(at.repository.opened, wanted))
    if not found:
        raise NotFound(f"No branch holds the content of {path!r}.")
    if json:
        print_json(Whereabouts(path=path, places=found).to_json())
    else:
        table((one.branch or one.commit[:12], one.path, "borrowed" if one.archive else "stored") for one in found)
    return 0

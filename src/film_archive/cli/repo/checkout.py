"""`repo checkout [BRANCH] [FOLDER] [PATTERN…]`: a branch's files on disk."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.catalog_option import CATALOG
from film_archive.cli.repo.options import JSON, REPO


def register(app: typer.Typer) -> None:
    app.command("checkout")(checkout)


def checkout(
    branch: str | None = typer.Argument(None, help="A branch; without it, the work tree's own, as far as it has gone on."),
    folder: Path | None = typer.Argument(None, help="A new work tree; without it, the files of this one are brought there."),
    pattern: list[str] = typer.Argument(None, help="With FOLDER: only paths or folders that match (\"*\" crosses folders)."),
    read_only: bool = typer.Option(
        False, "--read-only", help="With FOLDER: for looking only. Where blocks can't be shared, files are hard links."
    ),
    catalog: str | None = CATALOG,
    repo: Path | None = REPO,
    json: bool = JSON,
) -> int:
    """Put a branch's files on disk, shared with the repository or archive where the file system can, else copied."""
    from film_archive.cli.output import print_json, say, size_text
    from film_archive.cli.repo.here import here
    from film_archive.versioning.switching import check_out, switch

    at = here(repo, catalog)
    target = at.branch(branch)
    if folder is not None:
        report = check_out(at.repository, target, folder, pattern or (), read_only=read_only)
    else:
        report = switch(at.require_work(), target)
    if json:
        print_json(report.to_json())
        return 0
    say(
        f"{report.folder} is on {report.branch} at {report.commit[:12]}: {report.written} written "
        f"({size_text(report.bytes)}; {report.shared} shared, {report.linked} linked), {report.removed} removed."
    )
    for left in report.left_out:
        say(f"left out: {left.path}: {left.reason}")
    return 0

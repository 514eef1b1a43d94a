"""`repo lock [PATH…]`: keep paths for oneself, or see who keeps which."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.repo.options import BRANCH, JSON, REPO


def register(app: typer.Typer) -> None:
    app.command("lock")(lock)


def lock(
    path: list[str] = typer.Argument(None, help="Paths and folders of the branch; without one, all locks are shown."),
    reason: str = typer.Option("", "--reason", help="What others shall know."),
    branch: str | None = BRANCH,
    release: bool = typer.Option(False, "--release", help="Give them up instead."),
    force: bool = typer.Option(False, "--force", help="With --release: another's, too."),
    repo: Path | None = REPO,
    json: bool = JSON,
) -> int:
    """Lock paths: nobody else can commit changes of them. On all branches, or with --branch on one."""
    from film_archive.cli.output import print_json, say, table
    from film_archive.cli.repo.here import here
    from film_archive.versioning.refs import user
    from film_archive.versioning.reports import LocksReport
    from film_archive.versioning.repository import require_path

    at = here(repo)
    opened = at.repository.opened
    on = "" if branch is None else opened.refs.named(branch).id
    wanted = [require_path(one.rstrip("/")) for one in path or ()]
    if not wanted:
        found = opened.locks.all()
    elif release:
        found = opened.locks.give_up(wanted, user(), on, force=force)
    else:
        found = opened.locks.take(wanted, user(), on, reason)
    if json:
        print_json(LocksReport(locks=tuple(found)).to_json())
    elif found:
        table((one.path, one.owner, one.reason) for one in found)
    else:
        say("Nothing is locked.")
    return 0

"""`catalog rebuild ROOT…`: the catalog again, from what the drives say."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.catalog_option import CATALOG, opened
from film_archive.cli.output import print_json, say


def register(app: typer.Typer) -> None:
    app.command("rebuild")(rebuild_verb)


def rebuild_verb(
    roots: list[Path] = typer.Argument(..., metavar="ROOT…", help="Folders and drives; connect one after the other."),
    trust: bool = typer.Option(False, "--trust", help="Don't read again what the catalog has read and seems unchanged."),
    catalog: str | None = CATALOG,
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Crawl folders, hold what was read against the ASC MHL histories in them, and enter archives with their members."""
    from film_archive.cli.progress import progress
    from film_archive.workflows.rebuild import rebuild

    with opened(catalog) as known, progress() as counted:
        done = rebuild(known, roots, reread=not trust, progress=counted)
    if json:
        print_json(done.to_json())
        return done.exit_status
    for path in done.differing:
        say(f"{path} is not what the history beside it says: its bytes have changed.")
    for failed in done.failed:
        say(failed.sentence())
    say(
        f"{done.files} files; {done.verified} of them verified against {done.histories} histories; {done.archives} archives "
        f"with {done.members} members."
    )
    return done.exit_status

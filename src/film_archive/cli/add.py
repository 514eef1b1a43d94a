"""`add ARCHIVE SOURCE…`: put more into an archive."""

from __future__ import annotations

from pathlib import Path

import typer


def register(app: typer.Typer) -> None:
    app.command("add")(add)


def add(
    archive: Path = typer.Argument(..., help="An archive of either form."),
    source: list[Path] = typer.Argument(..., help="Files and folders, named as for create."),
    proxies: str = typer.Option("thumbnail,preview", "--proxies", help="Sizes to embed for the new clips, or none."),
    digest: list[str] = typer.Option([], "--digest", help="A further digest of each new member."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only say what would be added."),
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Put more files into an archive. Killed, it leaves the old archive readable, and the same command completes it."""
    from film_archive.cli.create import show_made, show_plan
    from film_archive.cli.progress import progress
    from film_archive.core.ladder import parse_sizes
    from film_archive.workflows.production import add_to_archive, plan_add

    sizes = parse_sizes(proxies)
    plan = plan_add(archive, source)
    if dry_run:
        return show_plan(plan, json)
    with progress("adding", plan.gathered.bytes) as on_bytes:
        made = add_to_archive(archive, source, proxies=sizes, digests=digest, plan=plan, on_bytes=on_bytes)
    return show_made(made, json)

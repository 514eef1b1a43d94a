"""`library crawl ROOT…`: what is in folders, kept in the catalog."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.catalog_option import CATALOG, opened, seconds_of
from film_archive.cli.output import print_json, say, size_text
from film_archive.cli.report_option import REPORT, require_report, write_report


def register(app: typer.Typer) -> None:
    app.command("crawl")(crawl_verb)


def crawl_verb(
    roots: list[Path] = typer.Argument(..., metavar="ROOT…", help="Folders; all below them is read."),
    catalog: str | None = CATALOG,
    index: Path | None = typer.Option(None, "--index", "-o", help="Also write path, hash and size as .json, .csv or .parquet."),
    max_age: str | None = typer.Option(None, "--max-age", help="Leave folders that were crawled less long ago (12h, 7d)."),
    digest: list[str] = typer.Option([], "--digest", help="Another digest beside XXH3-128: blake3, md5, sha256, c4 …"),
    reread: bool = typer.Option(False, "--reread", help="Read everything again; tell what has changed on the quiet."),
    workers: int | None = typer.Option(None, "--workers", min=1, help="Processes that read at once."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only say what would be read."),
    report: Path | None = REPORT,
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """List folders and read what is new or changed; stopped, the same command goes on. Exit status 12 where part failed."""
    from film_archive.cli.progress import progress
    from film_archive.library.crawler import crawl

    require_report(report, dry_run=dry_run)
    age = seconds_of(max_age)
    with opened(catalog) as known, progress() as counted:
        found = crawl(
            known,
            roots,
            algorithms=digest,
            max_age=age,
            reread=reread,
            dry_run=dry_run,
            index=index,
            workers=workers,
            progress=counted,
        )
    write_report(report, "Crawl of " + ", ".join(map(str, roots)), found)
    if json:
        print_json(found.to_json())
        return found.exit_status
    for failed in found.failed:
        say(failed.sentence())
    for root in found.offline:
        say(f"{root} is offline; what is known of it stays.")
    for root in found.recent:
        say(f"{root} was crawled recently.")
    would = "would be " if dry_run else ""
    say(
        f"{found.files} files, {size_text(found.bytes)}, in {found.folders} folders, {found.unchanged} of them unchanged; "
        f"{found.hashed} files, {size_text(found.hashed_bytes)}, {would}read."
    )
    if found.index is not None:
        say(f"The index is {found.index}.")
    return found.exit_status

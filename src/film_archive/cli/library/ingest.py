"""`library ingest DROP TARGET`: loose files into folders by date; cards are offloaded."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from film_archive.cli.catalog_option import CATALOG, opened
from film_archive.cli.output import print_json, say, size_text
from film_archive.cli.report_option import REPORT, require_report, write_report
from film_archive.core.errors import UsageError

if TYPE_CHECKING:
    from film_archive.library.ingester import Ingested


def register(app: typer.Typer) -> None:
    app.command("ingest")(ingest_verb)


def ingest_verb(
    drop: Path = typer.Argument(..., help="The folder in which new files lie."),
    target: Path = typer.Argument(..., help="The folder that is organised by date: YYYY/MM/YYYYmmdd_HHMMSS_DIGEST.ext"),
    copy: bool = typer.Option(False, "--copy", help="Copy, and leave the drop folder as it is."),
    watched: bool = typer.Option(False, "--watch", help="Go on until Ctrl-C or SIGTERM; take what nothing writes to any more."),
    settled: float = typer.Option(30.0, "--settled", min=0, help="With --watch: seconds for which a file has to stay as it is."),
    every: float = typer.Option(5.0, "--every", min=0.1, help="With --watch: seconds between two looks."),
    catalog: str | None = CATALOG,
    dry_run: bool = typer.Option(False, "--dry-run", help="Only say what would go where."),
    report: Path | None = REPORT,
    json: bool = typer.Option(False, "--json", help="Print one JSON document; with --watch one after each time."),
) -> int:
    """Move what lies in a drop folder to where its date of recording and its digest say; clips and sequences stay together.

    Cards are copied verbatim. What the target has already stays in the drop folder. `library undo --from TARGET` moves all back.
    """
    from film_archive.cli.progress import progress
    from film_archive.library.crawler import crawl
    from film_archive.library.ingester import as_planned, ingest, plan_ingest

    if watched and (dry_run or report is not None):
        raise UsageError("--watch goes on until it is stopped: there is no dry run and no report of that; leave one out.")
    require_report(report, dry_run=dry_run)
    if watched:
        return _watch(drop, target, copy, settled, every, catalog, json)
    with progress() as counted:
        if dry_run:
            plan = plan_ingest(drop, target, copy=copy, progress=counted)
            said = as_planned(plan)
            if json:
                print_json({**said.to_json(), "plan": plan.to_json()})
                return 0
            for card in plan.cards:
                say(f"card: {card}")
            return _show(said, "would be ")
        with opened(catalog) as known:
            done = ingest(drop, target, known, copy=copy, progress=counted)
            if done.moved:
                crawl(known, [target], progress=counted)
    write_report(report, f"Ingest of {drop}", done, clips=[each.to for each in done.moved])
    if json:
        print_json(done.to_json())
        return done.exit_status
    return _show(done, "")


def _watch(
    drop: Path, target: Path, copy: bool, settled: float, every: float, catalog: str | None, json: bool
) -> int:
    """Ingest until Ctrl-C or SIGTERM, which is the orderly end: a job that was begun is completed by the next run."""
    from film_archive.cli.progress import progress
    from film_archive.library.crawler import crawl
    from film_archive.library.watching import watch

    count = 0
    try:
        with opened(catalog) as known:
            if not json:
                say(f"Watching {drop}; Ctrl-C ends it.")
                sys.stdout.flush()
            with progress() as counted:
                for done in watch(drop, target, known, copy=copy, settled=settled, every=every, progress=counted):
                    count += len(done.moved)
                    if done.moved:
                        crawl(known, [target], progress=counted)
                    if json:
                        print_json(done.to_json())
                    else:
                        _show(done, "")
                        sys.stdout.flush()
    except KeyboardInterrupt:
        if not json:
            say(f"Stopped watching {drop}; {count} files were ingested. What was begun is completed by the next run.")
    return 0


def _show(done: Ingested, would: str) -> int:
    for each in done.dates:
        say(f"{each.name} -> {each.to} ({each.date}, from {each.date_source})")
    for same in done.already:
        say(f"{same.path} is there already: {same.same_as}")
    for card in done.cards:
        say(f"card {card.name}: {card.files} files, {size_text(card.bytes)}, to {', '.join(copy.path for copy in card.copies)}")
    for failed in done.failed:
        say(failed.sentence())
    say(f"{len(done.moved)} files, {size_text(done.bytes)}, {would}ingested; {len(done.already)} were there already.")
    return done.exit_status

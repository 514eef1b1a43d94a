"""`library verify DIR`: against the lists of checksums in it."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.catalog_option import CATALOG, opened, seconds_of
from film_archive.cli.output import print_json, say, size_text
from film_archive.cli.report_option import REPORT, require_report, write_report


def register(app: typer.Typer) -> None:
    app.command("verify")(verify_verb)


def verify_verb(
    folder: Path = typer.Argument(..., metavar="DIR", help="A folder with ASC MHL histories, .mhl, .md5 or .xxh lists."),
    budget: str | None = typer.Option(None, "--budget", help="Stop after this long (2h, 30m); the next run goes on."),
    catalog: str | None = CATALOG,
    report: Path | None = REPORT,
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Read what the lists name and compare; each result is kept, dated. Exit status 11 where something differs or is missing."""
    from film_archive.cli.progress import progress
    from film_archive.library.verifying import verify

    require_report(report)
    seconds = seconds_of(budget)
    with opened(catalog) as known, progress() as counted:
        found = verify(folder, known, budget=seconds, progress=counted)
    write_report(report, f"Verification of {folder}", found)
    if json:
        print_json(found.to_json())
        return found.exit_status
    for fault in found.faults:
        say(fault.what)
    for failed in found.failed:
        say(failed.sentence())
    later = f"; {found.left} are left for the next run" if found.left else ""
    unlisted = f"; {found.unlisted} files are in no list" if found.unlisted else ""
    say(
        f"{found.verified} of {found.files} files are as {len(found.lists)} lists say, {size_text(found.bytes)} read"
        f"{later}{unlisted}."
    )
    return found.exit_status

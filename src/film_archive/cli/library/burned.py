"""`library burned VOLUME DISC`: a disc is read, and its volume marked as burned."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.output import print_json, say
from film_archive.cli.report_option import REPORT, require_report, write_report


def register(app: typer.Typer) -> None:
    app.command("burned")(burned_verb)


def burned_verb(
    volume: Path = typer.Argument(..., help="The volume's folder, as `archive` made it."),
    disc: Path = typer.Argument(..., help="Where the burned disc is mounted."),
    report: Path | None = REPORT,
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Read every file of a disc, and mark the volume as burned where all are what its index says; else exit status 11."""
    from film_archive.cli.progress import progress
    from film_archive.library.burning import burned

    require_report(report)
    with progress() as counted:
        found = burned(volume, disc, progress=counted)
    write_report(report, f"Disc {found.disc} of {found.volume}", found)
    if json:
        print_json(found.to_json())
        return found.exit_status
    for failed in found.failed:
        say(failed.sentence())
    state = "marked as burned" if found.burned else "NOT marked as burned"
    say(f"{found.verified} of {found.files} files are on the disc as they should be; {found.volume} is {state}.")
    return found.exit_status

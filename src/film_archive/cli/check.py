"""`check ARCHIVE`: is every byte what it was?"""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.output import print_json, say, size_text
from film_archive.core.wording import amount


def register(app: typer.Typer) -> None:
    app.command("check")(check_verb)


def check_verb(
    archive: Path = typer.Argument(..., help="An archive, or any zip."),
    frames: bool = typer.Option(
        False, "--frames", help="Tell which frames are damaged, of clips that were archived with --frame-digests."
    ),
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Read everything again and compare it with the digests; exit status 11 where something differs, 5 where it can't be read.

    12 where all is whole but for an add that was interrupted.
    """
    from film_archive.cli.progress import progress
    from film_archive.workflows.checking import check

    with progress() as counted:
        result = check(archive, frames=frames, progress=counted)
    if json:
        print_json(result.to_json())
        return result.exit_status
    for problem in result.problems:
        say(problem.sentence())
    if result.unlisted:
        many, first = amount(result.unlisted, "file"), result.first_unlisted
        what = "is no member and was" if result.unlisted == 1 else "are no members and were"
        say(f"note: {many} in the folder (the first: {first}) {what} not checked; `add` takes them in")
    say(f"{amount(result.members_checked, 'member')}, {size_text(result.bytes)}, checked: {result.verdict}")
    return result.exit_status

"""`bundle check BUNDLE`: bytes against digests, timeline against media."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.output import print_json, say, size_text
from film_archive.core.wording import amount


def register(app: typer.Typer) -> None:
    app.command("check")(check)


def check(
    bundle: Path = typer.Argument(..., help="An .otioz or .otiod, whoever wrote it."),
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Check a bundle: bytes against digests (exit status 11), references against what is there (3), ranges against the
    media (7); the worst counts.
    """
    from film_archive.cli.progress import progress
    from film_archive.workflows.bundle_checking import check_bundle

    with progress() as counted:
        result = check_bundle(bundle, progress=counted)
    if json:
        print_json(result.to_json())
        return result.exit_status
    for problem in result.problems:
        say(problem.sentence())
    looked_at = f"{amount(result.references_checked, 'reference')}, {amount(result.clips_checked, 'clip')}"
    members = f"{amount(result.members_checked, 'member')}, {size_text(result.bytes)}"
    say(f"{members}, {looked_at} checked: {result.verdict}")
    return result.exit_status

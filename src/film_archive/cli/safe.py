"""`safe CARD`: may this card be formatted?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from film_archive.cli.catalog_option import CATALOG, opened
from film_archive.cli.output import print_json, say, size_text
from film_archive.cli.report_option import REPORT, require_report, write_report

if TYPE_CHECKING:
    from film_archive.library.safety import Verdict

_SHOWN = 20


def register(app: typer.Typer) -> None:
    app.command("safe")(safe_verb)


def safe_verb(
    card: Path = typer.Argument(..., help="The card, as it is mounted."),
    copies: int = typer.Option(2, "--copies", min=1, help="Devices that have to hold a verified copy of every file."),
    reread: bool = typer.Option(False, "--reread", help="Read the whole card again."),
    catalog: str | None = CATALOG,
    report: Path | None = REPORT,
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Yes (exit status 0) or no (10): whether every file on a card has verified copies on enough devices."""
    from film_archive.cli.progress import progress
    from film_archive.library.safety import is_safe

    require_report(report)
    with opened(catalog) as known, progress() as counted:
        verdict = is_safe(card, known, copies=copies, reread=reread, progress=counted)
    write_report(report, f"May {card} be formatted?", verdict, verdict=_sentence(verdict, copies))
    if json:
        print_json(verdict.to_json())
        return verdict.exit_status
    for each in verdict.missing[:_SHOWN]:
        say(f"{each.path}: {each.copies} of {each.needed} copies")
    if len(verdict.missing) > _SHOWN:
        say(f"… and {len(verdict.missing) - _SHOWN} more (--json lists all)")
    for failed in verdict.failed:
        say(failed.sentence())
    say(_sentence(verdict, copies))
    return verdict.exit_status


def _sentence(verdict: Verdict, copies: int) -> str:
    if verdict.safe:
        return f"YES: {verdict.files} files, {size_text(verdict.bytes)}, each verified on {copies} devices or more."
    return f"NO: {len(verdict.missing)} of {verdict.files} files have too few verified copies. Do not format this card."

"""`--report FILE.html|FILE.pdf`: what became of a verb, as a document that people read, print and sign."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from film_archive.core.errors import UsageError

if TYPE_CHECKING:
    from film_archive.core.records import Record
    from film_archive.library.offload import Offloaded

REPORT: Any = typer.Option(
    None, "--report", metavar="FILE", help="Also write a report for people, .html (needs no other file) or .pdf."
)


def require_report(target: Path | None, *, dry_run: bool = False) -> None:
    """Raise, before any work is done, where the report could not be written, or there will be nothing to report."""
    if target is not None:
        if dry_run:
            raise UsageError("A report tells what was done, and a dry run does nothing; leave out --report or --dry-run.")
        from film_archive.library.report_page import require_writable

        require_writable(target)


def write_report(
    target: Path | None, title: str, report: Record, *, verdict: str | None = None, clips: Iterable[str] = ()
) -> None:
    """Write a verb's report, where one is asked for, with a picture of each clip among the files `clips`."""
    if target is None:
        return
    from film_archive.library.report_page import page_of, write_page
    from film_archive.library.report_pictures import pictures_of

    write_page(target, page_of(title, report, verdict=verdict, pictures=pictures_of(clips)))


def write_offload_report(target: Path | None, done: Offloaded) -> None:
    """Write an offload's report, where one is asked for: its clips with pictures, every file with its digest, lines to sign."""
    if target is None:
        return
    from film_archive.library.offload_report import offload_page
    from film_archive.library.report_page import write_page

    write_page(target, offload_page(done))

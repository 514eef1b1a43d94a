"""`library dupes ROOT…`: files and folders that are there more than once."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.catalog_option import CATALOG, opened_if_any
from film_archive.cli.output import print_json, say, size_text
from film_archive.cli.report_option import REPORT, require_report, write_report


def register(app: typer.Typer) -> None:
    app.command("dupes")(dupes_verb)


def dupes_verb(
    roots: list[Path] = typer.Argument(None, metavar="[ROOT…]", help="Folders; all below them is looked at."),
    index: list[Path] = typer.Option([], "--index", help="A master index (.json, .csv) to look through besides."),
    master: list[Path] = typer.Option([], "--master", help="A folder whose copies are the ones to keep."),
    write: Path | None = typer.Option(None, "--list", "-o", help="Also write the sets as JSON, for `sort --list`."),
    compare: bool = typer.Option(False, "--compare", help="Prove each set by comparing byte by byte."),
    catalog: str | None = CATALOG,
    workers: int | None = typer.Option(None, "--workers", min=1, help="Processes that read at once."),
    report: Path | None = REPORT,
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Find duplicates; nothing is changed. What a catalog that is named has read is not read again."""
    from film_archive.cli.progress import progress
    from film_archive.library.dupe_finder import find_duplicates
    from film_archive.library.dupe_list import write_list
    from film_archive.library.known_files import known_in

    require_report(report)
    with known_in(opened_if_any(catalog)) as known, progress() as counted:
        found = find_duplicates(
            roots or [],
            indexes=index,
            masters=master,
            known=known,
            compare=compare,
            workers=workers,
            progress=counted,
        )
    if write is not None:
        write_list(write, found)
    among = ", ".join(map(str, [*(roots or []), *index]))
    write_report(report, f"Duplicates in {among}", found, clips=[each.keep for each in found.sets])
    if json:
        print_json(found.to_json())
        return found.exit_status
    for each in found.sets:
        say(f"{size_text(each.size)}, {each.digests['xxh128']}, {each.proof}")
        say(f"  keep  {each.keep}: {each.why}")
        for path in each.duplicates:
            say(f"        {path}")
    for folders in found.folders:
        say(f"The same {folders.files} files, {size_text(folders.size)}, are in")
        for path in folders.folders:
            say(f"        {path}")
    for failed in found.failed:
        say(failed.sentence())
    count = sum(len(each.duplicates) for each in found.sets)
    say(
        f"{len(found.sets)} sets with {count} duplicates waste {size_text(found.wasted)}; of {found.files} files "
        f"{size_text(found.read_bytes)} were read."
    )
    return found.exit_status

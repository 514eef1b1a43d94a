"""`tape import FILE…`: cartridges that were written elsewhere, by their lists."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.catalog_option import CATALOG, opened
from film_archive.cli.output import print_json, say
from film_archive.core.wording import amount


def register(app: typer.Typer) -> None:
    app.command("import")(import_verb)


def import_verb(
    lists: list[Path] = typer.Argument(
        ..., metavar="FILE…", help="LTFS indexes (.xml, .schema), hash lists (.mhl, .md5 …), tables (.csv), or folders of these."
    ),
    serial: str | None = typer.Option(None, "--volser", help="Of the one cartridge that is given; else the file's name has it."),
    catalog: str | None = CATALOG,
    dry_run: bool = typer.Option(False, "--dry-run", help="Only say what the files tell of."),
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Enter foreign cartridges in the catalog without the cartridges; thousands at once."""
    from film_archive.workflows.tape_import import import_cartridges, look_at

    if dry_run:
        done = look_at(lists, serial=serial)
    else:
        with opened(catalog) as known:
            done = import_cartridges(known, lists, serial=serial)
    if json:
        print_json(done.to_json())
        return done.exit_status
    for failed in done.failed:
        say(failed.sentence())
    what = "Would enter" if dry_run else "Entered"
    say(f"{what} {amount(len(done.cartridges), 'cartridge')} with {amount(done.files, 'file')}.")
    return done.exit_status

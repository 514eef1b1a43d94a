"""`tape catalog`: the shelf's catalog, made again and written out."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.catalog_option import CATALOG, opened
from film_archive.cli.output import print_json, say
from film_archive.cli.tape.options import SHELF, shelf_of
from film_archive.core.wording import amount


def register(app: typer.Typer) -> None:
    app.command("catalog")(catalog_verb)


def catalog_verb(
    html: Path | None = typer.Option(None, "--html", metavar="FILE", help="Write a page to browse the shelf offline."),
    title: str = typer.Option("Tape shelf", "--title", help="The page's title."),
    pictures: list[Path] = typer.Option([], "--pictures", metavar="ARCHIVE", help="Archives: pictures from their proxies."),
    table: Path | None = typer.Option(None, "--csv", metavar="FILE", help="Write a table of all files on all cartridges."),
    index: str | None = typer.Option(None, "--index", metavar="CARTRIDGE", help="Write the raw index of a cartridge; with -o."),
    generation: int | None = typer.Option(None, "--generation", help="Of that index; without it the newest that was read."),
    output: Path | None = typer.Option(None, "--output", "-o", help="The file for --index."),
    rebuild: bool = typer.Option(False, "--rebuild", help="First enter all cartridges of the shelf, with where they were put."),
    shelf: Path | None = SHELF,
    catalog: str | None = CATALOG,
    json: bool = typer.Option(False, "--json", help="Print one JSON document: everything on all cartridges, or what was done."),
) -> int:
    """Make the catalog again from the cartridges; write it as a page, a table or JSON; take a raw index out of it."""
    from film_archive.workflows import tape_page, tape_shelf

    if (index is None) != (output is None):
        raise typer.BadParameter("--index needs -o FILE, and -o needs --index CARTRIDGE.")
    if not (json or html or table or index or rebuild):
        raise typer.BadParameter("Say what to do: --html, --csv, --json, --index or --rebuild.")
    status = 0
    done: dict[str, object] = {}
    with opened(catalog, must_exist=not rebuild) as known:
        if rebuild:
            entered = tape_shelf.enter_shelf(known, shelf_of(shelf))
            done["rebuilt"], status = entered.to_json(), entered.exit_status
            if not json:
                for failed in entered.failed:
                    say(failed.sentence())
                say(f"{amount(len(entered.cartridges), 'cartridge')}, {amount(entered.files, 'file')} entered.")
        if html is not None:
            page = tape_page.write_page(known, html, title=title, pictures=pictures)
            done["page"] = page.to_json()
            if not json:
                for failed in page.failed:
                    say(failed.sentence())
                say(f"{page.page}: {amount(page.files, 'file')} on {amount(page.cartridges, 'cartridge')}.")
        if table is not None:
            count = tape_shelf.write_csv(known, table)
            done["csv"] = {"path": str(table), "files": count}
            if not json:
                say(f"{table}: {amount(count, 'file')}.")
        if index is not None and output is not None:
            size = tape_shelf.write_index(known, index, output, generation)
            done["index"] = {"path": str(output), "bytes": size}
            if not json:
                say(f"{output}: {size} bytes.")
        if json:
            print_json(done or tape_shelf.everything(known).to_json())
    return status

"""`library archive SRC… --to DIR --volume bd25`: date folders onto volumes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from film_archive.cli.output import print_json, say, size_text
from film_archive.cli.report_option import REPORT, require_report, write_report

if TYPE_CHECKING:
    from film_archive.library.archiver import Archived


def register(app: typer.Typer) -> None:
    app.command("archive")(archive_verb)


def archive_verb(
    sources: list[Path] = typer.Argument(..., metavar="SRC…", help="Folders whose files are moved onto volumes."),
    to: Path = typer.Option(..., "--to", metavar="DIR", help="Where the volumes are made, one folder each."),
    volume: str = typer.Option(..., "--volume", help="bd25, bd50, bd100, bd128, or a volume's bytes."),
    in_date_order: bool = typer.Option(False, "--in-date-order", help="Keep the order of the paths, at the cost of some room."),
    full: bool = typer.Option(False, "--full", help="Fill discs to their nominal size, without room for spare sectors."),
    image: bool = typer.Option(False, "--image", help="Also make a UDF image of each volume, ready to be burned (needs 7z)."),
    master: list[Path] = typer.Option([], "--master", help="A folder that nothing leaves."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only say what would go where, and what would be wasted."),
    report: Path | None = REPORT,
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Move folders onto volumes, whole where they fit; each with its index and checksums, marked as unburned.

    What is larger than a volume stays and is told (exit status 12). `library undo --from DIR` moves everything back.
    """
    from film_archive.cli.progress import progress
    from film_archive.library.archiver import archive, as_planned, plan_archive

    require_report(report, dry_run=dry_run)
    options = {"volume": volume, "in_date_order": in_date_order, "full": full, "image": image, "masters": master}
    with progress() as counted:
        if dry_run:
            plan = plan_archive(sources, to, progress=counted, **options)  # type: ignore[arg-type]  # as declared above
            if json:
                print_json({**as_planned(plan).to_json(), "plan": plan.to_json()})
                return 0
            return _show(as_planned(plan), in_date_order)
        done = archive(sources, to, progress=counted, **options)  # type: ignore[arg-type]  # as declared above
    write_report(report, f"Volumes in {to}", done, clips=[each.to for each in done.moved])
    if json:
        print_json(done.to_json())
        return done.exit_status
    return _show(done, in_date_order)


def _show(done: Archived, in_date_order: bool) -> int:
    for volume in done.volumes:
        say(f"{volume.path}: {volume.files} files, {size_text(volume.bytes)}, {volume.filled * 100 // done.capacity} % full")
    for image in done.images:
        say(f"{image.path}: {size_text(image.bytes)}, read back with {image.reader}, ready to be burned")
    for failed in done.failed:
        say(failed.sentence())
    other = "by size" if in_date_order else "in date order"
    say(
        f"{len(done.volumes)} volumes, {size_text(done.wasted)} stay empty; packed {other} it would be "
        f"{done.volumes_other_way}, and {size_text(done.wasted_other_way)}."
    )
    return done.exit_status

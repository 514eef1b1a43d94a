"""`unpack ARCHIVE DIR`: the files again, as they were."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.output import print_json, say, size_text


def register(app: typer.Typer) -> None:
    app.command("unpack")(unpack_verb)


def unpack_verb(
    archive: Path = typer.Argument(..., help="An archive, or any zip."),
    folder: Path = typer.Argument(..., help="Where to; made where it is not there. Nothing in it is overwritten."),
    member: list[str] = typer.Option([], "--member", "-m", help="Only this member (again for more)."),
    everything: bool = typer.Option(False, "--all", help="Also our own data: manifest's proxies and frame indexes."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only say what would be written."),
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Write an archive's members as files, each proven by its digest."""
    from film_archive.archive.reader import open_archive
    from film_archive.archive.unpack import plan_unpack, unpack
    from film_archive.cli.progress import progress

    with open_archive(archive) as opened:
        chosen = plan_unpack(opened, folder, everything=everything, only=member or None)
        total = sum(entry.size for entry in chosen)
        if dry_run:
            if json:
                print_json({"files": [{"path": entry.path, "size": entry.size} for entry in chosen], "bytes": total})
            else:
                for entry in chosen:
                    say(f"{size_text(entry.size):>10}  {entry.path}")
                say(f"Would write {len(chosen)} members, {size_text(total)}, below {folder}.")
            return 0
        with progress("unpacking", total) as on_bytes:
            done = unpack(opened, folder, everything=everything, only=member or None, on_bytes=on_bytes)
    if json:
        print_json(
            {
                "written": list(done.written),
                "already_there": list(done.already_there),
                "skipped": [{"path": path, "reason": why} for path, why in done.skipped],
                "failed": [{"path": path, "reason": why} for path, why in done.failed],
                "bytes": done.bytes,
            }
        )
    else:
        for path, why in (*done.skipped, *done.failed):
            say(f"{path}: {why}")
        already = f", {len(done.already_there)} were there already" if done.already_there else ""
        say(f"{len(done.written)} files, {size_text(done.bytes)}, written below {folder}{already}.")
    return 11 if done.failed else 0

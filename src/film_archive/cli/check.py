"""`check ARCHIVE`: is every byte what it was?"""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.output import print_json, say


def register(app: typer.Typer) -> None:
    app.command("check")(check)


def check(
    archive: Path = typer.Argument(..., help="An archive, or any zip."),
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Read everything again and compare it with the digests; exit status 11 where something differs, 5 where it can't be read.

    12 where all is whole but for an add that was interrupted.
    """
    from film_archive.archive.check import CheckResult, Kind, Problem, check_archive
    from film_archive.archive.reader import open_archive
    from film_archive.cli.progress import progress
    from film_archive.core.errors import Damaged

    try:
        with open_archive(archive) as opened, progress("verifying", sum(m.size for m in opened.members())) as on_bytes:
            result = check_archive(opened, on_bytes=on_bytes)
    except Damaged as error:
        result = CheckResult(0, (Problem("archive", str(error)),))
    if json:
        problems = [{"path": problem.path, "what": problem.what, "kind": str(problem.kind)} for problem in result.problems]
        print_json({"ok": result.ok, "members_checked": result.members_checked, "problems": problems})
    else:
        for problem in result.problems:
            say(f"{problem.path}: {problem.what}")
        if result.ok:
            verdict = "all as it was"
        elif result.of(Kind.DAMAGED):
            verdict = f"{len(result.problems)} problems; `repair` can mend structure, not media"
        elif result.of(Kind.UNREADABLE):
            verdict = f"all as it was, but {len(result.problems)} could not be read"
        else:
            verdict = "all as it was when the archive was last finished; something was begun behind it"
        say(f"{result.members_checked} members checked: {verdict}")
    return result.exit_status

"""`repair ARCHIVE`: make the newest whole generation the archive again."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.output import print_json, say


def register(app: typer.Typer) -> None:
    app.command("repair")(repair)


def repair(
    archive: Path = typer.Argument(..., help="An archive in its zip form."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only say what would be done."),
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Mend an archive's structure; the members' own bytes are never changed."""
    from film_archive.archive.repair import plan_repair, repair_archive

    if dry_run:
        plan = plan_repair(archive)
        if json:
            print_json({"would": plan})
        else:
            say(f"Would {plan}.")
        return 0
    result = repair_archive(archive)
    if json:
        print_json(
            {
                "done": list(result.done),
                "lost": [{"path": problem.path, "what": problem.what} for problem in result.lost],
                "generation": result.generation,
                "members": result.members,
            }
        )
    else:
        for sentence in result.done or ("Nothing was wrong.",):
            say(sentence)
        for problem in result.lost:
            say(f"lost: {problem.path}: {problem.what}")
        say(f"Generation {result.generation} with {result.members} members.")
    return 12 if result.lost else 0

"""`repo log [BRANCH]`: the history."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from film_archive.cli.repo.options import JSON, REPO

if TYPE_CHECKING:
    from film_archive.versioning.commits import Commit


def register(app: typer.Typer) -> None:
    app.command("log")(log)


def log(
    branch: str | None = typer.Argument(None, help="A branch or commit; without it, the work tree's branch."),
    number: int | None = typer.Option(None, "--number", "-n", min=1, help="Only so many, the newest."),
    graph: bool = typer.Option(False, "--graph", help="Draw which commit came of which."),
    all_branches: bool = typer.Option(False, "--all", help="Of all branches."),
    repo: Path | None = REPO,
    json: bool = JSON,
) -> int:
    """Show commits, newest first."""
    from film_archive.cli.output import print_json, say
    from film_archive.cli.repo.here import here
    from film_archive.versioning.commits import history
    from film_archive.versioning.reports import CommitReport, LogReport

    at = here(repo)
    opened = at.repository.opened
    if all_branches:
        heads = [known.head for known in at.repository.branches()]
    else:
        heads = [at.branch(None).head if branch is None else opened.refs.resolve(branch)]
    commits = list(islice(history(opened.objects(), *heads), number))
    if json:
        print_json(LogReport(commits=tuple(map(CommitReport.of, commits))).to_json())
        return 0
    names: dict[str, list[str]] = {}
    for known in at.repository.branches():
        names.setdefault(known.head, []).append(known.name)
    rows = drawn(commits) if graph else ((("",), commit) for commit in commits)
    for lines, commit in rows:
        *before, mark = lines
        for line in before:
            say(line)
        at_names = f" ({', '.join(names[commit.id])})" if commit.id in names else ""
        time = commit.time.strftime("%Y-%m-%d %H:%M")
        say(f"{mark}{commit.id[:12]} {time} {commit.author}{at_names}  {commit.message}")
    return 0


def drawn(commits: Iterable[Commit]) -> Iterator[tuple[tuple[str, ...], Commit]]:
    """For each commit the lines of a graph, the last of which is the commit's own; a column for each line of history."""
    columns: list[str] = []
    for commit in commits:
        lines = []
        places = [place for place, awaited in enumerate(columns) if awaited == commit.id]
        if not places:
            columns.append(commit.id)
            places = [len(columns) - 1]
        place = places[0]
        for other in reversed(places[1:]):  # lines of history that meet here
            lines.append("".join("|/" if column == other else "| " for column in range(len(columns))))
            del columns[other]
        lines.append("".join("* " if column == place else "| " for column in range(len(columns))))
        yield tuple(lines), commit
        parents = [parent for parent in commit.parents if parent not in columns]
        columns[place : place + 1] = parents if parents or not commit.parents else []

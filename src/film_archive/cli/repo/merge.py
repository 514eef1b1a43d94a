"""`repo merge SOURCE`: bring a branch's changes into another."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.repo.options import DRY_RUN, JSON, REPO

_NO = 10
_WORDS = {"ours": "target", "theirs": "source", "both": "both"}


def register(app: typer.Typer) -> None:
    app.command("merge")(merge)


def merge(
    source: str = typer.Argument(..., help="The branch or commit whose changes are wanted."),
    into: str | None = typer.Option(None, "--into", help="The branch that gets them; without it, the work tree's."),
    resolve: str | None = typer.Option(None, "--resolve", help="Settle all conflicts: ours, theirs or both."),
    ours: list[str] = typer.Option([], "--ours", help="Paths (patterns) on which the branch that is merged into is right."),
    theirs: list[str] = typer.Option([], "--theirs", help="Paths on which the source is right."),
    both: list[str] = typer.Option([], "--both", help="Paths that are kept twice, the source's as NAME~BRANCH."),
    content: list[str] = typer.Option([], "--content", help="Lists and timelines (.edl, .otio) to be merged by what is in them."),
    message: str | None = typer.Option(None, "--message", "-m", help="The commit's message."),
    dry_run: bool = DRY_RUN,
    repo: Path | None = REPO,
    json: bool = JSON,
) -> int:
    """Merge three-way. With a conflict that nothing settles nothing is changed, and the status is 10."""
    from film_archive.cli.output import print_json, say
    from film_archive.cli.repo.here import here
    from film_archive.core.errors import UsageError
    from film_archive.versioning.merge import Resolution, settling
    from film_archive.versioning.merging import merge_into
    from film_archive.versioning.reports import MergeReport

    if resolve is not None and resolve not in _WORDS:
        raise UsageError(f"Conflicts can't be settled by {resolve!r}; there are ours, theirs and both.")
    at = here(repo)
    target = at.branch(into)
    rules = [
        *((pattern, Resolution.TARGET) for pattern in ours),
        *((pattern, Resolution.SOURCE) for pattern in theirs),
        *((pattern, Resolution.BOTH) for pattern in both),
        *((pattern, Resolution.CONTENT) for pattern in content),
    ]
    settle = settling(None if resolve is None else Resolution(_WORDS[resolve]), rules)
    work = at.work if at.work is not None and at.work.branch_id == target.id else None
    result, found = merge_into(at.repository, source, target, settle, work=work, dry_run=dry_run, message=message)
    report = MergeReport.of(result, found)
    if json:
        print_json(report.to_json())
        return 0 if result.merged else _NO
    for conflict in report.conflicts:
        settled = "" if conflict.resolution is None else f"   (settled: {conflict.resolution})"
        mine = "removed" if conflict.ours is None else f"{conflict.ours.size} bytes"
        other = "removed" if conflict.theirs is None else f"{conflict.theirs.size} bytes"
        say(f"conflict  {conflict.path}   ours: {mine}, theirs: {other}{settled}")
        for reason in conflict.reasons:
            say(f"          not merged by content: {reason}")
    if not result.merged:
        say("Nothing was changed; settle the conflicts with --ours, --theirs, --both, --content PATTERN or --resolve.")
        return _NO
    would = "would bring" if dry_run else "brought"
    say(
        f"The merge {would} {target.name} {len(report.added)} added, {len(report.modified)} modified, "
        f"{len(report.removed)} removed, {len(report.renamed)} renamed."
    )
    return 0

"""`repo diff [BEFORE [AFTER]]`: what one state has otherwise than another."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.repo.options import JSON, REPO


def register(app: typer.Typer) -> None:
    app.command("diff")(diff)


def diff(
    before: str | None = typer.Argument(None, help="A branch or commit; without it, what the branch began with."),
    after: str | None = typer.Argument(None, help="A branch or commit; without it, the branch of the work tree."),
    media: bool = typer.Option(False, "--media", help="Say what changed of clips: frames, timecode, codec."),
    repo: Path | None = REPO,
    json: bool = JSON,
) -> int:
    """Compare two branches or commits: files added, modified, removed and renamed."""
    from film_archive.cli.output import print_json, say, size_text
    from film_archive.cli.repo.here import here
    from film_archive.versioning.media_changes import reported
    from film_archive.versioning.reports import DiffReport

    at = here(repo)
    refs = at.repository.opened.refs
    if before is None:
        branch = at.branch(None)
        old, new = branch.first, branch.head
    else:
        old, new = refs.resolve(before), refs.resolve(after) if after is not None else at.branch(None).head
    found = at.repository.differences_between(old, new)
    report = DiffReport.of(old, new, found, reported(at.repository.opened, found.changes, media=media))
    if json:
        print_json(report.to_json())
        return 0
    changes = {change.path: change for change in report.changes}
    for word, paths in (("added", found.added), ("modified", found.modified), ("removed", found.removed)):
        for path in paths:
            change = changes[path]
            sizes = [size_text(size) for size in (change.size_before, change.size_after) if size is not None]
            say(f"{word:9} {path}  {' → '.join(sizes)}")
            for fact in change.media:
                say(f"            {fact.what}: {fact.before or 'none'} → {fact.after or 'none'}")
    for one, other in found.renamed:
        say(f"renamed   {one} → {other}")
    if not found:
        say("They hold the same.")
    return 0

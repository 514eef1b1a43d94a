"""The verbs `ded-io kitsu setup` and `ded-io kitsu sync`: their arguments, and what they print."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ded_io import config
from ded_io.kitsu.outbox import Outbox, Pending
from film_archive.core import places
from film_archive.core.errors import NotFound, UsageError
from film_archive.core.job import Report
from film_archive.core.records import Record
from film_archive.core.source import printable
from film_archive.core.timecode import FrameRate
from film_archive.core.wording import amount

if TYPE_CHECKING:
    from ded_io.kitsu.account import Account
    from ded_io.kitsu.connection import Session
    from ded_io.kitsu.setup import SetUp
    from ded_io.kitsu.syncing import Synced

Print = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Result:
    """What a verb ends with: lines for people, the document for `--json`, the exit status."""

    lines: tuple[str, ...]
    document: Mapping[str, Any]
    exit_status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingEntry(Record):
    """What waits in the outbox, or was taken out."""

    name: str
    """The version's name."""
    project: str
    """The production."""
    host: str
    """The server that it waits for."""
    since: str
    """Since when, UTC."""

    @classmethod
    def of(cls, pending: Pending) -> WaitingEntry:
        entry = pending.entry
        return cls(name=entry.publication.name, project=entry.publication.project, host=entry.host, since=entry.since)

    def line(self) -> str:
        return printable(f"{self.name} of {self.project} waits for {self.host} since {self.since}")


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingEntries(Report):
    """What `kitsu sync --dry-run` and `--abandon` tell."""

    entries: tuple[WaitingEntry, ...]
    """What waits, or was taken out, in order."""
    abandoned: bool
    """Whether it was taken out."""


def outbox() -> Outbox:
    """Where publications wait on this machine, for this user."""
    return Outbox(places.state() / "kitsu")


def add_verbs(verbs: Any) -> None:
    """Add `kitsu` with its two verbs to the verbs of `ded-io` (what `ArgumentParser.add_subparsers` returned)."""
    kitsu = verbs.add_parser("kitsu", help="make a production ready for plates in Kitsu, or register what waits")
    actions = kitsu.add_subparsers(dest="action", metavar="VERB", required=True)
    setup = actions.add_parser(
        "setup", help="make production, types, statuses and file tree; an administrator does it once"
    )
    setup.add_argument("--project", help="the production's name in Kitsu (else KITSU_PROJECT)")
    setup.add_argument("--project-id", help="its id, where it is there already")
    setup.add_argument(
        "--fps", default=str(config.SOURCE_FPS), help="the rate of a production that is made (default %(default)s)"
    )
    setup.add_argument("--root", default=config.SHOT_TREE_ROOT, help="the shot tree's folder (default %(default)s)")
    setup.add_argument(
        "--replace-tree", action="store_true", help="set the file tree of plates in place of another one"
    )
    sync = actions.add_parser("sync", help="register what waits in the outbox")
    what = sync.add_mutually_exclusive_group()
    what.add_argument("--dry-run", action="store_true", help="only say what waits")
    what.add_argument("--abandon", metavar="NAME", help="take out what waits under this version's name, unregistered")
    for parser in (setup, sync):
        parser.add_argument("--json", action="store_true", help="print one JSON document")


def run(parsed: argparse.Namespace) -> Result:
    """Do what the arguments of `kitsu` say. Raises the errors of `film_archive.core.errors`."""
    return _setup(parsed) if parsed.action == "setup" else _sync(parsed)


def _setup(parsed: argparse.Namespace) -> Result:
    from ded_io.kitsu.setup import set_up

    name = parsed.project or config.kitsu_project()
    if not name and not parsed.project_id:
        raise UsageError("Which production is to be made ready? Name it with --project, or in KITSU_PROJECT.")
    with _connect(_require_account()) as session:
        report = set_up(
            session,
            name or "",
            identity=parsed.project_id,
            rate=FrameRate.of(parsed.fps),
            root=parsed.root,
            replace_tree=parsed.replace_tree,
        )
    return Result(tuple(_setup_lines(report)), report.to_json(), report.exit_status)


def _setup_lines(report: SetUp) -> list[str]:
    lines = [f"{report.project} is ready for plates at {report.host}; its project_id is {report.project_id}."]
    for word, names in (("Made", report.created), ("Changed", report.updated), ("There already", report.unchanged)):
        if names:
            lines.append(f"{word}: {', '.join(names)}.")
    return [printable(line) for line in (*lines, *report.warnings)]


def _sync(parsed: argparse.Namespace) -> Result:
    from ded_io.kitsu.syncing import abandon, sync

    box = outbox()
    if parsed.abandon:
        gone = abandon(box, parsed.abandon)
        if not gone:
            raise NotFound(f"Nothing waits under the name {printable(parsed.abandon)}; --dry-run shows what does.")
        return _listed(gone, abandoned=True)
    if parsed.dry_run:
        return _listed(box.read().pending, abandoned=False)
    account = _require_account()
    report = sync(
        box,
        account.host,
        lambda: _connect(account),
        normalize=config.KITSU_NORMALIZE,
        patience=config.KITSU_PATIENCE,
    )
    return Result(tuple(_sync_lines(report)), report.to_json(), report.exit_status)


def _listed(pending: tuple[Pending, ...], *, abandoned: bool) -> Result:
    report = WaitingEntries(entries=tuple(map(WaitingEntry.of, pending)), abandoned=abandoned)
    lines = [f"Taken out: {each.line()}." if abandoned else f"{each.line()}." for each in report.entries]
    return Result(tuple(lines) or ("Nothing waits.",), report.to_json(), 0)


def _sync_lines(report: Synced) -> list[str]:
    lines = []
    for done in report.published:
        lines += [
            f"{done.name} is registered: {done.url}"
            if done.done
            else f"{done.name} is registered in part: {done.problem}"
        ]
        lines += done.warnings
    lines += [failure.sentence() for failure in report.failures]
    lines += [f"Others wait for {host}; set KITSU_HOST to that to register them." for host in report.elsewhere]
    lines.append(
        f"{amount(report.waiting, 'publication')} left to register."
        if report.waiting
        else "Nothing waits for this server."
    )
    return [printable(line) for line in lines]


def _require_account() -> Account:
    account = config.kitsu_account()
    if account is None:
        raise UsageError("Which Kitsu? Set KITSU_HOST, as in https://kitsu.studio.com/api.")
    account.require_login()
    return account


def _connect(account: Account) -> Session:
    from ded_io.kitsu.connection import connect

    return connect(account)

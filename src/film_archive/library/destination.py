"""`Destination`: the copy of a card in the making at one place: a hidden folder beside its name, and its journal."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from film_archive.catalog.catalog import Catalog
from film_archive.catalog.rows import Content, FileRow, FolderRows
from film_archive.core import devices, files
from film_archive.core.copying import copy_times_and_mode
from film_archive.core.errors import Damaged, FilmArchiveError, Refused
from film_archive.core.executors.inline import InlineExecutor
from film_archive.core.folders import forget_unfinished
from film_archive.core.journal import Journal
from film_archive.core.source import printable
from film_archive.library import mhl
from film_archive.library.crawler import group_sequences
from film_archive.library.listing import list_tree

if TYPE_CHECKING:
    from film_archive.library.offload import CardCopy, CardFile, OffloadPlan

_HEAD = {"journal": "film-archive offload", "version": 1}


@dataclass
class Destination:
    """Use `Destination.open`, as a context. `error` is what ended it."""

    final: Path
    work: Path
    _journal: Journal
    error: FilmArchiveError | None = None
    _done: dict[str, tuple[int, int, dict[str, str]]] = field(default_factory=dict)
    """Path → (size, time, digests) of the files that are whole and were read back."""
    _pieces: dict[str, tuple[int, int, list[str]]] = field(default_factory=dict)

    @classmethod
    def open(cls, final: Path) -> Self:
        """Begin a copy, or go on with the one that a killed run left; raises Refused where another process makes it."""
        files.make_folders(final.parent)
        journal = Journal.open(files.temporary_name(final, "journal"), _HEAD, batch=16)
        try:
            made = cls(final, files.temporary_name(final, "copy"), journal)
            for entry in journal.entries():
                made._take(entry)
            if not os.path.lexists(final):
                files.make_folders(made.work)
        except BaseException:
            journal.close()
            raise
        return made

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._journal.close()

    @property
    def is_named(self) -> bool:
        """Whether a killed run has given it its name already: only the catalog is still to be told."""
        return os.path.lexists(self.final)

    def has(self, step: CardFile) -> bool:
        """Whether a file is whole here already."""
        found = self._done.get(step.path)
        if found is None or found[:2] != (step.size, step.mtime_ns):
            return False
        try:
            return (self.work / step.path).lstat().st_size == step.size
        except OSError:
            return False

    def written(self) -> int:
        """Bytes that are there already."""
        return sum(size for size, _, _ in self._done.values())

    def pieces(self, step: CardFile) -> list[str]:
        """The digests of the pieces of a file that a killed run has written."""
        size, mtime_ns, pieces = self._pieces.get(step.path, (0, 0, []))
        return pieces if (size, mtime_ns) == (step.size, step.mtime_ns) else []

    def note_piece(self, step: CardFile, number: int, digest: str) -> None:
        """A piece of a file is durable."""
        self._journal.append({"piece": number, "of": _hex(step.path), "stat": [step.size, step.mtime_ns], "is": digest})

    def done(self, step: CardFile, digests: Mapping[str, str], status: os.stat_result) -> None:
        """A file is whole and was read back: it gets the card's times, and is not copied again."""
        with files.explaining(f"set the time of {printable(self.work / step.path)}"):
            copy_times_and_mode(status, self.work / step.path)
        self._done[step.path] = (step.size, step.mtime_ns, dict(digests))
        self._journal.append({"file": _hex(step.path), "stat": [step.size, step.mtime_ns], "digests": dict(digests)})

    def finish(self, plan: OffloadPlan, catalog: Catalog | None) -> CardCopy:
        """Write the history, give the folder its name, tell the catalog, forget the journal: in this order."""
        from film_archive.library.offload import CardCopy

        written: str | None = None
        if not os.path.lexists(self.final):
            written = self._seal(plan)
            files.rename(self.work, self.final)
        elif self.work.exists():
            raise Refused(f"{printable(self.final)} was made by somebody else meanwhile; {printable(self.work)} is left.")
        located = devices.locate(self.final)
        if catalog is not None:
            self._tell(catalog, located, plan)
        self._journal.remove()
        return CardCopy(
            path=os.fspath(self.final),
            device=located.device.identity,
            files=len(self._done),
            bytes=self.written(),
            mhl=None if written is None else os.fspath(self.final / mhl.FOLDER / written),
            already=False,
        )

    def _seal(self, plan: OffloadPlan) -> str:
        """The folders' times and the history; returns the generation's name."""
        wanted = {step.path for step in plan.steps} & self._done.keys()
        for step in plan.steps:
            if step.path not in wanted:  # it can't be read from the card, and is done without
                forget_unfinished(self.work, step.path)
        self._require_nothing_else(wanted)
        members = [
            mhl.MhlFile(path, size, mtime_ns, digests)
            for path, (size, mtime_ns, digests) in sorted(self._done.items())
            if path in wanted and mhl.can_hold(path)
        ]
        if mhl.has_history(self.work):  # a run was killed between this and the name
            if {entry.path for entry in mhl.read_history(self.work)} < {member.path for member in members}:
                raise Refused(
                    f"Files came onto the card after its copy in {printable(self.work)} was sealed; that has what was there "
                    "before. Give the card another name with --name."
                )
            return max(path.name for path in (self.work / mhl.FOLDER).glob("*.mhl"))
        folders = {folder.path: folder.mtime_ns for folder in plan.folders if mhl.can_hold(folder.path)}
        made = mhl.write_generation(self.work, plan.name, members, folders, origin=Path(plan.card))
        for folder in sorted(plan.folders, key=lambda folder: -folder.path.count("/")):
            with files.explaining(f"set the time of {printable(self.work / folder.path)}"):
                os.utime(self.work / folder.path, ns=(folder.mtime_ns, folder.mtime_ns))
        return made.name

    def _require_nothing_else(self, wanted: set[str]) -> None:
        """Raise where the hidden folder has a file that this card does not: another card's, under the same name."""
        root = os.fspath(self.work)
        for listed in list_tree(root, InlineExecutor):
            for listing in listed.listings:
                relative = listing.path[len(root) + 1 :]
                for entry in listing.entries or ():
                    path = f"{relative}/{entry.name}" if relative else entry.name
                    if path not in wanted and relative != mhl.FOLDER:
                        raise Refused(
                            f"{printable(self.work / path)} is of another card that was being copied under this name; finish "
                            "that one first, or give this one another name with --name."
                        )

    def _tell(self, catalog: Catalog, located: devices.Located, plan: OffloadPlan) -> None:
        mount = devices.mount_of(self.final)
        holder = catalog.device(located.device, mount.point)
        event = catalog.event("offload", plan.card)
        root = os.fspath(self.final)
        rows, outcomes = [], {}
        for listed in list_tree(root, InlineExecutor):
            for listing in listed.listings:
                below = listing.path[len(root) :]
                found = []
                for entry in listing.entries or ():
                    known = self._done.get(f"{below}/{entry.name}"[1:])
                    content = None if known is None else Content.of(entry.size, known[2])
                    found.append(FileRow(entry.name, entry.size, entry.mtime_ns, entry.inode, content))
                    if known is not None:
                        outcomes[f"{located.inner}{below}/{entry.name}"] = "ok"
                sequences, others = group_sequences(found)
                whole = all(row.content is not None for row in found)
                inner = f"{located.inner}{below}"
                signature = listing.signature if whole else None
                rows.append(FolderRows(inner, signature, others, sequences, frozenset(listing.folders)))
        catalog.put(holder, rows, event)
        catalog.verified(holder, outcomes, event)

    def _take(self, entry: Any) -> None:
        try:
            size, mtime_ns = map(int, entry["stat"])
            if "file" in entry:
                path = _text(entry["file"])
                self._done[path] = (size, mtime_ns, {str(k): str(v) for k, v in entry["digests"].items()})
                self._pieces.pop(path, None)
            else:
                path, number = _text(entry["of"]), int(entry["piece"])
                before = self._pieces.get(path)
                kept = before[2][:number] if before is not None and before[:2] == (size, mtime_ns) else []
                if len(kept) == number:
                    self._pieces[path] = (size, mtime_ns, [*kept, str(entry["is"])])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Damaged(f"The journal of {printable(self.final)} has an entry that is none ({error!r}).") from error


def is_begun(final: Path) -> bool:
    """Whether a run that makes this copy has begun and was not finished."""
    return files.temporary_name(final, "journal").exists()


def _hex(path: str) -> str:
    return os.fsencode(path).hex()


def _text(data: str) -> str:
    return os.fsdecode(bytes.fromhex(data))

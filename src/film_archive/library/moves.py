"""Moving files so that it can be completed after a kill, and undone: the job, its journal, and what is asked before a move.

A job's journal lies in the quarantine, `.film-archive/JOB.journal`, and says all that is to be moved before the first file
is. What became of a file is seen by looking where it is, so the journal needs no word about each. Across devices a file is
copied, read back and only then removed (`core/copying.move`); nothing else is ever removed.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from film_archive.archive import layout
from film_archive.core import files
from film_archive.core.copying import finish_move, move, same_bytes
from film_archive.core.errors import Damaged, FilmArchiveError, NotFound, Refused, SourceChanged, StorageError
from film_archive.core.job import Failure
from film_archive.core.journal import Journal
from film_archive.core.progress import Phase, Progress
from film_archive.core.records import Record
from film_archive.core.source import printable
from film_archive.library.listing import Entry
from film_archive.library.masters import Masters

_HEAD = {"journal": "film-archive moves", "version": 1}
_ENDING = ".journal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Move(Record):
    """A file that is to be moved."""

    from_: str
    """Where it is."""
    to: str
    """Where it goes."""
    same_as: str | None
    """The copy that stays, with which it is compared right before it moves; null for a file without bytes."""
    size: int
    """Bytes."""
    identity: str
    """Changes when the file does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved(Record):
    """A file that was moved."""

    from_: str
    """Where it was."""
    to: str
    """Where it is now."""
    size: int
    """Bytes."""


def identity_of_entry(entry: Entry) -> str:
    """Changes when a file does; not when it gets another name."""
    return f"{entry.size}:{entry.mtime_ns}"


def new_job(verb: str) -> str:
    """A name for a job that no other has, and that sorts by time."""
    return f"{verb}-{time.strftime('%Y%m%dT%H%M%S')}-{secrets.token_hex(3)}"


def journals(quarantine: Path) -> Iterator[Path]:
    """The journals in a quarantine, the oldest first."""
    yield from sorted((quarantine / layout.OWN).glob(f"*{_ENDING}"))


def unfinished(quarantine: Path) -> list[str]:
    """The jobs of a quarantine that a killed run has left; what was only being planned is forgotten."""
    left = []
    for path in journals(quarantine):
        with Journal.open(path, _HEAD) as journal:
            told = _Told.of(journal)
            if not told.planned:
                journal.remove()
            elif not told.finished:
                left.append(path.name.removesuffix(_ENDING))
    return left


@dataclass
class _Told:
    """What a journal says."""

    masters: tuple[str, ...] = ()
    units: list[tuple[str, tuple[Move, ...]]] = field(default_factory=list)
    planned: bool = False
    finished: bool = False
    undone: bool = False
    stayed: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, journal: Journal) -> Self:
        told = cls()
        for entry in journal.entries():
            told._take(entry)
        return told

    def _take(self, entry: Any) -> None:
        try:
            if "masters" in entry:
                self.masters = tuple(os.fsdecode(bytes.fromhex(path)) for path in entry["masters"])
            elif "unit" in entry:
                self.units.append((str(entry["unit"]), tuple(map(Move.from_json, entry["moves"]))))
            elif "stayed" in entry:
                self.stayed.add(int(entry["stayed"]))
            else:
                self.planned = self.planned or "planned" in entry
                self.finished = self.finished or "finished" in entry
                self.undone = self.undone or "undone" in entry
        except (KeyError, TypeError, ValueError) as error:
            raise Damaged(f"A journal of moves has an entry that is none ({error!r}); look at it by hand.") from error


class Moving:
    """A job of moves, its journal open. Use `begin` or `again`, as a context."""

    def __init__(self, quarantine: Path, job: str, journal: Journal, told: _Told, progress: Progress) -> None:
        self.job = job
        self.moved: list[Moved] = []
        self.failed: list[Failure] = []
        self.units = 0
        self._quarantine = quarantine
        self._journal = journal
        self._told = told
        self._progress = progress

    @classmethod
    def begin(cls, quarantine: Path, job: str, masters: Masters, progress: Progress) -> Self:
        """A new job."""
        own = quarantine / layout.OWN
        files.make_folders(own)
        journal = Journal.open(own / f"{job}{_ENDING}", _HEAD)
        told = _Told(tuple(sorted(masters.folders.values())))
        journal.append({"masters": [os.fsencode(path).hex() for path in told.masters]})
        return cls(quarantine, job, journal, told, progress)

    @classmethod
    def again(cls, quarantine: Path, job: str, progress: Progress) -> Self:
        """A job whose journal is there; raises NotFound, and Refused where another process has it."""
        path = quarantine / layout.OWN / f"{job}{_ENDING}"
        if not path.is_file():
            raise NotFound(f"There is no job {job} in the quarantine {printable(quarantine)}.")
        journal = Journal.open(path, _HEAD)
        return cls(quarantine, job, journal, _Told.of(journal), progress)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._journal.close()

    def write_down(self, units: Iterable[tuple[str, Sequence[Move]]]) -> None:
        """Say all that will be moved, durably."""
        for name, moves in units:
            self._told.units.append((name, tuple(moves)))
            self._journal.append({"unit": printable(name), "moves": [each.to_json() for each in moves]})
        self._journal.append({"planned": True}, sync=True)
        self._told.planned = True

    def go_on(self, then: Callable[[Sequence[Moved]], None] | None = None) -> None:
        """Move what is not moved yet; what can't be stays, whole.

        `then` is done with all that was moved, and again after a kill.
        """
        masters = Masters.of(map(Path, self._told.masters))
        self._progress.expect(Phase.VERIFYING, sum(each.size for _, moves in self._told.units for each in moves))
        for number, (name, moves) in enumerate(self._told.units):
            if number in self._told.stayed:
                continue
            self._progress.begin(Phase.VERIFYING, name)
            left = [each for each in moves if not _has_moved(each)]
            try:
                self._require_movable(left, masters)
                self._place_all(moves)
            except FilmArchiveError as error:
                if isinstance(error, _StoppedError):
                    raise error.cause from error
                self._put_back(moves)
                self._journal.append({"stayed": number})
                self.failed.append(Failure.of(moves[0].from_, error))
                continue
            self.units += 1
            self.moved += (Moved(from_=each.from_, to=each.to, size=each.size) for each in moves)
        if then is not None:
            then(self.moved)
        self._journal.append({"finished": True}, sync=True)

    def _place_all(self, moves: Sequence[Move]) -> None:
        for each in moves:
            try:
                _place(Path(each.from_), Path(each.to))
            except StorageError as error:  # a disk that is full or broken: the next run goes on
                raise _StoppedError(error) from error

    def _put_back(self, moves: Sequence[Move]) -> None:
        """What a killed run, or this one, has moved of a unit that has to stay whole."""
        for each in moves:
            if _has_moved(each) and not os.path.lexists(each.from_):
                move(Path(each.to), Path(each.from_))

    def undo(self) -> None:
        """Move everything back to where it was; what can't be, because something else is there by now, stays in quarantine."""
        for _, moves in reversed(self._told.units):
            for each in reversed(moves):
                if not _has_moved(each):
                    if not os.path.lexists(each.from_):
                        reason = f"{printable(each.from_)} is neither there nor in the quarantine; look for it by hand."
                        self.failed.append(Failure(path=each.from_, reason=reason, status=3))
                    continue
                try:
                    _place(Path(each.to), Path(each.from_))
                except StorageError:
                    raise
                except FilmArchiveError as error:
                    self.failed.append(Failure.of(each.to, error))
                else:
                    self.moved.append(Moved(from_=each.to, to=each.from_, size=each.size))
        if not self.failed:
            self._journal.append({"finished": True, "undone": True}, sync=True)
            files.remove_empty_folders(self._quarantine / self.job)

    def to_be_undone(self) -> Iterator[Moved]:
        """What `undo` would move."""
        for _, moves in reversed(self._told.units):
            yield from (Moved(from_=each.to, to=each.from_, size=each.size) for each in reversed(moves) if _has_moved(each))

    def close(self) -> None:
        self._journal.close()

    @property
    def is_undone(self) -> bool:
        return self._told.undone

    def _require_movable(self, moves: Sequence[Move], masters: Masters) -> None:
        """Raise where anything is not as it was planned, or not the same as what stays."""
        for each in moves:
            if masters.holds(each.from_):
                raise Refused(f"{printable(each.from_)} is in a master, which nothing leaves; it stays.")
            if os.path.lexists(each.to):
                raise Refused(f"{printable(each.to)} exists already; {printable(each.from_)} stays where it is.")
            _require_unchanged(each)
        going = {each.from_ for each in moves}
        for each in moves:
            if each.same_as is None:
                continue
            with files.explaining(f"look at {printable(each.same_as)}"):
                is_one = Path(each.from_).samefile(each.same_as)
            if is_one or each.same_as in going:
                raise Refused(f"{printable(each.from_)} and {printable(each.same_as)} are one file; it stays.")
            if not same_bytes(Path(each.from_), Path(each.same_as)):
                raise SourceChanged(
                    f"{printable(each.from_)} is no longer the same as {printable(each.same_as)}; it stays where it is."
                )
            self._progress.add(Phase.VERIFYING, each.size)


class _StoppedError(FilmArchiveError):
    """The disk failed while a unit was moved: not the unit's fault, and nothing that goes on with the next one."""

    def __init__(self, cause: StorageError) -> None:
        super().__init__(str(cause))
        self.cause = cause


def _require_unchanged(each: Move) -> None:
    with files.explaining(f"look at {printable(each.from_)}"):
        status = Path(each.from_).lstat()
    if f"{status.st_size}:{status.st_mtime_ns}" != each.identity:
        raise SourceChanged(f"{printable(each.from_)} changed since it was looked at; it stays where it is.")


def _has_moved(each: Move) -> bool:
    return os.path.lexists(each.to)


def _place(origin: Path, target: Path) -> None:
    """Have a file under its new name, wherever a killed run left it."""
    if not os.path.lexists(target):
        files.make_folders(target.parent)
        move(origin, target)
    elif os.path.lexists(origin):
        finish_move(origin, target)

"""Which files go on tape, and what they are called there: sources as given, folders with all below them, in a fixed order.

A folder archive goes as it is, with its own data; what operating systems leave behind and what is unfinished does not. Files
that stay together are told by their names: an image sequence, the parts of a clip and its sidecars.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from film_archive.archive import layout
from film_archive.core import files
from film_archive.core.errors import FilmArchiveError, NotSupported, Refused, UsageError, from_os_error
from film_archive.core.job import Failure, identity_of
from film_archive.core.source import kind_of, printable
from film_archive.tape.ltfs.tree import tape_path
from film_archive.tape.records import StepKind, TapeStep

OWN = ".film-archive-tape"
"""The folder in a cartridge's root where the manifests of its set lie."""
HISTORY = "ascmhl"
"""The folder in a cartridge's root where its ASC MHL history lies."""


@dataclass(slots=True)
class Gathered:
    """What was found, in the order in which it is written."""

    steps: list[TapeStep] = field(default_factory=list)
    runs: list[int] = field(default_factory=list)
    """How many files that follow each other stay together; their sum is the number of files among the steps."""
    failed: list[Failure] = field(default_factory=list)
    """What can't be on tape, and why."""
    junk: int = 0

    def add(self, step: TapeStep) -> None:
        self.steps.append(step)
        if step.kind is StepKind.FILE:
            self.runs.append(1)

    @property
    def files(self) -> list[TapeStep]:
        return [step for step in self.steps if step.kind is StepKind.FILE]


def gather(sources: Iterable[Path], *, below: str = "") -> Gathered:
    """Walk sources: a file is stored under its name, a folder with its name and everything below it.

    Raises UsageError where two sources have one name, NotFound or Refused where a source can't be read. What lies in a
    folder and can't be on tape is told in `failed`.
    """
    found = Gathered()
    walk = _Walk(found)
    names: dict[str, Path] = {}
    for source in sources:
        name = source.name or Path(os.path.realpath(source)).name
        if name in ("", ".", ".."):
            name = Path(os.path.realpath(source)).name
        if not name:
            raise UsageError(f"{printable(source)} has no name to be on tape under; name the folders in it.")
        if name in names:
            raise UsageError(
                f"{printable(names[name])} and {printable(source)} would both be called {printable(name)}; rename one."
            )
        names[name] = source
        walk.source(source, f"{below}/{name}" if below else name)
    return checked(found)


def gather_as(named: Iterable[tuple[str | os.PathLike[str], str]]) -> Gathered:
    """Single files under the paths that are given for them. Raises as `gather` does."""
    found = Gathered()
    walk = _Walk(found)
    for place, path in named:
        status = _status(os.fspath(place))
        if not stat.S_ISREG(status.st_mode):
            raise NotSupported(f"{printable(place)} is {kind_of(status.st_mode)} and not a file; nothing was planned.")
        walk.file(os.fspath(place), path, status)
    return checked(found)


def checked(found: Gathered) -> Gathered:
    """The same without what can't be on tape, which is named; paths as they stand there. Raises Refused for clashes."""
    steps: list[TapeStep] = []
    taken: dict[str, TapeStep] = {}
    place, runs = 0, [number for number, length in enumerate(found.runs) for _ in range(length)]
    lengths = [0] * len(found.runs)
    for step in found.steps:
        run = None
        if step.kind is StepKind.FILE:
            run, place = runs[place], place + 1
        try:
            path = step.path if step.path.isascii() else "/".join(tape_path(step.path))
            if step.path.isascii():
                _check(path)
            first = path.partition("/")[0]
            if first in (OWN, HISTORY):
                raise Refused(f"{printable(path)} lies where a cartridge keeps its own lists; put it below another folder.")
        except FilmArchiveError as error:
            found.failed.append(Failure.of(step.source, error))
            continue
        other = taken.get(path)
        if other is not None and not (other.kind is step.kind is StepKind.FOLDER):
            raise Refused(
                f"{printable(other.source)} and {printable(step.source)} would both be {printable(path)} on tape; rename one. "
                "Nothing was planned."
            )
        taken[path] = step
        steps.append(step if path == step.path else replace(step, path=path))
        if run is not None:
            lengths[run] += 1
    found.steps = steps
    found.runs = [length for length in lengths if length]
    return found


def _check(path: str) -> None:
    if any(part in ("", ".", "..") or len(part) > 255 or "\x1f" in part or "\0" in part for part in path.split("/")):
        tape_path(path)  # says why


def _status(path: str) -> os.stat_result:
    try:
        return os.stat(path)  # noqa: PTH116  a million of them
    except OSError as error:
        raise from_os_error(error, f"read {printable(path)}") from error


class _Walk:
    def __init__(self, found: Gathered) -> None:
        self._found = found

    def source(self, path: Path, name: str) -> None:
        status = _status(os.fspath(path))
        if stat.S_ISREG(status.st_mode):
            self.file(os.fspath(path), name, status)
        elif stat.S_ISDIR(status.st_mode):
            waiting = [(os.fspath(path), name, status)]
            while waiting:
                waiting += reversed(self._folder(*waiting.pop()))
        else:
            raise NotSupported(f"{printable(path)} is {kind_of(status.st_mode)}, which can't be on tape.")

    def file(self, path: str, name: str, status: os.stat_result) -> None:
        self._found.add(_step(path, name, status, StepKind.FILE))

    def _folder(self, path: str, name: str, status: os.stat_result) -> list[tuple[str, str, os.stat_result]]:
        """Take a folder's files; returns the folders in it."""
        self._found.add(_step(path, name, status, StepKind.FOLDER))
        folders = []
        steps: list[TapeStep] = []
        try:
            with os.scandir(path) as scan:
                items = sorted(scan, key=lambda item: os.fsencode(item.name))
            for item in items:
                if layout.is_junk(item.name):
                    self._found.junk += 1
                    continue
                if files.is_temporary_name(item.name):
                    continue
                below, there = f"{name}/{item.name}", item.stat(follow_symlinks=False)
                if stat.S_ISDIR(there.st_mode):
                    folders.append((item.path, below, there))
                elif stat.S_ISREG(there.st_mode):
                    steps.append(_step(item.path, below, there, StepKind.FILE))
                elif stat.S_ISLNK(there.st_mode):
                    self._found.add(_link(item.path, below, there))
                else:
                    reason = f"is {kind_of(there.st_mode)}"
                    self._found.failed.append(Failure(path=item.path, reason=reason, status=NotSupported.exit_status))
        except OSError as error:
            raise from_os_error(error, f"read the folder {printable(path)}") from error
        self._found.steps += steps
        self._found.runs += _runs([step.path.rpartition("/")[2] for step in steps])
        return folders


def _step(path: str, name: str, status: os.stat_result, kind: StepKind) -> TapeStep:
    return TapeStep(
        size=status.st_size if kind is StepKind.FILE else 0,
        identity=identity_of(status) if kind is StepKind.FILE else None,
        source=path,
        path=name,
        kind=kind,
        mtime_ns=status.st_mtime_ns,
        readonly=kind is StepKind.FILE and not status.st_mode & 0o222,
    )


def _link(path: str, name: str, status: os.stat_result) -> TapeStep:
    return replace(_step(path, name, status, StepKind.LINK), target=os.readlink(path))  # noqa: PTH115  the text as it stands


def _runs(names: Sequence[str]) -> Iterator[int]:
    """How many of a folder's files, in order, stay together: a sequence's frames, a clip's parts and sidecars."""
    if len(names) < 2:
        yield from (1 for _ in names)
        return
    from film_archive.media.clips import find_clips

    of: dict[str, int] = {}
    for number, clip in enumerate(find_clips(names).clips):
        parts = clip.parts if clip.sequence is None else map(clip.sequence.file_name, clip.sequence.numbers())
        for name in (*parts, *clip.sidecars):
            of.setdefault(name, number)
    length = 0
    last: int | None = None
    for name in names:
        unit = of.get(name)
        if length and (unit is None or unit != last):
            yield length
            length = 0
        length += 1
        last = unit
    if length:
        yield length

"""Taking members out of an archive again, as the files they were.

Everything that could go wrong is looked for before the first byte is written: names that lead out of the target, names that
clash, sizes that can't be true, space. Each file is proven by its digest before it gets its name; a file that is there
already and is the same is left alone, so that a killed run continues.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from film_archive.archive import bombs, layout
from film_archive.archive.entries import parts_of
from film_archive.archive.reader import Archive, ZipArchive
from film_archive.core import copying, files
from film_archive.core.digest import digest_source
from film_archive.core.errors import Damaged, FilmArchiveError, NotFound, NotSupported, Refused
from film_archive.core.member import Member, Role
from film_archive.core.source import ByteSource, FileSource, printable

OnBytes = Callable[[int], None]

_MOST_WAITING = 100
"""Files that are open at once, and get their names together."""
_MOST_BYTES = 64 << 20
"""Bytes of files that wait for their names: a large one is named with those before it, and kept waiting by none behind it."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What was done, by member path."""

    written: tuple[str, ...]
    already_there: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]
    """(path, why) of symbolic links that were not made."""
    failed: tuple[tuple[str, str], ...]
    bytes: int


Known = Callable[[Member, Path], bool]
"""Whether an earlier run has written a member, and nothing has touched the file since."""
OnWritten = Callable[[Member, Path], None]
"""Hears of each file that has its name."""


def choose_members(archive: Archive, *, everything: bool = False, only: Iterable[str] | None = None) -> list[Member]:
    """The members that are to be unpacked, files of sequences each by itself, after all checks that need no target.

    `only` names members, and folders with all that is in them. Raises Refused, NotSupported, and NotFound where one that
    was named is not there.
    """
    wanted = None if only is None else frozenset(path.rstrip("/") or path for path in only)
    rest = set(wanted or ())
    chosen: list[Member] = []
    for member in archive.members():
        if layout.is_own(member.path) and not everything:
            continue
        named = {member.path} if wanted is None else wanted.intersection(_with_folders(member.path))
        if named:
            chosen.extend(parts_of(member))
            rest -= named
    chosen.extend(archive.member(path) for path in sorted(rest))  # frames of a sequence, or nothing
    _check_names(archive, chosen)
    _check_readable(archive, chosen)
    _check_sizes(archive, chosen)
    return chosen


def _with_folders(path: str) -> Iterator[str]:
    """A path, and those of all folders above it."""
    while path:
        yield path
        path = path.rpartition("/")[0]


def require_place(archive: Archive, target: Path, chosen: Sequence[Member]) -> None:
    """Raise Refused where something else is in the way, NoSpace where there is no room."""
    missing = _check_target(target, chosen)
    with files.explaining(f"write {printable(target)}"):
        existing = next(place for place in (target, *target.absolute().parents) if place.exists())
    files.require_space(existing, missing, f"Unpacking {archive.name}")


def unpack(
    archive: Archive,
    target: Path,
    *,
    everything: bool = False,
    only: Iterable[str] | None = None,
    on_bytes: OnBytes | None = None,
) -> Unpacked:
    """Write members below `target`, with their times and permissions; the archive's own data only with `everything`.

    A member that is damaged is reported in `failed`; the others are written.
    """
    chosen = choose_members(archive, everything=everything, only=only)
    require_place(archive, target, chosen)
    return unpack_members(archive, target, chosen, on_bytes=on_bytes)


def unpack_members(
    archive: Archive,
    target: Path,
    chosen: Sequence[Member],
    *,
    on_bytes: OnBytes | None = None,
    known: Known = lambda member, place: False,
    on_written: OnWritten = lambda member, place: None,
) -> Unpacked:
    """Write members that `choose_members` and `require_place` found to be good; see `unpack`.

    What is `known` to be there is not read again.
    """
    written: list[str] = []
    present: list[str] = []
    failed: list[tuple[str, str]] = []
    total = 0
    with files.explaining(f"write {printable(target)}"):
        target.mkdir(parents=True, exist_ok=True)
    root = Path(os.path.realpath(target))

    def named(member: Member, place: Path) -> None:
        nonlocal total
        written.append(member.path)
        total += member.size
        on_written(member, place)

    with _Together(named) as together:
        for member in chosen:
            if member.role in (Role.FOLDER, Role.SYMLINK):
                continue
            place = _place(root, member)
            try:
                if known(member, place):
                    present.append(member.path)
                    if on_bytes is not None:
                        on_bytes(member.size)
                elif _is_there(archive, member, place, on_bytes):
                    present.append(member.path)
                else:
                    together.write(archive, member, place, on_bytes)
            except (Damaged, NotFound) as error:
                failed.append((member.path, str(error)))
    skipped = _unpack_links(root, chosen)
    _unpack_folders(root, chosen)
    return Unpacked(tuple(written), tuple(present), tuple(skipped), tuple(failed), total)


def _check_names(archive: Archive, members: Sequence[Member]) -> None:
    for member in members:
        try:
            layout.place_of(member)
        except Refused as error:
            raise Refused(f"{archive.name}: {error} Nothing was written.") from None
    clashing = layout.clashes(member.path for member in members)
    if clashing:
        first, second = clashing[0]
        if first == second:
            raise Refused(f"{archive.name} has two members called {printable(first)}. Nothing was written.")
        raise Refused(
            f"{archive.name} has {printable(first)} and {printable(second)}, which are the same file where case or "
            "Unicode form is ignored. Nothing was written."
        )
    files_only = (member.path for member in members if member.role != Role.FOLDER)
    for path, below in layout.files_as_folders(files_only, (member.path for member in members)):
        raise Refused(
            f"{archive.name}: {printable(path)} is a file and the folder of {printable(below)} at once. Nothing was written."
        )


def _check_readable(archive: Archive, members: Iterable[Member]) -> None:
    """Refuse what is encrypted or packed in a way that is not known; what is damaged is left out when it comes."""
    if not isinstance(archive, ZipArchive):
        return
    for member in members:
        if member.role in (Role.FOLDER, Role.SYMLINK):
            continue
        try:
            archive.source(member).close()
        except NotSupported as error:
            raise NotSupported(f"{error} Nothing was written.") from None
        except Damaged:
            continue


def _check_target(target: Path, members: Iterable[Member]) -> int:
    """How many bytes have to be written; refuses where something else is in the way."""
    files.require_folder_at(target)
    if not target.exists():
        return sum(member.size for member in members)
    missing = 0
    for member in members:
        if member.role in (Role.FOLDER, Role.SYMLINK):
            continue
        place = target / layout.place_of(member)
        try:
            with files.explaining(f"look for {printable(place)}, and wrote nothing"):
                status = place.lstat()
        except NotFound:
            missing += member.size
            continue
        if not stat.S_ISREG(status.st_mode) or status.st_size != member.size:
            raise Refused(f"{printable(place)} exists already and is something else. Nothing was written.")
    return missing


def _check_sizes(archive: Archive, members: Iterable[Member]) -> None:
    """Refuse zips that are made to fill a disk: shared bytes, or more than media or text can be packed."""
    if not isinstance(archive, ZipArchive):
        return
    placed = [member for member in members if member.offset is not None]
    regions = ((member.offset or 0, (member.offset or 0) + member.packed_size, member.path) for member in placed)
    for first, second in bombs.overlaps(regions):
        raise Refused(
            f"{archive.name}: {printable(first)} and {printable(second)} share bytes, as in a zip bomb. Nothing was written."
        )
    problem = bombs.claim_problem(archive.file.size, ((member.method, member.packed_size, member.size) for member in placed))
    if problem is not None:
        raise Refused(f"{archive.name} {problem}. Nothing was written.")


def _place(root: Path, member: Member) -> Path:
    """Where a member goes; a folder on the way that is a link out of the target is refused."""
    place = root / layout.place_of(member)
    if not _is_within(root, place.parent):
        raise Refused(f"{printable(place)} would be written outside {printable(root)}, through a link that is there.")
    return place


def _is_within(root: Path, place: Path) -> bool:
    """Whether a path, all links followed as far as they lead, is the root or below it."""
    return Path(os.path.realpath(place)).is_relative_to(root)


def _stated(member: Member) -> dict[str, str]:
    """The digests that a member's bytes have to have."""
    return dict(member.digests) or ({"crc32": f"{member.crc32:08x}"} if member.crc32 is not None else {})


def _is_there(archive: Archive, member: Member, place: Path, on_bytes: OnBytes | None) -> bool:
    """Whether a member's very file is in its place already; raises Refused where something else is."""
    if not os.path.lexists(place):
        return False
    if place.is_file() and not place.is_symlink() and place.stat().st_size == member.size:
        with archive.source(member) as source, FileSource(place) as there:
            stated = _stated(member) or digest_source(source)  # a folder without a manifest states nothing
            if digest_source(there, stated, on_bytes=on_bytes) == stated:
                return True
    raise Refused(f"{printable(place)} exists already and is something else; what was unpacked before it is complete.")


class _Together:
    """Writes files of which small ones get their names together: to wait for the drive takes longer than to write them.

    Leaving the block names those that are whole, also where Ctrl-C or an error of ours ends it; `named` hears of each.
    """

    def __init__(self, named: Callable[[Member, Path], None]) -> None:
        self._named = named
        self._open = ExitStack()
        self._waiting: list[tuple[Member, files.AtomicFile]] = []
        self._bytes = 0

    def write(self, archive: Archive, member: Member, place: Path, on_bytes: OnBytes | None) -> None:
        """Write one file; it gets its name now or with the next ones. Raises Damaged, NoSpace, and what sources raise."""
        with archive.source(member) as source:  # first: of what has no place in the archive no folder is made
            with files.explaining(f"write {printable(place)}"):
                place.parent.mkdir(parents=True, exist_ok=True)
            with ExitStack() as stack:
                new = stack.enter_context(files.AtomicFile(place, purpose="unpack"))
                _pour(source, member, new, on_bytes)
                self._open.push(stack.pop_all())
        self._waiting.append((member, new))
        self._bytes += member.size
        if len(self._waiting) >= _MOST_WAITING or self._bytes >= _MOST_BYTES:
            self.name_all()

    def name_all(self) -> None:
        """Give all that wait their names."""
        waiting, self._waiting, self._bytes = self._waiting, [], 0
        files.commit_all([new for _, new in waiting])
        self._open.close()
        for member, new in waiting:
            self._named(member, new.target)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._open:
            if error is None or isinstance(error, (FilmArchiveError, KeyboardInterrupt)):
                self.name_all()


def _pour(source: ByteSource, member: Member, new: files.AtomicFile, on_bytes: OnBytes | None) -> None:
    """A member's bytes, proven, its permissions and its time into a new file."""
    wanted, place = _stated(member), new.target
    descriptor = new.file.fileno()

    def needed() -> int:
        return member.size - min(member.size, os.fstat(descriptor).st_size)

    with files.explaining(f"write {printable(place)}", needed=needed, folder=place.parent):
        poured = copying.pour(source, descriptor, 0, algorithms=wanted, on_bytes=on_bytes)
        for name, value in poured.digests.items():
            if value != wanted[name]:
                raise Damaged(
                    f"{source.name} is damaged ({name} {value} instead of {wanted[name]}); it was left out."
                )
        if member.mode is not None:
            os.fchmod(descriptor, member.mode & 0o777)
        _set_time(descriptor, member)


def _set_time(place: Path | int, member: Member, *, follow: bool = True) -> None:
    """Give a file its modification time, to the nanosecond as far as the file system keeps it."""
    if member.mtime_ns is None:
        return
    try:
        if follow:
            os.utime(place, ns=(member.mtime_ns, member.mtime_ns))
        elif os.utime in os.supports_follow_symlinks:
            os.utime(place, ns=(member.mtime_ns, member.mtime_ns), follow_symlinks=False)
    except OverflowError as error:
        raise Damaged(f"{printable(member.path)} has a time that no file can have ({member.mtime_ns} ns).") from error


def _unpack_links(root: Path, members: Iterable[Member]) -> list[tuple[str, str]]:
    """Make the links that stay within the target; (path, why) of the others."""
    skipped = []
    made: list[tuple[Member, Path]] = []
    for member in members:
        if member.role != Role.SYMLINK:
            continue
        place = _place(root, member)
        problem = _link_problem(root, member, place)
        if problem is not None:
            skipped.append((member.path, problem))
        elif not os.path.lexists(place):
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.symlink_to(os.fsdecode(layout.link_target(member)))
                _set_time(place, member, follow=False)
            except OSError as error:
                skipped.append((member.path, f"could not be made here: {error.strerror}"))
            else:
                made.append((member, place))
    for member, place in made:  # one link can turn where another one leads
        if not _is_within(root, place):
            files.remove(place)
            skipped.append((member.path, "points out of the archive through other links"))
    return skipped


def _link_problem(root: Path, member: Member, place: Path) -> str | None:
    if member.target is None:
        return "is a symbolic link of a foreign zip"
    target = os.fsdecode(layout.link_target(member))
    if not target or "\0" in target:
        return "points nowhere"
    if Path(target).is_absolute() or not _is_within(root, place.parent / target):
        return f"points out of the archive, to {printable(target)}"
    if os.path.lexists(place) and (not place.is_symlink() or os.fspath(place.readlink()) != target):
        return "something else is there"
    return None


def _unpack_folders(root: Path, members: Iterable[Member]) -> None:
    """Folders last and deepest first, since writing into one changes its time, and some may not be written into."""
    folders = sorted((m for m in members if m.role == Role.FOLDER), key=lambda m: m.path.count("/"))
    for member in folders:
        place = _place(root, member)
        with files.explaining(f"write {printable(place)}"):
            place.mkdir(parents=True, exist_ok=True)
    for member in reversed(folders):
        place = _place(root, member)
        with files.explaining(f"set time and permissions of {printable(place)}"):
            _set_time(place, member)
            if member.mode is not None:
                place.chmod(member.mode & 0o777)

"""Taking members out of an archive again, as the files they were.

Everything that could go wrong is looked for before the first byte is written: names that lead out of the target, names that
clash, sizes that can't be true, space. Each file is proven by its digest before it gets its name; a file that is there
already and is the same is left alone, so that a killed run continues.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from film_archive.archive import layout
from film_archive.archive.reader import Archive, ZipArchive
from film_archive.core import files
from film_archive.core.digest import digest_source
from film_archive.core.errors import Damaged, FilmArchiveError, NotSupported, Refused
from film_archive.core.manifest import Member, Role
from film_archive.core.source import FileSource, printable

OnBytes = Callable[[int], None]

_BOMB_SIZE = 1 << 30
_BOMB_RATIO = 200
"""Deflate reaches 1032:1; media and text stay far below this."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What was done, by member path."""

    written: tuple[str, ...]
    already_there: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]
    """(path, why) of symbolic links that were not made."""
    failed: tuple[tuple[str, str], ...]
    bytes: int


def plan_unpack(
    archive: Archive, target: Path, *, everything: bool = False, only: Iterable[str] | None = None
) -> list[Member]:
    """The members that `unpack` would write, after all checks; raises Refused, NotSupported or NoSpace."""
    wanted = None if only is None else set(only)
    chosen: list[Member] = []
    for member in archive.members():
        if (everything or not layout.is_own(member.path)) and (wanted is None or member.path in wanted):
            chosen.extend(member.frame_members() if member.sequence is not None else (member,))
            if wanted is not None:
                wanted.discard(member.path)
    for path in sorted(wanted or ()):  # a frame of a sequence, or nothing
        chosen.append(archive.member(path))
    _check_names(archive, chosen)
    _check_sizes(archive, chosen)
    existing = target if target.exists() else next(parent for parent in target.absolute().parents if parent.exists())
    if target.exists() and not target.is_dir():
        raise Refused(f"{printable(target)} exists and is not a folder; nothing was written.")
    files.require_space(existing, sum(member.size for member in chosen), f"Unpacking {archive.name}")
    return chosen


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
    chosen = plan_unpack(archive, target, everything=everything, only=only)
    written: list[str] = []
    present: list[str] = []
    failed: list[tuple[str, str]] = []
    total = 0
    with files.explaining(f"write {printable(target)}"):
        target.mkdir(parents=True, exist_ok=True)
    root = target.resolve()
    for member in chosen:
        if member.role in (Role.FOLDER, Role.SYMLINK):
            continue
        place = _place(root, member)
        try:
            if _unpack_file(archive, member, place, on_bytes):
                written.append(member.path)
                total += member.size
            else:
                present.append(member.path)
        except Damaged as error:
            failed.append((member.path, str(error)))
    skipped = _unpack_links(root, chosen)
    _unpack_folders(root, chosen)
    return Unpacked(tuple(written), tuple(present), tuple(skipped), tuple(failed), total)


def _check_names(archive: Archive, members: Iterable[Member]) -> None:
    members = list(members)
    for member in members:
        problem = layout.name_problem(member.path)
        if problem is not None:
            raise Refused(
                f"{archive.name} has a member {printable(member.path)}, which must not be unpacked: {problem}. "
                "Nothing was written."
            )
        if member.get("encrypted"):
            raise NotSupported(f"{archive.name}: {printable(member.path)} is encrypted. Nothing was written.")
    clashing = layout.clashes(member.path for member in members)
    if clashing:
        first, second = clashing[0]
        raise Refused(
            f"{archive.name} has {printable(first)} and {printable(second)}, which are the same file where case is ignored. "
            "Nothing was written."
        )
    paths = {layout.fold(member.path) for member in members if member.role != Role.FOLDER}
    for member in members:
        for parent in PurePosixPath(layout.fold(member.path)).parents:
            if str(parent) in paths:
                raise Refused(
                    f"{archive.name}: {printable(str(parent))} is a file and the folder of {printable(member.path)} at once. "
                    "Nothing was written."
                )


def _check_sizes(archive: Archive, members: Iterable[Member]) -> None:
    """Refuse zips that are made to fill a disk: shared bytes, or more than media or text can be packed."""
    if not isinstance(archive, ZipArchive) or archive.sealed:
        return
    total, packed = 0, 0
    regions = []
    for member in members:
        total += member.size
        packed += member.packed_size
        if member.offset is not None and member.packed_size:
            regions.append((member.offset, member.offset + member.packed_size, member.path))
    regions.sort()
    for (_, end, first), (start, _, second) in zip(regions, regions[1:], strict=False):
        if start < end:
            raise Refused(
                f"{archive.name}: {printable(first)} and {printable(second)} share bytes, as in a zip bomb. "
                "Nothing was written."
            )
    if total > _BOMB_SIZE and total > _BOMB_RATIO * max(1, packed):
        raise Refused(
            f"{archive.name} has {packed} bytes that claim to be {total} when unpacked, as in a zip bomb. "
            "Nothing was written."
        )


def _place(root: Path, member: Member) -> Path:
    """Where a member goes; a folder on the way that is a link out of the target is refused."""
    raw = member.raw_name
    place = root / os.fsdecode(raw if raw is not None else member.path.encode("utf-8", "surrogateescape"))
    parent = place.parent
    while not parent.exists():
        parent = parent.parent
    if not parent.resolve().is_relative_to(root):
        raise Refused(f"{printable(place)} would be written outside {printable(root)}, through a link that is there.")
    return place


def _unpack_file(archive: Archive, member: Member, place: Path, on_bytes: OnBytes | None) -> bool:
    wanted = dict(member.digests) or ({"crc32": f"{member.crc32:08x}"} if member.crc32 is not None else {})
    if os.path.lexists(place):
        if place.is_file() and not place.is_symlink() and place.stat().st_size == member.size:
            with FileSource(place) as there:
                if digest_source(there, wanted) == wanted:
                    return False
        raise Refused(f"{printable(place)} exists already and is something else; what was unpacked before it is complete.")
    with files.explaining(f"write {printable(place)}"):
        place.parent.mkdir(parents=True, exist_ok=True)
    with archive.source(member) as source, files.AtomicFile(place, purpose="unpack") as new:
        with files.explaining(f"write {printable(place)}", needed=lambda: member.size, folder=place.parent):
            poured = files.pour(source, new.file.fileno(), 0, algorithms=wanted, on_bytes=on_bytes)
            for name, value in poured.digests.items():
                if value != wanted[name]:
                    raise Damaged(f"{source.name} is damaged ({name} {value} instead of {wanted[name]}); it was left out.")
            if member.mode is not None:
                os.fchmod(new.file.fileno(), member.mode & 0o777)
            if member.mtime_ns is not None:
                os.utime(new.file.fileno(), ns=(member.mtime_ns, member.mtime_ns))
        new.commit()
    return True


def _unpack_links(root: Path, members: Iterable[Member]) -> list[tuple[str, str]]:
    skipped = []
    for member in members:
        if member.role != Role.SYMLINK:
            continue
        target = member.target
        place = _place(root, member)
        if target is None:
            skipped.append((member.path, "is a symbolic link of a foreign zip"))
        elif os.path.isabs(target) or not (place.parent / target).resolve().is_relative_to(root):
            skipped.append((member.path, f"points out of the archive, to {printable(target)}"))
        elif os.path.lexists(place):
            if not place.is_symlink() or os.readlink(place) != target:
                skipped.append((member.path, "something else is there"))
        else:
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.symlink_to(target)
            except OSError as error:
                skipped.append((member.path, f"could not be made here: {error.strerror}"))
    return skipped


def _unpack_folders(root: Path, members: Iterable[Member]) -> None:
    """Folders last and deepest first, since writing into one changes its time."""
    folders = sorted((m for m in members if m.role == Role.FOLDER), key=lambda m: m.path.count("/"), reverse=True)
    for member in folders:
        place = _place(root, member)
        with files.explaining(f"write {printable(place)}"):
            place.mkdir(parents=True, exist_ok=True)
    for member in folders:
        place = _place(root, member)
        try:
            if member.mode is not None:
                place.chmod((member.mode & 0o777) | 0o700)
            if member.mtime_ns is not None:
                os.utime(place, ns=(member.mtime_ns, member.mtime_ns))
        except OSError as error:
            raise FilmArchiveError(f"Could not set the time of {printable(place)}: {error.strerror}.") from error

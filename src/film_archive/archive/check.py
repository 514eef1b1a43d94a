"""Checking an archive, in either form: `check_archive`, and how the folder form is checked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from film_archive.archive import layout
from film_archive.archive.check_zip import PlainCheck, SealedCheck
from film_archive.archive.checking import Checking, OnBytes
from film_archive.archive.entries import parts_of
from film_archive.archive.folder_repair import copy_problem
from film_archive.archive.reader import Archive, FolderArchive, ZipArchive
from film_archive.archive.verdict import CheckResult, Kind, Problem
from film_archive.core.errors import FilmArchiveError, NotSupported
from film_archive.core.files import is_temporary_name
from film_archive.core.member import Member, Role
from film_archive.core.source import printable
from film_archive.core.wording import amount

__all__ = ["CheckResult", "Kind", "Problem", "check_archive"]

_MOST_PROBLEMS = 10_000
"""Nobody reads more, and a hostile archive must not fill the memory with them."""


def check_archive(archive: Archive, *, on_bytes: OnBytes | None = None) -> CheckResult:
    """Read everything again and compare; never stops at the first problem."""
    heard = on_bytes or (lambda count: None)
    run: Checking
    if isinstance(archive, FolderArchive):
        run = _FolderCheck(archive, heard)
    elif isinstance(archive, ZipArchive) and archive.sealed:
        run = SealedCheck(archive, heard)
    elif isinstance(archive, ZipArchive):
        run = PlainCheck(archive, heard)
    else:
        raise TypeError(type(archive))
    problems: list[Problem] = []
    try:
        problems.extend(islice(run.problems(), _MOST_PROBLEMS))
    except NotSupported as error:
        problems.append(Problem("manifest", str(error), Kind.UNREADABLE))
    except FilmArchiveError as error:
        problems.append(Problem("manifest", str(error)))
    if len(problems) == _MOST_PROBLEMS:
        problems.append(Problem("archive", f"has more than these {_MOST_PROBLEMS} problems; it was not read further"))
    return CheckResult(run.checked, tuple(problems))


def unlisted(archive: FolderArchive) -> Iterator[str]:
    """Relative paths of files in a folder archive's folder that are none of its members; what can't be looked into is left out.

    Somebody has put them there since it was made: nothing is known of them, and no check can tell what becomes of them.
    """
    listed = {
        hash(os.fsencode(layout.place_of(part)))  # not the names: there may be millions
        for member in archive.members()
        for part in parts_of(member)
        if layout.name_problem(part.path) is None
    }
    for folder, folders, names in os.walk(archive.path):
        above = Path(folder).relative_to(archive.path)
        folders[:] = sorted(name for name in folders if not layout.is_own(f"{above / name}/"))
        for name in sorted(names):
            if hash(os.fsencode(above / name)) not in listed and not is_temporary_name(name):
                yield str(above / name)


class _FolderCheck(Checking):
    """A folder archive: each file against its line."""

    def __init__(self, archive: FolderArchive, on_bytes: OnBytes) -> None:
        super().__init__(on_bytes)
        self.archive = archive

    def problems(self) -> Iterator[Problem]:
        header = self.archive.header
        listed, stated = 0, 0
        if self.archive.manifest_problem is not None:
            yield Problem(layout.MANIFEST, self.archive.manifest_problem)
        for member in self.archive.members():
            listed, stated = listed + 1, stated + member.size
            if member.role in (Role.FOLDER, Role.SYMLINK):
                wrong = self._place_problem(member)
                if wrong is not None:
                    yield Problem(printable(member.path), wrong)
                continue
            for part in parts_of(member):
                problem = self.member_problem(self.archive, part)
                if problem is not None:
                    yield problem
        if (listed, stated) != (header.members, header.bytes):
            yield Problem(layout.MANIFEST, f"announces {amount(header.members, 'member')} and lists {listed}")
        wrong = None if self.archive.manifest_problem is not None else copy_problem(self.archive.path)
        if wrong is not None:
            yield Problem(layout.MANIFEST_COPY, wrong)

    def _place_problem(self, member: Member) -> str | None:
        try:
            place = self.archive.file_of(member)
        except FilmArchiveError as error:
            return str(error)
        if member.role == Role.FOLDER:
            return None if place.is_dir() else "the folder is gone"
        if not place.is_symlink():
            return "the symbolic link is gone"
        return None if os.fsencode(place.readlink()) == layout.link_target(member) else "the symbolic link points elsewhere"

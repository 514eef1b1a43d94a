"""A bundle that is read: its timeline, and which of its members that means. Any bundle, whoever wrote it, is an archive."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath

from film_archive.archive import layout
from film_archive.archive.entries import parts_of
from film_archive.archive.reader import Archive, is_folder, open_archive
from film_archive.bundles.plain_folder import PlainFolder
from film_archive.bundles.urls import readings
from film_archive.core.errors import NotFound, NotSupported
from film_archive.core.member import Member, Role
from film_archive.core.source import printable
from film_archive.editorial.otio import Document, MediaReference, read_document

LARGEST_CONTENT = (2 << 30) - 1
"""Bytes of a timeline; OTIO's next release reads no larger ones out of a bundle."""
_ABSOLUTE = re.compile(r"[/\\]|[A-Za-z]:[/\\]|[A-Za-z][A-Za-z0-9+.-]+:")


class Status(StrEnum):
    """Where a reference of a bundle's timeline leads."""

    PRESENT = "present"
    """To members of the bundle."""
    MISSING = "missing"
    """To the bundle, where it is not, or not all of it."""
    ELSEWHERE = "elsewhere"
    """Out of the bundle: an absolute path, or another scheme than file."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a reference leads to in a bundle."""

    name: str
    """A path in the bundle, of a sequence with the numbers in printf's form; of what leads elsewhere the URL."""
    status: Status
    members: tuple[str, ...] = ()
    """In order."""
    lacking: int = 0
    """Of a sequence: how many of its images are not there."""


def open_bundle(path: Path) -> Archive:
    """Open a bundle in either form, as whoever wrote it left it. Raises NotFound, Damaged."""
    if is_folder(path) and not os.path.lexists(path / layout.MANIFEST):
        return PlainFolder(path)
    return open_archive(path)


class Bundle:
    """An open archive, as a bundle."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self.content_path = _content_path(archive)
        self._folded: dict[str, str] | None = None
        self._paths: set[str] = set()

    @property
    def name(self) -> str:
        return self.archive.name

    def content(self) -> bytes:
        """The timeline's bytes."""
        with self.archive.source(self.content_path) as source:
            if source.size > LARGEST_CONTENT:
                raise NotSupported(f"{source.name} has {source.size} bytes; up to {LARGEST_CONTENT} are read.")
            return source.read_at(0, source.size)

    def document(self) -> Document:
        """The timeline; raises Damaged where it can't be read."""
        return read_document(self.content(), f"{self.name}::{self.content_path}")

    def version(self) -> str | None:
        """What `version.txt` says; None where there is none, as in the folders that OTIO 0.18 writes."""
        try:
            with self.archive.source(layout.BUNDLE_VERSION) as source:
                return source.read_at(0, 32).decode("utf-8", "replace").strip()
        except NotFound:
            return None

    def target(self, reference: MediaReference) -> Target:
        """Where a reference leads."""
        named = reference.sequence
        if named is None:
            return self._file(reference.url)
        name = reference.pattern
        inside = list(_inside(reference.url_of(named.start)))
        if not inside:
            return Target(name, Status.ELSEWHERE)
        numbers = named.numbers()
        if numbers is None:
            return self._all_images(reference, name)
        found = [self._find(_inside(reference.url_of(number))) for number in numbers]
        members = tuple(each for each in found if each is not None)
        lacking = len(found) - len(members)
        status = Status.MISSING if not members or (lacking and not named.tolerates_holes) else Status.PRESENT
        return Target(name, status, members, lacking)

    def _file(self, url: str) -> Target:
        inside = list(_inside(url))
        if not inside:
            return Target(url, Status.ELSEWHERE if url else Status.MISSING)
        member = self._find(inside)
        return Target(inside[0], Status.MISSING) if member is None else Target(member, Status.PRESENT, (member,))

    def _all_images(self, reference: MediaReference, name: str) -> Target:
        """Of a sequence that does not say how many images it has: all that are there."""
        named = reference.sequence
        assert named is not None
        first = reference.url_of(named.start)
        end = named.digits(named.start) + named.suffix
        self._index()
        for path in _inside(first):
            if path.endswith(end):
                before = path[: -len(end)]
                pattern = re.compile(f"{re.escape(before)}(-?[0-9]{{1,18}}){re.escape(named.suffix)}", re.DOTALL)
                there = (match for match in map(pattern.fullmatch, self._paths) if match is not None)
                found = sorted((int(match[1]), match[0]) for match in there if named.digits(int(match[1])) == match[1])
                if found:
                    return Target(name, Status.PRESENT, tuple(path for _, path in found))
        return Target(name, Status.MISSING)

    def _find(self, paths: Iterable[str]) -> str | None:
        """The member of the first of these paths that is there; letter for letter, else but for case."""
        folded = self._index()
        paths = list(paths)
        for path in paths:
            if path in self._paths:
                return path
        return next((folded[layout.fold(path)] for path in paths if layout.fold(path) in folded), None)

    def _index(self) -> dict[str, str]:
        if self._folded is None:
            self._folded = {}
            for member in self.archive.members():
                for part in parts_of(member):
                    if part.role not in (Role.FOLDER, Role.SYMLINK):
                        self._paths.add(part.path)
                        self._folded.setdefault(layout.fold(part.path), part.path)
        return self._folded


def _inside(url: str) -> Iterator[str]:
    """The paths in a bundle that a URL may mean, the likeliest first; none where it leads out of it."""
    if _ABSOLUTE.match(url):
        return
    seen = set()
    for reading in readings(url):
        path = PurePosixPath(reading.path.replace("\\", "/"))
        text = str(path)
        if ".." not in path.parts and not path.is_absolute() and text not in (".", "") and text not in seen:
            seen.add(text)
            yield text


def _content_path(archive: Archive) -> str:
    """Where the timeline is: by the name that OTIO gives it, or that in other case, as some readers take it."""
    try:
        member = archive.member(layout.BUNDLE_CONTENT)
    except NotFound:
        other = _in_other_case(archive.members())
        if other is None:
            raise NotFound(
                f"{archive.name} has no {layout.BUNDLE_CONTENT}, so it is no OTIO bundle; "
                f"`film-archive ls {printable(archive.path)}` shows what it has."
            ) from None
        return other
    return member.path


def _in_other_case(members: Iterable[Member]) -> str | None:
    return next((each.path for each in members if layout.fold(each.path) == layout.BUNDLE_CONTENT), None)

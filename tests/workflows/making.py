"""Sources for the workflows' tests, and what archives of them should be."""

from __future__ import annotations

import os
from pathlib import Path

from film_archive.archive.check import CheckResult, check_archive
from film_archive.archive.reader import open_archive
from film_archive.core.member import Role
from film_archive.workflows.filled import Made
from film_archive.workflows.production import add_to_archive, create_archive
from tests.archive.making import noise

MTIME_NS = 1_600_000_000_123_456_789


def write_tree(folder: Path, files: dict[str, bytes]) -> Path:
    """Files below a folder, all with one date."""
    for name, data in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        os.utime(place, ns=(MTIME_NS, MTIME_NS))
    for place in [*sorted(folder.rglob("*"), reverse=True), folder]:
        if place.is_dir() or place.is_symlink():
            os.utime(place, ns=(MTIME_NS, MTIME_NS), follow_symlinks=False)
    return folder


def sources(folder: Path, *, size: int = 40_000) -> Path:
    """A folder with files of many sizes, an image sequence of six frames, an empty folder and a link."""
    files = {f"card/{number:02}.bin": noise(size * number // 3, number) for number in range(8)}
    files.update({f"plates/a.{number}.bmp": noise(size // 4, number) for number in range(1001, 1007)})
    files["zero"] = b""
    (folder / "empty").mkdir(parents=True)
    (folder / "link").symlink_to("card/01.bin")
    return write_tree(folder, files)


def create(target: Path, *named: Path) -> Made:
    return create_archive(target, named, proxies=())


def create_in_place(folder: Path) -> Made:
    return create_archive(folder, in_place=True, proxies=())


def add(target: Path, *named: Path) -> Made:
    return add_to_archive(target, named, proxies=())


def tree(folder: Path) -> dict[str, bytes | str | None]:
    """Everything below a folder: files' bytes, links' targets, None for folders."""
    found: dict[str, bytes | str | None] = {}
    for place in sorted(folder.rglob("*")):
        name = place.relative_to(folder).as_posix()
        found[name] = os.readlink(place) if place.is_symlink() else place.read_bytes() if place.is_file() else None
    return found


def contents(target: Path) -> dict[str, bytes]:
    """Every file of an archive, frames of sequences too."""
    found = {}
    with open_archive(target) as archive:
        for member in archive.members():
            for part in member.frame_members() if member.sequence is not None else (member,):
                if part.role not in (Role.FOLDER, Role.SYMLINK):
                    with archive.source(part) as source:
                        found[part.path] = source.read_at(0, source.size)
    return found


def check(target: Path) -> CheckResult:
    with open_archive(target) as archive:
        return check_archive(archive)

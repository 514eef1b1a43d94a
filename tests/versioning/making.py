"""Small repositories for the tests."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from film_archive.core import files
from film_archive.versioning.opened import OpenRepository
from film_archive.versioning.reading import Bytes
from film_archive.versioning.refs import Branch
from film_archive.versioning.repository import Repository


def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


LARGE = noise(300_000, 1)
"""Larger than what goes into packs."""
CONTENTS = {"inline": b"a note", "packed": noise(5000, 2), "whole": LARGE}


def unsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits for the medium."""
    monkeypatch.setattr(files, "sync", lambda descriptor: None)
    monkeypatch.setattr(files, "sync_folder", lambda folder: None)
    monkeypatch.setattr(files, "sync_file_system", lambda descriptor: True)


def write(folder: Path, held: Mapping[str, bytes]) -> None:
    """Make files below a folder hold this."""
    for path, data in held.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)


def on_disk(folder: Path) -> dict[str, bytes]:
    """What a work tree's files hold."""
    return {
        place.relative_to(folder).as_posix(): place.read_bytes()
        for place in folder.rglob("*")
        if place.is_file() and not place.relative_to(folder).parts[0].startswith(".film-archive-")
    }


def held(opened: OpenRepository, name: str) -> dict[str, bytes]:
    """What a branch or commit holds, read through the repository."""
    tree = opened.tree_of(opened.objects(), opened.refs.resolve(name))
    found = {}
    with Bytes(opened) as bytes_of:
        for entry in tree:
            if entry.is_file:
                with bytes_of.source(entry) as source:
                    found[entry.path] = source.read_at(0, source.size)
    return found


def commit(
    repository: Repository, branch: Branch, files_held: Mapping[str, bytes | None], folder: Path, message: str = "change"
) -> Branch:
    """Commit contents, given as bytes (None: gone), on a branch."""
    folder.mkdir(exist_ok=True)
    named = []
    for number, (path, data) in enumerate(files_held.items()):
        if data is not None:
            place = folder / f"{number}"
            place.write_bytes(data)
            named.append((place, path))
    tree = repository.tree(branch.id)
    if named:
        repository.stage_files(branch.id, named, tree)
    gone = [path for path, data in files_held.items() if data is None]
    if gone:
        repository.stage(branch.id, dict.fromkeys(gone), tree)
    return repository.commit_stage(branch.id, branch.id, message)


def stored_files(root: Path) -> Iterable[Path]:
    """The files of a repository's store."""
    return (place for place in (root / "content").rglob("*") if place.is_file())

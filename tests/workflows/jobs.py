"""Pieces of work that are killed and made to fail: what they begin with, and what they must come to."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from film_archive.archive import draft, layout
from film_archive.core import files
from film_archive.core.errors import Refused
from film_archive.core.ladder import parse_sizes
from film_archive.testing.media import ClipSpec, make_clip
from film_archive.workflows.production import create_archive
from film_archive.workflows.proxies import make_proxies
from film_archive.workflows.unpacking import unpack_archive
from tests.core.mounts import image
from tests.workflows.making import add, check, contents, create, create_in_place, sources, tree, write_tree

OLD = {"old/a.mov": b"a" * 50_000, "old/b.wav": b"b" * 3000}


@dataclass
class Job:
    """A piece of work, what it begins with, and what it must come to."""

    work: Callable[[], object]
    prepare: Callable[[], object]
    whole: Callable[[], object]
    """Raises where, after a kill, something at a final name is not whole."""
    state: Callable[[], object]
    """Everything that is there, to be compared with what an uninterrupted run leaves."""

    def expect(self) -> object:
        """What an uninterrupted run leaves."""
        self.prepare()
        self.work()
        return self.state()

    def again(self, expected: object) -> None:
        """Repeat the command: it completes the job. Only where all was done, and nothing told of it any more, may it refuse."""
        done = self.state() == expected
        try:
            self.work()
        except Refused:
            if not done:
                raise


def zip_job(folder: Path, work: Callable[[Path], object], before: bytes | None) -> Job:
    """Work on an archive in its zip form, alone in a folder."""
    target = folder / "archive.zip"
    old = {}
    if before is not None:
        folder.mkdir()
        target.write_bytes(before)
        old = contents(target)

    def prepare() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        if before is not None:
            target.write_bytes(before)

    def whole() -> None:
        beside = {place.name for place in folder.iterdir()} - {target.name}
        assert beside <= {files.temporary_name(target, purpose).name for purpose in ("work", "journal")}
        if before is None and not target.exists():
            return
        result = check(target)
        assert {problem.path for problem in result.problems} <= {"end"}, result
        found = contents(target)
        assert found == old or (old.items() < found.items() and result.ok)

    return Job(lambda: work(target), prepare, whole, lambda: tree(folder))


@pytest.fixture
def media(tmp_path: Path) -> Path:
    return sources(tmp_path / "media")


@pytest.fixture
def old(tmp_path: Path) -> bytes:
    """An archive of one generation."""
    path = tmp_path / "old.zip"
    create(path, write_tree(tmp_path / "old sources" / "old", {"a.mov": b"a" * 50_000, "b.wav": b"b" * 3000}))
    return path.read_bytes()


@pytest.fixture
def creating(tmp_path: Path, media: Path) -> Job:
    return zip_job(tmp_path / "job", lambda target: create(target, media), None)


@pytest.fixture
def appending(tmp_path: Path, media: Path, old: bytes, monkeypatch: pytest.MonkeyPatch) -> Job:
    monkeypatch.setattr(draft, "clone_whole", lambda source, target: False)
    return zip_job(tmp_path / "job", lambda target: add(target, media), old)


@pytest.fixture
def cloning(tmp_path: Path, old: bytes) -> Iterator[Job]:
    """On a file system that shares blocks."""
    with image(tmp_path / "xfs", "mkfs.xfs", "-q", "-m", "reflink=1") as mount:
        media = sources(mount / "media")
        yield zip_job(mount / "job", lambda target: add(target, media), old)
        gc.collect()  # files that only the tracebacks of errors still hold open keep a file system busy


@pytest.fixture
def in_place(tmp_path: Path) -> Job:
    folder = tmp_path / "job"

    def prepare() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        sources(folder, size=10_000)

    def whole() -> None:
        if (folder / layout.MANIFEST).exists():
            assert check(folder).ok

    return Job(lambda: create_in_place(folder), prepare, whole, lambda: tree(folder))


@pytest.fixture
def adding_in_place(tmp_path: Path) -> Job:
    """A new file in the folder, and files from elsewhere that are copied in."""
    folder, outside = tmp_path / "job", sources(tmp_path / "outside", size=10_000)
    first = tmp_path / "first"
    write_tree(first, OLD)
    create_in_place(first)
    write_tree(first, {"old/new.mov": b"n" * 5000})

    def prepare() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(first, folder)

    def whole() -> None:
        result = check(folder)
        assert result.ok, result
        found = contents(folder)
        assert {path: data for path, data in found.items() if path.startswith("old/")}.items() >= OLD.items()

    return Job(lambda: add(folder, folder, outside), prepare, whole, lambda: tree(folder))


@pytest.fixture
def unpacking(tmp_path: Path, media: Path) -> Job:
    archive, folder = tmp_path / "archive.zip", tmp_path / "job"
    create(archive, media)

    def whole() -> None:
        for name, data in tree(folder).items():
            if ".film-archive-" in name or data is None:
                continue
            original = media.parent / name
            assert data == (os.readlink(original) if original.is_symlink() else original.read_bytes())

    return Job(
        lambda: unpack_archive(archive, folder),
        lambda: shutil.rmtree(folder, ignore_errors=True),
        whole,
        lambda: tree(folder),
    )


@pytest.fixture
def with_proxies(tmp_path: Path) -> Job:
    """A clip, its frame index and two proxies, which are made in pieces."""
    media = tmp_path / "media"
    media.mkdir()
    make_clip(ClipSpec(name="a", width=320, height=180, frames=48), media)
    folder = tmp_path / "job"
    target = folder / "archive.zip"

    def prepare() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()

    def whole() -> None:
        if target.exists():
            assert check(target).ok

    return Job(lambda: create_archive(target, [media]), prepare, whole, lambda: tree(folder))


@pytest.fixture
def proxying(tmp_path: Path) -> Job:
    """Proxies for an archive that is there; they are made first, then put in."""
    media = tmp_path / "media"
    media.mkdir()
    make_clip(ClipSpec(name="a", width=96, height=54, frames=48), media)
    create(tmp_path / "old.zip", media)
    before = (tmp_path / "old.zip").read_bytes()
    folder = tmp_path / "job"
    target = folder / "archive.zip"

    def prepare() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        target.write_bytes(before)

    def whole() -> None:
        result = check(target)
        assert {problem.path for problem in result.problems} <= {"end"}, result

    sizes = parse_sizes("64x36,96x54")
    return Job(lambda: make_proxies([target], sizes), prepare, whole, lambda: tree(folder))


JOBS = ["creating", "appending", "cloning", "in_place", "adding_in_place", "unpacking"]

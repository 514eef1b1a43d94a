"""Repositories on file systems that share blocks, and on ones that are full."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from film_archive.core.errors import NoSpace
from film_archive.versioning.export import export_entries
from film_archive.versioning.repository import Repository
from film_archive.versioning.starting import begin
from film_archive.versioning.switching import check_out
from film_archive.versioning.verifying import verify
from film_archive.versioning.worktree import WorkTree
from tests.archive.making import contents, make_archive
from tests.core.mounts import image, tmpfs
from tests.versioning.making import held, noise, on_disk, write

CLIP = noise(24_000_000, 3)


def used(folder: Path) -> int:
    os.sync()
    return shutil.disk_usage(folder).used


def test_blocks_are_shared_from_the_card_to_the_checkout_and_the_export(tmp_path: Path) -> None:
    with image(tmp_path / "disk", "mkfs.xfs", "-m", "reflink=1") as disk:
        write(disk / "show", {"a.mov": CLIP, "b.mov": CLIP[::-1]})
        before = used(disk)
        work = begin(disk / "show")
        assert work is not None
        work.add([work.root])
        branch = work.commit("first")
        assert used(disk) - before < 2_000_000
        report = check_out(work.repository, branch, disk / "again")
        assert (report.shared, report.copied) == (2, 0)
        assert on_disk(disk / "again") == {"a.mov": CLIP, "b.mov": CLIP[::-1]}
        export_entries(work.repository.opened, work.repository.entries("main"), disk / "out.zip")
        assert used(disk) - before < 3_000_000
        with (disk / "again" / "a.mov").open("r+b") as file:
            file.write(b"changed")
        assert (work.root / "a.mov").read_bytes() == CLIP
        assert verify(work.repository.opened).problems == ()
        again = WorkTree(disk / "again")
        assert again.status().modified == ("a.mov",)
        again.close()
        work.close()


def test_members_of_an_archive_are_shared_once_they_are_proven(tmp_path: Path) -> None:
    with image(tmp_path / "disk", "mkfs.xfs", "-m", "reflink=1") as disk:
        master = make_archive(disk / "master.zip", {"a.mov": CLIP})
        repository = Repository(disk / "repo")
        branch = repository.create_branch(master, "grade")
        before = used(disk)
        assert check_out(repository, branch, disk / "first").shared == 1
        assert check_out(repository, branch, disk / "second").shared == 1
        made = export_entries(repository.opened, repository.entries("grade"), disk / "out.zip")
        assert made.unread == len(CLIP)
        assert used(disk) - before < 3_000_000
        assert contents(disk / "out.zip")["a.mov"] == CLIP
        repository.close()


def test_a_disk_that_fills_up_leaves_the_branch_as_it_was(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "small", "size=4m") as disk:
        work = begin(disk / "show")
        assert work is not None
        write(work.root, {"first": noise(300_000, 1)})
        work.add([work.root])
        head = work.commit("first").head
        write(work.root, {"more": noise(280_000, 2)})

        def fill() -> None:
            nonlocal head
            for number in range(40):
                (work.root / "more").write_bytes(noise(280_000, number))
                work.add([work.root / "more"])
                head = work.commit(f"number {number}").head

        with pytest.raises(NoSpace, match=r"full|No space"):
            fill()
        (work.root / "more").unlink()
        work.close()
        again = WorkTree(work.root)
        assert again.branch.head == head
        assert verify(again.repository.opened).problems == ()
        assert held(again.repository.opened, "main")["first"] == noise(300_000, 1)
        again.close()

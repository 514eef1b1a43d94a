"""What folders.py promises: a folder is there whole under its name, or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from film_archive.core import files
from film_archive.core.errors import Refused
from film_archive.core.folders import AtomicFolder, forget_unfinished


def fill(folder: Path) -> None:
    (folder / "a").write_bytes(b"1")
    (folder / "below").mkdir()
    (folder / "below" / "b").write_bytes(b"2")


def test_there_only_when_whole(tmp_path: Path) -> None:
    target = tmp_path / "plates"
    with AtomicFolder(target) as new:
        fill(new.path)
        assert not target.exists()
        assert new.path.parent == tmp_path
        new.commit()
    assert [path.name for path in tmp_path.iterdir()] == ["plates"]
    assert (target / "below" / "b").read_bytes() == b"2"


def test_given_up_leaves_nothing(tmp_path: Path) -> None:
    with AtomicFolder(tmp_path / "one") as new:
        fill(new.path)
    (tmp_path / "two").touch()
    with pytest.raises(Refused), AtomicFolder(tmp_path / "one") as new:
        files.rename(new.path, tmp_path / "two")
    (tmp_path / "two").unlink()
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_stays(tmp_path: Path) -> None:
    target = tmp_path / "plates"
    with AtomicFolder(target) as new:
        target.mkdir()  # meanwhile
        with pytest.raises(Refused, match="exists already"):
            new.commit()
    assert list(tmp_path.iterdir()) == [target]
    for there in (target, tmp_path / "dangling"):
        if not there.exists():
            there.symlink_to("nowhere")
        with pytest.raises(Refused, match="exists already; nothing was changed"), AtomicFolder(there):
            pass


def test_what_a_killed_process_left_is_taken_over(tmp_path: Path) -> None:
    target = tmp_path / "plates"
    left = files.temporary_name(target, "new")
    left.mkdir()
    fill(left)
    (left / "link").symlink_to("nowhere")
    with AtomicFolder(target) as new:
        assert list(new.path.iterdir()) == []
        (new.path / "c").touch()
        new.commit()
    assert [path.name for path in target.iterdir()] == ["c"]


def test_two_at_once(tmp_path: Path) -> None:
    with AtomicFolder(tmp_path / "plates") as first:
        fill(first.path)
        with pytest.raises(Refused, match="written by another process"), AtomicFolder(tmp_path / "plates"):
            pass
        first.commit()
    assert len(os.listdir(tmp_path / "plates")) == 2


def test_what_is_unfinished_is_forgotten_only_where_something_is_made(tmp_path: Path) -> None:
    work = files.temporary_name(tmp_path / "card", "copy")
    work.mkdir()
    (work / "clip").write_bytes(b"half")
    forget_unfinished(work, "clip")
    forget_unfinished(work, "clip")
    assert list(work.iterdir()) == []
    (tmp_path / "clip").write_bytes(b"media")
    with pytest.raises(Refused):
        forget_unfinished(tmp_path, "clip")
    assert (tmp_path / "clip").exists()

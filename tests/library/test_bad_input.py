"""What lies on twenty years of drives, given to each verb: nothing hangs, nothing is lost, what can't be done is said.

The rows of bad input that are not shown elsewhere in these tests.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from film_archive.catalog.catalog import Catalog
from film_archive.library.archiver import archive
from film_archive.library.crawler import crawl
from film_archive.library.dupe_finder import find_duplicates
from film_archive.library.ingester import ingest
from film_archive.library.offload import offload
from film_archive.library.safety import is_safe
from film_archive.library.sorter import plan_sort, sort
from film_archive.library.undoing import undo
from film_archive.library.verifying import verify
from film_archive.testing import faults
from tests.library.test_offload import CARD, ascmhl, make_card
from tests.library.trees import contents, write

NO_FILES = {"pipe", "socket", "loop", "broken link"}


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with Catalog.open(tmp_path / "catalog.sqlite") as made:
        yield made


def odd(folder: Path) -> Path:
    """Files beside what is none: a pipe, a socket, a link to the folder above, a link to nowhere."""
    write(folder, {"a.mov": b"same" * 500, "b/a.mov": b"same" * 500, "zero": b"", "b/zero": b""})
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as made:
        here = os.open(folder, os.O_RDONLY)  # a socket's path may have 108 bytes only
        try:
            made.bind(f"/proc/self/fd/{here}/socket")
        finally:
            os.close(here)
    (folder / "b/loop").symlink_to(folder)
    (folder / "broken link").symlink_to(folder / "nowhere")
    return folder


def test_no_verb_follows_links_or_waits_for_pipes(tmp_path: Path, catalog: Catalog) -> None:
    tree = odd(tmp_path / "tree")
    found = crawl(catalog, [tree])
    assert (found.files, found.exit_status) == (4, 12)
    assert {Path(each.path).name for each in found.failed} == {"pipe", "socket"}
    (dupes,) = find_duplicates([tree]).sets
    assert len(dupes.duplicates) == 1
    done = sort(lambda: plan_sort([tree], masters=[], quarantine=tmp_path / "q"), tmp_path / "q")
    assert len(done.moved) == 1
    undo(tmp_path / "q")
    (tmp_path / "raid").mkdir()
    copied = offload(tree, [tmp_path / "raid"], catalog)
    assert {Path(each.path).name for each in copied.failed} == {"pipe", "socket"}
    (tmp_path / "photos").mkdir()
    taken = ingest(tree, tmp_path / "photos", catalog)
    assert {Path(each.path).name for each in taken.failed} == {"pipe", "socket"}
    left = {str(path) for path in tree.rglob("*") if path.is_file() and not path.is_symlink()}
    assert left == {each.path for each in taken.already}
    undo(tmp_path / "photos")
    packed = archive([tree], tmp_path / "bd", volume="1000000")
    assert len(packed.moved) == 4
    assert {path.name for path in tree.rglob("*")} >= NO_FILES


def test_a_sparse_file_is_its_bytes(tmp_path: Path, catalog: Catalog) -> None:
    card = make_card(tmp_path / "A001")
    sparse = card / "PRIVATE/M4ROOT/CLIP/C0009.MP4"
    with sparse.open("wb") as file:
        file.truncate(40 << 20)
        file.seek(20 << 20)
        file.write(b"in the middle")
    (tmp_path / "raid").mkdir()
    (copy,) = offload(card, [tmp_path / "raid"], catalog).copies
    assert (Path(copy.path) / "PRIVATE/M4ROOT/CLIP/C0009.MP4").read_bytes() == sparse.read_bytes()
    with (tmp_path / "A001/dense.bin").open("wb") as file:
        file.write(sparse.read_bytes())
    (each,) = [each for each in find_duplicates([card]).sets if each.size > 1 << 20]
    assert len(each.duplicates) == 1


@pytest.mark.parametrize("year", [1904, 2106])
def test_a_clock_in_another_century(year: int, tmp_path: Path, catalog: Catalog) -> None:
    seconds = (year - 1970) * 31_556_952
    card = tmp_path / "A001"
    write(card, CARD, mtime=seconds)
    (tmp_path / "raid").mkdir()
    done = offload(card, [tmp_path / "raid"], catalog)
    (copy,) = done.copies
    assert done.exit_status == 0
    assert contents(card).items() <= contents(Path(copy.path)).items()
    assert ascmhl("diff", copy.path).returncode == 0
    assert is_safe(card, catalog, copies=1).safe
    assert verify(Path(copy.path), catalog).exit_status == 0
    assert crawl(catalog, [card]).exit_status == 0
    assert archive([card], tmp_path / "bd", volume="1000000").exit_status == 0


def test_a_master_inside_what_is_sorted(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    write(tree, {"a.mov": b"same", "kept/a.mov": b"same", "kept/twice.mov": b"two", "kept/b/twice.mov": b"two"})
    done = sort(lambda: plan_sort([tree], masters=[tree / "kept"], quarantine=tmp_path / "q"), tmp_path / "q")
    assert [each.from_ for each in done.moved] == [str(tree / "a.mov")]


def test_a_drive_that_is_pulled_while_it_is_crawled(tmp_path: Path, catalog: Catalog) -> None:
    tree = write(tmp_path / "tree", {f"{number}.mov": b"%d" % number * 200_000 for number in range(4)})
    with faults.failing(1, errno.EIO, names=faults.READING, lasting=True):
        found = crawl(catalog, [tree], workers=1, algorithms=["md5"])
    assert found.failed
    assert found.exit_status != 0
    again = crawl(catalog, [tree], algorithms=["md5"])
    assert (again.failed, again.hashed) == ((), len(found.failed))


def limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process see drives as exFAT has them: no hard links, no symbolic ones, times of two seconds."""
    set_times = os.utime

    def refuse(*names: object, **options: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    def rounded(
        path: object, times: tuple[float, float] | None = None, *, ns: tuple[int, int] | None = None, **options: object
    ) -> None:
        if times is not None:
            ns = (int(times[0] * 1_000_000_000), int(times[1] * 1_000_000_000))
        step = 2_000_000_000
        set_times(path, ns=None if ns is None else (ns[0] // step * step, ns[1] // step * step), **options)  # type: ignore[call-overload]

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(os, "symlink", refuse)
    monkeypatch.setattr(os, "utime", rounded)


def test_a_drive_with_the_limits_of_exfat(tmp_path: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    card = make_card(tmp_path / "A001")
    for number, path in enumerate(card.rglob("*.*")):
        os.utime(path, ns=(1_500_000_001_234_567_890 + number, 1_500_000_001_234_567_890 + number))
    limited(monkeypatch)
    stick = tmp_path / "stick"
    (stick / "photos").mkdir(parents=True)
    done = offload(card, [stick], catalog)
    assert done.exit_status == 0, done.failed
    (copy,) = done.copies
    assert contents(card).items() <= contents(Path(copy.path)).items()
    assert [each.already for each in offload(card, [stick], catalog).copies] == [True]
    assert is_safe(card, catalog, copies=1).safe
    assert verify(Path(copy.path), catalog).exit_status == 0
    write(stick / "drop", {"x/IMG.JPG": b"one", "y/img.jpg": b"two", "z/IMG.png": b"three"})
    taken = ingest(stick / "drop", stick / "photos", catalog)
    assert (taken.failed, len(taken.moved)) == ((), 3)
    undo(stick / "photos")
    tree = write(stick / "tree", {"a.mov": b"same" * 99, "b/A.MOV": b"same" * 99})
    before = contents(tree)
    assert len(sort(lambda: plan_sort([tree], masters=[], quarantine=stick / "q"), stick / "q").moved) == 1
    undo(stick / "q")
    assert contents(tree) == before
    packed = archive([tree], stick / "bd", volume="1000000")
    assert (len(packed.moved), packed.failed) == (2, ())

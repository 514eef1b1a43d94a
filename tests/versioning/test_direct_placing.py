"""The short way of placing files does what the long way does."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("hypothesis")
from hypothesis import given
from hypothesis import strategies as st

from film_archive.core.errors import Damaged, Refused
from film_archive.versioning.disk_names import DiskNames, place_of
from film_archive.versioning.entries import Entry
from film_archive.versioning.placing import How, Placer
from film_archive.versioning.starting import begin
from film_archive.versioning.worktree import WorkTree
from tests.core.mounts import image
from tests.versioning.making import CONTENTS, noise, write

_PARTS = st.sampled_from(
    ["a", "b", "c:", ".", "..", "", ".film-archive", ".FILM-archive", "x\\y", "n\0l", "ä", "a\u0308", "end\n", "l" * 200]
)
_FILES = {
    **{f"a/{name}": data for name, data in CONTENTS.items()},
    **{f"b/{name}": data for name, data in CONTENTS.items()},
    "b/deep/again": CONTENTS["whole"],
    "empty": b"",
    "top": noise(70_000, 4),
}


@given(st.lists(st.lists(_PARTS, min_size=1, max_size=4).map("/".join), max_size=30))
def test_names_are_those_that_are_looked_at_one_by_one(paths: list[str]) -> None:
    names = DiskNames()
    for path in paths:
        found: object
        wanted: object
        try:
            wanted = place_of(Entry(path))
        except Refused as error:
            wanted = str(error)
        try:
            found = "/".join(filter(None, names.of(Entry(path))))
        except Refused as error:
            found = str(error)
        assert found == wanted


def test_raw_names_are_looked_at_one_by_one() -> None:
    names = DiskNames()
    assert names.of(Entry("a/b")) == ("a", "b")
    assert names.of(Entry("a/%FF", more={"raw_name": b"a/\xff".hex()})) == ("a", os.fsdecode(b"\xff"))
    with pytest.raises(Refused, match="raw name"):
        names.of(Entry("a/%FF", more={"raw_name": b"b/\xff".hex()}))


@pytest.fixture
def work(tmp_path: Path) -> Iterator[WorkTree]:
    made = begin(tmp_path / "show")
    assert made is not None
    _fill(made)
    yield made
    made.close()


def _fill(work: WorkTree) -> None:
    write(work.root, _FILES)
    for number, path in enumerate(sorted(_FILES)):
        place = work.root / path
        place.chmod((0o644, 0o400, 0o777)[number % 3])
        os.utime(place, ns=(10**18, 10**18 + number))
    work.add([work.root])
    work.commit("first")


def _placed(work: WorkTree, where: Path, *, read_only: bool = False) -> dict[str, tuple[bytes, int, int, How]]:
    where.mkdir()
    with Placer(work.repository.opened, where, read_only=read_only) as placer:
        made = placer.place(work.repository.entries("main"))
    found = {}
    for one in made:
        status = (where / one.path).stat()
        assert one.seen[:2] == (status.st_size, status.st_mtime_ns)
        found[one.path] = ((where / one.path).read_bytes(), stat.S_IMODE(status.st_mode), status.st_mtime_ns, one.how)
    return found


@pytest.mark.parametrize("read_only", [False, True])
def test_both_ways_make_the_same(work: WorkTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_only: bool) -> None:
    short = _placed(work, tmp_path / "short", read_only=read_only)
    monkeypatch.setattr(Placer, "_takes", lambda self, blob: False)
    assert short == _placed(work, tmp_path / "long", read_only=read_only)
    assert {path: data for path, (data, *_) in short.items()} == _FILES


def test_both_ways_share_the_same_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("film_archive.versioning.direct_placing._WORTH_A_THREAD", 1)
    with image(tmp_path / "disk", "mkfs.xfs", "-m", "reflink=1") as disk:
        work = begin(disk / "show")
        assert work is not None
        _fill(work)
        mask = os.umask(0o077)
        try:
            short = _placed(work, disk / "short")
        finally:
            os.umask(mask)
        monkeypatch.setattr(Placer, "_takes", lambda self, blob: False)
        assert short == _placed(work, disk / "long")
        assert [path for path, (*_, how) in sorted(short.items()) if how is How.SHARED] == ["a/whole", "b/deep/again", "b/whole"]
        work.close()


def test_what_is_damaged_is_found_and_not_left_there(work: WorkTree, tmp_path: Path) -> None:
    entry = next(entry for entry in work.repository.entries("main") if entry.path == "a/packed")
    assert entry.blake3 is not None
    blob = work.repository.opened.contents.find(entry.blake3)
    assert blob is not None
    assert blob.place is not None
    pack = work.repository.opened.store.path_of(blob.place.hex())
    assert pack is not None
    data = bytearray(pack.read_bytes())
    data[(blob.start or 0) + 7] ^= 1
    pack.chmod(0o644)
    pack.write_bytes(data)
    (tmp_path / "out").mkdir()
    with Placer(work.repository.opened, tmp_path / "out") as placer, pytest.raises(Damaged):
        placer.place([entry])
    assert not (tmp_path / "out/a/packed").exists()


def test_a_file_that_is_in_the_way_stops_it(work: WorkTree, tmp_path: Path) -> None:
    write(tmp_path / "out", {"a/packed": b"there"})
    with Placer(work.repository.opened, tmp_path / "out") as placer, pytest.raises(Refused):
        placer.place(work.repository.entries("main"))
    assert (tmp_path / "out/a/packed").read_bytes() == b"there"

"""Duplicates against an obvious oracle; what is linked is none."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("hypothesis")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from film_archive.catalog.catalog import Catalog
from film_archive.core.errors import Damaged, NotFound, UsageError
from film_archive.library import dupe_finder, hashing, listing, workers
from film_archive.library.crawler import Crawler, crawl
from film_archive.library.dupe_finder import DupeFinder, find_duplicates
from film_archive.library.dupe_list import read_list, write_list
from film_archive.library.known_files import known_in
from tests.core.mounts import image
from tests.library.trees import write


def brute(root: Path) -> set[frozenset[str]]:
    """Files with the same bytes, by reading everything."""
    same: dict[bytes, set[str]] = {}
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink() and path.stat().st_size:
            same.setdefault(path.read_bytes(), set()).add(str(path))
    return {frozenset(paths) for paths in same.values() if len(paths) > 1}


def found(root: Path, **options: object) -> set[frozenset[str]]:
    result = find_duplicates([root], **options)  # type: ignore[arg-type]
    assert result.failed == ()
    return {frozenset((each.keep, *each.duplicates)) for each in result.sets}


HEAD = b"h" * (dupe_finder._HEAD_FROM)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Traps: the same size, the same head, a difference at the very end."""
    contents = {
        "a/one.mov": HEAD + b"tail 1",
        "a/two.mov": HEAD + b"tail 1",
        "a/trap.mov": HEAD + b"tail 2",
        "b/three.mov": HEAD + b"tail 1",
        "b/small": b"12345",
        "b/same size": b"54321",
        "b/small again": b"12345",
        "empty 1": b"",
        "empty 2": b"",
        "alone": b"only one of this size",
    }
    return write(tmp_path / "tree", contents)


def test_traps(tree: Path) -> None:
    result = find_duplicates([tree])
    assert found(tree) == brute(tree)
    assert (result.empty, result.files) == (2, 10)
    assert result.wasted == 2 * len(HEAD + b"tail 1") + 5
    big = result.sets[0]
    assert big.keep == str(tree / "a/one.mov")
    assert big.why == "its path is the shortest; all are as old"
    assert big.proof == "read"


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from([f"{d}{n}" for d in ("", "x/", "x/y/") for n in range(5)]), st.binary(max_size=2)))
def test_it_is_what_reading_everything_finds(tmp_path: Path, contents: dict[str, bytes]) -> None:
    root = Path(tempfile.mkdtemp(dir=tmp_path))
    write(root, contents)
    assert found(root) == brute(root)
    assert found(root, compare=True) == brute(root)


@pytest.mark.parametrize("many", [0, 10**9])
def test_many_workers_find_the_same(tree: Path, many: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "_FIRST", 2)
    monkeypatch.setattr(workers, "_MANY_FILES", many)
    monkeypatch.setattr(hashing, "_FILES", 2)
    assert found(tree, workers=2) == brute(tree)


def test_hard_links_waste_nothing(tree: Path) -> None:
    os.link(tree / "alone", tree / "b" / "link")
    os.link(tree / "a/one.mov", tree / "b" / "one.mov")
    result = find_duplicates([tree])
    assert result.linked == 2
    assert all(Path(path).name != "link" for each in result.sets for path in (each.keep, *each.duplicates))
    assert result.wasted == 2 * len(HEAD + b"tail 1") + 5


def test_what_shares_its_blocks_wastes_nothing(tmp_path: Path) -> None:
    with image(tmp_path / "xfs", "mkfs.xfs", "-q", "-m", "reflink=1") as mount:
        data = os.urandom(1 << 20)
        write(mount, {"one": data, "copy": data})
        with (mount / "one").open("rb") as origin, (mount / "clone").open("wb") as clone:
            fcntl.ioctl(clone, 0x40049409, origin.fileno())  # FICLONE
        os.sync()
        result = find_duplicates([mount])
        (each,) = result.sets
        assert result.linked == 1
        assert {each.keep, *each.duplicates} == {str(mount / "clone"), str(mount / "copy")}
        with (mount / "clone").open("r+b") as changed:
            changed.write(data[:4096])  # the same bytes, in a block of its own now
        os.sync()
        assert find_duplicates([mount]).linked == 0


def test_the_master_keeps_then_the_oldest(tree: Path) -> None:
    write(tree, {"old": HEAD + b"tail 1"}, mtime=1_000_000_000)
    each = find_duplicates([tree]).sets[0]
    assert (each.keep, each.why) == (str(tree / "old"), "it is the oldest")
    (tree / "way").symlink_to(tree / "b")  # a master named by another way
    each = find_duplicates([tree], masters=[tree / "way"]).sets[0]
    assert each.keep == str(tree / "b/three.mov")
    assert each.why == f"it is in the master {tree / 'b'}"
    with pytest.raises(NotFound, match="mounted"):
        find_duplicates([tree], masters=[tree / "missing"])


def test_folders_that_are_there_twice(tmp_path: Path) -> None:
    card = {"clip/a.mov": b"a", "clip/a.xml": b"x", "clip/empty": b"", "b.mov": b"bb"}
    root = write(tmp_path / "root", {f"{name}/A001/{path}": data for name in ("one", "two") for path, data in card.items()})
    write(root, {"other/clip/a.mov": b"a", "other/clip/a.xml": b"x", "other/clip/empty": b"", "other/more": b"more"})
    assert [each.folders for each in find_duplicates([root]).folders] == [
        (str(root / "one"), str(root / "two")),
        (str(root / "one/A001/clip"), str(root / "other/clip"), str(root / "two/A001/clip")),
    ]
    write(root, {"two/A001/extra": b"e"})
    assert [len(each.folders) for each in find_duplicates([root]).folders] == [3]


def test_what_a_catalog_has_read_is_not_read_again(tree: Path, tmp_path: Path) -> None:
    with Catalog.open(tmp_path / "c.sqlite") as catalog:
        crawl(catalog, [tree])
    write(tree, {"b/small": b"12345"}, mtime=1_600_000_000)
    with known_in(Catalog.open(tmp_path / "c.sqlite")) as known:
        result = find_duplicates([tree], known=known)
    assert result.read == 1  # the one that was touched
    assert {frozenset((each.keep, *each.duplicates)) for each in result.sets} == brute(tree)
    assert {each.proof for each in result.sets} == {"known"}


def test_from_an_index(tree: Path, tmp_path: Path) -> None:
    Crawler(tree, catalog=tmp_path / "c.sqlite").crawl(tmp_path / "index.json")
    result = DupeFinder(tmp_path / "index.json").find()
    assert {frozenset((each.keep, *each.duplicates)) for each in result.sets} == brute(tree)
    assert result.read == 0
    (tree / "a/two.mov").unlink()
    (tree / "b/small").write_bytes(b"longer than it was")
    result = DupeFinder(tmp_path / "index.json").find()
    assert {Path(failure.path).name for failure in result.failed} == {"two.mov", "small"}
    assert len(result.sets) == 1
    # what the index does not have is read
    both = find_duplicates([write(tmp_path / "more", {"x": b"54321"})], indexes=[tmp_path / "index.json"])
    assert {Path(path).name for each in both.sets for path in (each.keep, *each.duplicates)} >= {"x", "same size"}


def test_a_list_comes_back(tree: Path, tmp_path: Path) -> None:
    write(tree, {os.fsdecode(b"caf\xe9"): b"12345"})
    result = find_duplicates([tree])
    write_list(tmp_path / "dupes.json", result)
    assert read_list(tmp_path / "dupes.json") == result.sets
    for text in ("", "[]", "{}", '{"sets": [1]}', '{"sets": [{"size": 1}]}'):
        (tmp_path / "bad.json").write_text(text)
        with pytest.raises(Damaged):
            read_list(tmp_path / "bad.json")


def test_what_is_unreadable_is_told_and_no_duplicate(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reading = os.read

    def fail(descriptor: int, count: int) -> bytes:
        if os.readlink(f"/proc/self/fd/{descriptor}").endswith("two.mov"):
            raise OSError(5, "Input/output error")
        return reading(descriptor, count)

    monkeypatch.setattr(os, "read", fail)
    result = find_duplicates([tree])
    assert [(Path(failure.path).name, failure.status) for failure in result.failed] == [("two.mov", 6)]
    assert result.exit_status == 12
    assert all("two.mov" not in path for each in result.sets for path in each.duplicates)


def test_nothing_to_look_through() -> None:
    with pytest.raises(UsageError):
        find_duplicates([])
    with pytest.raises(NotFound):
        find_duplicates([Path("/nowhere/at/all")])


def test_a_digest_that_collides_is_told_apart_by_comparing(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if XXH3-128 were broken: `--compare` does not believe it."""

    def collide(batch: list[hashing.Wanted]) -> Iterator[hashing.Read]:
        return iter([hashing.Read({"xxh128": "0" * 32}) for _ in batch])

    monkeypatch.setattr(dupe_finder, "_read_all", collide)
    monkeypatch.setattr(dupe_finder, "_read_heads", collide)
    assert found(tree) != brute(tree)
    assert found(tree, compare=True) == brute(tree)

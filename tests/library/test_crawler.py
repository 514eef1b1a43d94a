"""Crawling: what the catalog says afterwards is what is there; only what changed is read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from film_archive.catalog.catalog import Catalog
from film_archive.catalog.lookup import looking
from film_archive.catalog.rows import Content
from film_archive.core import devices
from film_archive.core.digest import MultiHasher
from film_archive.core.errors import Damaged, NotFound, NotSupported, UsageError
from film_archive.library import crawler, hashing, listing, workers
from film_archive.library.crawler import Crawled, Crawler, crawl
from film_archive.library.index_file import IndexEntry, read_index, write_index
from film_archive.testing import crash
from tests.core.mounts import image, tmpfs
from tests.library.trees import write

TREE = {
    "2019/a.mov": b"a" * 5000,
    "2019/a copy.mov": b"a" * 5000,
    "2020/sound/b.wav": b"b",
    "2020/empty": b"",
    **{f"2020/shot/f.{n:04d}.exr": b"frame %d" % n for n in range(1001, 1021)},
    os.fsdecode(b"2020/caf\xe9.mov"): b"not UTF-8",
}


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with Catalog.open(tmp_path / "catalog.sqlite") as made:
        yield made


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path / "root", TREE)


def content(data: bytes) -> Content:
    hasher = MultiHasher()
    hasher.update(data)
    return Content.of(len(data), hasher.digests())


def known(catalog: Catalog, root: Path) -> dict[str, Content | None]:
    """Path below a root → content, as the catalog has it."""
    located = devices.locate(root)
    holder = catalog.device(located.device)
    with looking(catalog) as lookup:
        return {
            inner[len(located.inner.rstrip("/")) + 1 :]: row.content for inner, row in lookup.files_below(holder, located.inner)
        }


def there(root: Path) -> dict[str, Content]:
    return {
        str(path.relative_to(root)): content(path.read_bytes())
        for path in root.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def test_the_catalog_says_what_is_there(catalog: Catalog, root: Path) -> None:
    found = crawl(catalog, [root])
    assert (found.files, found.hashed, found.failed) == (len(TREE), len(TREE), ())
    assert found.bytes == sum(map(len, TREE.values()))
    assert known(catalog, root) == there(root)
    with looking(catalog) as lookup:
        assert len(lookup.places(content(b"a" * 5000))) == 2
        assert lookup.places(content(b"frame 1007"))[0].sequence == "f.####.exr"


def test_only_what_changed_is_read_again(catalog: Catalog, root: Path) -> None:
    crawl(catalog, [root])
    again = crawl(catalog, [root])
    assert (again.hashed, again.unchanged) == (0, again.folders)
    write(root, {"2020/new": b"new", "2019/a.mov": b"c" * 5000}, mtime=1_600_000_000)
    (root / "2020/shot/f.1005.exr").unlink()
    (root / "2020/sound/b.wav").rename(root / "2019/b.wav")
    (root / "2020/sound").rmdir()
    changed = crawl(catalog, [root])
    assert changed.hashed == 3  # the new one, the changed one, and the one with another name
    assert known(catalog, root) == there(root)
    with looking(catalog) as lookup:
        places = lookup.places(content(b"b"), former=True)
        assert [place.gone is None for place in places] == [True, False]


@pytest.mark.parametrize("many", [0, 10**9])
def test_many_workers_find_the_same(
    catalog: Catalog, root: Path, many: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "_FIRST", 2)
    monkeypatch.setattr(workers, "_MANY_FILES", many)
    monkeypatch.setattr(hashing, "_FILES", 3)
    monkeypatch.setattr(crawler, "_WAVE_FILES", 6)
    assert crawl(catalog, [root], workers=2).hashed == len(TREE)
    assert known(catalog, root) == there(root)


def test_what_changes_on_the_quiet_is_told(catalog: Catalog, root: Path) -> None:
    crawl(catalog, [root])
    path = root / "2019/a.mov"
    status = path.stat()
    with path.open("r+b") as file:
        file.write(b"X")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert crawl(catalog, [root]).failed == ()
    found = crawl(catalog, [root], reread=True)
    assert [failure.path for failure in found.failed] == [str(path)]
    assert found.failed[0].status == 11
    assert found.exit_status == 12
    located = devices.locate(path)
    with looking(catalog) as lookup:
        assert [outcome for _, outcome in lookup.results(catalog.device(located.device), located.inner)] == ["differs"]
        (other,) = [place for place in lookup.places(content(b"a" * 5000)) if place.inner.endswith("copy.mov")]
        assert other.verified is not None


def test_more_digests_are_read_once(catalog: Catalog, root: Path) -> None:
    crawl(catalog, [root])
    assert crawl(catalog, [root], algorithms=["blake3"]).hashed == len(TREE)
    with looking(catalog) as lookup:
        assert "blake3" in lookup.content(content(b"b").xxh128)[0].others
    assert crawl(catalog, [root], algorithms=["blake3"]).hashed == 20  # a sequence's table has no others


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/proc").exists(), reason="nothing is unreadable here")
def test_what_is_no_file_or_cannot_be_read(catalog: Catalog, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(root / "pipe")
    (root / "loop").symlink_to(root)
    (root / "nowhere").symlink_to("missing")
    (root / ".DS_Store").write_bytes(b"junk")
    sparse = root / "sparse"
    with sparse.open("wb") as file:
        file.truncate(3 << 20)
    scan, reading = os.scandir, os.read

    def refuse(path: object) -> object:
        if str(path).endswith("/2019"):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)  # type: ignore[call-overload]

    def fail(descriptor: int, count: int) -> bytes:
        if os.readlink(f"/proc/self/fd/{descriptor}").endswith("b.wav"):
            raise OSError(5, "Input/output error")
        return reading(descriptor, count)

    monkeypatch.setattr(os, "scandir", refuse)
    monkeypatch.setattr(os, "read", fail)
    found = crawl(catalog, [root])
    assert {Path(failure.path).name: failure.status for failure in found.failed} == {"pipe": 5, "2019": 4, "b.wav": 6}
    assert found.exit_status == 12
    monkeypatch.undo()
    assert crawl(catalog, [root]).hashed == 3  # what could be read was kept
    expected = there(root)
    del expected[".DS_Store"]
    assert known(catalog, root) == expected


def test_a_file_that_changes_while_it_is_read_is_not_believed(
    catalog: Catalog, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    victims = {"b.wav": lambda path: path.write_bytes(b"longer than it was"), "a.mov": lambda path: path.unlink()}
    opening = os.open

    def change(path: object, *arguments: object, **options: object) -> int:
        act = victims.pop(Path(str(path)).name, None)
        if act is not None:
            act(Path(str(path)))
        return opening(path, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", change)
    found = crawl(catalog, [root])
    assert {Path(failure.path).name: failure.status for failure in found.failed} == {"b.wav": 11, "a.mov": 3}
    monkeypatch.undo()
    assert crawl(catalog, [root]).failed == ()
    assert known(catalog, root) == there(root)


def test_hard_links_are_read_once(catalog: Catalog, root: Path) -> None:
    os.link(root / "2019/a.mov", root / "2020/link.mov")
    assert crawl(catalog, [root]).hashed == len(TREE)
    assert known(catalog, root) == there(root)


def test_an_absent_drive_is_offline_and_not_forgotten(catalog: Catalog, tmp_path: Path) -> None:
    with image(tmp_path / "drive", "mkfs.ext4", "-q", megabytes=32) as mount:
        write(mount / "card", {"clip.mov": b"clip"})
        crawl(catalog, [mount / "card"])
    found = crawl(catalog, [tmp_path / "drive/card"])
    assert found.offline == (str(tmp_path / "drive/card"),)
    assert found.exit_status == 3
    crawl(catalog, [write(tmp_path / "drive", {"other": b"other"})])  # the folder on which it is mounted
    with looking(catalog) as lookup:
        assert [place.inner for place in lookup.places(content(b"clip"))] == ["/card/clip.mov"]


def test_another_drive_in_a_tree_is_a_device_of_its_own(catalog: Catalog, root: Path) -> None:
    with tmpfs(root / "mounted", "size=1m") as mount:
        write(mount, {"deep/clip.mov": b"clip"})
        found = crawl(catalog, [root])
        assert found.roots == (str(root), str(mount))
        with looking(catalog) as lookup:
            (place,) = lookup.places(content(b"clip"))
        assert place.inner == "/deep/clip.mov"
        assert place.holder.identity == devices.locate(mount).device.identity


def test_recent_folders_are_left(catalog: Catalog, root: Path) -> None:
    crawl(catalog, [root])
    assert crawl(catalog, [root], max_age=3600).recent == (str(root),)
    assert crawl(catalog, [root], max_age=0).roots == (str(root),)


def test_nothing_is_changed_by_a_dry_run(catalog: Catalog, root: Path) -> None:
    found = crawl(catalog, [root], dry_run=True)
    assert found.hashed == len(TREE)
    assert known(catalog, root) == {}


def test_roots_that_are_none(catalog: Catalog, root: Path) -> None:
    with pytest.raises(NotFound):
        crawl(catalog, [root / "missing"])
    with pytest.raises(UsageError, match="not a folder"):
        crawl(catalog, [root / "2019/a.mov"])
    with pytest.raises(UsageError):
        crawl(catalog, [])
    assert crawl(catalog, [root, root / "2019", root]).files == len(TREE)


@pytest.mark.parametrize("name", ["index.json", "index.csv"])
def test_the_index_has_path_hash_and_size(root: Path, tmp_path: Path, name: str) -> None:
    found = Crawler(root, catalog=tmp_path / "c.sqlite").crawl(tmp_path / name)
    assert found.index == str(tmp_path / name)
    entries = list(read_index(tmp_path / name))
    assert {entry.path: (entry.hash, entry.size) for entry in entries} == {
        str(root / path): (each.xxh128.hex(), each.size) for path, each in there(root).items()
    }


def test_indexes_that_are_none(tmp_path: Path) -> None:
    for text in ("", "{}", "[1]", '[{"path": "a"}]', '[{"path": "a", "hash": "zz", "size": 1}]', "[{"):
        (tmp_path / "i.json").write_text(text)
        with pytest.raises(Damaged):
            list(read_index(tmp_path / "i.json"))
    (tmp_path / "i.csv").write_text("path,hash,size\na,b\n")
    with pytest.raises(Damaged):
        list(read_index(tmp_path / "i.csv"))
    with pytest.raises(NotSupported):
        write_index(tmp_path / "i.xml", [])
    assert write_index(tmp_path / "i.json", []) == 0
    assert list(read_index(tmp_path / "i.json")) == []
    entry = IndexEntry(path=os.fsdecode(b"\xff"), hash="0" * 32, size=1)
    write_index(tmp_path / "i.json", [entry])
    assert list(read_index(tmp_path / "i.json")) == [entry]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="killing needs fork")
def test_a_killed_crawl_is_gone_on_with(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crawler, "_WAVE_FILES", 2)
    path = tmp_path / "job" / "c.sqlite"

    def work() -> Crawled:
        with Catalog.open(path) as catalog:
            return crawl(catalog, [root], workers=1)

    def prepare() -> None:
        for left in path.parent.glob("*"):
            left.unlink()

    def whole() -> None:
        if path.exists():
            with Catalog.open(path) as catalog:
                assert known(catalog, root).items() <= there(root).items()

    def complete() -> None:
        with Catalog.open(path) as catalog:
            assert known(catalog, root) == there(root)

    assert crash.kill_often(work, 12, prepare=prepare, after_kill=whole, after_rerun=complete) >= 3

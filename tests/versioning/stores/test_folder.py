"""Objects in a folder."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from film_archive.core import files
from film_archive.core.errors import FilmArchiveError, NoSpace
from film_archive.core.source import FileSource, MemorySource
from film_archive.testing import faults
from film_archive.versioning.stores.folder import FolderStore
from film_archive.versioning.stores.store import ObjectStore
from tests.versioning.making import noise
from tests.versioning.stores.suite import StoreSuite


class TestFolderStore(StoreSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> ObjectStore:
        return FolderStore(tmp_path / "content")

    def again(self, store: ObjectStore) -> ObjectStore:
        assert isinstance(store, FolderStore)
        return FolderStore(store.folder)

    def test_a_kill_leaves_what_can_be_removed(self, store: ObjectStore) -> None:
        self.put(store, b"data")
        other = self.again(store)
        [left] = other.unfinished()
        assert left.size == 4
        other.remove_unfinished(left)
        assert other.unfinished() == []

    def test_objects_can_not_be_written(self, store: ObjectStore) -> None:
        self.put(store, b"data")
        store.settle()
        assert isinstance(store, FolderStore)
        [place] = store.folder.glob("??/*")
        assert place.stat().st_mode & 0o777 == 0o444

    def test_two_hundred_are_not_two_hundred_syncs(self, store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
        synced = []
        monkeypatch.setattr(files, "sync_file_system", lambda descriptor: synced.append("all") or True)
        monkeypatch.setattr(files, "sync", lambda descriptor: synced.append("one"))
        for number in range(120):
            self.put(store, b"%d" % number)
        store.settle()
        assert synced.count("all") == 2
        assert "one" not in synced[2:]

    def test_bytes_reach_the_disk_before_the_name(self, store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
        order: list[str] = []
        self.put(store, b"first, which makes the folders")
        store.settle()
        rename = files.rename_unsynced
        monkeypatch.setattr(files, "sync", lambda descriptor: order.append("bytes"))
        monkeypatch.setattr(files, "sync_folder", lambda folder: order.append("names"))
        monkeypatch.setattr(files, "rename_unsynced", lambda *places: (order.append("name"), rename(*places)))
        self.put(store, b"data")
        store.settle()
        assert order == ["bytes", "name", *["names"] * order.count("names")]
        assert "names" in order

    @pytest.mark.parametrize("number", range(12))
    def test_a_disk_that_is_full_leaves_no_half_object(self, store: ObjectStore, tmp_path: Path, number: int) -> None:
        data = noise(1_000_000, 3)
        (tmp_path / "file").write_bytes(data)
        failure: FilmArchiveError | None = None
        try:
            with faults.failing(number, errno.ENOSPC, lasting=True):
                with FileSource(tmp_path / "file") as source:
                    store.put(source)
                store.settle()
        except FilmArchiveError as error:
            failure = error
        assert failure is None or (isinstance(failure, NoSpace) and str(tmp_path) in str(failure))
        store.forget()
        for thing in store.stored():
            with store.source(thing.address, "it") as found:
                assert found.read_at(0, found.size) == data
        assert store.unfinished() == []
        store.put(MemorySource(data))
        store.settle()
        assert len(list(store.stored())) == 1

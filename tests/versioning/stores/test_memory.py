"""The twin in memory keeps what it is measured by."""

from __future__ import annotations

import pytest

from film_archive.versioning.stores.store import ObjectStore
from tests.versioning.stores.memory import MemoryStore, Shelf
from tests.versioning.stores.suite import StoreSuite


class TestMemoryStore(StoreSuite):
    @pytest.fixture
    def store(self) -> ObjectStore:
        return MemoryStore(Shelf())

    def again(self, store: ObjectStore) -> ObjectStore:
        assert isinstance(store, MemoryStore)
        return MemoryStore(store.shelf)

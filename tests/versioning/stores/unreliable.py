"""A store that fails, repeats and sees late: what a network does, in front of a store that does none of it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping

from film_archive.core.errors import StorageError
from film_archive.core.source import ByteSource
from film_archive.versioning.stores.store import ObjectStore, OnBytes, Stored


class UnreliableStore(ObjectStore):
    """One operation in `one_in` raises, before or after it was done; what was settled is seen some questions later."""

    def __init__(self, store: ObjectStore, seed: int, *, one_in: int = 6, late: int = 2) -> None:
        self._store = store
        self._dice = random.Random(seed)
        self._one_in = one_in
        self._late = late
        self._unseen: dict[str, int] = {}
        self.name = store.name
        self.failures = 0

    def _fails(self) -> bool:
        if self._dice.randrange(self._one_in):
            return False
        self.failures += 1
        return True

    def _failure(self) -> StorageError:
        return StorageError(f"The connection to {self.name} was lost; try again.")

    def put(self, source: ByteSource, *, on_bytes: OnBytes | None = None) -> Mapping[str, str]:
        if self._fails():
            raise self._failure()
        digests = self._store.put(source, on_bytes=on_bytes)
        if not self._dice.randrange(3):
            self._store.put(source)  # a request that was repeated though it had arrived
        if self._fails():
            raise self._failure()
        self._unseen.setdefault(digests["blake3"], self._late)
        return digests

    def settle(self) -> None:
        if self._fails():
            raise self._failure()
        self._store.settle()
        if self._fails():
            raise self._failure()

    def forget(self) -> None:
        self._store.forget()

    def has(self, address: str) -> bool:
        if self._unseen.get(address, 0) > 0:  # eventually
            self._unseen[address] -= 1
            return False
        return self._store.has(address)

    def source(self, address: str, name: str) -> ByteSource:
        if self._fails():
            raise self._failure()
        return self._store.source(address, name)

    def stored(self) -> Iterator[Stored]:
        return (thing for thing in self._store.stored() if self._unseen.get(thing.address, 0) <= 0)

    def remove(self, address: str) -> None:
        if self._fails():
            raise self._failure()
        self._store.remove(address)
        if self._fails():
            raise self._failure()

    def unfinished(self) -> list[Stored]:
        return self._store.unfinished()

    def remove_unfinished(self, left: Stored) -> None:
        self._store.remove_unfinished(left)

    def owner(self) -> str | None:
        return self._store.owner()

    def set_owner(self, owner: str) -> None:
        self._store.set_owner(owner)

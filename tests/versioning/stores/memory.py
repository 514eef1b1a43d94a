"""A store in memory: what the others do, as simply as can be. Stores that are opened on one `shelf` have the same objects."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from film_archive.core.digest import blake3_of, key_of
from film_archive.core.errors import Damaged
from film_archive.core.source import ByteSource, MemorySource
from film_archive.versioning.stores.store import ObjectStore, OnBytes, Stored


@dataclass
class Shelf:
    objects: dict[str, tuple[bytes, float]] = field(default_factory=dict)
    owner: str | None = None


class MemoryStore(ObjectStore):
    name = "memory"

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self._waiting: dict[str, bytes] = {}

    def put(self, source: ByteSource, *, on_bytes: OnBytes | None = None) -> Mapping[str, str]:
        data = source.read_at(0, source.size)
        source.check_unchanged()
        if on_bytes is not None:
            on_bytes(len(data))
        address = blake3_of(data).hex()
        self._waiting[address] = data
        return {"blake3": address, "xxh128": key_of(data).hex()}

    def settle(self) -> None:
        for address, data in self._waiting.items():
            self.shelf.objects.setdefault(address, (data, time.time()))
        self._waiting = {}

    def forget(self) -> None:
        self._waiting = {}

    def has(self, address: str) -> bool:
        return address in self.shelf.objects

    def source(self, address: str, name: str) -> ByteSource:
        self._require(address)
        if address not in self.shelf.objects:
            raise Damaged(f"The content of {name} is missing from memory.")
        return MemorySource(self.shelf.objects[address][0], name)

    def stored(self) -> Iterator[Stored]:
        return iter([Stored(address, len(data), at) for address, (data, at) in sorted(self.shelf.objects.items())])

    def remove(self, address: str) -> None:
        self._require(address)
        self.shelf.objects.pop(address, None)

    def unfinished(self) -> list[Stored]:
        return []

    def remove_unfinished(self, left: Stored) -> None:
        raise AssertionError("there is never anything unfinished")

    def owner(self) -> str | None:
        return self.shelf.owner

    def set_owner(self, owner: str) -> None:
        self.shelf.owner = self.shelf.owner or owner

    @staticmethod
    def _require(address: str) -> None:
        if len(address) != 64 or not set(address) <= set("0123456789abcdef"):
            raise Damaged(f"{address!r} is not the address of anything in memory.")

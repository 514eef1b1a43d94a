"""What a store of objects offers: immutable bytes, each under the BLAKE3 of its own content.

The order that all promise: what `put` was given is durable and can be seen after `settle`, not before; an address that can
be seen has its whole object. Tests of all stores are one suite, `tests/versioning/stores/suite.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from film_archive.core.source import ByteSource

OnBytes = Callable[[int], None]


class Stored(NamedTuple):
    """An object that is there."""

    address: str
    """BLAKE3, 64 hex digits."""
    size: int
    modified: float
    """When it was written, in seconds since 1970."""


class ObjectStore(ABC):
    """A place for objects. Several processes may put the same object at once."""

    name: str
    """What a person calls it."""

    @abstractmethod
    def put(self, source: ByteSource, *, on_bytes: OnBytes | None = None) -> Mapping[str, str]:
        """Store all bytes of a source, read once where the store can; returns its `blake3` and `xxh128`.

        Raises SourceChanged where the source was written to meanwhile, NoSpace.
        """

    @abstractmethod
    def settle(self) -> None:
        """Make everything durable and visible that was put since the last time."""

    @abstractmethod
    def forget(self) -> None:
        """Drop what was put and not settled."""

    @abstractmethod
    def has(self, address: str) -> bool:
        """Whether an object is there."""

    @abstractmethod
    def source(self, address: str, name: str) -> ByteSource:
        """An object's bytes; `name` is how errors call them. Raises Damaged where it is missing."""

    def path_of(self, address: str) -> Path | None:
        """The file that an object is, there or not; None where objects are no files."""
        return None

    def size_of(self, address: str, name: str) -> int:
        """An object's size; raises Damaged where it is missing."""
        with self.source(address, name) as source:
            return source.size

    @abstractmethod
    def stored(self) -> Iterator[Stored]:
        """Everything that is there."""

    @abstractmethod
    def remove(self, address: str) -> None:
        """Remove an object; one that is not there is no error."""

    @abstractmethod
    def unfinished(self) -> list[Stored]:
        """What killed processes left; only to be asked while nobody puts. `address` is a name of the store's own."""

    @abstractmethod
    def remove_unfinished(self, left: Stored) -> None:
        """Remove one of those."""

    @abstractmethod
    def owner(self) -> str | None:
        """Whose contents these are, if that was ever said: the id of a repository."""

    @abstractmethod
    def set_owner(self, owner: str) -> None:
        """Say whose contents these will be; nothing is changed where that was said before."""

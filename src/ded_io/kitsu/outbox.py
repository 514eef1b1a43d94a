"""The outbox: publications that wait until Kitsu has them, a file each, in the order in which they were put there.

A publication is put here before Kitsu is asked anything, and removed when Kitsu has all of it; so neither a server that is
down nor a kill loses one. A file appears whole and durable, or not at all. What is registered is published again without
harm (`publishing`). Nothing that lets anybody log in is in it.

    00000007-5d1f3ac94e0b1f62.json     the seventh; the digest is of the server and what is published (`Publication.key`)
    .lock, .making, .shots-3f          held while the outbox is changed, sequences are made, shots are published
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ded_io.kitsu.publication import Publication
from film_archive.core import files
from film_archive.core.digest import key_of
from film_archive.core.errors import Damaged, FilmArchiveError, Refused, from_os_error
from film_archive.core.job import Failure
from film_archive.core.records import Record
from film_archive.core.source import printable

SCHEMA_VERSION = 1
_NAME = re.compile(r"(\d{8,})-([0-9a-f]{16})\.json")
_LARGEST = 16 << 20
"""Bytes of an entry; more is not ours."""
_STRIPES = 64
"""Locks for shots: two shots may share one and then wait for each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry(Record):
    """A publication that waits."""

    schema_version: int = SCHEMA_VERSION
    """Of the file."""
    host: str
    """The server that it is for."""
    since: str
    """When it was put here, UTC."""
    publication: Publication
    """What is to be registered."""


@dataclass(frozen=True, slots=True)
class Pending:
    """An entry and the file that it stands in."""

    path: Path
    content: bytes
    entry: Entry


@dataclass(frozen=True, slots=True)
class Waiting:
    """What an outbox holds: entries in order, and files that can't be read, which stay where they are."""

    pending: tuple[Pending, ...]
    unreadable: tuple[Failure, ...]


class Outbox:
    """A folder of publications that wait. Several processes may use it at the same time."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def put(self, publication: Publication, host: str) -> Pending:
        """Keep a publication for a server; the same version that waits already is replaced where it stands."""
        files.make_folders(self.directory)
        digest = _digest(host, publication)
        with self._locked(".lock"):
            there = {match[2]: match for match in self._names()}
            match = there.get(digest)
            number = 1 + max((int(each[1]) for each in there.values()), default=0) if match is None else int(match[1])
            since = datetime.now(UTC).isoformat(timespec="seconds")
            entry = Entry(host=host, since=since, publication=publication)
            content = json.dumps(entry.to_json(), indent=1, ensure_ascii=False).encode("utf-8", "surrogateescape")
            path = self.directory / f"{number:08d}-{digest}.json"
            files.write_atomically(path, content, replace=True)
        return Pending(path, content, entry)

    def read(self) -> Waiting:
        """Everything that waits, in the order in which it was put here; an outbox that is not there is empty."""
        pending, unreadable = [], []
        for match in self._names():
            path = self.directory / match[0]
            try:
                found = _read(path)
            except FilmArchiveError as error:
                unreadable.append(Failure.of(printable(path), error))
                continue
            if found is not None:
                pending.append(found)
        return Waiting(tuple(pending), tuple(unreadable))

    def again(self, pending: Pending) -> Pending | None:
        """An entry as it stands now; None where another process has published it. Raises Damaged."""
        return _read(pending.path)

    def remove(self, pending: Pending) -> bool:
        """Remove an entry, unless another one with the same name has replaced it meanwhile; returns whether it is gone."""
        with self._locked(".lock"):
            found = _content(pending.path)
            if found is not None and found != pending.content:
                return False
            files.remove(pending.path)
            files.sync_folder(self.directory)
        return True

    @contextlib.contextmanager
    def publishing(self, publication: Publication) -> Iterator[None]:
        """Let nobody else publish of this shot while the block lasts; waits until that is so."""
        stripe = key_of(publication.shot_key.encode("utf-8", "surrogatepass"))[0] % _STRIPES
        with self._locked(f".shots-{stripe:02x}"):
            yield

    def making(self) -> AbstractContextManager[None]:
        """Let nobody else make what several shots share while the block lasts."""
        return self._locked(".making")

    def _names(self) -> list[re.Match[str]]:
        try:
            names = os.listdir(self.directory)  # noqa: PTH208  names are what is matched
        except FileNotFoundError:
            return []
        except OSError as error:
            raise from_os_error(error, f"read {printable(self.directory)}") from error
        return sorted(filter(None, map(_NAME.fullmatch, names)), key=lambda match: (int(match[1]), match[2]))

    @contextlib.contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        path = self.directory / name
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        except OSError as error:
            raise from_os_error(error, f"lock {printable(path)}") from error
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            except OSError as error:
                raise Refused(
                    f"{printable(self.directory)} is on a file system without locks; let FILM_ARCHIVE_STATE name another folder."
                ) from error
            try:
                yield
            finally:
                fcntl.flock(descriptor, fcntl.LOCK_UN)  # closing is not enough where a fork has the descriptor too
        finally:
            os.close(descriptor)


def _digest(host: str, publication: Publication) -> str:
    return key_of(f"{host}\n{publication.key}".encode("utf-8", "surrogatepass")).hex()[:16]


def _content(path: Path) -> bytes | None:
    """A file's bytes; None where it has gone."""
    try:
        with open(path, "rb") as file:
            return file.read(_LARGEST + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise from_os_error(error, f"read {printable(path)}") from error


def _read(path: Path) -> Pending | None:
    content = _content(path)
    if content is None:
        return None  # published by another process since the folder was read
    damaged = f"{printable(path)} is not what was put into the outbox; it was left there, ingest its shot again and remove it."
    if len(content) > _LARGEST:
        raise Damaged(damaged)
    try:
        entry = Entry.from_json(json.loads(content))
    except (ValueError, RecursionError, FilmArchiveError) as error:
        raise Damaged(damaged) from error
    return Pending(path, content, entry)

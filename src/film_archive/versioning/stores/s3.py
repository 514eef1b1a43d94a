"""Objects in a bucket.

    objects/ab/cdef…      an object, under its address
    links/ab/cdef…        of a large one: the name under `large` that has its bytes
    large/NAME            what was uploaded while its address was still being computed: it is read once
    owners/NAME           the address that a large one has
    repository            whose contents these are

Objects and links are only ever stored where there is none. The order is large, owner, link: what has a link is whole. A kill
leaves a large one without a link, which `unfinished` finds; and parts of an upload, which only a rule of the bucket removes
(AbortIncompleteMultipartUpload).
"""

from __future__ import annotations

import contextlib
import re
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from queue import SimpleQueue
from typing import NamedTuple

from film_archive.core.digest import KEY, MultiHasher, read_ahead
from film_archive.core.errors import Damaged, FilmArchiveError, SourceChanged
from film_archive.core.source import ByteSource
from film_archive.storage.objects import Bucket
from film_archive.versioning.entries import ADDRESS
from film_archive.versioning.stores.reading import BlockCache, BucketSource
from film_archive.versioning.stores.store import ObjectStore, OnBytes, Stored

_HEX = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[0-9a-f]{32}")
SMALL = 8 << 20
"""Objects of at most so many bytes wait in memory until they are settled."""
_MOST_WAITING = 16 << 20
"""Bytes that wait; when there are more, threads store them while the next are read."""
_MOST_ON_THE_WAY = 16
"""Objects that were handed to those threads and are not stored yet."""
_THREADS = 8
_KNOWN = 20_000
"""Objects of which it is remembered where they are."""
_MARK = "repository"


class _Where(NamedTuple):
    """The key and the size of an object's bytes."""

    key: str
    size: int


class S3Store(ObjectStore):
    """What lies below a prefix of a bucket."""

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self.name = bucket.name
        self._waiting: dict[str, bytes] = {}
        self._uploaded: dict[str, str] = {}
        self._storing: _Storing | None = None
        self._guard = threading.RLock()
        self._known: OrderedDict[str, _Where] = OrderedDict()
        self._blocks = BlockCache()

    # putting

    def put(self, source: ByteSource, *, on_bytes: OnBytes | None = None) -> Mapping[str, str]:
        hasher = MultiHasher((KEY, ADDRESS))
        if source.size > SMALL:
            name = secrets.token_hex(16)
            self.bucket.upload(_large(name), _blocks(source, hasher, on_bytes), source.size)
            digests = hasher.digests()
            with self._guard:
                self._uploaded[name] = digests[ADDRESS]
            return digests
        data = b"".join(_blocks(source, hasher, on_bytes))
        digests = hasher.digests()
        with self._guard:
            self._waiting[digests[ADDRESS]] = data
            if self._storing is None and sum(map(len, self._waiting.values())) > _MOST_WAITING:
                self._storing = _Storing()
            if self._storing is not None:
                waiting, self._waiting = self._waiting, {}
                for work in self._puts(waiting):
                    self._storing.do(work)
        return digests

    def settle(self) -> None:
        with self._guard:
            waiting, self._waiting = self._waiting, {}
            self._finish_storing()
            links = [partial(self._link, name, address) for name, address in self._uploaded.items()]
            together([*self._puts(waiting), *links])  # where it fails, `forget` drops what has no link
            self._uploaded = {}

    def _puts(self, waiting: Mapping[str, bytes]) -> list[Callable[[], object]]:
        return [partial(self.bucket.put_new, _object(address), data) for address, data in waiting.items()]

    def _finish_storing(self) -> None:
        storing, self._storing = self._storing, None
        if storing is not None:
            storing.finish()

    def _link(self, name: str, address: str) -> None:
        self.bucket.put_new(_owner(name), address.encode())
        if not self.bucket.put_new(_link(address), name.encode()) and self.bucket.read(_link(address)) != name.encode():
            self._remove_large(name)  # another was quicker with the same content

    def forget(self) -> None:
        with self._guard:
            self._waiting = {}
            uploaded, self._uploaded = self._uploaded, {}
            with contextlib.suppress(FilmArchiveError):  # it is to be dropped anyway
                self._finish_storing()
        for name, address in uploaded.items():
            with contextlib.suppress(FilmArchiveError):  # what can't be removed now has no link, and `unfinished` finds it
                if self.bucket.read(_link(address)) != name.encode():
                    self._remove_large(name)

    # asking

    def has(self, address: str) -> bool:
        _require(address, self.name)
        return self._find(address) is not None

    def source(self, address: str, name: str) -> ByteSource:
        _require(address, self.name)
        with self._guard:
            where = self._known.get(address)
        if where is None:
            where = self._find(address)
            if where is None:
                raise Damaged(f"The content of {name} is missing from {self.name}; restore {address} from a copy of it.")
            with self._guard:
                self._known[address] = where
                if len(self._known) > _KNOWN:
                    self._known.popitem(last=False)
        return BucketSource(self.bucket, where.key, where.size, name, self._blocks)

    def _find(self, address: str) -> _Where | None:
        found = self.bucket.find(_object(address))
        if found is not None:
            return _Where(found.key, found.size)
        name = self._linked(address)
        found = None if name is None else self.bucket.find(_large(name))
        return None if found is None else _Where(found.key, found.size)

    def _linked(self, address: str) -> str | None:
        data = self.bucket.read(_link(address))
        if data is None:
            return None
        name = data.decode("ascii", "replace")
        if not _NAME.fullmatch(name):
            raise Damaged(f"The link {address} in {self.name} leads nowhere; restore it from a copy.")
        return name

    def stored(self) -> Iterator[Stored]:
        found: set[str] = set()
        for one in self.bucket.list("objects/"):
            address = _address(one.key)
            if address is not None:
                found.add(address)
                yield Stored(address, one.size, one.modified)
        links = [link for one in self.bucket.list("links/") if (link := _address(one.key)) is not None and link not in found]
        if links:
            sizes = {one.key: one for one in self.bucket.list("large/")}
            for address, name in zip(links, self._names(links), strict=True):
                large = None if name is None else sizes.get(_large(name)) or self.bucket.find(_large(name))
                if large is not None:
                    yield Stored(address, large.size, large.modified)

    def _names(self, links: Sequence[str]) -> list[str | None]:
        """The names under `large` that links lead to, None for those that lead nowhere."""
        names: list[str | None] = [None] * len(links)

        def look(at: int) -> None:
            data = self.bucket.read(_link(links[at]))
            names[at] = None if data is None else data.decode("ascii", "replace")

        together([partial(look, at) for at in range(len(links))])
        return names

    # removing

    def remove(self, address: str) -> None:
        _require(address, self.name)
        with self._guard:
            self._known.pop(address, None)
        data = self.bucket.read(_link(address))
        self.bucket.remove(_object(address))
        if data is not None:
            self.bucket.remove(_link(address))
            name = data.decode("ascii", "replace")
            if _NAME.fullmatch(name):
                self._remove_large(name)

    def _remove_large(self, name: str) -> None:
        self.bucket.remove(_large(name))
        self.bucket.remove(_owner(name))

    def unfinished(self) -> list[Stored]:
        waiting = [one for one in self.bucket.list("large/") if _NAME.fullmatch(one.key.partition("/")[2])]
        if not waiting:
            return []
        links = [link for one in self.bucket.list("links/") if (link := _address(one.key)) is not None]
        linked = set(self._names(links))
        found = []
        for one in waiting:
            name = one.key.partition("/")[2]
            if name not in linked and not self._is_linked(name):
                found.append(Stored(name, one.size, one.modified))
        return found

    def _is_linked(self, name: str) -> bool:
        """Whether a large one has a link, without asking a list, which may be of a moment ago."""
        owner = self.bucket.read(_owner(name))
        address = "" if owner is None else owner.decode("ascii", "replace")
        return bool(_HEX.fullmatch(address)) and self.bucket.read(_link(address)) == name.encode()

    def remove_unfinished(self, left: Stored) -> None:
        if _NAME.fullmatch(left.address) and not self._is_linked(left.address):
            self._remove_large(left.address)

    # whose it is

    def owner(self) -> str | None:
        data = self.bucket.read(_MARK)
        return None if data is None else data.decode("utf-8", "replace").strip()

    def set_owner(self, owner: str) -> None:
        self.bucket.put_new(_MARK, f"{owner}\n".encode())


class _Storing:
    """Threads that do works meanwhile, a bounded number of them at once."""

    def __init__(self) -> None:
        self._todo: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._done: SimpleQueue[BaseException | None] = SimpleQueue()
        self._under_way = 0
        self._error: BaseException | None = None
        for _ in range(_THREADS):
            threading.Thread(target=_do_all, args=(self._todo, self._done), name="object store", daemon=True).start()

    def do(self, work: Callable[[], object]) -> None:
        """Have a work done; raises what an earlier one raised."""
        while self._under_way >= _MOST_ON_THE_WAY:
            self._hear()
        if self._error is not None:
            raise self._error
        self._under_way += 1
        self._todo.put(work)

    def _hear(self) -> None:
        error = self._done.get()
        self._under_way -= 1
        self._error = self._error or error

    def finish(self) -> None:
        """Wait for all; raises what one of them raised."""
        try:
            while self._under_way:
                self._hear()
        finally:
            for _ in range(_THREADS):
                self._todo.put(None)
        if self._error is not None:
            raise self._error


def _do_all(todo: SimpleQueue[Callable[[], object] | None], done: SimpleQueue[BaseException | None]) -> None:
    while (work := todo.get()) is not None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001  raised by who waits
            done.put(error)
        else:
            done.put(None)


def _blocks(source: ByteSource, hasher: MultiHasher, on_bytes: OnBytes | None) -> Iterator[bytes]:
    """A source's bytes once, digested on the way; raises SourceChanged at the end, before anybody takes it for whole."""
    for block in read_ahead(source, while_reading=hasher.update):
        if on_bytes is not None:
            on_bytes(len(block))
        yield bytes(block)  # the buffer is used again while these bytes are on their way
    source.check_unchanged()
    if hasher.size != source.size:
        raise SourceChanged(f"{source.name} changed while it was read; nothing was stored of it.")


def together(works: Sequence[Callable[[], object]]) -> None:
    """Do works in several threads at once; all that were begun end, and the first error is raised."""
    if len(works) <= 1:
        for work in works:
            work()
        return
    todo: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
    errors: list[BaseException] = []

    def worker() -> None:
        while (work := todo.get()) is not None:
            if errors:
                continue
            try:
                work()
            except BaseException as error:  # noqa: BLE001  raised by who waits
                errors.append(error)

    for work in works:
        todo.put(work)
    threads = [threading.Thread(target=worker, name="object store", daemon=True) for _ in range(min(_THREADS, len(works)))]
    for _ in threads:
        todo.put(None)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def _require(address: str, name: str) -> None:
    if not _HEX.fullmatch(address):
        raise Damaged(f"{address[:80]!r} is not the address of anything in {name}.")


def _object(address: str) -> str:
    return f"objects/{address[:2]}/{address[2:]}"


def _link(address: str) -> str:
    return f"links/{address[:2]}/{address[2:]}"


def _large(name: str) -> str:
    return f"large/{name}"


def _owner(name: str) -> str:
    return f"owners/{name}"


def _address(key: str) -> str | None:
    """The address that an object or a link is under."""
    address = "".join(key.split("/")[1:])
    return address if _HEX.fullmatch(address) else None

"""A folder as a burn-ready UDF image, and reading an image back with a program that is not ours.

Sectors 16–18 recognition, 32–63 the volume's descriptors and their copy, 64–65 integrity, 256 the first anchor; from 257 the
partition: the file set, entries and folders' lines, then the files' bytes, in the order of their paths; the second anchor is
the last sector. The whole is a multiple of 32 sectors, a BD's unit of writing, so that a burner adds nothing behind it.
"""

from __future__ import annotations

import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from film_archive.core import files, programs
from film_archive.core.digest import KEY, MultiHasher
from film_archive.core.errors import Damaged, NoSpace, NotSupported, SourceChanged, from_os_error
from film_archive.core.source import FileSource, printable
from film_archive.library import udf
from film_archive.library.listing import join

_MAIN, _RESERVE, _INTEGRITY, _ANCHOR, _START = 32, 48, 64, 256, 257
_UNIT = 32
_BLOCK = 1 << 20
_FIRST_UNIQUE = 16
"""UDF 3.2.1.1: lower numbers are kept; the root's is 0."""
OVERHEAD = (_START + 2 + 2 * _UNIT) * udf.SECTOR
"""Bytes that an image takes beside its files, their entries and their lines, at most."""
READER = "7z"
_HINT = "install it (Debian's package is p7zip-full): an image is only kept when a second reader has read it back"


@dataclass(eq=False, slots=True)
class _Node:
    """A file or a folder, and where it lies."""

    path: str
    name: str | None
    mtime: float
    size: int = 0
    children: list[_Node] | None = None
    """None for a file."""
    unique: int = 0
    entry: int = 0
    data: int = 0
    identity: tuple[int, int, int] = (0, 0, 0)

    @property
    def is_folder(self) -> bool:
        return self.children is not None


@dataclass(frozen=True, slots=True)
class ImageLayout:
    """Where everything lies in an image."""

    name: str
    root: _Node = field(repr=False)
    nodes: tuple[_Node, ...] = field(repr=False)
    sectors: int

    @property
    def size(self) -> int:
        """Bytes of the image."""
        return self.sectors * udf.SECTOR


def plan_image(folder: Path, name: str) -> ImageLayout:
    """Where everything of a folder will lie; raises NotSupported for names and sizes that UDF has no room for."""
    root = _scanned(os.fspath(folder), None)
    nodes = list(_all(root))
    for number, node in enumerate(nodes[1:], _FIRST_UNIQUE):
        node.unique = number
    block = 2
    for node in nodes:
        node.entry, block = block, block + 1
    for wanted in (True, False):
        for node in nodes:
            if node.is_folder is wanted:
                udf.extents(block, node.size)
                node.data, block = block, block + udf.blocks(node.size)
    sectors = _START + block + 1
    return ImageLayout(name, root, tuple(nodes), -(-sectors // _UNIT) * _UNIT)


def write_image(
    layout: ImageLayout,
    target: Path,
    *,
    replace: bool = False,
    on_bytes: Callable[[int], None] | None = None,
    check: Callable[[Path, dict[str, str]], None] = lambda image, digests: None,
) -> dict[str, str]:
    """Write an image whole or not at all; returns path below the folder → XXH3-128 of the bytes that went into it.

    `check` is given the image before it has its name, and these digests; what it raises leaves none.
    Raises NoSpace before the first byte, SourceChanged where a file is not what it was.
    """
    files.require_space(target.parent, layout.size, f"Making the image {printable(target)}")
    digests: dict[str, str] = {}
    with files.AtomicFile(target, replace=replace) as new:
        writer = _Writer(layout, new.file.fileno(), target)
        writer.structures()
        for node in layout.nodes:
            if not node.is_folder:
                digests[node.path[len(layout.root.path.rstrip("/")) + 1 :]] = writer.content(node, on_bytes)
        writer.end()
        files.sync(new.file.fileno())
        files.drop_cache(new.file.fileno())
        check(new.temporary, digests)
        new.commit()
    return digests


def _scanned(path: str, name: str | None) -> _Node:
    status = Path(path).lstat()
    node = _Node(path, name, status.st_mtime)
    if stat.S_ISREG(status.st_mode):
        node.size = status.st_size
        node.identity = (status.st_size, status.st_mtime_ns, status.st_ino)
        return node
    if not stat.S_ISDIR(status.st_mode):
        raise NotSupported(f"{printable(path)} is no file, and can't be on a disc; move it elsewhere, then make the image.")
    try:
        with os.scandir(path) as scan:
            names = sorted(each.name for each in scan if not files.is_temporary_name(each.name))
    except OSError as error:
        raise from_os_error(error, f"read the folder {printable(path)}") from error
    node.children = [_scanned(join(path, each), each) for each in names]
    node.size = udf.line_size(None) + sum(udf.line_size(each) for each in names)
    return node


def _all(node: _Node) -> Iterator[_Node]:
    waiting = [node]
    while waiting:
        each = waiting.pop()
        yield each
        waiting += reversed(each.children or ())


class _Writer:
    def __init__(self, layout: ImageLayout, descriptor: int, target: Path) -> None:
        self._layout = layout
        self._descriptor = descriptor
        self._target = target
        now = time.time()
        self._made = udf.stamp(now)
        self._names = udf.VolumeNames(layout.name, secrets.token_hex(8), self._made)

    def _put(self, data: bytes | memoryview, sector: int, offset: int = 0) -> None:
        with files.explaining(
            f"write {printable(self._target)}", needed=lambda: len(data), folder=self._target.parent, state="nothing was changed"
        ):
            files.write_at(self._descriptor, data, sector * udf.SECTOR + offset)

    def structures(self) -> None:
        """All but the files' bytes."""
        layout = self._layout
        length = layout.sectors - 1 - _START
        self._put(udf.recognition(), 16)
        for first in (_MAIN, _RESERVE):
            self._put(udf.volume_descriptors(first, self._names, _START, length, _INTEGRITY), first)
        folders = sum(node.is_folder for node in layout.nodes)
        closed = udf.integrity(
            _INTEGRITY, self._names, length, len(layout.nodes) - folders, folders, _FIRST_UNIQUE + len(layout.nodes)
        )
        self._put(closed, _INTEGRITY)
        self._put(udf.anchor(_ANCHOR, _MAIN, _RESERVE), _ANCHOR)
        self._put(udf.file_set(self._names, layout.root.entry), _START)
        self._folder(layout.root, layout.root)
        for node in layout.nodes:
            self._entry(node)
            for child in node.children or ():
                if child.is_folder:
                    self._folder(child, node)

    def _entry(self, node: _Node) -> None:
        links = 1 + sum(child.is_folder for child in node.children) if node.children is not None else 1
        made = udf.entry(
            node.entry,
            udf.extents(node.data, node.size),
            is_folder=node.is_folder,
            links=links,
            unique=node.unique,
            modified=udf.stamp(node.mtime),
            made=self._made,
        )
        self._put(made, _START + node.entry)

    def _folder(self, node: _Node, above: _Node) -> None:
        made = bytearray(udf.line(node.data, None, above.entry, is_folder=True, unique=above.unique))
        for child in node.children or ():
            block = node.data + len(made) // udf.SECTOR
            made += udf.line(block, child.name, child.entry, is_folder=child.is_folder, unique=child.unique)
        self._put(bytes(made), _START + node.data)

    def content(self, node: _Node, on_bytes: Callable[[int], None] | None) -> str:
        """A file's bytes; returns their XXH3-128."""
        hasher = MultiHasher()
        with FileSource(node.path) as source:
            status = source.status
            if (status.st_size, status.st_mtime_ns, status.st_ino) != node.identity:
                raise SourceChanged(f"{source.name} changed while the image was made; no image was kept. Try again.")
            while hasher.size < node.size:
                block = source.read_at(hasher.size, min(_BLOCK, node.size - hasher.size))
                self._put(block, _START + node.data, hasher.size)
                hasher.update(block)
                if on_bytes is not None:
                    on_bytes(len(block))
            source.check_unchanged()
        return hasher.digests()[KEY]

    def end(self) -> None:
        last = self._layout.sectors - 1
        self._put(udf.anchor(last, _MAIN, _RESERVE), last)


def require_reader() -> None:
    """Raise NotSupported where the second reader is not installed."""
    programs.require(READER, _HINT)


def read_back(image: Path, digests: dict[str, str], *, on_bytes: Callable[[int], None] | None = None) -> None:
    """Read all files of an image with the second reader; raises Damaged where one is not there, or has other bytes."""
    require_reader()
    listed = _listed(image)
    expected = set(digests)
    if {path for path, _ in listed} != expected:
        wrong = sorted({path for path, _ in listed} ^ expected)
        raise Damaged(f"{READER} finds other files in the image {printable(image)} than went into it: {printable(wrong[0])}.")
    splitter = _Splitter(listed, on_bytes)
    done = programs.run(
        [READER, "x", "-so", "-tudf", "-bd", "--", image],
        timeout=120,
        progress=lambda: splitter.taken,
        on_output=splitter,
    )
    done.require_success()
    for path, found in splitter.finished():
        if found != digests[path]:
            raise Damaged(f"{READER} reads other bytes of {printable(path)} from {printable(image)} than went into it.")


def _listed(image: Path) -> list[tuple[str, int]]:
    """(path, size) of the files, in the order in which the second reader gives them out."""
    done = programs.run([READER, "l", "-slt", "-tudf", "-ba", "-sccUTF-8", "--", image], timeout=600, most_output=1 << 30)
    done.require_success()
    found: list[tuple[str, int]] = []
    for block in done.output.decode("utf-8", "surrogateescape").replace("\r\n", "\n").split("\n\n"):
        values = dict(row.split(" = ", 1) for row in block.split("\n") if " = " in row)
        if "Path" in values and values.get("Folder") != "+":
            found.append((values["Path"], int(values["Size"] or 0)))
    return found


class _Splitter:
    """Takes the bytes of all files, one after the other, and makes the digest of each."""

    def __init__(self, listed: list[tuple[str, int]], on_bytes: Callable[[int], None] | None) -> None:
        self._left = iter(listed)
        self._on_bytes = on_bytes
        self._digests: list[tuple[str, str]] = []
        self._path = ""
        self._size = 0
        self._hasher: MultiHasher | None = None
        self.taken = 0
        self._next()

    def _next(self) -> None:
        """Begin the next file; those without bytes are over at once."""
        while self._hasher is None or self._hasher.size == self._size:
            if self._hasher is not None:
                self._digests.append((self._path, self._hasher.digests()[KEY]))
            self._path, self._size = next(self._left, ("", -1))
            self._hasher = MultiHasher()

    def __call__(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            assert self._hasher is not None
            if self._size < 0:
                raise Damaged(f"{READER} gives out more bytes of the image than the files in it have.")
            part = view[: self._size - self._hasher.size]
            self._hasher.update(part)
            view = view[len(part) :]
            self._next()
        self.taken += len(data)
        if self._on_bytes is not None:
            self._on_bytes(len(data))

    def finished(self) -> list[tuple[str, str]]:
        if self._size >= 0:
            raise Damaged(f"{READER} gives out too few bytes of the image; {printable(self._path)} is cut short.")
        return self._digests


def make_image(
    folder: Path, target: Path, *, room: int, replace: bool = False, on_bytes: Callable[[int], None] | None = None
) -> int:
    """Make an image of a folder, read it back, and return its size; raises NoSpace where it is larger than `room` bytes.

    An image has its name only when it has read back right.
    """
    layout = plan_image(folder, folder.name)
    if layout.size > room:
        raise NoSpace(
            f"The image of {printable(folder)} would have {layout.size} bytes, the volume {room}; no image was made. "
            "Archive onto larger volumes."
        )
    write_image(layout, target, replace=replace, on_bytes=on_bytes, check=partial(read_back, on_bytes=on_bytes))
    return layout.size

"""What an index describes: files, folders and links of a volume, and where the bytes of files lie.

A `Tree` holds a million files in a few hundred megabytes: a file is kept packed and made into a `TapeFile` when it is
asked for.
"""

from __future__ import annotations

import marshal
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from film_archive.core.errors import NotFound, Refused
from film_archive.core.source import printable
from film_archive.tape.ltfs.names import tape_name

ROOT_UID = 1


class Location(NamedTuple):
    """A block as an index names it: the partition by its letter in the label ("a", "b")."""

    partition: str
    block: int


class Times(NamedTuple):
    """The five times of a file or folder, in nanoseconds since 1970."""

    created: int
    changed: int
    modified: int
    accessed: int
    backed_up: int

    @classmethod
    def all_of(cls, moment: int) -> Times:
        return cls(moment, moment, moment, moment, moment)


class TapeExtent(NamedTuple):
    """A run of a file's bytes: from `byte_offset` of a record on, through full records. All in bytes and blocks."""

    file_offset: int
    partition: str
    start_block: int
    byte_offset: int
    byte_count: int

    @property
    def file_end(self) -> int:
        return self.file_offset + self.byte_count

    def blocks(self, block_size: int) -> int:
        """How many records the run touches."""
        return -(-(self.byte_offset + self.byte_count) // block_size)


class TapeAttribute(NamedTuple):
    """An extended attribute, under the name that it has in the index: without Linux's "user."."""

    key: str
    value: bytes


@dataclass(frozen=True, slots=True)
class TapeFile:
    """A file, or with a `target` a symbolic link."""

    uid: int
    length: int
    times: Times
    extents: tuple[TapeExtent, ...] = ()
    attributes: tuple[TapeAttribute, ...] = ()
    readonly: bool = False
    target: str | None = None
    open_for_write: bool = False
    """The writer of the index had not finished this file."""
    unknown: tuple[str, ...] = ()
    """Elements that this version does not know, as XML; they are written again."""

    def attribute(self, key: str) -> bytes | None:
        return next((attribute.value for attribute in self.attributes if attribute.key == key), None)

    @property
    def digests(self) -> dict[str, str]:
        """What the `ltfs.hash.…` attributes say, under our names of the algorithms."""
        found = {}
        for attribute in self.attributes:
            name = DIGEST_NAMES.get(attribute.key)
            if name is not None:
                found[name] = attribute.value.decode("ascii", "replace").strip().lower()
        return found


DIGEST_KEYS = {
    "sha256": "ltfs.hash.sha256sum",
    "sha1": "ltfs.hash.sha1sum",
    "sha512": "ltfs.hash.sha512sum",
    "md5": "ltfs.hash.md5sum",
    "crc32": "ltfs.hash.crc32sum",
    "xxh128": "ltfs.hash.xxhash128sum",
    "xxh3": "ltfs.hash.xxhash3sum",
    "xxh64": "ltfs.hash.xxhash64sum",
    "blake3": "ltfs.hash.blake3sum",
}
"""Annex F of the format names the first five; the others follow what archiving programs write."""
DIGEST_NAMES = {key: name for name, key in DIGEST_KEYS.items()}


@dataclass(frozen=True, slots=True)
class TapeFolder:
    """A folder without what is in it."""

    uid: int
    times: Times
    attributes: tuple[TapeAttribute, ...] = ()
    readonly: bool = False
    unknown: tuple[str, ...] = ()


@dataclass(slots=True, eq=False)
class Node:
    """A folder with what is in it: name → folder, or file in its packed form."""

    folder: TapeFolder
    children: dict[str, Node | bytes] = field(default_factory=dict)


def pack(file: TapeFile) -> bytes:
    """A file in few bytes, for this process only."""
    return marshal.dumps(
        (
            *(file.uid, file.length, tuple(file.times), [tuple(extent) for extent in file.extents]),
            *([tuple(one) for one in file.attributes], file.readonly, file.target, file.open_for_write, file.unknown),
        )
    )


def unpack(packed: bytes) -> TapeFile:
    """What `pack` packed."""
    uid, length, times, extents, attributes, readonly, target, open_for_write, unknown = marshal.loads(packed)
    return TapeFile(
        uid,
        length,
        Times(*times),
        tuple(TapeExtent(*one) for one in extents),
        tuple(TapeAttribute(*one) for one in attributes),
        readonly,
        target,
        open_for_write,
        unknown,
    )


class Tree:
    """Everything on a volume. Paths are relative, with `/`, in the form that `tape_name` gives their parts."""

    def __init__(self, root: TapeFolder, highest_uid: int = ROOT_UID) -> None:
        self.root = Node(root)
        self.highest_uid = highest_uid
        self.files = 0
        """Files and links."""
        self.folders = 0

    def next_uid(self) -> int:
        """A file number that was never given on this volume."""
        self.highest_uid += 1
        return self.highest_uid

    def node(self, path: str) -> Node:
        """A folder with its children; "" is the root. Raises NotFound."""
        node: Node | bytes = self.root
        for part in path.split("/") if path else ():
            found = node.children.get(part) if isinstance(node, Node) else None
            if found is None:
                raise NotFound(f"There is no folder {printable(path)} on the volume.")
            node = found
        if not isinstance(node, Node):
            raise NotFound(f"{printable(path)} is a file on the volume, not a folder.")
        return node

    def get(self, path: str) -> TapeFile | TapeFolder | None:
        """What has this path, or None."""
        parent, _, name = path.rpartition("/")
        try:
            found = self.node(parent).children.get(name) if path else self.root
        except NotFound:
            return None
        return found.folder if isinstance(found, Node) else None if found is None else unpack(found)

    def file(self, path: str) -> TapeFile:
        """The file of this path; raises NotFound."""
        found = self.get(path)
        if not isinstance(found, TapeFile):
            raise NotFound(f"There is no file {printable(path)} on the volume.")
        return found

    def add_folder(self, path: str, times: Times, **more: object) -> str:
        """Make a folder, and those above it, where they are not there yet; returns its path on the volume.

        Raises Refused where a file has the name, NotSupported where it can't be on tape.
        """
        node = self.root
        parts = tape_path(path)
        for depth, part in enumerate(parts):
            found = node.children.get(part)
            if found is None:
                details = more if depth == len(parts) - 1 else {}
                found = Node(replace(TapeFolder(self.next_uid(), times), **details))  # type: ignore[arg-type]
                node.children[part] = found
                self.folders += 1
            if not isinstance(found, Node):
                raise Refused(f"{printable('/'.join(parts[: depth + 1]))} is a file on the volume; no folder was made.")
            node = found
        return "/".join(parts)

    def check_free(self, path: str) -> str:
        """The path on the volume of something new; raises Refused where it is taken, NotSupported where impossible."""
        parts = tape_path(path)
        if not parts:
            raise Refused("The root of a volume is there already; nothing was changed.")
        node: Node | bytes | None = self.root
        for depth, part in enumerate(parts):
            node = node.children.get(part) if isinstance(node, Node) else None
            if node is None:
                return "/".join(parts)
            if depth == len(parts) - 1 or not isinstance(node, Node):
                raise Refused(f"{printable('/'.join(parts[: depth + 1]))} is on the volume already; nothing was changed.")
        raise AssertionError("unreachable: the last part returns or raises")

    def add_file(self, path: str, file: TapeFile) -> str:
        """Put a file in its folder, which is made where it is not there; returns its path on the volume."""
        path = self.check_free(path)
        parent, _, name = path.rpartition("/")
        self.add_folder(parent, file.times)
        self.node(parent).children[name] = pack(file)
        self.files += 1
        return path

    def replace_file(self, path: str, file: TapeFile) -> None:
        """Give a file other facts (attributes, for instance)."""
        self.file(path)
        parent, _, name = path.rpartition("/")
        self.node(parent).children[name] = pack(file)

    def remove_file(self, path: str) -> None:
        """Take a file out of the index; its records stay on the tape."""
        self.file(path)
        parent, _, name = path.rpartition("/")
        del self.node(parent).children[name]
        self.files -= 1

    def walk(self) -> Iterator[tuple[str, TapeFile | TapeFolder]]:
        """(path, what it is) of everything below the root, folders before what is in them, in the order of the index."""
        stack = [("", iter(self.root.children.items()))]
        while stack:
            prefix, children = stack[-1]
            for name, child in children:
                path = f"{prefix}{name}"
                if isinstance(child, Node):
                    yield path, child.folder
                    stack.append((f"{path}/", iter(child.children.items())))
                    break
                yield path, unpack(child)
            else:
                stack.pop()

    def all_files(self) -> Iterator[tuple[str, TapeFile]]:
        """(path, file) of all files and links."""
        return ((path, found) for path, found in self.walk() if isinstance(found, TapeFile))


def tape_path(path: str) -> list[str]:
    """The parts of a path as they stand on tape; raises NotSupported where one can't."""
    return [tape_name(part) for part in path.split("/")] if path else []

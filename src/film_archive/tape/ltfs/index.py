"""`Index`: everything an index says of a volume, and the XML that says it.

LTFS Format Specification 2.4, 9.2. Written as version 2.4.0, as a stream, one file after the other.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from xml.sax.saxutils import quoteattr

from film_archive.tape.ltfs.label import CREATOR, VERSION
from film_archive.tape.ltfs.names import escape, is_xml_text, name_element
from film_archive.tape.ltfs.times import format_time
from film_archive.tape.ltfs.tree import Location, Node, TapeAttribute, TapeFile, TapeFolder, Times, Tree, unpack

_CHUNK = 1 << 18


@dataclass(frozen=True, slots=True)
class IndexProblem:
    """Something that an index has against the format, though what it means can be told."""

    what: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class Index:
    """One generation of a volume's index."""

    volume_uuid: str
    generation: int
    updated: int
    """Nanoseconds since 1970."""
    tree: Tree
    volume_name: str = ""
    location: Location | None = None
    """Where this index says it begins."""
    previous: Location | None = None
    """Where it says that the newest older one on the data partition begins (of this generation, on the index partition)."""
    comment: str = ""
    creator: str = CREATOR
    version: str = VERSION
    allow_policy_update: bool = True
    lock_state: str | None = "unlocked"
    policy: str = ""
    """`<dataplacementpolicy>`, as XML."""
    attributes: tuple[tuple[str, str], ...] = ()
    """Attributes of the root element but for the version: namespaces that unknown elements need."""
    unknown: tuple[str, ...] = ()
    problems: tuple[IndexProblem, ...] = ()

    def located(self, location: Location, previous: Location | None) -> Index:
        """The same index as it stands at another place."""
        return replace(self, location=location, previous=previous)


def encode_index(index: Index) -> Iterator[bytes]:
    """The XML of an index, in pieces of about 256 KiB."""
    return _joined(_index(index))


def size_in_index(name: str, entry: TapeFile | TapeFolder) -> int:
    """Bytes that a file, or a folder without what is in it, takes in an index."""
    if isinstance(entry, TapeFile):
        return len(_file(name, entry).encode())
    return len(_folder_begin(name, entry).encode()) + len("</contents></directory>\n") + sum(map(len, entry.unknown)) * 4


def in_records(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Bytes cut into records: all of the full size but the last."""
    waiting = bytearray()
    for chunk in chunks:
        waiting += chunk
        while len(waiting) >= size:
            yield bytes(waiting[:size])
            del waiting[:size]
    if waiting:
        yield bytes(waiting)


def _joined(parts: Iterable[str]) -> Iterator[bytes]:
    waiting: list[str] = []
    size = 0
    for part in parts:
        waiting.append(part)
        size += len(part)
        if size >= _CHUNK:
            yield "".join(waiting).encode("utf-8")
            waiting.clear()
            size = 0
    yield "".join(waiting).encode("utf-8")


def _index(index: Index) -> Iterator[str]:
    others = "".join(f" {name}={quoteattr(value)}" for name, value in index.attributes)
    yield f'<?xml version="1.0" encoding="UTF-8"?>\n<ltfsindex version="{VERSION}"{others}>\n'
    yield f"<creator>{escape(index.creator)}</creator>\n"
    if index.comment:
        yield f"<comment>{escape(index.comment)}</comment>\n"
    yield f"<volumeuuid>{index.volume_uuid}</volumeuuid>\n<generationnumber>{index.generation}</generationnumber>\n"
    yield f"<updatetime>{format_time(index.updated)}</updatetime>\n"
    if index.location is not None:
        yield f"<location>{_place(index.location)}</location>\n"
    if index.previous is not None:
        yield f"<previousgenerationlocation>{_place(index.previous)}</previousgenerationlocation>\n"
    yield f"<allowpolicyupdate>{_boolean(index.allow_policy_update)}</allowpolicyupdate>\n{index.policy}"
    yield f"<highestfileuid>{index.tree.highest_uid}</highestfileuid>\n"
    if index.lock_state is not None:
        yield f"<volumelockstate>{index.lock_state}</volumelockstate>\n"
    yield from index.unknown
    yield from _tree(index.tree.root, index.volume_name)
    yield "</ltfsindex>\n"


def _place(location: Location) -> str:
    return f"<partition>{location.partition}</partition><startblock>{location.block}</startblock>"


def _tree(root: Node, volume_name: str) -> Iterator[str]:
    """All folders and files, without recursion: trees of strangers may be deep."""
    yield _folder_begin(volume_name, root.folder)
    stack = [(root.folder, iter(root.children.items()))]
    while stack:
        folder, children = stack[-1]
        for name, child in children:
            if isinstance(child, Node):
                yield _folder_begin(name, child.folder)
                stack.append((child.folder, iter(child.children.items())))
                break
            yield _file(name, unpack(child))
        else:
            yield f"</contents>{''.join(folder.unknown)}</directory>\n"
            stack.pop()


def _folder_begin(name: str, folder: TapeFolder) -> str:
    return (
        f"<directory>{name_element('name', name)}<readonly>{_boolean(folder.readonly)}</readonly>"
        f"{_times(folder.times)}<fileuid>{folder.uid}</fileuid>{_attributes(folder.attributes)}<contents>\n"
    )


def _file(name: str, file: TapeFile) -> str:
    open_for_write = "<openforwrite>true</openforwrite>" if file.open_for_write else ""
    content = _extents(file) if file.target is None else name_element("symlink", file.target)
    return (
        f"<file>{name_element('name', name)}<length>{file.length}</length><readonly>{_boolean(file.readonly)}</readonly>"
        f"{open_for_write}{_times(file.times)}<fileuid>{file.uid}</fileuid>{_attributes(file.attributes)}"
        f"{content}{''.join(file.unknown)}</file>\n"
    )


def _extents(file: TapeFile) -> str:
    if not file.extents:
        return ""
    inside = "".join(
        f"<extent><fileoffset>{extent.file_offset}</fileoffset><partition>{extent.partition}</partition>"
        f"<startblock>{extent.start_block}</startblock><byteoffset>{extent.byte_offset}</byteoffset>"
        f"<bytecount>{extent.byte_count}</bytecount></extent>"
        for extent in file.extents
    )
    return f"<extentinfo>{inside}</extentinfo>"


def _times(times: Times) -> str:
    created, changed, modified, accessed, backed_up = map(format_time, times)
    return (
        f"<creationtime>{created}</creationtime><changetime>{changed}</changetime><modifytime>{modified}</modifytime>"
        f"<accesstime>{accessed}</accesstime><backuptime>{backed_up}</backuptime>"
    )


def _attributes(attributes: tuple[TapeAttribute, ...]) -> str:
    if not attributes:
        return ""
    inside = "".join(f"<xattr>{name_element('key', one.key)}{_value(one.value)}</xattr>" for one in attributes)
    return f"<extendedattributes>{inside}</extendedattributes>"


def _value(value: bytes) -> str:
    """Text where it is text that XML keeps as it is, else base64."""
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        text = None
    if text is None or not is_xml_text(text) or text != text.strip():
        return f'<value type="base64">{base64.b64encode(value).decode("ascii")}</value>'
    return f'<value type="text">{escape(text)}</value>'


def _boolean(value: bool) -> str:
    return "true" if value else "false"

"""Reading the XML of an index, as a stream: a million files in bounded memory, and none of a stranger's tricks.

What is written against the format but can be understood (a time with fewer digits, a missing or repeated number of a
file) becomes a problem in the list, since the bytes of a film are worth more than the form of their index. Elements that
are not known are kept as they are. What can't be understood raises Damaged.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from enum import Enum
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from film_archive.core.errors import Damaged, FilmArchiveError
from film_archive.core.source import printable
from film_archive.tape.ltfs.index import Index, IndexProblem
from film_archive.tape.ltfs.label import require_uuid, require_version
from film_archive.tape.ltfs.names import escape, percent_decoded
from film_archive.tape.ltfs.times import parse_time
from film_archive.tape.ltfs.tree import (
    ROOT_UID,
    Location,
    Node,
    TapeAttribute,
    TapeExtent,
    TapeFile,
    TapeFolder,
    Times,
    Tree,
    pack,
    unpack,
)
from film_archive.tape.ltfs.usual_files import without_usual_files

_DEEPEST = 4096
"""Elements inside each other: folders 2,000 deep, where no system's paths reach."""
_LONGEST_TEXT = 1 << 20
_MOST_PROBLEMS = 1000
_LARGEST = 1 << 64

_TIMES = ("creationtime", "changetime", "modifytime", "accesstime", "backuptime")


class _Kind(Enum):
    """What an element is, which says what may stand in it."""

    DOCUMENT = "document"
    INDEX = "ltfsindex"
    LOCATION = "location"
    FOLDER = "directory"
    CONTENTS = "contents"
    FILE = "file"
    ATTRIBUTES = "extendedattributes"
    ATTRIBUTE = "xattr"
    EXTENTS = "extentinfo"
    EXTENT = "extent"
    TEXT = "text"


def _texts(*tags: str) -> dict[str, _Kind]:
    return dict.fromkeys(tags, _Kind.TEXT)


_INSIDE: Mapping[_Kind, Mapping[str, _Kind]] = {
    _Kind.DOCUMENT: {"ltfsindex": _Kind.INDEX},
    _Kind.INDEX: {
        **_texts("creator", "comment", "volumeuuid", "generationnumber", "updatetime"),
        **_texts("allowpolicyupdate", "highestfileuid", "volumelockstate"),
        "location": _Kind.LOCATION,
        "previousgenerationlocation": _Kind.LOCATION,
        "directory": _Kind.FOLDER,
    },
    _Kind.LOCATION: _texts("partition", "startblock"),
    _Kind.FOLDER: {
        **_texts("name", "readonly", "fileuid", *_TIMES),
        "extendedattributes": _Kind.ATTRIBUTES,
        "contents": _Kind.CONTENTS,
    },
    _Kind.CONTENTS: {"directory": _Kind.FOLDER, "file": _Kind.FILE},
    _Kind.FILE: {
        **_texts("name", "length", "readonly", "fileuid", "symlink", "openforwrite", *_TIMES),
        "extendedattributes": _Kind.ATTRIBUTES,
        "extentinfo": _Kind.EXTENTS,
    },
    _Kind.ATTRIBUTES: {"xattr": _Kind.ATTRIBUTE},
    _Kind.ATTRIBUTE: _texts("key", "value"),
    _Kind.EXTENTS: {"extent": _Kind.EXTENT},
    _Kind.EXTENT: _texts("fileoffset", "partition", "startblock", "byteoffset", "bytecount"),
    _Kind.TEXT: {},
}
_RECORDS = {_Kind.INDEX, _Kind.LOCATION, _Kind.FOLDER, _Kind.FILE, _Kind.ATTRIBUTE, _Kind.EXTENT}
"""Elements whose texts are gathered."""


_NAME_ENCODINGS = {("percentencoded", "true"): True, ("percentencoded", "1"): True} | {
    ("percentencoded", no): False for no in ("false", "0")
}
_ENCODINGS: Mapping[str, Mapping[tuple[str, str], bool]] = {
    **dict.fromkeys(("name", "key", "symlink"), _NAME_ENCODINGS),
    "value": {("type", "base64"): True, ("type", "text"): False},
}

class _Record:
    """The texts of an element, and what stood in it."""

    __slots__ = ("attributes", "children", "encoded", "extents", "texts", "unknown")

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.encoded: set[str] = set()
        """Texts that were marked as encoded: names, or values in base64."""
        self.attributes: list[TapeAttribute] = []
        self.extents: list[TapeExtent] = []
        self.children: dict[str, Node | bytes] = {}
        self.unknown: list[str] = []


def read_index(chunks: Iterable[bytes], name: str = "The index") -> Index:
    """The index that these bytes are; `name` is what errors call it.

    Raises Damaged where it is not one, or breaks off, NotSupported where its version is not known.
    """
    return _Reader(name).read(chunks)


class _Reader:
    def __init__(self, name: str, *, fast: bool = True) -> None:
        self._name = name
        self._fast = fast
        self._kinds = [_Kind.DOCUMENT]
        self._records = [_Record()]
        self._version = ""
        self._root_attributes: tuple[tuple[str, str], ...] = ()
        self._locations: dict[str, Location] = {}
        self._root: Node | None = None
        self._volume_name = ""
        self._uids: set[int] = set()
        self._without_uid: list[tuple[dict[str, Node | bytes], str]] = []
        self._files = 0
        self._folders = 0
        self._problems: list[IndexProblem] = []
        self._more_problems = 0
        self._header: _Record | None = None
        self._in_unknown = False
        self._declared = False
        self._ends: Mapping[_Kind, Callable[[_Record, str], None]] = {
            _Kind.LOCATION: self._end_location,
            _Kind.EXTENT: self._end_extent,
            _Kind.ATTRIBUTE: self._end_attribute,
            _Kind.FILE: self._end_file,
            _Kind.FOLDER: self._end_folder,
            _Kind.INDEX: self._end_index,
        }

    def read(self, chunks: Iterable[bytes]) -> Index:
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._doctype
        parser.XmlDeclHandler = self._declaration
        text = self._handle(parser)
        try:
            for chunk in self._unusual(chunks) if self._fast else chunks:
                parser.Parse(chunk, False)
                if len(text) > 1 and sum(map(len, text)) > _LONGEST_TEXT:
                    raise Damaged(f"{self._name} has a text of more than {_LONGEST_TEXT} signs.")
            parser.Parse(b"", True)
        except (expat.ExpatError, ValueError, LookupError) as error:
            if isinstance(error, FilmArchiveError):
                raise
            raise Damaged(f"{self._name} is not readable as XML: {error}.") from error
        finally:  # the handlers refer to this, and this to a whole tree
            parser.StartElementHandler = parser.EndElementHandler = parser.CharacterDataHandler = None
        return self._result()

    def _unusual(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        return without_usual_files(chunks, self._take, lambda: self._kinds[-1] is _Kind.CONTENTS)

    def _doctype(self, name: str, *_: object) -> None:
        raise Damaged(f"{self._name} declares a document type ({name[:40]}), which no index does.")

    def _declaration(self, version: str, encoding: str | None, standalone: int) -> None:
        if (encoding or "").upper() != "UTF-8":
            raise Damaged(f"{self._name} does not say that its encoding is UTF-8.")
        self._declared = True
        if encoding != "UTF-8" or version != "1.0":
            self._problem(f"It declares XML {version} in {encoding}", "")

    # Events

    def _handle(self, parser: expat.XMLParserType) -> list[str]:
        """Give the parser its handlers; returns the list in which it gathers text.

        The handlers are closures and not methods: they run seventy million times for a million files.
        """
        text: list[str] = []
        within: str | None = None
        """The element of text that is being read."""
        allowed = _INSIDE[_Kind.DOCUMENT]
        texts = self._records[-1].texts
        kinds, records, is_text = self._kinds, self._records, _Kind.TEXT

        def start(tag: str, attributes: dict[str, str]) -> None:
            nonlocal within, allowed, texts
            kind = allowed.get(tag)
            if within is not None:
                raise Damaged(f"{self._name} has a <{tag[:40]}> in the text of <{within}>.")
            if text:
                self._between(text)
            if kind is is_text:
                within = tag
                if attributes and self._is_encoded(tag, attributes):
                    records[-1].encoded.add(tag)
            elif kind is None:
                self._start_unknown(parser, text, tag, attributes)
            else:
                self._begin(kind, attributes)
                allowed, texts = _INSIDE[kind], records[-1].texts

        def end(tag: str) -> None:
            nonlocal within, allowed, texts
            if within is not None:
                if tag in texts:
                    raise Damaged(f"{self._name} has two <{tag}> in one element.")
                texts[tag] = text[0] if len(text) == 1 else "".join(text)
                text.clear()
                within = None
                return
            if text:
                self._between(text)
            kind = kinds.pop()
            if kind in _RECORDS:
                self._ends[kind](records.pop(), tag)
            allowed, texts = _INSIDE[kinds[-1]], records[-1].texts

        parser.StartElementHandler = start
        parser.EndElementHandler = end
        parser.CharacterDataHandler = text.append
        return text

    def _between(self, text: list[str]) -> None:
        """Text between elements: nothing but blanks belongs there."""
        if any(not piece.isspace() for piece in text):
            self._problem(f"There is text between elements: {''.join(text)[:40]!r}", "")
        text.clear()

    def _is_encoded(self, tag: str, attributes: dict[str, str]) -> bool:
        """Whether the attributes of an element of text say that it is a name with %XX, or base64."""
        given = next(iter(attributes.items()))
        if len(attributes) == 1 and given in _ENCODINGS.get(tag, {}):
            return _ENCODINGS[tag][given]
        self._problem(f"A <{tag}> has attributes that are not known", "")
        return attributes.get("percentencoded") == "true" or attributes.get("type") == "base64"

    def _begin(self, kind: _Kind, attributes: dict[str, str]) -> None:
        if len(self._kinds) > _DEEPEST:
            raise Damaged(f"{self._name} is nested more than {_DEEPEST} deep.")
        self._kinds.append(kind)
        if kind in _RECORDS:
            self._records.append(_Record())
        if kind is _Kind.INDEX:
            self._version = require_version(attributes.pop("version", ""), "index")
            self._root_attributes = tuple(attributes.items())
        elif attributes:
            self._problem(f"A <{kind.value}> has attributes that are not known", "")

    def _start_unknown(
        self, parser: expat.XMLParserType, text: list[str], tag: str, attributes: dict[str, str]
    ) -> None:
        """Keep an element that is not known as it stands, with other handlers until it ends."""
        if self._kinds[-1] is _Kind.DOCUMENT:
            raise Damaged(f"{self._name} is a <{tag[:40]}> and not an <ltfsindex>.")
        pieces = [_opening(tag, attributes)]
        depth = 1
        self._in_unknown = True
        before = parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler

        def start(tag: str, attributes: dict[str, str]) -> None:
            nonlocal depth
            depth += 1
            if depth > _DEEPEST:
                raise Damaged(f"{self._name} is nested more than {_DEEPEST} deep.")
            pieces.append(_opening(tag, attributes))

        def end(tag: str) -> None:
            nonlocal depth
            depth -= 1
            pieces.append(f"</{tag}>")
            if depth == 0:
                self._records[-1].unknown.append("".join(pieces))
                text.clear()
                self._in_unknown = False
                parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = before

        parser.StartElementHandler = start
        parser.EndElementHandler = end
        parser.CharacterDataHandler = lambda data: pieces.append(escape(data))

    # Usual files

    def _take(self, name: str, file: TapeFile) -> bool:
        """Take a usual file as `_end_file` would, or leave it to that (False) where there is anything to say about it."""
        if self._kinds[-1] is not _Kind.CONTENTS or self._in_unknown or self._before(2):
            return False
        children = self._records[-1].children
        if file.uid in self._uids or name in children:
            return False
        self._uids.add(file.uid)
        children[name] = pack(file)
        self._files += 1
        return True

    # Elements

    def _end_location(self, record: _Record, tag: str) -> None:
        if tag in self._locations:
            raise Damaged(f"{self._name} has two <{tag}>.")
        self._locations[tag] = Location(self._letter(record), self._number(record, "startblock", tag))

    def _end_extent(self, record: _Record, tag: str) -> None:
        extents = self._records[-1].extents
        behind = extents[-1].file_end if extents else 0
        extents.append(
            TapeExtent(
                file_offset=behind if self._before(2) else self._number(record, "fileoffset", tag),
                partition=self._letter(record),
                start_block=self._number(record, "startblock", tag),
                byte_offset=self._number(record, "byteoffset", tag),
                byte_count=self._number(record, "bytecount", tag),
            )
        )

    def _end_attribute(self, record: _Record, tag: str) -> None:
        value = record.texts.get("value", "")
        if "value" in record.encoded:
            try:
                content = base64.b64decode("".join(value.split()), validate=True)
            except (binascii.Error, ValueError) as error:
                raise Damaged(f"{self._name} has an extended attribute that is not base64: {error}.") from error
        else:
            content = value.encode("utf-8", "surrogatepass")
        self._records[-1].attributes.append(TapeAttribute(self._named(record, "key"), content))

    def _end_file(self, record: _Record, tag: str) -> None:
        name = self._named(record, "name")
        target = self._named(record, "symlink") if "symlink" in record.texts else None
        file = TapeFile(
            uid=self._uid(record, name),
            length=self._number(record, "length", tag),
            times=self._times(record, name),
            extents=tuple(sorted(record.extents)),
            attributes=tuple(record.attributes),
            readonly=self._boolean(record, "readonly", name, False),
            target=target,
            open_for_write=self._boolean(record, "openforwrite", name, None),
            unknown=tuple(record.unknown),
        )
        self._check_extents(file, name)
        self._files += 1
        self._adopt(name, pack(file), file.uid)

    def _end_folder(self, record: _Record, tag: str) -> None:
        root = self._kinds[-1] is _Kind.INDEX
        name = self._named(record, "name", empty=root)
        folder = TapeFolder(
            uid=self._uid(record, name, root=root),
            times=self._times(record, name),
            attributes=tuple(record.attributes),
            readonly=self._boolean(record, "readonly", name, False),
            unknown=tuple(record.unknown),
        )
        node = Node(folder, record.children)
        if not root:
            self._folders += 1
            self._adopt(name, node, folder.uid)
        elif self._root is not None:
            raise Damaged(f"{self._name} has two root folders.")
        else:
            self._root, self._volume_name = node, name

    def _end_index(self, record: _Record, tag: str) -> None:
        self._header = record

    def _adopt(self, name: str, child: Node | bytes, uid: int) -> None:
        """Put a child in the folder that is being read."""
        children = self._records[-1].children
        if name in children:
            self._problem("The name stands twice in one folder", name)
            number = 2
            while f"{name} ({number})" in children:
                number += 1
            name = f"{name} ({number})"
        children[name] = child
        if uid == 0:
            self._without_uid.append((children, name))

    # Fields

    def _before(self, major: int) -> bool:
        return int(self._version[0]) < major

    def _number(self, record: _Record, tag: str, of: str) -> int:
        text = record.texts.get(tag)
        if text is None:
            raise Damaged(f"{self._name} has a <{of}> without <{tag}>.")
        text = text.strip()
        if not (text.isascii() and text.isdigit()) or len(text) > 20 or (number := int(text)) >= _LARGEST:
            raise Damaged(f"{self._name} has {text[:40]!r} as a <{tag}>.")
        return number

    def _letter(self, record: _Record) -> str:
        letter = record.texts.get("partition", "").strip()
        if not re.fullmatch("[a-z]", letter):
            raise Damaged(f"{self._name} names a partition {letter[:20]!r}.")
        return letter

    def _named(self, record: _Record, tag: str, *, empty: bool = False) -> str:
        name = record.texts.get(tag, "")
        if tag in record.encoded:
            name = percent_decoded(name)
        if name == "" and not empty:
            raise Damaged(f"{self._name} has something without a <{tag}>.")
        if tag == "name" and not name.isascii():
            name = unicodedata.normalize("NFC", name)
        if tag == "name" and ("/" in name or name in (".", "..")):
            self._problem("This can't be a name and was changed", name)
            name = name.replace("/", "_") if "/" in name else f"_{name}"
        return name

    def _boolean(self, record: _Record, tag: str, name: str, default: bool | None) -> bool:
        """A truth value; `default` is None where it may be absent."""
        text = record.texts.get(tag)
        if text is None:
            if default is not None:
                self._problem(f"It has no <{tag}>", name)
            return False
        found = {"true": True, "1": True, "false": False, "0": False}.get(text.strip())
        if found is None:
            self._problem(f"<{tag}> is neither true nor false", name)
        return bool(found)

    def _times(self, record: _Record, name: str) -> Times:
        found = [self._time(record, tag, name) for tag in _TIMES]
        known = next((one for one in (found[2], *found) if one is not None), 0)
        return Times(*(known if one is None else one for one in found))

    def _time(self, record: _Record, tag: str, name: str) -> int | None:
        text = record.texts.get(tag)
        if text is None:
            if not (tag == "backuptime" and self._before(2)):
                self._problem(f"It has no <{tag}>", name)
            return None
        try:
            moment, exact = parse_time(text.strip())
        except Damaged:
            self._problem(f"Its <{tag}> is no time", name)
            return None
        if not exact:
            self._problem(f"Its <{tag}> has not nine digits behind the second", name)
        return moment

    def _uid(self, record: _Record, name: str, *, root: bool = False) -> int:
        """The file's number, or 0 where it has none that can stay."""
        if "fileuid" not in record.texts:
            if not self._before(2):
                self._problem("It has no <fileuid>", name)
            return ROOT_UID if root else 0
        uid = self._number(record, "fileuid", "file")
        if root:
            if uid != ROOT_UID:
                self._problem(f"The root has file number {uid}, not {ROOT_UID}", name)
            return ROOT_UID
        if uid <= ROOT_UID or uid in self._uids:
            self._problem(f"Its file number {uid} belongs to something else", name)
            return 0
        self._uids.add(uid)
        return uid

    def _check_extents(self, file: TapeFile, name: str) -> None:
        end = 0
        for extent in file.extents:
            if extent.file_offset < end:
                self._problem("Its extents overlap", name)
            end = max(end, extent.file_end)
        if end > file.length:
            self._problem(f"Its extents hold {end} bytes and its length says {file.length}", name)
        if file.target is not None and (file.extents or file.length):
            self._problem("It is a link and has bytes of its own", name)

    def _problem(self, what: str, name: str) -> None:
        if len(self._problems) < _MOST_PROBLEMS:
            self._problems.append(IndexProblem(what, printable(name)))
        else:
            self._more_problems += 1

    # The whole

    def _result(self) -> Index:
        header = self._header
        if header is None or self._root is None:
            raise Damaged(f"{self._name} has no root folder.")
        generation = self._number(header, "generationnumber", "ltfsindex")
        updated = self._time(header, "updatetime", "")
        location = self._locations.get("location")
        if location is None:
            raise Damaged(f"{self._name} does not say where it stands.")
        tree = Tree(self._root.folder, self._highest_uid(header))
        tree.root = self._root
        tree.files, tree.folders = self._files, self._folders
        self._give_uids(tree)
        volume_uuid = header.texts.get("volumeuuid", "").strip()
        if not self._declared:
            self._problem("It has no XML declaration", "")
        if volume_uuid != volume_uuid.lower():
            self._problem("Its volume's UUID is not in lower case", "")
        if self._more_problems:
            self._problems.append(IndexProblem(f"{self._more_problems} more problems"))
        return Index(
            volume_uuid=require_uuid(volume_uuid),
            generation=generation,
            updated=updated or 0,
            tree=tree,
            volume_name=self._volume_name,
            location=location,
            previous=self._locations.get("previousgenerationlocation"),
            comment=header.texts.get("comment", ""),
            creator=header.texts.get("creator", ""),
            version=self._version,
            allow_policy_update=self._boolean(header, "allowpolicyupdate", "", False),
            lock_state=header.texts.get("volumelockstate"),
            policy="".join(one for one in header.unknown if one.startswith("<dataplacementpolicy")),
            attributes=self._root_attributes,
            unknown=tuple(one for one in header.unknown if not one.startswith("<dataplacementpolicy")),
            problems=tuple(self._problems),
        )

    def _highest_uid(self, header: _Record) -> int:
        used = max(self._uids, default=ROOT_UID)
        if "highestfileuid" not in header.texts:
            if not self._before(2):
                self._problem("It has no <highestfileuid>", "")
            return used
        highest = self._number(header, "highestfileuid", "ltfsindex")
        if highest < used:
            self._problem(f"The highest file number is {used} and not {highest}", "")
        return max(highest, used)

    def _give_uids(self, tree: Tree) -> None:
        """Number what has no number: indexes before 2.0 have none."""
        for children, name in self._without_uid:
            child = children[name]
            if isinstance(child, Node):
                child.folder = replace(child.folder, uid=tree.next_uid())
            else:
                children[name] = pack(replace(unpack(child), uid=tree.next_uid()))


def _opening(tag: str, attributes: dict[str, str]) -> str:
    return f"<{tag}{''.join(f' {name}={quoteattr(value)}' for name, value in attributes.items())}>"

"""Atoms (ISO boxes), what a QuickTime or MP4 file is made of, and how to walk them without trusting a single size.

An atom is a 32-bit size and a four-letter kind; size 1 means that a 64-bit size follows, 0 that it runs to the end of
the file. Sources: QuickTime File Format, "Atoms"; ISO/IEC 14496-12, 4.2. All integers are big-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field

from film_archive.core.errors import Damaged, NotMedia
from film_archive.core.source import ByteSource

MAX_MOOV = 256 << 20
"""Larger indexes are refused: 24 hours at 60 frames a second with eight sound tracks need less than half of it."""
MAX_CHILDREN = 100_000
"""Atoms in one container, and atoms in the file apart from fragments."""
MAX_FRAGMENT_ATOMS = 1 << 20
"""Top-level atoms of fragments: two and more each, so half a million fragments, one a frame for two hours at 60."""

# Brands of still images and image sequences without a movie; ISO/IEC 23008-12 and the makers' own.
_STILL_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"mif1", b"avif", b"jpeg", b"jp2 ", b"jpx ", b"jpm "))
_FIRST_KINDS = frozenset(
    (b"ftyp", b"styp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"uuid", b"moof", b"sidx")
)
_TOP_KINDS = _FIRST_KINDS | {b"meta", b"mfra", b"emsg", b"prft", b"ssix", b"pdin", b"udta", b"PICT"}


@dataclass(frozen=True, slots=True, eq=False)
class Atom:
    """An atom that lies in memory: its kind, where it starts in the file, its header's length, and all its bytes."""

    kind: bytes
    start: int
    header: int
    data: memoryview
    file: str

    @property
    def body(self) -> memoryview:
        return self.data[self.header :]

    @property
    def size(self) -> int:
        return len(self.data)

    @property
    def name(self) -> str:
        return kind_text(self.kind)

    def damaged(self, what: str) -> Damaged:
        """The error that says what is wrong with this atom; `what` completes "its stsz at byte 1234 …"."""
        return Damaged(
            f"{self.file} is damaged: its {self.name} at byte {self.start} {what}; nothing was changed, copy it again "
            "from its original."
        )

    def unpack(self, layout: str, offset: int = 0) -> tuple[int, ...]:
        """Big-endian integers at a place in the body; raises Damaged where the atom is too short for them."""
        try:
            return struct.unpack_from(">" + layout, self.data, self.header + offset)
        except struct.error:
            raise self.damaged(f"is too short ({self.size} bytes)") from None

    def children(self, skip: int = 0, *, lenient: bool = False) -> tuple[Atom, ...]:
        """The atoms inside, from `skip` bytes into the body.

        Up to seven stray bytes at the end, and a zero size followed by zeros (an old terminator), end the list. A size
        below 8 or past the end raises Damaged; `lenient` (metadata, extensions of a sample description) stops there.
        """
        found: list[Atom] = []
        position, end = self.header + skip, self.size
        while position + 8 <= end:
            size, kind = struct.unpack_from(">I4s", self.data, position)
            header = 8
            if size == 1 and position + 16 <= end:
                (size,) = struct.unpack_from(">Q", self.data, position + 8)
                header = 16
            if size == 0 and (lenient or kind == bytes(4)):
                break
            if size < header or size > end - position:
                if lenient:
                    break
                raise self.damaged(f"holds a {kind_text(kind)} of an impossible size ({size} bytes)")
            if len(found) == MAX_CHILDREN:
                raise self.damaged(f"holds more than {MAX_CHILDREN} atoms")
            found.append(Atom(kind, self.start + position, header, self.data[position : position + size], self.file))
            position += size
        return tuple(found)

    def child(self, kind: bytes) -> Atom | None:
        """The first child of a kind."""
        return next((atom for atom in self.children() if atom.kind == kind), None)


class Notes(list[str]):
    """What was odd about a file, each one sentence, none twice; passed along while it is parsed."""

    def add(self, sentence: str) -> None:
        if sentence not in self and len(self) < 100:
            self.append(sentence)

    def add_all(self, sentences: Iterable[str]) -> None:
        for sentence in sentences:
            self.add(sentence)


def only(children: tuple[Atom, ...], kind: bytes, notes: Notes) -> Atom | None:
    """The first atom of a kind; that there are more is noted, since readers differ in which they take."""
    found = [atom for atom in children if atom.kind == kind]
    if len(found) > 1:
        notes.add(f"there are {len(found)} {kind_text(kind)} atoms in one place; the first is used")
    return found[0] if found else None


def kind_text(kind: bytes) -> str:
    """A kind as people write it; bytes that are no letters become escapes, © is 0xA9."""
    text = kind.decode("latin-1")
    return "".join(sign if sign.isprintable() else f"\\x{ord(sign):02x}" for sign in text)


def is_mov(head: bytes) -> bool:
    """Whether a file that begins with these bytes (16 or more are best) is QuickTime or MP4, by content.

    Files of before 2001 have no `ftyp` and begin with any of moov, mdat, wide, free, skip, pnot. Still images in the
    same container (HEIC, AVIF, JPEG 2000) are not meant.
    """
    position = 0
    while len(head) - position >= 8:
        size, kind = struct.unpack_from(">I4s", head, position)
        if kind not in _FIRST_KINDS or not (size >= 8 or size == 1 or (size == 0 and kind == b"mdat")):
            return False
        if kind == b"ftyp":
            return size >= 12 and head[position + 8 : position + 12] not in _STILL_BRANDS
        if kind not in (b"free", b"skip", b"wide", b"uuid") or size < 8:
            return True
        position += size
    return position > 0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a top-level atom lies; `whole` says whether the file holds all of it."""

    kind: bytes
    start: int
    header: int
    size: int
    whole: bool = True

    @property
    def end(self) -> int:
        return self.start + self.size


@dataclass(slots=True)
class Layout:
    """The top level of a file, in file order."""

    places: list[Place] = field(default_factory=list)
    stopped: str | None = None
    """Why the walk ended before the end of the file, as "… byte 1234 …"."""

    def first(self, kind: bytes) -> Place | None:
        return next((place for place in self.places if place.kind == kind), None)

    def all(self, kind: bytes) -> list[Place]:
        return [place for place in self.places if place.kind == kind]


def walk(source: ByteSource) -> Layout:
    """Hop from atom to atom over the top level, reading headers only.

    Raises NotMedia where the first bytes are those of something else. What can't be an atom ends the walk (`stopped`).
    """
    if not is_mov(source.read_at(0, 64)):
        raise NotMedia(f"{source.name} is not a QuickTime or MP4 file.")
    layout = Layout()
    position = others = fragments = 0
    while source.size - position >= 8:
        head = source.read_at(position, 16)
        place = _place(head, position, source.size)
        if place is None or not (place.whole or place.kind in _TOP_KINDS):
            layout.stopped = f"what lies at byte {position} is not an atom"
            break
        layout.places.append(place)
        position = place.end
        if place.kind in (b"moof", b"mdat", b"sidx", b"styp", b"emsg", b"prft"):
            fragments += 1
        else:
            others += 1
        if others > MAX_CHILDREN or fragments > MAX_FRAGMENT_ATOMS:
            raise Damaged(f"{source.name} is damaged: it is cut into more than {others + fragments - 1} pieces.")
    return layout


def _place(head: bytes, position: int, file_size: int) -> Place | None:
    size, kind = struct.unpack_from(">I4s", head)
    header = 8
    if size == 1:
        if len(head) < 16:
            return None
        (size,) = struct.unpack_from(">Q", head, 8)
        header = 16
    elif size == 0:
        size = file_size - position
    if size < header or not all(0x20 <= sign < 0x7F or sign == 0xA9 for sign in kind):
        return None
    return Place(kind, position, header, size, position + size <= file_size)


def load(source: ByteSource, place: Place, limit: int = MAX_MOOV) -> Atom:
    """Read one top-level atom; raises Damaged where the file ends inside it or it is larger than `limit`."""
    name = kind_text(place.kind)
    if not place.whole:
        raise Damaged(
            f"{source.name} is truncated: it ends at byte {source.size}, inside its {name} (bytes {place.start} to "
            f"{place.end}); copy it again from its original."
        )
    if place.size > limit:
        raise Damaged(f"{source.name} is damaged: its {name} claims {place.size} bytes, more than any film needs.")
    return Atom(place.kind, place.start, place.header, memoryview(source.read_at(place.start, place.size)), source.name)

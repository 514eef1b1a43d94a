"""Header metadata: the primer, local sets, and the objects that say what is in a file (ST 377-1, 9 and annexes).

Sets that are not known here are passed over unread; of descriptors every item is kept.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from film_archive.core.errors import Damaged
from film_archive.media.mxf.klv import FILLER, PRIMER, KlvReader, normal, ul
from film_archive.media.mxf.labels import kind_of_track

_LOCAL_SET = ul("060e2b34 02530101 0d010101 01010000")[:14]
_LARGEST_SET = 64 << 20
_LARGEST_METADATA = 256 << 20
_MOST_SETS = 200_000
_MOST_REFERENCES = 1_000_000
_LONGEST_TEXT = 4096

_PREFACE, _CONTENT_STORAGE, _CONTAINER_DATA, _IDENTIFICATION = 0x2F, 0x18, 0x23, 0x30
_MATERIAL_PACKAGE, _SOURCE_PACKAGE = 0x36, 0x37
_TRACKS = (0x3B, 0x3A, 0x39)
_SEQUENCE, _SOURCE_CLIP, _TIMECODE, _FILL = 0x0F, 0x11, 0x14, 0x09
_INSTANCE_UID = 0x3C0A


@dataclass(frozen=True, slots=True)
class LocalSet:
    """One set: `kind` is byte 14 of its key (2F preface, 36 material package …), `items` its values by local tag."""

    kind: int
    key: bytes
    uid: bytes
    items: Mapping[int, bytes]

    def number(self, tag: int, *, signed: bool = False) -> int | None:
        """An integer of 1, 2, 4 or 8 bytes; None where the item is absent or has another size."""
        data = self.items.get(tag, b"")
        return int.from_bytes(data, "big", signed=signed) if len(data) in (1, 2, 4, 8) else None

    def ratio(self, tag: int) -> Fraction | None:
        """A rational number above 0, or None."""
        data = self.items.get(tag, b"")
        if len(data) != 8:
            return None
        above, below = struct.unpack(">ii", data)
        return Fraction(above, below) if above > 0 and below > 0 else None

    def label(self, tag: int) -> bytes:
        """A universal label in comparable form; 16 zero bytes where the item is absent."""
        data = self.items.get(tag, b"")
        return normal(data) if len(data) == 16 else bytes(16)

    def text(self, tag: int) -> str | None:
        """A UTF-16 string up to its NUL; None where it is absent or empty."""
        data = self.items.get(tag, b"")[:_LONGEST_TEXT]
        text = data.decode("utf-16-be", "replace").split("\0", 1)[0]
        text = "".join(sign for sign in text if sign.isprintable()).strip()
        return text or None

    def timestamp(self, tag: int) -> str | None:
        """A timestamp as ISO 8601 in UTC (ST 377-1, 4.3), or None where it is absent, zero or not a time."""
        data = self.items.get(tag, b"")
        if len(data) != 8:
            return None
        year, month, day, hour, minute, second, quarters = struct.unpack(">HBBBBBB", data)
        if not (year and 1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 60):
            return None
        fraction = f".{quarters * 4:03d}" if 0 < quarters < 250 else ""
        return f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}{fraction}Z"

    def references(self, tag: int) -> list[bytes]:
        """The instances that an array of strong references, or one reference, names."""
        data = self.items.get(tag, b"")
        if len(data) == 16:
            return [data]
        if len(data) < 8:
            return []
        count, size = struct.unpack_from(">II", data)
        if size != 16 or 8 + count * 16 > len(data):
            return []
        return [data[place : place + 16] for place in range(8, 8 + count * 16, 16)]


@dataclass(frozen=True, slots=True)
class SourceClip:
    """What a piece of a track refers to: from `start` of a track of another package. A zero UMID ends the chain."""

    duration: int | None
    start: int
    package: bytes
    track_id: int


@dataclass(frozen=True, slots=True)
class TimecodeComponent:
    """A timecode that runs from `start` (frames since midnight) at `base` labels a second."""

    duration: int | None
    start: int
    base: int
    drop: bool


@dataclass(frozen=True, slots=True)
class OtherComponent:
    """Filler, or a piece of a kind that is not known here."""

    duration: int | None


Component = SourceClip | TimecodeComponent | OtherComponent


@dataclass(frozen=True, slots=True)
class Track:
    """A track of a package; `kind` is "picture", "sound", "data", "timecode" or "other"."""

    track_id: int
    number: int
    name: str | None
    kind: str
    edit_rate: Fraction | None
    origin: int
    duration: int | None
    components: tuple[Component, ...]


@dataclass(frozen=True, slots=True)
class Descriptor:
    """How essence is made; `values` has every item as it is in the file."""

    values: LocalSet
    sample_rate: Fraction | None
    duration: int | None
    container: bytes
    linked_track: int | None
    parts: tuple[Descriptor, ...] = ()
    """The sub-descriptors of a multiple descriptor."""


@dataclass(frozen=True, slots=True)
class Package:
    """A material, file or physical package; `role` says which: a source package without file descriptor is physical."""

    umid: bytes
    role: str
    name: str | None
    created: str | None
    tracks: tuple[Track, ...]
    descriptor: Descriptor | None

    def track(self, track_id: int) -> Track | None:
        return next((track for track in self.tracks if track.track_id == track_id), None)


@dataclass(frozen=True, slots=True)
class EssenceContainer:
    """Which streams of the file hold a file package's essence and its index."""

    umid: bytes
    body_sid: int
    index_sid: int


@dataclass(frozen=True, slots=True)
class Writer:
    """Who wrote a file."""

    company: str | None
    product: str | None
    version: str | None

    def __str__(self) -> str:
        return " ".join(word for word in (self.company, self.product, self.version) if word)


@dataclass(frozen=True, slots=True)
class Metadata:
    """What one partition's header metadata says."""

    packages: tuple[Package, ...]
    containers: tuple[EssenceContainer, ...]
    writer: Writer | None
    labels: tuple[bytes, ...]
    """The essence container labels of the preface."""
    primary: bytes | None
    """The UMID of the primary package, where the preface names one."""
    primer: Mapping[int, bytes] = field(default_factory=dict)
    """Local tag → the item's label."""
    diagnostics: tuple[str, ...] = ()

    def package(self, umid: bytes) -> Package | None:
        return next((package for package in self.packages if package.umid == umid), None)

    @property
    def material(self) -> Package | None:
        """The material package that is played."""
        materials = [package for package in self.packages if package.role == "material"]
        return next(
            (package for package in materials if package.umid == self.primary), materials[0] if materials else None
        )

    def item(self, values: LocalSet, label: bytes) -> bytes | None:
        """An item with a dynamic tag, by its label."""
        return next(
            (values.items[tag] for tag, name in self.primer.items() if name == label and tag in values.items), None
        )


def read_metadata(reader: KlvReader, start: int, end: int) -> Metadata:
    """The header metadata in [start, end); raises Damaged where it has no packages, or is cut off or too large."""
    primer: dict[int, bytes] = {}
    sets: dict[bytes, LocalSet] = {}
    notes: list[str] = []
    total = 0
    for klv in reader.walk(start, end):
        if klv.key == FILLER or not (klv.key == PRIMER or _is_set(klv.key)):
            continue
        total += klv.length
        if total > _LARGEST_METADATA or len(sets) >= _MOST_SETS:
            raise Damaged(f"{reader.source.name} has impossibly large header metadata at byte {start}.")
        data = reader.value(klv, _LARGEST_SET)
        if klv.key == PRIMER:
            primer = _primer(data)
            continue
        items = dict(_items(data, long_lengths=klv.key[5] == 0x13))
        uid = items.get(_INSTANCE_UID, b"")
        if len(uid) == 16 and uid in sets:
            notes.append(f"Two sets of the header metadata are called {uid.hex()}; the first was used.")
        sets.setdefault(
            uid if len(uid) == 16 else klv.offset.to_bytes(8, "big"), LocalSet(klv.key[14], klv.key, uid, items)
        )
    return _Objects(reader.source.name, sets).metadata(primer, tuple(notes[:8]))


def _is_set(key: bytes) -> bool:
    return key[:5] == _LOCAL_SET[:5] and key[5] in (0x13, 0x53) and key[6:14] == _LOCAL_SET[6:14]


def _primer(data: bytes) -> dict[int, bytes]:
    if len(data) < 8:
        return {}
    count, size = struct.unpack_from(">II", data)
    if size != 18 or 8 + count * 18 > len(data):
        return {}
    return {
        int.from_bytes(data[place : place + 2], "big"): normal(data[place + 2 : place + 18])
        for place in range(8, 8 + count * 18, 18)
    }


def _items(data: bytes, *, long_lengths: bool) -> Iterator[tuple[int, bytes]]:
    """(tag, value) of a local set; ends where an item does not fit, of a repeated tag the first one counts.

    Lengths are two bytes, or BER where byte 5 of the set's key is 13.
    """
    place = 0
    seen: set[int] = set()
    while place + 3 <= len(data):
        tag = int.from_bytes(data[place : place + 2], "big")
        width = 2
        length = int.from_bytes(data[place + 2 : place + 4], "big")
        if long_lengths:
            width = 1 + (data[place + 2] & 0x7F if data[place + 2] & 0x80 else 0)
            length = int.from_bytes(data[place + 3 : place + 2 + width], "big") if width > 1 else data[place + 2]
        start = place + 2 + width
        place = start + length
        if place > len(data):
            return
        if tag not in seen:
            seen.add(tag)
            yield tag, data[start:place]


class _Objects:
    """Turns sets into the objects above. References are followed downwards only, each kind of set from its own kind."""

    def __init__(self, name: str, sets: Mapping[bytes, LocalSet]) -> None:
        self._name = name
        self._sets = sets
        self._references_left = _MOST_REFERENCES

    def metadata(self, primer: Mapping[int, bytes], notes: tuple[str, ...]) -> Metadata:
        of_kind: dict[int, list[LocalSet]] = {}
        for one in self._sets.values():
            of_kind.setdefault(one.kind, []).append(one)
        packages = tuple(
            self._package(one) for kind in (_MATERIAL_PACKAGE, _SOURCE_PACKAGE) for one in of_kind.get(kind, ())
        )
        if not packages:
            raise Damaged(f"{self._name} has header metadata without any package.")
        containers = tuple(
            EssenceContainer(one.items.get(0x2701, b""), one.number(0x3F07) or 0, one.number(0x3F06) or 0)
            for one in of_kind.get(_CONTAINER_DATA, ())
        )
        preface = next(iter(of_kind.get(_PREFACE, ())), None)
        primary = self._sets.get(preface.items.get(0x3B08, b"")) if preface is not None else None
        # the last identification is of whoever wrote the file last
        last = of_kind[_IDENTIFICATION][-1] if _IDENTIFICATION in of_kind else None
        return Metadata(
            packages,
            containers,
            None if last is None else Writer(last.text(0x3C01), last.text(0x3C02), last.text(0x3C04)),
            () if preface is None else tuple(normal(label) for label in preface.references(0x3B0A)),
            None if primary is None else primary.items.get(0x4401),
            primer,
            notes,
        )

    def _all(self, references: list[bytes]) -> Iterator[LocalSet]:
        for reference in references:
            self._references_left -= 1
            if self._references_left < 0:
                raise Damaged(f"{self._name} has header metadata that refers to itself over and over.")
            if reference in self._sets:
                yield self._sets[reference]

    def _package(self, one: LocalSet) -> Package:
        descriptor = next((self._descriptor(part) for part in self._all(one.references(0x4701))), None)
        if one.kind == _MATERIAL_PACKAGE:
            role = "material"
        elif descriptor is not None and (any(descriptor.container) or descriptor.sample_rate is not None):
            role = "file"
        else:
            role = "physical"
        tracks = tuple(self._track(part) for part in self._all(one.references(0x4403)) if part.kind in _TRACKS)
        return Package(one.items.get(0x4401, b""), role, one.text(0x4402), one.timestamp(0x4405), tracks, descriptor)

    def _descriptor(self, one: LocalSet, *, part_of_multiple: bool = False) -> Descriptor:
        parts: tuple[Descriptor, ...] = ()
        if not part_of_multiple:
            parts = tuple(self._descriptor(part, part_of_multiple=True) for part in self._all(one.references(0x3F01)))
        return Descriptor(one, one.ratio(0x3001), _length(one, 0x3002), one.label(0x3004), one.number(0x3006), parts)

    def _track(self, one: LocalSet) -> Track:
        sequence = next(self._all(one.references(0x4803)), None)
        components: tuple[Component, ...] = ()
        kind, duration = "other", None
        if sequence is not None:
            kind = kind_of_track(sequence.label(0x0201))
            duration = _length(sequence, 0x0202)
            # a component may hang on the track without a sequence
            parts = self._all(sequence.references(0x1001)) if sequence.kind == _SEQUENCE else iter((sequence,))
            components = tuple(_component(part) for part in parts)
        if any(isinstance(component, TimecodeComponent) for component in components):
            kind = "timecode"
        return Track(
            one.number(0x4801) or 0,
            one.number(0x4804) or 0,
            one.text(0x4802),
            kind,
            one.ratio(0x4B01),
            one.number(0x4B02, signed=True) or 0,
            duration,
            components,
        )


def _length(one: LocalSet, tag: int) -> int | None:
    """A duration in edit units; None where it is absent or −1, unknown."""
    value = one.number(tag, signed=True)
    return value if value is not None and value >= 0 else None


def _component(one: LocalSet) -> Component:
    duration = _length(one, 0x0202)
    if one.kind == _SOURCE_CLIP:
        start = one.number(0x1201, signed=True) or 0
        return SourceClip(duration, start, one.items.get(0x1101, b""), one.number(0x1102) or 0)
    if one.kind == _TIMECODE:
        return TimecodeComponent(
            duration, one.number(0x1501, signed=True) or 0, one.number(0x1502) or 0, one.number(0x1503) == 1
        )
    return OtherComponent(duration)

"""Builds small MXF files piece by piece, for structures that no writer at hand makes: cameras', Avid's, wrong ones."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

UL = "060e2b34"
PICTURE_KEY = bytes.fromhex(UL + "010201010d01030115011700")
SOUND_KEY = bytes.fromhex(UL + "010201010d01030116010300")
DATA_KEY = bytes.fromhex(UL + "010201010d01030117010201")
SYSTEM_KEY = bytes.fromhex(UL + "020501010d01030104010100")
FILLER_KEY = bytes.fromhex(UL + "010101020301021001000000")
OP1A = bytes.fromhex(UL + "040101010d01020101010900")
OP_ATOM = bytes.fromhex(UL + "040101020d01020110030000")
PRORES_CONTAINER = bytes.fromhex(UL + "0401010d0d010301021c0100")
PRORES_HQ = bytes.fromhex(UL + "0401010d0401020203060400")
AES3 = bytes.fromhex(UL + "040101010d01030102060300")
_DEFINITIONS = {
    "picture": bytes.fromhex(UL + "040101010103020201000000"),
    "sound": bytes.fromhex(UL + "040101010103020202000000"),
    "data": bytes.fromhex(UL + "040101010103020203000000"),
    "timecode": bytes.fromhex(UL + "040101010103020101000000"),
}


def ber(length: int, width: int = 4) -> bytes:
    if width == 1:
        return bytes((length,))
    return bytes((0x7F + width,)) + length.to_bytes(width - 1, "big")


def klv(key: bytes, value: bytes, width: int = 4) -> bytes:
    return key + ber(len(value), width) + value


def filler(size: int) -> bytes:
    return klv(FILLER_KEY, bytes(size - 20))


def umid(number: int) -> bytes:
    return bytes.fromhex("060a2b340101010501010d0013000000") + number.to_bytes(16, "big")


def array(items: Sequence[bytes]) -> bytes:
    return struct.pack(">II", len(items), len(items[0]) if items else 16) + b"".join(items)


def prores_frame(number: int, size: int = 200, width: int = 64, height: int = 48) -> bytes:
    """Something that begins like a ProRes frame and is different for each number."""
    head = struct.pack(">I4sHHIHHBB", size, b"icpf", 20, 0, 0, width, height, 0x80, 0) + bytes((1, 1, 1, 0, 0, 0))
    return head + bytes((number * 7 + place) % 251 for place in range(size - len(head)))


@dataclass
class Sets:
    """Local sets with references to one another."""

    made: list[bytes] = field(default_factory=list)

    def add(self, kind: int, items: dict[int, bytes], key_end: bytes = b"\0") -> bytes:
        uid = (0xA000 + len(self.made)).to_bytes(16, "big")
        value = b"".join(struct.pack(">HH", tag, len(data)) + data for tag, data in {0x3C0A: uid, **items}.items())
        key = bytes.fromhex(UL + "025301010d0101010101") + bytes((kind,)) + key_end
        self.made.append(klv(key, value))
        return uid


@dataclass
class Timecode:
    start: int
    base: int = 25
    drop: bool = False
    pieces: int = 1


@dataclass
class TrackMade:
    """A track with its descriptor's items."""

    kind: str
    number: int
    descriptor_kind: int
    descriptor: dict[int, bytes]
    edit_rate: tuple[int, int] = (25, 1)
    duration: int = -1
    start: int = 0
    origin: int = 0
    body_sid: int = 1


def picture_track(**changes: object) -> TrackMade:
    items = {
        0x3001: struct.pack(">ii", 25, 1),
        0x3004: PRORES_CONTAINER,
        0x3201: PRORES_HQ,
        0x3203: struct.pack(">I", 64),
        0x3202: struct.pack(">I", 48),
        0x320C: b"\0",
        0x320E: struct.pack(">ii", 4, 3),
        0x3301: struct.pack(">I", 10),
    }
    extra = changes.pop("items", {})
    assert isinstance(extra, dict)
    made = TrackMade("picture", 0x15011700, 0x28, items | extra)
    return _changed(made, changes)


def sound_track(channels: int = 1, bits: int = 16, **changes: object) -> TrackMade:
    items = {
        0x3001: struct.pack(">ii", 25, 1),
        0x3004: AES3,
        0x3D03: struct.pack(">ii", 48000, 1),
        0x3D07: struct.pack(">I", channels),
        0x3D01: struct.pack(">I", bits),
        0x3D0A: struct.pack(">H", channels * bits // 8),
    }
    made = TrackMade("sound", 0x16010300, 0x47, items)
    return _changed(made, changes)


def _changed(made: TrackMade, changes: dict[str, object]) -> TrackMade:
    for name, value in changes.items():
        assert hasattr(made, name)
        setattr(made, name, value)
    return made


@dataclass
class Packages:
    """What the header metadata says."""

    tracks: Sequence[TrackMade]
    material_timecode: Timecode | None = None
    file_timecode: Timecode | None = None
    physical_timecode: Timecode | None = None
    physical_start: int = 0
    reel: str | None = None
    material: bool = True
    container_data: bool = True
    index_sid: int = 2
    source_umid: bytes = umid(2)
    created: bytes = bytes(8)
    extra_items: dict[int, bytes] = field(default_factory=dict)
    primer: dict[int, bytes] = field(default_factory=dict)

    def header(self) -> bytes:
        sets = Sets()
        packages, data = [], []
        sids = sorted({track.body_sid for track in self.tracks})
        if self.material:
            tracks = [self._timecode(sets, self.material_timecode)]
            for number, track in enumerate(self.tracks):
                source = self.source_umid if track.body_sid == 1 else umid(20 + track.body_sid)
                clip = self._clip(sets, track, track.start, source, number + 1)
                tracks.append(self._track(sets, track, number + 1, 0, clip, 0))
            items = {0x4401: umid(1), 0x4405: self.created, 0x4403: array([uid for uid in tracks if uid])}
            packages.append(sets.add(0x36, items))
        for sid in sids:
            own = umid(2) if sid == 1 else umid(20 + sid)
            packages.append(self._file_package(sets, own, sid))
            if self.container_data:
                numbers = {0x3F06: struct.pack(">I", self.index_sid * sid), 0x3F07: struct.pack(">I", sid)}
                data.append(sets.add(0x23, {0x2701: own, **numbers}))
        if self._has_physical:
            packages.append(self._physical(sets))
        storage = sets.add(0x18, {0x1901: array(packages), 0x1902: array(data)})
        sets.add(0x2F, {0x3B03: storage, 0x3B0A: array([PRORES_CONTAINER])})
        name = "Tester".encode("utf-16-be")
        sets.add(0x30, {0x3C01: name, 0x3C02: "Writer\0\0".encode("utf-16-be"), 0x3C04: "1.0".encode("utf-16-be")})
        rows = [struct.pack(">H", tag) + label for tag, label in self.primer.items()]
        primer = struct.pack(">II", len(rows), 18) + b"".join(rows)
        return klv(bytes.fromhex(UL + "020501010d01020101050100"), primer) + b"".join(sets.made)

    @property
    def _has_physical(self) -> bool:
        return self.physical_timecode is not None or self.reel is not None

    def _file_package(self, sets: Sets, own: bytes, sid: int) -> bytes:
        tracks = [self._timecode(sets, self.file_timecode)]
        parts = []
        for number, track in enumerate(self.tracks):
            if track.body_sid != sid:
                continue
            target = umid(3) if self._has_physical else bytes(32)
            clip = self._clip(sets, track, self.physical_start, target, 9 if self._has_physical else 0)
            tracks.append(self._track(sets, track, number + 1, track.number, clip, track.origin))
            items = {0x3006: struct.pack(">I", number + 1), **track.descriptor, **self.extra_items}
            parts.append(sets.add(track.descriptor_kind, items))
        whole = parts[0]
        if len(parts) > 1:
            container = bytes.fromhex(UL + "040101030d010301027f0100")
            whole = sets.add(0x44, {0x3001: struct.pack(">ii", 25, 1), 0x3004: container, 0x3F01: array(parts)})
        return sets.add(0x37, {0x4401: own, 0x4403: array([uid for uid in tracks if uid]), 0x4701: whole})

    def _physical(self, sets: Sets) -> bytes:
        clip = sets.add(0x11, {0x0201: _DEFINITIONS["picture"], 0x1101: bytes(32)})
        sequence = sets.add(0x0F, {0x0201: _DEFINITIONS["picture"], 0x1001: array([clip])})
        rate = struct.pack(">ii", *self.tracks[0].edit_rate)
        track = sets.add(0x3B, {0x4801: struct.pack(">I", 9), 0x4B01: rate, 0x4803: sequence})
        tracks = [uid for uid in (track, self._timecode(sets, self.physical_timecode)) if uid]
        descriptor = sets.add(0x2E, {})
        name = {} if self.reel is None else {0x4402: self.reel.encode("utf-16-be")}
        return sets.add(0x37, {0x4401: umid(3), **name, 0x4403: array(tracks), 0x4701: descriptor})

    def _timecode(self, sets: Sets, timecode: Timecode | None) -> bytes:
        if timecode is None:
            return b""
        component = sets.add(
            0x14,
            {
                0x0201: _DEFINITIONS["timecode"],
                0x1501: struct.pack(">q", timecode.start),
                0x1502: struct.pack(">H", timecode.base),
                0x1503: bytes((timecode.drop,)),
            },
        )
        sequence = sets.add(0x0F, {0x0201: _DEFINITIONS["timecode"], 0x1001: array([component] * timecode.pieces)})
        rate = struct.pack(">ii", *self.tracks[0].edit_rate)
        return sets.add(0x3B, {0x4801: struct.pack(">I", 77), 0x4B01: rate, 0x4803: sequence})

    def _clip(self, sets: Sets, track: TrackMade, start: int, package: bytes, track_id: int) -> bytes:
        clip = sets.add(
            0x11,
            {
                0x0201: _DEFINITIONS[track.kind],
                0x0202: struct.pack(">q", track.duration),
                0x1201: struct.pack(">q", start),
                0x1101: package,
                0x1102: struct.pack(">I", track_id),
            },
        )
        return sets.add(
            0x0F,
            {
                0x0201: _DEFINITIONS[track.kind],
                0x0202: struct.pack(">q", track.duration),
                0x1001: array([clip]),
            },
        )

    def _track(self, sets: Sets, track: TrackMade, track_id: int, number: int, sequence: bytes, origin: int) -> bytes:
        return sets.add(
            0x3B,
            {
                0x4801: struct.pack(">I", track_id),
                0x4804: struct.pack(">I", number),
                0x4B01: struct.pack(">ii", *track.edit_rate),
                0x4B02: struct.pack(">q", origin),
                0x4803: sequence,
            },
        )


@dataclass
class Entry:
    offset: int
    temporal: int = 0
    key: int = 0
    flags: int = 0x80
    slices: tuple[int, ...] = ()


def index_segment(
    *,
    start: int = 0,
    duration: int = 0,
    unit_bytes: int = 0,
    entries: Sequence[Entry] | None = None,
    deltas: Sequence[tuple[int, int]] = (),
    body_sid: int = 1,
    index_sid: int = 2,
    rate: tuple[int, int] = (25, 1),
) -> bytes:
    slices = len(entries[0].slices) if entries else 0
    items = [
        (0x3C0A, bytes(16)),
        (0x3F0B, struct.pack(">ii", *rate)),
        (0x3F0C, struct.pack(">q", start)),
        (0x3F0D, struct.pack(">q", duration)),
        (0x3F05, struct.pack(">I", unit_bytes)),
        (0x3F06, struct.pack(">I", index_sid)),
        (0x3F07, struct.pack(">I", body_sid)),
        (0x3F08, bytes((slices,))),
    ]
    if deltas:
        rows = b"".join(struct.pack(">bBI", 0, *delta) for delta in deltas)
        items.append((0x3F09, struct.pack(">II", len(deltas), 6) + rows))
    value = b"".join(struct.pack(">HH", tag, len(data)) + data for tag, data in items)
    if entries is not None:
        rows = b"".join(
            struct.pack(">bbBQ", entry.temporal, entry.key, entry.flags, entry.offset)
            + struct.pack(f">{slices}I", *entry.slices)
            for entry in entries
        )
        data = struct.pack(">II", len(entries), 11 + 4 * slices) + rows
        # the length has only two bytes; Avid writes what fits and lets count and size say the rest
        value += struct.pack(">HH", 0x3F0A, len(data) & 0xFFFF) + data
    return klv(bytes.fromhex(UL + "025301010d01020101100100"), value)


@dataclass
class Part:
    """One partition: what stands in it behind the pack."""

    kind: int
    metadata: bytes = b""
    index: bytes = b""
    essence: bytes = b""
    body_sid: int = 0
    index_sid: int = 0
    body_offset: int = 0
    status: int = 4
    previous: int | None = None
    containers: Sequence[bytes] = (PRORES_CONTAINER,)


def assemble(
    parts: Sequence[Part],
    *,
    pattern: bytes = OP1A,
    random_index: bool = True,
    unlisted: int | None = None,
    footer: bool = True,
    run_in: bytes = b"",
) -> bytes:
    """A file of partitions.

    `footer`: whether the packs know where the footer is; `unlisted`: a partition that the random index leaves out.
    """
    places, at = [], 0
    for part in parts:
        places.append(at)
        at += 20 + 88 + 16 * len(part.containers) + len(part.metadata) + len(part.index) + len(part.essence)
    footer_at = places[-1] if footer and parts[-1].kind == 4 else 0
    out = bytearray()
    for number, part in enumerate(parts):
        before = (places[number - 1] if number else 0) if part.previous is None else part.previous
        value = struct.pack(
            ">HHIQQQQQIQI16sII",
            1,
            3,
            1,
            places[number],
            before,
            footer_at,
            len(part.metadata),
            len(part.index),
            part.index_sid,
            part.body_offset,
            part.body_sid,
            pattern,
            len(part.containers),
            16,
        ) + b"".join(part.containers)
        key = bytes.fromhex(UL + "020501010d01020101") + bytes((part.kind, part.status, 0))
        out += klv(key, value) + part.metadata + part.index + part.essence
    if random_index:
        listed = [row for number, row in enumerate(zip(parts, places, strict=True)) if number != unlisted]
        rows = b"".join(struct.pack(">IQ", part.body_sid, place) for part, place in listed)
        key = bytes.fromhex(UL + "020501010d01020101110100")
        size = 16 + 4 + len(rows) + 4
        out += klv(key, rows + struct.pack(">I", size))
    return run_in + bytes(out)


@dataclass
class Units:
    """Frame-wrapped edit units: their bytes, and where each element's payload lies in them."""

    data: bytes
    starts: list[int]
    payloads: dict[bytes, list[tuple[int, int]]]


def frame_wrap(units: Sequence[Sequence[tuple[bytes, bytes]]], pad: int = 1, unit_bytes: int = 0) -> Units:
    """Wrap (key, payload) pairs; each element is filled up to a multiple of `pad`, each unit to `unit_bytes`."""
    data = bytearray()
    starts: list[int] = []
    payloads: dict[bytes, list[tuple[int, int]]] = {}
    for unit in units:
        starts.append(len(data))
        for key, payload in unit:
            payloads.setdefault(key, []).append((len(data) + 20, len(payload)))
            data += klv(key, payload)
            gap = -len(data) % pad
            if gap:
                data += filler(gap if gap >= 20 else gap + pad)
        if unit_bytes:
            data += filler(starts[-1] + unit_bytes - len(data))
    return Units(bytes(data), starts, payloads)

"""A track (`trak`) as the file describes it: header, edits, references, sample descriptions and tables.

Everything that cutting needs later is kept: the tables as runs, the descriptions and the whole track atom as raw bytes.
Sources: QuickTime File Format, "Track Atoms"; ISO/IEC 14496-12, 8.3 to 8.7.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from film_archive.core.errors import Damaged, NotSupported
from film_archive.media.mov.atoms import Atom, Notes, kind_text, only
from film_archive.media.mov.descriptions import Description, parse_descriptions
from film_archive.media.mov.edits import Edit, parse_edits
from film_archive.media.mov.tables import SampleTables, parse_tables

Matrix = tuple[int, int, int, int, int, int, int, int, int]
_IDENTITY: Matrix = (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
_NEEDED = frozenset((b"vide", b"soun"))


@dataclass(frozen=True, slots=True)
class Reference:
    """A track's reference to others (`tref`): "tmcd" to its timecode, "cdsc" from metadata to what it describes."""

    kind: bytes
    tracks: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Track:
    """One track. `handler` is its media type (vide, soun, tmcd, …), `atom` the whole `trak` as it lies in the file.

    `timescale` is that of the tables and of the edits' media times, `duration` the media's in it (None: unknown);
    `display_size` is the tkhd's in pixels. `iso_entries`: the description table has ISO's version 1.
    """

    id: int
    handler: bytes
    enabled: bool
    timescale: int
    duration: int | None
    display_size: tuple[Fraction, Fraction]
    matrix: Matrix
    descriptions: tuple[Description, ...]
    iso_entries: bool
    tables: SampleTables
    edits: tuple[Edit, ...]
    references: tuple[Reference, ...]
    atom: Atom

    @property
    def name(self) -> str:
        """What to call it in a sentence."""
        kind = {b"vide": "picture", b"soun": "sound", b"tmcd": "timecode"}.get(self.handler)
        return f"{kind or kind_text(self.handler).strip()} track {self.id}"

    def refers_to(self, kind: bytes) -> tuple[int, ...]:
        return tuple(track for reference in self.references if reference.kind == kind for track in reference.tracks)

    @property
    def rotated(self) -> int:
        """Degrees clockwise that a player turns the picture (0, 90, 180, 270); 0 too where it is skewed otherwise."""
        a, b, _, c, d = self.matrix[:5]
        turns = {(1, 0, 0, 1): 0, (0, 1, -1, 0): 90, (-1, 0, 0, -1): 180, (0, -1, 1, 0): 270}
        return turns.get((_sign(a), _sign(b), _sign(c), _sign(d)), 0)


def parse_track(trak: Atom, notes: Notes) -> Track:
    """Read one track. Raises Damaged where what the picture, the sound or the timecode needs is broken.

    A track of any other kind that is broken is noted and comes back without samples; nobody needs it to find frames.
    """
    parts = trak.children()
    header = only(parts, b"tkhd", notes)
    media = only(parts, b"mdia", notes)
    if header is None or media is None:
        raise trak.damaged(f"has no {'tkhd' if header is None else 'mdia'}")
    track_id, enabled, size, matrix = _header(header)
    inner = media.children()
    clock, information = only(inner, b"mdhd", notes), only(inner, b"minf", notes)
    if clock is None or information is None:
        raise media.damaged(f"has no {'mdhd' if clock is None else 'minf'}")
    boxes = information.children()
    handler = _handler(inner, boxes)
    timescale, duration = _media_header(clock)
    own = Notes()
    try:
        if not timescale:
            raise clock.damaged("has a timescale of 0")
        descriptions, iso_entries, tables = _sample_table(boxes, handler, information, own)
        edits = _edits(parts, own)
    except (Damaged, NotSupported) as error:
        if handler in _NEEDED or handler == b"tmcd":
            raise
        own.add(f"it is left aside: {error}")
        timescale, descriptions, iso_entries, edits, tables = max(1, timescale), (), False, (), _no_tables()
    track = Track(
        id=track_id,
        handler=handler,
        enabled=enabled,
        timescale=timescale,
        duration=duration,
        display_size=size,
        matrix=matrix,
        descriptions=descriptions,
        iso_entries=iso_entries,
        tables=tables,
        edits=edits,
        references=_references(parts, notes),
        atom=trak,
    )
    for note in own:
        notes.add(f"{track.name}: {note}")
    return track


def _header(tkhd: Atom) -> tuple[int, bool, tuple[Fraction, Fraction], Matrix]:
    """(track id, enabled, display size, matrix)."""
    (flags,) = tkhd.unpack("I")
    wide = flags >> 24 == 1
    (track_id,) = tkhd.unpack("I", 20 if wide else 12)
    a, b, u, c, d, v, x, y, w, width, height = tkhd.unpack("9i2I", 52 if wide else 40)
    return track_id, bool(flags & 1), (Fraction(width, 1 << 16), Fraction(height, 1 << 16)), (a, b, u, c, d, v, x, y, w)


def _media_header(mdhd: Atom) -> tuple[int, int | None]:
    """(timescale, duration); a duration of all ones is unknown."""
    if mdhd.unpack("B")[0] == 1:
        timescale, duration = mdhd.unpack("IQ", 20)
        return timescale, None if duration == (1 << 64) - 1 else duration
    timescale, duration = mdhd.unpack("II", 12)
    return timescale, None if duration == (1 << 32) - 1 else duration


def _handler(media: tuple[Atom, ...], information: tuple[Atom, ...]) -> bytes:
    """The media type: from `hdlr`, or from the media header where a writer left that out."""
    for atom in media:
        if atom.kind == b"hdlr" and len(atom.body) >= 12:
            return bytes(atom.body[8:12])
    kinds = {atom.kind for atom in information}
    return b"vide" if b"vmhd" in kinds else b"soun" if b"smhd" in kinds else b"    "


def _sample_table(
    boxes: tuple[Atom, ...], handler: bytes, information: Atom, notes: Notes
) -> tuple[tuple[Description, ...], bool, SampleTables]:
    stbl = only(boxes, b"stbl", notes)
    if stbl is None:
        raise information.damaged("has no sample tables (stbl)")
    stsd = only(stbl.children(), b"stsd", notes)
    if stsd is None:
        raise stbl.damaged("has no sample descriptions (stsd)")
    descriptions = parse_descriptions(stsd)
    tables = parse_tables(stbl, notes)
    if len(tables.stsc) and int(tables.stsc[:, 2].max()) > len(descriptions):
        raise stbl.damaged(f"uses description {int(tables.stsc[:, 2].max())} of {len(descriptions)}")
    if handler in _NEEDED:
        _check_self_contained(boxes, descriptions, notes)
    return descriptions, stsd.unpack("B")[0] == 1, tables


def _check_self_contained(boxes: tuple[Atom, ...], descriptions: tuple[Description, ...], notes: Notes) -> None:
    """Raise NotSupported where the samples lie in another file; a reference like that is never followed."""
    dinf = only(boxes, b"dinf", notes)
    dref = None if dinf is None else dinf.child(b"dref")
    if dref is None:
        return
    entries = dref.children(8)
    for description in descriptions:
        number = description.data_reference
        if 1 <= number <= len(entries) and not entries[number - 1].unpack("I")[0] & 1:
            raise NotSupported(
                f"{dref.file} keeps its media in another file (it is a reference movie); export it as self-contained."
            )


def _edits(parts: tuple[Atom, ...], notes: Notes) -> tuple[Edit, ...]:
    container = only(parts, b"edts", notes)
    entries = None if container is None else container.child(b"elst")
    return () if entries is None else parse_edits(entries)


def _references(parts: tuple[Atom, ...], notes: Notes) -> tuple[Reference, ...]:
    tref = only(parts, b"tref", notes)
    found = []
    for atom in () if tref is None else tref.children(lenient=True):
        count = min(len(atom.body) // 4, 1024)
        found.append(Reference(atom.kind, atom.unpack(f"{count}I")))
    return tuple(found)


def _no_tables() -> SampleTables:
    none = np.zeros(0, np.int64)
    pairs = np.zeros((0, 2), np.int64)
    return SampleTables(pairs, pairs, np.zeros((0, 3), np.int64), none, 0, none, 0, None, none, b"")


def _sign(value: int) -> int:
    return (value > 0) - (value < 0)

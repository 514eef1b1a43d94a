"""What a stream of an MXF file holds: how it is wrapped, which elements are which track's, and where each lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from film_archive.core.errors import Damaged, NotSupported
from film_archive.media.bitstream.frame_header import frame_mark, frame_size
from film_archive.media.mxf.clips import frames_by_headers, frames_by_index, open_clip, sound_chunks
from film_archive.media.mxf.container import Container
from film_archive.media.mxf.elements import NO_ELEMENTS, Content, Elements
from film_archive.media.mxf.index_tables import IndexTable, Segment, join
from film_archive.media.mxf.klv import (
    Klv,
    KlvReader,
    is_encrypted,
    is_essence,
    is_system_item,
    track_number,
)
from film_archive.media.mxf.labels import PICTURE, SOUND, clip_wrapped, pattern_name
from film_archive.media.mxf.metadata import Metadata
from film_archive.media.mxf.sound import pcm_form
from film_archive.media.mxf.tracks import EssenceTrack
from film_archive.media.mxf.units import read_units

_MOST_ELEMENTS = 512
_ITEMS = {PICTURE: (0x15, 0x05, 0x18), SOUND: (0x16, 0x06)}
_FIRST_FRAME_OFFSET = bytes.fromhex("a024006094eb7500ce2aca4e51ab11d3")


@dataclass(frozen=True, eq=False)
class Stream:
    """One stream as it was read: `elements` by TrackID of the file package; `content` is None where clip-wrapped."""

    wrapping: str
    """"frame" or "clip"."""
    container: Container
    table: IndexTable | None
    content: Content | None
    elements: Mapping[int, Elements]
    cut: bool
    diagnostics: tuple[str, ...]


def read_stream(
    reader: KlvReader,
    container: Container,
    tracks: Sequence[EssenceTrack],
    segments: Sequence[Segment],
    metadata: Metadata,
    pattern: bytes,
    fixed: frozenset[int],
) -> Stream:
    """Read one stream.

    `tracks` are its picture and sound; `fixed` the TrackIDs whose elements all have the same size by their codec.
    Raises NotSupported where the essence is encrypted.
    """
    package, repeats = _first_package(reader, container)
    if any(is_encrypted(klv.key) for klv in package):
        raise NotSupported(f"{reader.source.name} is encrypted; give the file as it was before encryption.")
    own = _own_segments(segments, tracks, container.body_sid)
    keys, notes = _match(tracks, package)
    label = tracks[0].descriptor.container if tracks and tracks[0].descriptor is not None else bytes(16)
    if _is_clip_wrapped(package, repeats, own, pattern_name(pattern) == "OP-Atom", label):
        return _read_clip(reader, container, tracks, keys, own, metadata, notes)
    return _read_frames(reader, container, tracks, keys, join(own, container.end), notes, fixed)


def _first_package(reader: KlvReader, container: Container) -> tuple[list[Klv], bool]:
    """The elements of the first content package, and whether its first key comes again behind it."""
    found: list[Klv] = []
    for chunk in container.chunks:
        try:
            for klv in reader.walk(chunk.start, chunk.end):
                if found and klv.key == found[0].key:
                    return found, True
                if is_essence(klv.key) or is_system_item(klv.key) or is_encrypted(klv.key):
                    found.append(klv)
                if len(found) >= _MOST_ELEMENTS:
                    break
        except Damaged:
            # an element that is still being written has no length yet, and no structure behind it
            return found, False
        if found:
            break
    return found, False


def _own_segments(segments: Sequence[Segment], tracks: Sequence[EssenceTrack], body_sid: int) -> list[Segment]:
    own = [segment for segment in segments if segment.body_sid == body_sid]
    if own:
        return own
    sids = {track.index_sid for track in tracks if track.index_sid}
    own = [segment for segment in segments if segment.index_sid in sids]
    only_one = len({(segment.index_sid, segment.body_sid) for segment in segments}) == 1
    return own or (list(segments) if only_one else [])


def _match(tracks: Sequence[EssenceTrack], package: Sequence[Klv]) -> tuple[dict[int, bytes], list[str]]:
    """TrackID → the key of its elements: by TrackNumber, else by kind where that leaves no choice."""
    free = {track_number(klv.key): klv.key for klv in reversed(package) if is_essence(klv.key)}
    keys: dict[int, bytes] = {}
    for track in tracks:
        if track.track.number in free:
            keys[track.track.track_id] = free.pop(track.track.number)
    notes = []
    for kind, items in _ITEMS.items():
        left = [track for track in tracks if track.kind == kind and track.track.track_id not in keys]
        candidates = sorted(number for number in free if number >> 24 in items)
        if left and len(left) == len(candidates):
            for track, number in zip(left, candidates, strict=True):
                keys[track.track.track_id] = free.pop(number)
                notes.append(
                    f"The {kind} track is numbered {track.track.number:08x} but its elements {number:08x}; "
                    "they were taken for it."
                )
    return keys, notes


def _is_clip_wrapped(
    package: Sequence[Klv], repeats: bool, segments: Sequence[Segment], atom: bool, label: bytes
) -> bool:
    """Frame or clip? The structure decides before what labels claim."""
    if not package or repeats or is_system_item(package[0].key):
        return not package and atom
    length = package[0].length
    units = [segment.unit_bytes for segment in segments if segment.unit_bytes]
    units += [
        int(segment.entries.offsets[1] - segment.entries.offsets[0])
        for segment in segments
        if segment.entries is not None and len(segment.entries) > 1
    ]
    if units and (length == 0 or 2 * length >= 3 * min(units)):
        return True
    claim = clip_wrapped(label)
    return atom or length == 0 or (not units and claim is True)


def _read_clip(
    reader: KlvReader,
    container: Container,
    tracks: Sequence[EssenceTrack],
    keys: Mapping[int, bytes],
    segments: Sequence[Segment],
    metadata: Metadata,
    notes: list[str],
) -> Stream:
    elements: dict[int, Elements] = {}
    picture_table: IndexTable | None = None
    cut = False
    for track in tracks:
        key = keys.get(track.track.track_id)
        if key is None or track.descriptor is None:
            continue
        offset = metadata.item(track.descriptor.values, _FIRST_FRAME_OFFSET) or b""
        clip = open_clip(reader, container, key, int.from_bytes(offset[:8], "big") if len(offset) <= 8 else 0)
        cut |= clip.cut
        found = NO_ELEMENTS
        if track.kind == PICTURE:
            table = join(segments, clip.stream.end)
            if table is not None:
                found = frames_by_index(clip, table)
                picture_table = table
                notes += table.diagnostics
                if len(found) < len(table) and not table.open_ended:
                    notes.append(
                        f"The index table lists {len(table)} frames; {len(found)} of them are complete in the file."
                    )
            else:
                found = frames_by_headers(reader.source, clip, frame_size, frame_mark)
                notes.append("The clip-wrapped picture has no index table; its frames were found by their own headers.")
        elif track.kind == SOUND:
            form = pcm_form(track.descriptor)
            if form.frame_bytes:
                found = sound_chunks(clip, form.frame_bytes, form.sample_rate)
        elements[track.track.track_id] = found
    return Stream("clip", container, picture_table, None, elements, cut, tuple(notes))


def _read_frames(
    reader: KlvReader,
    container: Container,
    tracks: Sequence[EssenceTrack],
    keys: Mapping[int, bytes],
    table: IndexTable | None,
    notes: list[str],
    fixed: frozenset[int],
) -> Stream:
    ordered = sorted(tracks, key=lambda track: track.kind != PICTURE)
    ids = [track.track.track_id for track in ordered if track.track.track_id in keys]
    if not ids:
        return Stream("frame", container, table, None, {}, False, tuple(notes))
    lead, *others = (keys[track_id] for track_id in ids)
    content = read_units(
        reader, container, table, lead, others, [keys[track_id] for track_id in ids if track_id in fixed]
    )
    elements = {track_id: content.elements.get(keys[track_id], NO_ELEMENTS) for track_id in ids}
    return Stream("frame", container, table, content, elements, content.cut, (*notes, *content.diagnostics))

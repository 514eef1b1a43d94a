"""Stored order → display order and keyframes of a picture track (ST 377-1, 11.2.2: temporal offset, key frame, flags).

An index entry at display position d says where its frame is stored: at d + temporal offset. Where no index says it,
MPEG-2 and H.264 pictures carry their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from film_archive.core.errors import NotSupported
from film_archive.core.frame_index import Longs
from film_archive.core.source import ByteSource
from film_archive.media.bitstream.frame_header import HEAD, mpeg2_picture
from film_archive.media.bitstream.h264 import parameters_in, slice_header, stands_alone
from film_archive.media.codecs import Codec
from film_archive.media.mxf.elements import Elements
from film_archive.media.mxf.index_tables import Entries

_BACKWARD_AND_FORWARD = 0x30
_LOOKED_AT = 2048
_MOST_COUNTS_A_FRAME = 2
"""A frame has two fields, each of which may have a count; some encoders count frames."""
_MAY_REFER = frozenset(("h265", "vc1", "mpeg4", "mpeg1"))


@dataclass(frozen=True, eq=False)
class Order:
    """For each stored frame: which edit unit of the display it is (−1: none that can be shown); whether it is a key.

    `shown` is how many edit units from 0 on can be displayed without a hole.
    """

    display: Longs
    keys: NDArray[np.bool_]
    shown: int


def picture_order(source: ByteSource, codec: Codec | None, elements: Elements, entries: Entries | None) -> Order:
    """The order of a picture track's elements; `entries` are the index table's, the first ones of which are theirs.

    Raises NotSupported where frames refer to others and nothing says in which order they are shown.
    """
    count = int(elements.units[-1]) + 1 if len(elements) else 0
    everything = Order(elements.units.copy(), np.ones(len(elements), np.bool_), count)
    name = codec.name if codec is not None else None
    if codec is not None and codec.intra:
        return everything
    covered = 0 if entries is None else min(count, len(entries))
    if (
        name != "ffv1"
        and entries is not None
        and covered
        and not _says_nothing(entries, covered)
        and (covered == count or name != "mpeg2")
    ):
        return _by_entries(elements, entries.part(slice(0, covered)), count)
    if name == "mpeg2":
        return _by_mpeg2_headers(source, elements, count)
    if name == "ffv1":
        return Order(everything.display, _ffv1_keys(source, elements), count)
    if name == "h264":
        return everything if _all_intra(source, elements) else _by_h264_headers(source, elements, count)
    if name in _MAY_REFER and covered < count:
        raise NotSupported(
            f"No index table of {source.name} says in which order its {name} frames are shown; "
            "they have to be read by a decoder."
        )
    return everything


def _says_nothing(entries: Entries, count: int) -> bool:
    """Whether the entries can't be those of frames that refer to each other, or contradict themselves."""
    flags, temporal = entries.flags[:count], entries.temporal[:count]
    both_ways = (flags & _BACKWARD_AND_FORWARD) == _BACKWARD_AND_FORWARD
    if not temporal.any():
        silent = not (flags & _BACKWARD_AND_FORWARD).any() and not entries.key[:count].any()
        return silent or bool(both_ways.any())
    stored = np.arange(count, dtype=np.int64) + temporal
    inside = stored[(stored >= 0) & (stored < count)]
    return len(np.unique(inside)) != len(inside)


def _by_entries(elements: Elements, entries: Entries, count: int) -> Order:
    """By index entries for the first edit units; what lies behind those can't be shown."""
    covered = len(entries)
    stored = np.arange(covered, dtype=np.int64) + entries.temporal
    known = (stored >= 0) & (stored < covered)
    display = np.full(count, -1, np.int64)
    display[stored[known]] = np.nonzero(known)[0]
    keys = np.zeros(count, np.bool_)
    keys[:covered] = ((entries.flags & _BACKWARD_AND_FORWARD) == 0) & (entries.key == 0)
    present = np.zeros(count, np.bool_)
    present[elements.units] = True
    # what is displayed after the first edit unit whose frame is not in the file would get a wrong number
    shown = known.copy()
    shown[known] = present[stored[known]]
    end = covered if shown.all() else int(np.argmin(shown))
    return Order(display[elements.units], keys[elements.units], end)


def _by_mpeg2_headers(source: ByteSource, elements: Elements, count: int) -> Order:
    display = np.full(len(elements), -1, np.int64)
    keys = np.zeros(len(elements), np.bool_)
    group_start = 0
    rows = zip(elements.units.tolist(), elements.offsets.tolist(), elements.sizes.tolist(), strict=True)
    for row, (unit, offset, size) in enumerate(rows):
        picture = mpeg2_picture(source.read_at(offset, min(size, _LOOKED_AT)))
        if picture is None:
            raise NotSupported(f"{source.name} has an MPEG-2 frame without a picture header at byte {offset}.")
        reference, kind, group = picture
        if group:
            group_start = unit
        display[row] = group_start + reference
        keys[row] = kind == 1
    if len(np.unique(display)) != len(display):
        raise NotSupported(
            f"The MPEG-2 frames of {source.name} contradict each other about their order, and no index table says it; "
            "they have to be read by a decoder."
        )
    shown = np.zeros(count, np.bool_)
    inside = (display >= 0) & (display < count)
    shown[display[inside]] = True
    return Order(np.where(inside, display, -1), keys, count if shown.all() else int(np.argmin(shown)))


def _all_intra(source: ByteSource, elements: Elements) -> bool:
    """Whether no picture is known to need another; most are told apart by the first few."""
    return all(
        stands_alone(source.read_at(offset, min(size, _LOOKED_AT))) is not False
        for offset, size in zip(elements.offsets.tolist(), elements.sizes.tolist(), strict=True)
    )


def _by_h264_headers(source: ByteSource, elements: Elements, count: int) -> Order:
    """By the picture order counts (ITU-T H.264, 8.2.1.1): within a coded video sequence they rise as pictures are shown.

    An IDR picture begins a sequence. Raises NotSupported where the counts are not there or can't be right.
    """
    rows = list(zip(elements.offsets.tolist(), elements.sizes.tolist(), strict=True))
    parameters = parameters_in(source.read_at(rows[0][0], min(rows[0][1], HEAD)))
    if parameters is None:
        raise _no_order(source)
    counts = np.zeros(len(rows), np.int64)
    keys, begins = np.zeros(len(rows), np.bool_), np.zeros(len(rows), np.bool_)
    last = 0  # the count of the last picture that others refer to
    for row, (offset, size) in enumerate(rows):
        header = slice_header(source.read_at(offset, min(size, HEAD)), parameters)
        if header is None or (header.order is None and parameters.order_type != 2):
            raise _no_order(source)
        keys[row], begins[row] = header.idr or header.intra, header.idr
        if header.order is None:
            counts[row] = 0 if header.idr else counts[row - 1] + 1
            continue
        half = 1 << parameters.order_bits - 1
        last = 0 if header.idr else last
        counts[row] = last + (header.order - last + half - 1) % (2 * half) - half + 1
        if header.reference:
            last = int(counts[row])
    if not begins[0]:
        raise _no_order(source)
    counts -= counts[begins][np.cumsum(begins) - 1]  # with the bottom field first an IDR picture's may be 1
    step = int(np.gcd.reduce(counts)) or 1
    if parameters.order_type == 0 and step > _MOST_COUNTS_A_FRAME:
        raise _no_order(source)
    return _placed(elements, counts // step, keys, np.flatnonzero(begins), count, source)


def _placed(
    elements: Elements, counts: Longs, keys: NDArray[np.bool_], begins: Longs, count: int, source: ByteSource
) -> Order:
    """Sequence after sequence, each counted from its IDR picture; what lies behind a hole can't be shown."""
    display = np.full(len(counts), -1, np.int64)
    start = 0
    for first, end in pairwise((*begins.tolist(), len(counts))):
        display[first:end] = start + counts[first:end]
        start = max(start, int(display[first:end].max()) + 1)
    known = display[display >= 0]
    if len(np.unique(known)) != len(known):
        raise _no_order(source)
    shown = np.zeros(count, np.bool_)
    shown[known[known < count]] = True
    return Order(np.where(display < count, display, -1), keys, count if shown.all() else int(np.argmin(shown)))


def _no_order(source: ByteSource) -> NotSupported:
    return NotSupported(
        f"Neither an index table of {source.name} nor its H.264 pictures say in which order they are shown; "
        "they have to be read by a decoder."
    )


def _ffv1_keys(source: ByteSource, elements: Elements) -> NDArray[np.bool_]:
    """FFV1 is stored as it is shown; a frame's first coded bit, at even odds, says whether it is a key (RFC 9043)."""
    heads = (source.read_at(offset, 2) for offset in elements.offsets.tolist())
    return np.array([int.from_bytes(head, "big") >= 0x7F80 for head in heads], np.bool_)

"""Whether an OpenEXR file is whole: its table of chunks against its bytes, without decoding one.

A render that was killed or a full disk leaves a file whose header opens as if nothing were wrong; the table shows it.
Source: "OpenEXR File Layout" (openexr.com), for files of one part.
"""

from __future__ import annotations

import struct

import numpy as np

from film_archive.core.source import ByteSource

MAGIC = b"\x76\x2f\x31\x01"
_HEADER = 1 << 20
"""An EXR's header is searched no further than this; previews and manifests in it stay well below."""
_TILED, _LONG_NAMES, _DEEP, _MULTIPART = 0x200, 0x400, 0x800, 0x1000
_LINES = {0: 1, 1: 1, 2: 1, 3: 16, 4: 32, 5: 16, 6: 32, 7: 32, 8: 32, 9: 256}
"""Lines in a chunk by compression: none, RLE, ZIPS, ZIP, PIZ, PXR24, B44, B44A, DWAA, DWAB."""


def exr_problem(source: ByteSource) -> str | None:
    """Why an EXR file is not whole, as an end of a sentence; None where it is, or where its kind is not looked into."""
    head = source.read_at(0, _HEADER)
    if head[:4] != MAGIC or len(head) < 8:
        return None
    flags = struct.unpack_from("<I", head, 4)[0]
    if flags & (_MULTIPART | _DEEP):
        return None
    found = _attributes(head)
    if found is None:
        return None
    attributes, table = found
    count = _chunks(attributes, tiled=bool(flags & _TILED))
    if count is None:
        return None
    if table + count * 8 > source.size:
        return f"it is cut short: its table of {count} chunks is not all there"
    offsets = np.frombuffer(source.read_at(table, count * 8), "<u8")
    if not len(offsets):
        return None
    unwritten = int((offsets == 0).sum())
    if unwritten:
        return f"it is unfinished: {unwritten} of its {count} chunks were never written"
    last = int(offsets.max())
    coordinates = 16 if flags & _TILED else 4
    size_field = source.read_at(last + coordinates, 4) if last < source.size else b""
    if len(size_field) < 4 or last + coordinates + 4 + struct.unpack("<I", size_field)[0] > source.size:
        return f"it is cut short: chunks lie behind its end at byte {source.size}"
    return None


def _attributes(head: bytes) -> tuple[dict[bytes, bytes], int] | None:
    """The header's attributes by name, and where the header ends."""
    attributes: dict[bytes, bytes] = {}
    position = 8
    while True:
        end = head.find(b"\0", position, position + 256)
        if end < 0:
            return None
        if end == position:
            return attributes, position + 1
        name = head[position:end]
        end_of_type = head.find(b"\0", end + 1, end + 257)
        if end_of_type < 0 or end_of_type + 5 > len(head):
            return None
        size = struct.unpack_from("<i", head, end_of_type + 1)[0]
        position = end_of_type + 5 + size
        if size < 0 or position > len(head):
            return None
        attributes[name] = head[end_of_type + 5 : position]


def _chunks(attributes: dict[bytes, bytes], *, tiled: bool) -> int | None:
    """How many chunks there have to be; None for mipmaps and what is damaged."""
    window, compression = attributes.get(b"dataWindow", b""), attributes.get(b"compression", b"")
    if len(window) != 16 or len(compression) != 1:
        return None
    x0, y0, x1, y1 = struct.unpack("<4i", window)
    width, height = x1 - x0 + 1, y1 - y0 + 1
    if width < 1 or height < 1:
        return None
    if not tiled:
        lines = _LINES.get(compression[0])
        return None if lines is None else -(-height // lines)
    tiles = attributes.get(b"tiles", b"")
    if len(tiles) != 9 or tiles[8] & 0xF:
        return None
    tile_width, tile_height = struct.unpack_from("<2I", tiles)
    if not tile_width or not tile_height:
        return None
    return int(-(-width // tile_width) * -(-height // tile_height))

"""What ends an archive: manifest, directory, and the end records with the seal over both."""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Iterable

from film_archive.archive import directory, layout, zipformat
from film_archive.archive.entries import EPOCH_NS
from film_archive.archive.zipformat import Entry
from film_archive.core import files
from film_archive.core.digest import KEY, MultiHasher

_CHUNK = 1 << 20
_LEVEL = 6
_NAME = layout.MANIFEST.encode()


def manifest_place(position: int) -> tuple[int, int]:
    """(where the manifest's local header goes, where its payload goes) behind `position`."""
    return zipformat.place(position, _NAME, 0, 0, EPOCH_NS // 10**9, aligned=False)


def manifest_entry(header_offset: int, crc32: int, packed_size: int, size: int) -> Entry:
    """A manifest's entry: always under the same name, date and mode."""
    return Entry(
        name=_NAME,
        method=zipformat.DEFLATED,
        crc32=crc32,
        packed_size=packed_size,
        size=size,
        header_offset=header_offset,
        mtime=EPOCH_NS // 10**9,
        mode=stat.S_IFREG | 0o644,
    )


def blank_seal() -> bytes:
    """As long as a seal is."""
    return directory.seal("0" * 32)


def write_manifest(descriptor: int, position: int, lines: Iterable[bytes]) -> tuple[Entry, int]:
    """Deflate the lines to a member behind `position`; returns its entry and its payload's place.

    The local header is written last: where it stands, the manifest is whole.
    """
    header_at, payload = manifest_place(position)
    deflater = zlib.compressobj(_LEVEL, zlib.DEFLATED, -15)
    hasher = MultiHasher(("crc32",))
    end, buffer = payload, bytearray()
    for line in lines:
        hasher.update(line)
        buffer += deflater.compress(line)
        if len(buffer) >= _CHUNK:
            end = files.write_at(descriptor, buffer, end)
            buffer.clear()
    end = files.write_at(descriptor, buffer + deflater.flush(), end)
    entry = manifest_entry(header_at, int(hasher.digests()["crc32"], 16), end - payload, hasher.size)
    files.write_at(descriptor, zipformat.local_header(entry, payload), header_at)
    return entry, payload


def write_directory(
    descriptor: int, entries: Iterable[tuple[Entry, int]], manifest: Entry, manifest_payload: int
) -> None:
    """Write the directory of all entries, the manifest's last, right behind the manifest, and the sealed end of the file."""
    start = position = manifest_payload + manifest.packed_size
    buffer, count = bytearray(), 1
    for entry, payload in entries:
        buffer += zipformat.central_header(entry, payload)
        count += 1
        if len(buffer) >= _CHUNK:
            position = files.write_at(descriptor, buffer, position)
            buffer.clear()
    buffer += zipformat.central_header(manifest, manifest_payload)
    position = files.write_at(descriptor, buffer, position)
    seal = directory.seal(_digest_of(descriptor, manifest.header_offset, position))
    end = zipformat.end_records(count, start, position - start, seal)
    os.ftruncate(descriptor, files.write_at(descriptor, end, position))


def _digest_of(descriptor: int, start: int, end: int) -> str:
    """Of what was just written, as it reads back."""
    hasher = MultiHasher()
    while start < end:
        data = os.pread(descriptor, min(_CHUNK, end - start), start)
        if not data:
            raise OSError(5, "what was just written can't be read back")
        hasher.update(data)
        start += len(data)
    return hasher.digests()[KEY]

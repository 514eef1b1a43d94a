"""What ends an archive: manifest, directory, and the end records with the seal over both."""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Callable, Iterable

from film_archive.archive import directory, layout, zipformat
from film_archive.archive.entries import EPOCH_NS
from film_archive.archive.zipformat import Entry
from film_archive.core import files
from film_archive.core.digest import KEY, MultiHasher
from film_archive.core.errors import Refused
from film_archive.core.manifest import Header

_CHUNK = 1 << 20
_LEVEL = 6
_NAME = layout.MANIFEST.encode()


def manifest_place(position: int, size: int = 0) -> tuple[int, int]:
    """(where the local header of a manifest of `size` bytes, uncompressed, goes, where its payload goes) behind `position`.

    Only from 4 GiB on does the size matter. Deflated it is always less: it is JSON, with its digests in hex.
    """
    return zipformat.place(position, _NAME, size, 0, EPOCH_NS // 10**9, aligned=False)


def manifest_of(make: Callable[[int], Header], position: int, lines_size: int) -> tuple[Header, int]:
    """(header, size of the whole manifest) of a manifest behind `position` whose members' lines have so many bytes together.

    `make` gives the header for where the payload lies, which depends on the size, to which the header belongs. Raises
    Refused where the manifest would be larger than what is read again.
    """
    size = lines_size
    for _ in range(2):  # a longer local header may add a digit to the offset, and never takes one away
        header = make(manifest_place(position, size)[1])
        size = lines_size + len(header.to_line())
    if size > layout.LARGEST_MANIFEST:
        raise Refused(
            f"The manifest would have {size} bytes, and an archive in its zip form has at most {layout.LARGEST_MANIFEST}; "
            "use `create --in-place`, or several archives."
        )
    return header, size


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


def write_manifest(descriptor: int, position: int, lines: Iterable[bytes], size: int = 0) -> tuple[Entry, int]:
    """Deflate the lines to a member behind `position`; returns its entry and its payload's place.

    `size` is what all lines have together, as `manifest_of` says it, or anything below 4 GiB where it is surely less. The
    local header is written last: where it stands, the manifest is whole.
    """
    header_at, payload = manifest_place(position, size)
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
    header = zipformat.local_header(entry, payload)
    if header_at + len(header) != payload:
        raise Refused(f"The manifest has {hasher.size} bytes, and was to have {size}; nothing was finished.")
    files.write_at(descriptor, header, header_at)
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
    if position - start > layout.LARGEST_DIRECTORY:
        raise Refused(
            f"The zip's directory would have {position - start} bytes, and at most {layout.LARGEST_DIRECTORY} are read; "
            "use `create --in-place`, several archives, or shorter names."
        )
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

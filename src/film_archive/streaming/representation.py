"""What HTTP says of a member or a file: its media type, its entity-tag, its date."""

from __future__ import annotations

import os

from film_archive.core.digest import KEY
from film_archive.core.member import Member
from film_archive.streaming.ranges import EntityTag, Representation

_NANOSECONDS = 10**9

MEDIA_TYPES = {
    "mp4": "video/mp4",
    "m4v": "video/mp4",
    "mov": "video/quicktime",
    "mxf": "application/mxf",
    "m4a": "audio/mp4",
    "wav": "audio/wav",
    "aif": "audio/aiff",
    "aiff": "audio/aiff",
    "mp3": "audio/mpeg",
    "flac": "audio/flac",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "exr": "image/x-exr",
    "dpx": "image/x-dpx",
    "vtt": "text/vtt; charset=utf-8",
    "txt": "text/plain; charset=utf-8",
    "edl": "text/plain; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "jsonl": "application/jsonl",
    "otio": "application/json",
    "pdf": "application/pdf",
    "zip": "application/zip",
    "otioz": "application/zip",
}
"""By a name's extension. One table of ours, so that an answer does not depend on the machine's; what a browser would
run as a page (HTML, SVG, XML) is not in it and goes as bytes."""


def media_type(name: str) -> str:
    """The media type (RFC 6838) of a file of this name."""
    return MEDIA_TYPES.get(name.rpartition(".")[2].lower(), "application/octet-stream")


def of_file(status: os.stat_result, name: str) -> Representation:
    """A plain file as it was when opened: its tag is made from size, time of change and inode."""
    return Representation(
        size=status.st_size,
        etag=EntityTag(_file_tag(status)),
        last_modified=status.st_mtime_ns // _NANOSECONDS,
        content_type=media_type(name),
    )


def of_member(member: Member, archive: os.stat_result) -> Representation:
    """A member: its tag is the digest of its content, wherever the archive lies; `archive` is the archive file's
    status.

    A zip of another program knows a CRC-32 only, which is too short to vouch for content: the archive file's own tag
    and the member's place in it stand beside it.
    """
    digest = member.digests.get(KEY)
    tag = digest if digest else f"{_file_tag(archive)}-{member.offset or 0:x}-{member.size:x}-{member.crc32 or 0:08x}"
    mtime_ns = member.mtime_ns
    return Representation(
        size=member.size,
        etag=EntityTag(tag),
        last_modified=None if mtime_ns is None else mtime_ns // _NANOSECONDS,
        content_type=media_type(member.path),
    )


def _file_tag(status: os.stat_result) -> str:
    return f"{status.st_size:x}-{status.st_mtime_ns:x}-{status.st_ino:x}"

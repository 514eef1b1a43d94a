"""Containers that have no reader of our own: how each is known, and which of FFmpeg's demuxers reads it.

What FFmpeg's own probing would take for media is much more (text as subtitles, playlists that open other files). What
is not in this table is not media here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from film_archive.core.source import ByteSource
from film_archive.media.raw_cameras import extension_of


@dataclass(frozen=True, slots=True)
class Demuxer:
    """A container that one of FFmpeg's demuxers reads: its name with us, and the demuxer's."""

    container: str
    demuxer: str
    matches: Callable[[ByteSource, bytes], bool]
    extensions: tuple[str, ...]


def _starts(*magics: bytes) -> Callable[[ByteSource, bytes], bool]:
    return lambda source, head: head.startswith(magics)


def _is_transport_stream(source: ByteSource, head: bytes) -> bool:
    for before, step in ((0, 188), (4, 192)):
        marks = source.read_at(before, 4 * step + 1)[::step]
        if len(marks) == 5 and marks == b"\x47" * 5:
            return True
    return False


def _is_annex_b(head: bytes) -> bool:
    return head.startswith((b"\0\0\0\x01", b"\0\0\x01"))


def _named(extensions: tuple[str, ...], matches: Callable[[bytes], bool]) -> Callable[[ByteSource, bytes], bool]:
    return lambda source, head: len(head) > 4 and matches(head) and extension_of(source.name) in extensions


DEMUXERS: tuple[Demuxer, ...] = (
    Demuxer("mkv", "matroska", _starts(b"\x1a\x45\xdf\xa3"), ("mkv", "webm", "mka")),
    Demuxer("avi", "avi", lambda source, head: head[:4] == b"RIFF" and head[8:12] in (b"AVI ", b"AVIX"), ("avi",)),
    Demuxer("mpegts", "mpegts", _is_transport_stream, ("ts", "m2ts", "mts")),
    Demuxer("mpeg", "mpeg", _starts(b"\0\0\x01\xba"), ("mpg", "mpeg", "vob")),
    Demuxer("mpegvideo", "mpegvideo", _starts(b"\0\0\x01\xb3"), ("m2v", "mpv")),
    Demuxer(
        "aiff",
        "aiff",
        lambda source, head: head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"),
        ("aif", "aiff", "aifc"),
    ),
    Demuxer("flac", "flac", _starts(b"fLaC"), ("flac",)),
    Demuxer("ogg", "ogg", _starts(b"OggS"), ("ogg", "oga", "ogv", "opus")),
    Demuxer("mp3", "mp3", _starts(b"ID3"), ("mp3",)),
    # These begin with a few bits of synchronisation only, so that their names have to agree.
    Demuxer("mp3", "mp3", _named(("mp3",), lambda head: head[0] == 0xFF and head[1] & 0xE6 == 0xE2), ("mp3",)),
    Demuxer("aac", "aac", _named(("aac",), lambda head: head[0] == 0xFF and head[1] & 0xF6 == 0xF0), ("aac",)),
    Demuxer("h264", "h264", _named(("h264", "264", "avc"), _is_annex_b), ("h264", "264", "avc")),
    Demuxer("h265", "hevc", _named(("h265", "265", "hevc"), _is_annex_b), ("h265", "265", "hevc")),
    Demuxer("w64", "w64", _starts(b"riff\x2e\x91\xcf\x11"), ("w64",)),
    Demuxer("caf", "caf", _starts(b"caff"), ("caf",)),
    Demuxer("flv", "flv", _starts(b"FLV\x01"), ("flv",)),
    Demuxer("asf", "asf", _starts(b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"), ("wmv", "wma", "asf")),
    Demuxer("gxf", "gxf", _starts(b"\0\0\0\0\x01\xbc"), ("gxf",)),
    Demuxer("cine", "cine", lambda source, head: head[:2] == b"CI" and head[2:4] == b"\x2c\0", ("cine",)),
    Demuxer("ivf", "ivf", _starts(b"DKIF"), ("ivf",)),
    Demuxer("y4m", "yuv4mpegpipe", _starts(b"YUV4MPEG2 "), ("y4m",)),
    Demuxer("gif", "gif", _starts(b"GIF87a", b"GIF89a"), ("gif",)),
    Demuxer("dv", "dv", _starts(b"\x1f\x07\0\x3f", b"\x1f\x07\0\xbf"), ("dv", "dif")),
)


def demuxer_of(source: ByteSource, head: bytes) -> Demuxer | None:
    """The demuxer for a source, by its first 64 bytes (and its name, where those say little)."""
    return next((row for row in DEMUXERS if row.matches(source, head)), None)

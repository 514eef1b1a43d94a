"""Opening a ByteSource with FFmpeg's demuxers, and saying in our words what FFmpeg says in its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import av
from av.container import InputContainer

from film_archive.core.errors import Damaged, FilmArchiveError, NotSupported, from_os_error
from film_archive.core.source import ByteSource

_SAFE = {"protocol_whitelist": "file"}
"""A playlist or reference movie must not make the demuxer open anything else over a network."""


def explained(error: av.error.FFmpegError, doing: str) -> FilmArchiveError:
    """Our error for one of FFmpeg's; `doing` is e.g. "read a.mov" and completes the sentence."""
    if isinstance(error, OSError):
        return from_os_error(error, doing)
    if isinstance(error, LookupError | av.error.PatchWelcomeError | av.error.ExperimentalError):
        return NotSupported(f"Could not {doing}: the media library cannot do it ({error.strerror or error}).")
    return Damaged(f"Could not {doing}: {error.strerror or error}.")


def _whole_file(source: ByteSource) -> str | None:
    """The path of the file that a source is, all of it, where FFmpeg can be told it."""
    extent = source.extent()
    if extent is None or extent.offset or not str(extent.path).isprintable():
        return None
    return str(extent.path) if extent.length == extent.path.stat().st_size else None


@contextmanager
def open_source(
    source: ByteSource, *, container: str | None = None, options: Mapping[str, str] | None = None
) -> Iterator[InputContainer]:
    """An input container over a source; `container` names FFmpeg's demuxer where it is known ("mov", "mxf", …).

    A whole file is read by FFmpeg itself, a part of one or anything else through Python. (FFmpeg's `subfile` protocol
    would do for parts, but the one that PyAV 18 brings fails on files above 4 GiB.)
    `options` are the demuxer's own. Raises Damaged where no demuxer makes sense of the bytes.
    """
    path = _whole_file(source)
    given = _SAFE | dict(options or {})
    try:
        if path is not None:
            opened = av.open(f"file:{path}", "r", format=container, container_options=given, metadata_errors="replace")
        else:
            opened = av.open(
                source.open(),
                "r",
                format=container,
                container_options=given,
                metadata_errors="replace",
                buffer_size=1 << 16,
            )
    except av.error.FFmpegError as error:
        raise Damaged(f"{source.name} could not be opened as media: {error.strerror or error}.") from error
    with opened:
        yield opened

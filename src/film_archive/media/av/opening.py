"""Opening a ByteSource with FFmpeg's demuxers, and saying in our words what FFmpeg says in its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import av
from av.container import InputContainer

from film_archive.core.errors import Damaged, FilmArchiveError, NotSupported, from_os_error
from film_archive.core.source import ByteSource

_SAFE = {"protocol_whitelist": "file,subfile"}
"""A playlist or reference movie must not make the demuxer open anything else over a network."""


def explained(error: av.error.FFmpegError, doing: str) -> FilmArchiveError:
    """Our error for one of FFmpeg's; `doing` is e.g. "read a.mov" and completes the sentence."""
    if isinstance(error, OSError):
        return from_os_error(error, doing)
    if isinstance(error, LookupError | av.error.PatchWelcomeError | av.error.ExperimentalError):
        return NotSupported(f"Could not {doing}: the media library cannot do it ({error.strerror or error}).")
    return Damaged(f"Could not {doing}: {error.strerror or error}.")


@contextmanager
def open_source(
    source: ByteSource, *, container: str | None = None, options: Mapping[str, str] | None = None
) -> Iterator[InputContainer]:
    """An input container over a source; `container` names FFmpeg's demuxer where it is known ("mov", "mxf", …).

    Bytes that are one run of a file are read by FFmpeg itself (its `subfile` protocol); all others through Python.
    `options` are the demuxer's own. Raises Damaged where no demuxer makes sense of the bytes.
    """
    extent = source.extent()
    path = None if extent is None else str(extent.path)
    given = _SAFE | dict(options or {})
    try:
        if extent is not None and path is not None and path.isprintable():
            url = f"subfile,,start,{extent.offset},end,{extent.offset + extent.length},,:{path}"
            opened = av.open(url, "r", format=container, container_options=given, metadata_errors="replace")
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

"""Opening a ByteSource with FFmpeg's demuxers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import av
from av.container import InputContainer

from film_archive.core.errors import Damaged
from film_archive.core.source import ByteSource

_SAFE = {"protocol_whitelist": "file,subfile"}
"""A playlist or reference movie must not make the demuxer open anything else over a network."""


@contextmanager
def open_source(source: ByteSource, *, container: str | None = None) -> Iterator[InputContainer]:
    """An input container over a source; `container` names FFmpeg's demuxer where it is known ("mov", "mxf", …).

    Bytes that are one run of a file are read by FFmpeg itself (its `subfile` protocol); all others through Python.
    Raises Damaged where no demuxer makes sense of them.
    """
    extent = source.extent()
    path = None if extent is None else str(extent.path)
    try:
        if extent is not None and path is not None and path.isprintable():
            url = f"subfile,,start,{extent.offset},end,{extent.offset + extent.length},,:{path}"
            opened = av.open(url, "r", format=container, options=dict(_SAFE), metadata_errors="replace")
        else:
            opened = av.open(
                source.open(), "r", format=container, options=dict(_SAFE), metadata_errors="replace", buffer_size=1 << 16
            )
    except av.error.FFmpegError as error:
        raise Damaged(f"{source.name} could not be opened as media: {error.strerror or error}.") from error
    with opened:
        yield cast(InputContainer, opened)

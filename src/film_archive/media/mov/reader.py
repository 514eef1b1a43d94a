"""QuickTime and MP4 files, read by their index alone: `MovFile` is the door to all of this folder.

The moov is read and no media, save a few bytes: timecode samples, and the first frame's own header where the
description says too little.
"""

from __future__ import annotations

from functools import cached_property
from typing import Self

from film_archive.core.facts import MediaFacts
from film_archive.core.frame_index import FrameIndex
from film_archive.core.source import ByteSource
from film_archive.media.mov.describing import media_facts
from film_archive.media.mov.indexing import IndexedMovie
from film_archive.media.mov.movie import read_movie


class MovFile(IndexedMovie):
    """An open QuickTime or MP4 file; it keeps the source it was given and does not close it."""

    @classmethod
    def open(cls, source: ByteSource) -> Self:
        """Parse a file's index.

        Raises NotMedia where it is something else, Damaged where it has no index or one that contradicts itself, and
        NotSupported for compressed indexes and media in other files.
        """
        return cls(source, read_movie(source))

    def facts(self) -> MediaFacts:
        """What a probe tells. Raises Damaged or NotSupported where the picture's tables are unusable.

        A sound track that can't be indexed is described as far as it goes, with a diagnostic.
        """
        return self._facts

    def index(self) -> FrameIndex:
        """Where every frame and sound packet lies; see `core.frame_index`. Raises Damaged or NotSupported."""
        return self._index

    @cached_property
    def _facts(self) -> MediaFacts:
        return media_facts(self)

    @cached_property
    def _index(self) -> FrameIndex:
        return self.frame_index()

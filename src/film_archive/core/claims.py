"""What a caller says of a clip, held against what its bytes say: the bytes win, and a warning tells of it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

from film_archive.core.facts import MediaFacts
from film_archive.core.models import MediaFile, VideoCodec
from film_archive.core.source import printable
from film_archive.core.timecode import Timecode


def completed(facts: MediaFacts, media_file: MediaFile, size: int | None = None) -> MediaFacts:
    """Facts with the start timecode and the reel that the caller knows and the file does not say.

    Every claim that the file contradicts (`size` is the file's, in bytes) becomes a UserWarning.
    """
    name = printable(media_file.file_path)
    media_file = _counted_as(facts, media_file)
    for what, found, claimed in _contradicted(facts, media_file, size):
        warnings.warn(f"{name}: {what} is {found}, not {claimed} as claimed; the file's own is used.", stacklevel=3)
    if facts.start_timecode is None and media_file.start_timecode is not None:
        facts = facts.with_start(media_file.start_timecode, "caller")
    if facts.reel is None and media_file.reel is not None:
        facts = facts.with_reel(media_file.reel, "caller")
    return facts


def _counted_as(facts: MediaFacts, media_file: MediaFile) -> MediaFile:
    """With its start label counted at the file's own rate, where it was counted at the caller's (or the default)."""
    start = media_file.start_timecode
    if start is None or facts.frame_rate is None or start.rate != media_file.rate or start.rate == facts.frame_rate:
        return media_file
    recounted = start.model_copy(update={"frame_rate": facts.frame_rate})
    return media_file.model_copy(update={"start_timecode": recounted})


def _contradicted(facts: MediaFacts, media_file: MediaFile, size: int | None) -> Iterator[tuple[str, object, object]]:
    """(what, as found, as claimed) of every claim that is known to be wrong."""
    for what, found, claimed in _compared(facts, media_file, size):
        if what in media_file.claims and found is not None and claimed is not None and found != claimed:
            yield what.replace("_", " "), _words(found), _words(claimed)


def _compared(facts: MediaFacts, media_file: MediaFile, size: int | None) -> Iterator[tuple[str, object, object]]:
    yield "size", size, media_file.size
    if facts.codec is not None:
        yield "codec", VideoCodec.named(facts.codec), media_file.codec
    yield "frame_rate", facts.frame_rate, media_file.rate
    if facts.width is not None and facts.height is not None:
        yield "resolution", (facts.width, facts.height), media_file.resolution
    yield "audio_channels", sum(track.channels for track in facts.audio), media_file.audio_channels
    yield "start_timecode", facts.start_timecode, media_file.start_timecode
    yield "reel", facts.reel, media_file.reel


def _words(value: object) -> str:
    if isinstance(value, tuple):
        return "×".join(str(side) for side in value)
    if isinstance(value, Timecode):
        return f"{value} at {value.rate.text}"
    return getattr(value, "text", None) or str(value)

"""How much room an archive needs, told before its first byte is written: files, frame indexes, and proxies in the making."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from film_archive.archive.reader import open_archive
from film_archive.archive.unfinished import listing_bytes
from film_archive.core import copying, files
from film_archive.core.errors import FilmArchiveError, NotFound
from film_archive.core.facts import MediaFacts
from film_archive.core.ladder import Rung
from film_archive.core.source import FileSource, printable
from film_archive.core.timecode import FrameRate
from film_archive.proxy import making
from film_archive.proxy.recipe import PLAIN, Recipe
from film_archive.workflows.gathering import Found, FoundPart, FoundSequence, Kind
from film_archive.workflows.locating import is_member

_PER_FILE = 4096 + 1024
"""Bytes beside a file's own: the gap to the next block, headers, its line in the manifest."""
_PER_FRAME = 16
"""Bytes of a frame index, at most."""
_PER_STILL = 1 << 19
"""Bytes of a poster, a strip or a contact sheet, about."""
_USUAL_RATE = FrameRate(24, 1)
"""Of an image sequence, before its first image is opened."""
_SOUND_ONLY = frozenset(("wav", "bwf", "rf64", "wave", "aif", "aiff", "mp3", "m4a", "aac", "flac"))


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is to be expected of clips before any of them is archived."""

    frames: Mapping[str, int]
    """Member path → frames, of the clips that get proxies."""
    proxies: int
    """Bytes of all proxies, by their nominal bit rates."""
    largest: int
    """Bytes of the one clip's proxies that need most: while they are made they are there twice."""
    indexes: int
    """Bytes of all frame indexes."""


def look_ahead(
    entries: Iterable[Found | FoundSequence | FoundPart], rungs: Sequence[Rung], recipe: Recipe = PLAIN
) -> Outlook:
    """Open the clips that will get proxies, to know their frames and how long they play.

    Without `rungs` nothing is opened. What can't be read has no proxies here; archiving it says why.
    """
    frames: dict[str, int] = {}
    proxies = largest = indexes = 0
    for entry in entries:
        if isinstance(entry, FoundSequence):
            frames[entry.member] = entry.images.span if rungs else 0
            size = _sequence_bytes(entry, rungs, recipe)
            proxies, largest = proxies + size, max(largest, size)
            continue
        if isinstance(entry, FoundPart):
            continue  # its frames can't be told apart here: no index, no proxies
        if entry.kind != Kind.FILE or not _may_be_clip(entry):
            continue
        facts = _facts_of(entry) if rungs else None
        if facts is None or not making.can_have_proxies(facts):
            indexes += 1024 + min(entry.size >> 10, 1 << 23)
            continue
        frames[entry.member] = facts.frames or 0
        indexes += 1024 + _PER_FRAME * (facts.frames or 0)
        size = proxy_bytes(rungs, facts, recipe)
        proxies, largest = proxies + size, max(largest, size)
    return Outlook(frames, proxies, largest, indexes)


def proxy_bytes(rungs: Iterable[Rung], facts: MediaFacts, recipe: Recipe) -> int:
    """What proxies and stills of a clip need by their nominal bit rates, and a tenth more for sound and tables."""
    bits = sum(recipe.bit_rate(rung, facts) for rung in rungs)
    return int(bits * (facts.seconds or Fraction(0)) * 11 / 80) + len(recipe.stills) * _PER_STILL


def _sequence_bytes(entry: FoundSequence, rungs: Sequence[Rung], recipe: Recipe) -> int:
    """The same of an image sequence, before its first image is opened: as if it were UHD."""
    facts = MediaFacts(container="images", width=3840, height=2160, frames=entry.images.span, frame_rate=_USUAL_RATE)
    return proxy_bytes(rungs, facts, recipe) if rungs else 0


def require_room(target: Path, entries: Iterable[Found], outlook: Outlook, unfinished: Iterable[Path]) -> None:
    """Refuse with NoSpace, before anything is written, where the disk of an archive has no room for what is to come.

    Blocks that can be shared with the sources, files that lie in a folder archive already, and what an earlier run left
    unfinished are not counted again. `target` is the archive; a folder where it is made in place.
    """
    in_place = target.is_dir()
    folder = target if in_place else target.parent
    inside = (f"{target}{os.sep}", f"{os.path.realpath(target)}{os.sep}")
    count = size = 0
    biggest: Found | None = None
    for entry in entries:
        if entry.kind != Kind.FILE:
            continue
        count += 1
        if not (in_place and (entry.path.startswith(inside) or os.path.realpath(entry.path).startswith(inside))):
            size += entry.size
            if biggest is None or entry.size > biggest.size:
                biggest = entry
    needed = count * (512 if in_place else _PER_FILE) + outlook.indexes + outlook.proxies + outlook.largest
    needed += _listing_bytes(target)
    needed -= sum(size_of(path) for path in unfinished)
    if needed + size <= files.free_space(folder):
        return
    if biggest is None or is_member(biggest.path) or not copying.can_share(Path(biggest.path), folder):
        needed += size
    files.require_space(folder, needed, printable(target))


def _listing_bytes(target: Path) -> int:
    """Of an archive that is added to: what it lists already is written anew."""
    try:
        with open_archive(target) as archive:
            return listing_bytes(archive)
    except NotFound:
        return 0


def _may_be_clip(entry: Found) -> bool:
    from film_archive.media.readers import is_media_extension

    extension = entry.path.rpartition(".")[2].lower()
    return extension not in _SOUND_ONLY and is_media_extension(extension)


def _facts_of(entry: Found) -> MediaFacts | None:
    from film_archive.media.probe import probe

    try:
        with FileSource(entry.path) as source:
            return probe(source)
    except FilmArchiveError:
        return None


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a folder; 0 where there is nothing."""
    if path.is_dir():
        return sum(place.stat().st_size for place in path.rglob("*") if place.is_file())
    return path.stat().st_size if path.exists() else 0

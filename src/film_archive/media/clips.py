"""Clips: which files make one piece of media together. An image sequence, the parts of a spanned recording, a file
with its sidecars.

Grouping looks at names only, so it works on members of an archive and on tapes that are not here as well as on folders.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from film_archive.media.sequence import ImageSequence, find_sequences
from film_archive.media.sidecars import sidecars_of

SIDECAR_EXTENSIONS = frozenset(
    (
        "xml",
        "rmd",
        "sidecar",
        "xmp",
        "cdl",
        "cpf",
        "bim",
        "smi",
        "ppn",
        "sif",
        "ale",
        "alf",
        "aml",
        "rtn",
        "txt",
        "md5",
        "mhl",
        "csv",
        "pdf",
    )
)
_RED_PART = re.compile(r"(.+)_(\d{3})(\.r3d)", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Clip:
    """What lies together as one piece of media; paths as they came."""

    name: str
    """As people call it: the file, the clip without its part numbers, the sequence's pattern."""
    parts: tuple[str, ...]
    """The files that hold it, in order; for a sequence its first and last only, `sequence` has the rest."""
    sequence: ImageSequence | None = None
    sidecars: tuple[str, ...] = ()
    missing_parts: tuple[int, ...] = ()
    """Numbers of parts of a spanned clip that are not there (what lies behind the last can't be known)."""


@dataclass(frozen=True, slots=True)
class FoundClips:
    """What `find_clips` made of some paths."""

    clips: tuple[Clip, ...]
    others: tuple[str, ...]
    """Files that belong to no clip by their names: notes, checksums, folders' own lists."""


def find_clips(paths: Iterable[str], *, photographs: bool = False) -> FoundClips:
    """Group files into clips, by their names alone; see `find_sequences` for what a sequence is.

    R3D recordings are spanned over `…_001.R3D`, `…_002.R3D` (RED's clip naming); all parts are one clip.
    """
    found = find_sequences(paths, photographs=photographs)
    singles = [path for path in found.others if not _is_sidecar_like(path)]
    beside: dict[str, list[str]] = {}
    for path in found.others:
        if _is_sidecar_like(path):
            folder, name = _split(path)
            beside.setdefault(folder, []).append(name)
    clips = [clip_of_sequence(each) for each in found.sequences]
    clips += [Clip(path, (path,), None, _sidecars(path, beside)) for path in singles if part_name(path) is None]
    clips += [replace(clip, sidecars=_sidecars(clip.parts[0], beside)) for clip in spanned_clips(singles)]
    taken = {path for clip in clips for path in clip.sidecars}
    others = tuple(path for path in found.others if _is_sidecar_like(path) and path not in taken)
    return FoundClips(tuple(sorted(clips, key=lambda clip: clip.name)), others)


def part_name(path: str) -> tuple[str, int] | None:
    """The name of the spanned clip that a file is a part of, by its name, and the part's number; None for all others."""
    match = _RED_PART.fullmatch(path)
    return None if match is None else (f"{match[1]}{match[3]}", int(match[2]))


def spanned_clips(paths: Iterable[str]) -> Iterator[Clip]:
    """The recordings that are spanned over numbered files among some paths (one part alone is such a clip, too)."""
    spanned: dict[str, dict[int, str]] = {}
    for path in paths:
        named = part_name(path)
        if named is not None:
            spanned.setdefault(named[0], {})[named[1]] = path
    for name, numbered in spanned.items():
        numbers = sorted(numbered)
        missing = tuple(number for number in range(1, numbers[-1]) if number not in numbered)
        yield Clip(name, tuple(numbered[number] for number in numbers), missing_parts=missing)


def _is_sidecar_like(path: str) -> bool:
    return path.rpartition(".")[2].lower() in SIDECAR_EXTENSIONS


def _sidecars(path: str, beside: dict[str, list[str]]) -> tuple[str, ...]:
    folder, name = _split(path)
    found = [_join(folder, other) for other in sidecars_of(name, beside.get(folder, ()))]
    above, last = _split(folder)
    if last.upper() in ("VIDEO", "AUDIO"):  # Panasonic P2: CONTENTS/VIDEO/0001AB.MXF has CONTENTS/CLIP/0001AB.XML
        clip = _join(above, "CLIP")
        found += [_join(clip, other) for other in sidecars_of(name, beside.get(clip, ()))]
    return tuple(found)


def clip_of_sequence(sequence: ImageSequence) -> Clip:
    return Clip(sequence.hashes, (sequence.file(sequence.first), sequence.file(sequence.last)), sequence)


def _split(path: str) -> tuple[str, str]:
    folder, slash, name = path.rpartition("/")
    return (folder or slash), name


def _join(folder: str, name: str) -> str:
    if not folder:
        return name
    return f"/{name}" if folder == "/" else f"{folder}/{name}"

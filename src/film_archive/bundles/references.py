"""Which files of this machine a timeline's media references mean."""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass
from pathlib import Path

from film_archive.archive.layout import member_name
from film_archive.bundles.urls import Reading, decoded, place_of, readings
from film_archive.core.source import kind_of
from film_archive.editorial.otio import MediaReference
from film_archive.media.clips import find_clips

_ABSENT = "it is not there"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a reference leads to."""

    reference: MediaReference
    paths: tuple[Path, ...] = ()
    """All files that it means, of a sequence in order."""
    around: tuple[str, str] | None = None
    """Of a sequence: what stands before and behind the numbers in the names of its files."""
    problem: str | None = None
    """Why it leads to none."""


class Lookup:
    """Finds the files of references, relative ones below each of the bases in turn; each URL is looked for once."""

    def __init__(self, bases: tuple[Path, ...]) -> None:
        self._bases = bases
        self._files: dict[str, Path | str] = {}
        self._parts: dict[Path, dict[str, tuple[Path, ...]]] = {}
        self._listings: dict[Path, list[str]] = {}

    def meaning(self, reference: MediaReference) -> Meaning:
        """What a reference leads to; raises nothing where that is nothing, but says why."""
        if reference.sequence is not None:
            return self._images(reference)
        found = self._cached(reference.url)
        return Meaning(reference, problem=found) if isinstance(found, str) else Meaning(reference, self._clip(found))

    def _cached(self, url: str) -> Path | str:
        """The file that a URL means, or why there is none."""
        found = self._files.get(url)
        if found is None:
            found = self._files[url] = self._file(url)
        return found

    def _file(self, url: str) -> Path | str:
        if not url:
            return "it names no file"
        meant = readings(url)
        if not meant:
            return "it is not the URL of a file"
        problems = []
        for reading in meant:
            found = self._at(reading)
            if isinstance(found, Path):
                return found
            problems.append(found)
        return problems[0]

    def _at(self, reading: Reading) -> Path | str:
        problem = _ABSENT
        for place in place_of(reading.path, self._bases):
            kind = _problem(place)
            if kind is None:
                return place
            problem = problem if kind == _ABSENT else kind
        return problem

    def _clip(self, path: Path) -> tuple[Path, ...]:
        """A file and, where it is a part of a spanned recording, the other parts."""
        if path.suffix.lower() != ".r3d":
            return (path,)
        folder = path.parent
        if folder not in self._parts:
            clips = find_clips(self._names(folder)).clips
            self._parts[folder] = {part: tuple(folder / each for each in clip.parts) for clip in clips for part in clip.parts}
        parts = self._parts[folder].get(path.name, (path,))
        return (path, *(part for part in parts if part != path))

    def _images(self, reference: MediaReference) -> Meaning:
        """The images of a sequence that are there, if they may be used."""
        named = reference.sequence
        assert named is not None
        meant = readings(reference.url_of(named.start))
        for reading in meant:
            for place in place_of(reading.path, self._bases):
                for suffix in (decoded(named.suffix), named.suffix, ""):
                    if place.name.endswith(named.digits(named.start) + suffix):
                        found = self._images_beside(reference, place, suffix)
                        if found is not None:
                            return found
        return Meaning(reference, problem="none of its images is there" if meant else "it is not the URL of a file")

    def _images_beside(self, reference: MediaReference, first: Path, suffix: str) -> Meaning | None:
        """Those beside the first one; None where there are none."""
        named = reference.sequence
        assert named is not None
        prefix = first.name[: len(first.name) - len(named.digits(named.start) + suffix)]
        pattern = re.compile(f"{re.escape(prefix)}(-?[0-9]{{1,18}}){re.escape(suffix)}", re.DOTALL)
        there = (match[1] for match in map(pattern.fullmatch, self._names(first.parent)) if match is not None)
        numbers = sorted(number for text in there if named.digits(number := int(text)) == text)
        wanted = named.numbers()
        if wanted is not None:
            numbers = [number for number in numbers if number in wanted]
        paths = {number: first.parent / f"{prefix}{named.digits(number)}{suffix}" for number in numbers}
        paths = {number: path for number, path in paths.items() if _problem(path) is None}
        if not paths:
            return None
        if wanted is not None and len(paths) < len(wanted) and not named.tolerates_holes:
            hole = next(number for number in wanted if number not in paths)
            what = f"{len(wanted) - len(paths)} of its {len(wanted)} images are not there, number {hole} is the first"
            return Meaning(reference, problem=what)
        if member_name(prefix + suffix)[1] is not None:
            return Meaning(reference, problem="its images have names that are not UTF-8, which a timeline can't hold")
        return Meaning(reference, tuple(paths.values()), (prefix, suffix))

    def _names(self, folder: Path) -> list[str]:
        if folder not in self._listings:
            try:
                self._listings[folder] = [each.name for each in folder.iterdir()]
            except (OSError, ValueError):  # then no image is there, and that is what is said
                self._listings[folder] = []
        return self._listings[folder]


def _problem(place: Path) -> str | None:
    """Why there is no file at a place; None where there is one."""
    try:
        mode = place.stat().st_mode
    except (OSError, ValueError) as error:  # ValueError: a NUL, or half a surrogate pair
        if isinstance(error, PermissionError):
            return "this user may not look at it"
        return _ABSENT
    return None if stat.S_ISREG(mode) else f"it is {kind_of(mode)}"

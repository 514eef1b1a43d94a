"""Image sequences: which files of a folder are the frames of one clip, and where each of them is.

The rules, in this order:

* A frame's name is a stem, a number and an extension of an image: `shot_` `0101` `.exr`. The number stands right before
  the extension. A minus is its sign where it follows a dot or an underscore or begins the name; elsewhere it belongs to
  the stem (`shot-0101`).
* Frames of one sequence share folder, stem, extension (letter for letter) and padding. Numbers with leading zeros tell
  their padding; a number without them belongs to the widest such padding that it fills (`9999`, `10000` after
  `0998`); where no number has leading zeros, numbers of one length have that length as padding, others are unpadded
  (9, 10). So `a.1` and `a.0001` are never one sequence.
* A hole splits a sequence where more than 100 frames are missing and more than there are files in all: two shots in one
  folder are two clips, a render with a lost chunk is one.
* One file alone is a still. So are photographs as cameras number them (DCF: `IMG_1234.JPG`), which are no clip.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from film_archive.core.errors import NotFound, OutOfRange, UsageError, from_os_error
from film_archive.core.source import printable

_PHOTOGRAPHS = frozenset(("jpg", "jpeg", "heic", "heif", "arw", "cr2", "cr3", "dng", "nef", "orf", "raf", "rw2"))
IMAGE_EXTENSIONS = _PHOTOGRAPHS | frozenset(
    (
        "ari",
        "bmp",
        "cin",
        "dpx",
        "exr",
        "gpr",
        "hdr",
        "iff",
        "j2c",
        "j2k",
        "jp2",
        "jxl",
        "pgm",
        "pic",
        "png",
        "ppm",
        "psd",
        "rmf",
        "sgi",
        "sxr",
        "tga",
        "tif",
        "tiff",
        "webp",
    )
)
_DCF = re.compile(r"[A-Za-z0-9_]{4}\d{4}", re.ASCII)
_LONGEST_NUMBER = 12
"""More digits are a date or an id, not a frame's number."""
_SMALL_HOLE = 100

Runs = tuple[range, ...]


@dataclass(frozen=True, slots=True)
class ImageSequence:
    """One clip of numbered images; says where each frame is without keeping a path for each.

    `runs` are the numbers that are there, ascending. `len()` counts the files; `span` counts from the first number to
    the last, holes included, and is the length of the clip.
    """

    folder: str
    """"" for the working directory, else as it came, without a slash at its end (but for "/")."""
    stem: str
    extension: str
    """With its dot."""
    padding: int
    """The least number of digits; 1 for unpadded numbers."""
    runs: Runs
    negative_padding: int | None = None
    """The least number of digits behind a minus, where that is not the same (C's `%04d` writes -005)."""

    @property
    def first(self) -> int:
        return self.runs[0].start

    @property
    def last(self) -> int:
        return self.runs[-1].stop - 1

    @property
    def span(self) -> int:
        return self.last - self.first + 1

    @property
    def missing(self) -> Runs:
        """The holes, ascending."""
        return tuple(range(a.stop, b.start) for a, b in zip(self.runs, self.runs[1:], strict=False))

    def __len__(self) -> int:
        return sum(map(len, self.runs))

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and any(number in run for run in self._near(number))

    def numbers(self) -> Iterator[int]:
        """The numbers that are there, ascending."""
        for run in self.runs:
            yield from run

    def paths(self) -> Iterator[Path]:
        """The files that are there, in order."""
        return map(self.path, self.numbers())

    def file_name(self, number: int) -> str:
        """The name of a frame's file, whether it is there or not."""
        if number < 0:
            return f"{self.stem}-{-number:0{self.negative_padding or self.padding}d}{self.extension}"
        return f"{self.stem}{number:0{self.padding}d}{self.extension}"

    def file(self, number: int) -> str:
        """The path of a frame's file, letter for letter as it came (or would have)."""
        return _join(self.folder, self.file_name(number))

    def path(self, number: int) -> Path:
        """Where a frame's file is, or would be."""
        return Path(self.folder, self.file_name(number))

    def frame(self, position: int) -> Path | None:
        """The file of a frame of the clip, counted from 0 at the first number; None where it is missing.

        Raises OutOfRange outside the clip.
        """
        if not 0 <= position < self.span:
            raise OutOfRange(f"Frame {position} is not there; {self} has frames 0 to {self.span - 1}.")
        number = self.first + position
        return self.path(number) if number in self else None

    def number_of(self, path: str | os.PathLike[str]) -> int | None:
        """The number of a file that is a frame of this sequence; None for any other file."""
        folder, name = _split(os.fspath(path))
        parts = _parts(name)
        if folder != self.folder or parts is None:
            return None
        number = int(parts[1])
        return number if number in self and self.file_name(number) == name else None

    @property
    def printf(self) -> str:
        """The path with C's placeholder, as FFmpeg and Nuke read it: "plates/a.%04d.exr".

        It writes -5 as -005; frames below 0 that are called -0005 are not reached by it.
        """
        return self._pattern(f"%0{self.padding}d" if self.padding > 1 else "%d", escape=True)

    @property
    def hashes(self) -> str:
        """The path with a sign for each digit, as people write it: "plates/a.####.exr"."""
        return self._pattern("#" * self.padding, escape=False)

    def __str__(self) -> str:
        return f"{printable(self.hashes)} [{', '.join(_run_text(run) for run in self.runs)}]"

    def limited_to(self, numbers: Iterable[int]) -> ImageSequence | None:
        """This sequence with only those of its frames; None where that leaves none."""
        kept = sorted({number for number in numbers if number in self})
        if not kept:
            return None
        runs = _runs(kept)
        return ImageSequence(self.folder, self.stem, self.extension, self.padding, runs, self.negative_padding)

    def _pattern(self, placeholder: str, *, escape: bool) -> str:
        def plain(text: str) -> str:
            return text.replace("%", "%%") if escape else text

        return _join(plain(self.folder), f"{plain(self.stem)}{placeholder}{plain(self.extension)}")

    def _near(self, number: int) -> Runs:
        place = bisect_right(self.runs, number, key=lambda run: run.start)
        return self.runs[max(0, place - 1) : place]


@dataclass(frozen=True, slots=True)
class FoundSequences:
    """What `find_sequences` made of some paths, each kind in the order of its names."""

    sequences: tuple[ImageSequence, ...]
    others: tuple[str, ...]
    """Stills and everything that is no image, as the paths came."""


def find_sequences(paths: Iterable[str | os.PathLike[str]], *, photographs: bool = False) -> FoundSequences:
    """Sort paths (files, of one folder or many) into image sequences and others, by the rules above.

    Nothing is opened or looked up: the paths may be members of an archive. `photographs=True` takes names like
    IMG_1234.JPG as frames too, for a time lapse shot on a stills camera.
    """
    groups: dict[tuple[str, str, str], set[str]] = {}
    others: list[str] = []
    for given in paths:
        path = os.fspath(given)
        folder, name = _split(path)
        parts = _parts(name)
        if parts is None or (not photographs and _is_photograph(name, parts[2])):
            others.append(path)
        else:
            stem, number, extension = parts
            groups.setdefault((folder, stem, extension), set()).add(number)
    sequences: list[ImageSequence] = []
    for (folder, stem, extension), numbers in groups.items():
        for padding, negative, members in _by_padding(numbers):
            for runs in _split_at_big_holes(_runs(sorted(members))):
                found = ImageSequence(folder, stem, extension, padding, runs, negative)
                if len(found) > 1:
                    sequences.append(found)
                else:
                    others.append(_join(folder, found.file_name(found.first)))
    sequences.sort(key=lambda found: (found.folder, found.stem, found.extension, found.padding, found.first))
    return FoundSequences(tuple(sequences), tuple(sorted(others)))


def sequence_of(path: str | os.PathLike[str], *, photographs: bool = False) -> ImageSequence | None:
    """The sequence that a file is a frame of, found by looking into its folder; None where it stands alone.

    Raises NotFound where there is no such folder.
    """
    wanted = os.fspath(path)
    folder, name = _split(wanted)
    parts = _parts(name)
    if parts is None:
        return None
    beside = (_join(folder, other) for other in _names_in(folder) if other.startswith(parts[0]))
    for found in find_sequences(beside, photographs=photographs).sequences:
        if found.number_of(wanted) is not None:
            return found
    return None


def sequence_from_pattern(pattern: str) -> ImageSequence | None:
    """The sequence that a pattern names: "a.####.exr", "a.%04d.exr", "a.@@@@.exr" or "a.1001-1100####.exr".

    One "#", "@" or "%d" alone stands for numbers of any padding. None where the text is no pattern; NotFound where it
    is one and no such files are there; UsageError where it means several sequences.
    """
    from fileseq.constants import PAD_STYLE_HASH1
    from fileseq.filesequence import FileSequence

    folder, name = _split(pattern)
    if not re.search(r"#|@|%\d*d", name):
        return None
    try:
        meant = FileSequence(name, pad_style=PAD_STYLE_HASH1)
    except ValueError as error:  # its ParseException and MaxSizeException
        raise UsageError(f"{pattern!r} is not a pattern of an image sequence: {error}.") from error
    width = meant.zfill()
    found = [
        sequence
        for sequence in find_sequences(
            (_join(folder, other) for other in _names_in(folder)), photographs=True
        ).sequences
        if (sequence.stem, sequence.extension) == (meant.basename(), meant.extension())
        and (width <= 1 or width == sequence.padding)
    ]
    frames = meant.frameSet()
    if frames is not None:
        found = [
            kept for sequence in found if (kept := sequence.limited_to(int(frame) for frame in frames)) is not None
        ]
    if not found:
        raise NotFound(f"There are no frames of {printable(pattern)}.")
    if len(found) > 1:
        raise UsageError(
            f"{printable(pattern)} means {len(found)} sequences: {'; '.join(map(str, found))}; give the range, as in "
            f"{meant.basename()}{found[0].first}-{found[0].last}{'#' * found[0].padding}{meant.extension()}."
        )
    return found[0]


_DIGITS = "0123456789"


@lru_cache(maxsize=256)
def _is_image(extension: str) -> bool:
    return extension.lower() in IMAGE_EXTENSIONS


def _parts(name: str) -> tuple[str, str, str] | None:
    """Stem, number (with its sign) and extension (with its dot) of a frame's name."""
    base, dot, extension = name.rpartition(".")
    if not dot or not _is_image(extension):
        return None
    stem = base.rstrip(_DIGITS)
    number = base[len(stem) :]
    if not 0 < len(number) <= _LONGEST_NUMBER:
        return None
    if stem.endswith("-") and (len(stem) == 1 or stem[-2] in "._") and number.strip("0"):
        stem, number = stem[:-1], f"-{number}"
    return stem, number, f".{extension}"


def _is_photograph(name: str, extension: str) -> bool:
    return extension[1:].lower() in _PHOTOGRAPHS and _DCF.fullmatch(name, 0, len(name) - len(extension)) is not None


def _split(path: str) -> tuple[str, str]:
    """Folder and name; what was joined comes apart the same, so that paths are given back letter for letter."""
    folder, slash, name = path.rpartition("/")
    return (folder or slash), name


def _join(folder: str, name: str) -> str:
    if not folder:
        return name
    return f"{folder}{name}" if folder == "/" else f"{folder}/{name}"


def _names_in(folder: str) -> list[str]:
    try:
        with os.scandir(folder or ".") as scan:
            return [entry.name for entry in scan if not entry.is_dir(follow_symlinks=False)]
    except OSError as error:
        raise from_os_error(error, f"list the folder {printable(folder or '.')}") from error


def _by_padding(numbers: set[str]) -> Iterator[tuple[int, int | None, list[int]]]:
    """Numbers of one stem, by padding: (padding, digits behind a minus if other, numbers)."""
    negative = [number[1:] for number in numbers if number[0] == "-"]
    positive = [number for number in numbers if number[0] != "-"]
    together = _widths(positive + negative)
    groups = _widths(positive)
    if negative and len(together) == 1:
        padding = next(iter(together))
        yield padding, None, [*map(int, positive), *(-int(digits) for digits in negative)]
        return
    if negative and len(groups) == 1 and 1 not in groups:
        # C's %04d counts the minus among the four: -005 beside 0005.
        padding, members = next(iter(groups.items()))
        if all(len(digits) == padding - 1 or (len(digits) >= padding and digits[0] != "0") for digits in negative):
            yield padding, padding - 1, members + [-int(digits) for digits in negative]
            return
    for padding, members in groups.items():
        yield padding, None, members
    for padding, members in _widths(negative).items():
        yield padding, None, [-number for number in members]


def _widths(digits: list[str]) -> dict[int, list[int]]:
    """Numbers by their padding."""
    lengths = set(map(len, digits))
    if len(lengths) <= 1:
        return {length: list(map(int, digits)) for length in lengths}
    padded = sorted({len(text) for text in digits if text[0] == "0" and len(text) > 1})
    groups: dict[int, list[int]] = {}
    loose = []
    for text in digits:
        if text[0] == "0" and len(text) > 1:
            groups.setdefault(len(text), []).append(int(text))
        elif place := bisect_right(padded, len(text)):
            groups.setdefault(padded[place - 1], []).append(int(text))
        else:
            loose.append(text)
    if loose:
        same = len(set(map(len, loose))) == 1
        groups.setdefault(len(loose[0]) if same else 1, []).extend(map(int, loose))
    return groups


def _runs(numbers: list[int]) -> Runs:
    """Consecutive runs of ascending numbers."""
    first, last = numbers[0], numbers[-1]
    if last - first + 1 == len(numbers):
        return (range(first, last + 1),)
    runs = []
    start = before = first
    for number in numbers[1:]:
        if number != before + 1:
            runs.append(range(start, before + 1))
            start = number
        before = number
    runs.append(range(start, before + 1))
    return tuple(runs)


def _split_at_big_holes(runs: Runs) -> Iterator[Runs]:
    tolerated = max(_SMALL_HOLE, sum(map(len, runs)))
    start = 0
    for place in range(1, len(runs)):
        if runs[place].start - runs[place - 1].stop > tolerated:
            yield runs[start:place]
            start = place
    yield runs[start:]


def _run_text(run: range) -> str:
    return str(run.start) if len(run) == 1 else f"{run.start}-{run.stop - 1}"

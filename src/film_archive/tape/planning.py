"""Which files go on which cartridge, how long that takes, and what a cartridge may be called. Nothing here does I/O.

A plan takes whole files in the order given and begins the next cartridge where a file does not fit any more, so that
what was together stays together. Three names are kept apart: `tape_id` is free text and names a set; a volume serial is
exactly six of A-Z and 0-9 and names a cartridge in its label (VOL1); the barcode is the serial and the medium's two
signs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from film_archive.core.errors import Refused, UsageError
from film_archive.tape.formats import MEDIA, Generation, Medium, default_reserve

SERIAL_PREFIX = "FA"
_SERIAL = re.compile(r"[A-Z0-9]{6}")


# Laying out


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file as a plan knows it: what a person calls it, and its bytes."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class PlannedCartridge:
    """One cartridge of a plan: the files that go on it, by their places in the plan's list, and their bytes."""

    files: tuple[int, ...]
    size: int


@dataclass(frozen=True, slots=True)
class TapePlan:
    """A set of cartridges that is yet to be written."""

    generation: Generation
    capacity: int
    """Bytes of files that each cartridge may take: what LTFS leaves of it, less the reserve for indexes."""
    files: tuple[PlannedFile, ...]
    cartridges: tuple[PlannedCartridge, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def spans(self) -> tuple[tuple[int, ...], ...]:
        """For each cartridge the places of its files in the list."""
        return tuple(cartridge.files for cartridge in self.cartridges)


def plan_set(
    files: Iterable[PlannedFile],
    generation: Generation,
    *,
    usable: int | None = None,
    reserve: int | None = None,
    runs: Iterable[int] | None = None,
    record: int = 1,
    first: int | None = None,
) -> TapePlan:
    """Lay whole files out over cartridges, in order.

    `usable` is what a drive reports that a cartridge has (default: the generation's), `reserve` what is left free of it
    for indexes; both in bytes. `runs` are the numbers of files that follow each other and stay together where a cartridge
    takes them (a clip's folder, a sequence); `record` is what a file's bytes are rounded up to; `first` is what the first
    cartridge has left, where it is one that is gone on with. Raises Refused, with the numbers, where a file is larger than
    a cartridge.
    """
    capacity = usable_capacity(generation.medium, usable, reserve)
    listed = tuple(files)
    lengths = [1] * len(listed) if runs is None else list(runs)
    if sum(lengths) != len(listed) or any(length < 1 for length in lengths):
        raise UsageError(f"The runs of files that stay together count {sum(lengths)} files, and there are {len(listed)}.")
    return TapePlan(generation, capacity, listed, tuple(_laid_out(listed, capacity, generation, lengths, record, first)))


def usable_capacity(medium: Medium, usable: int | None = None, reserve: int | None = None) -> int:
    """Bytes of files that a cartridge may take; raises UsageError where the reserve leaves nothing."""
    whole = medium.usable if usable is None else usable
    kept = default_reserve(whole) if reserve is None else reserve
    if kept < 0 or kept >= whole:
        raise UsageError(f"A reserve of {kept} bytes can't be kept on a cartridge of {whole} bytes.")
    return whole - kept


def _laid_out(
    files: Sequence[PlannedFile],
    capacity: int,
    generation: Generation,
    runs: Sequence[int],
    record: int,
    first: int | None,
) -> Iterator[PlannedCartridge]:
    costs = [-(-file.size // record) * record for file in files]
    _require_fitting(files, costs, capacity, generation)
    left = capacity if first is None else min(first, capacity)
    places: list[int] = []
    taken, begin = 0, 0
    is_begun = first is not None
    for length in runs:
        together = sum(costs[begin : begin + length])
        breaks = taken + together > left and together <= capacity
        for place in range(begin, begin + length):
            if (places or is_begun) and (breaks or taken + costs[place] > left):
                yield PlannedCartridge(tuple(places), sum(files[each].size for each in places))
                places, taken, left, is_begun, breaks = [], 0, capacity, False, False
            breaks = False
            places.append(place)
            taken += costs[place]
        begin += length
    if places:
        yield PlannedCartridge(tuple(places), sum(files[each].size for each in places))


def _require_fitting(files: Sequence[PlannedFile], costs: Sequence[int], capacity: int, generation: Generation) -> None:
    for file, cost in zip(files, costs, strict=True):
        if file.size < 0:
            raise UsageError(f"{file.name} can't have {file.size} bytes.")
        if cost > capacity:
            raise Refused(
                f"{file.name} has {file.size} bytes, and a cartridge of {generation.name} takes {capacity}: "
                f"{cost - capacity} too many; nothing was planned. Use larger cartridges, or cut the file (`--split` does)."
            )


# Time


def seconds_to_write(
    size: int, generation: Generation, *, half_height: bool = False, source_speed: int | None = None
) -> Fraction:
    """How long these bytes take at the drive's native speed, or at the source's (bytes a second) where that is slower.

    Loading, positioning and writing indexes come on top; reading all back to verify takes as long again.
    """
    speed = generation.speed
    if half_height:
        if generation.half_height_speed is None:
            raise UsageError(
                f"How fast a half-height drive of {generation.name} writes is not known; plan with a full-height one."
            )
        speed = generation.half_height_speed
    if source_speed is not None:
        if source_speed <= 0:
            raise UsageError(f"A source can't give {source_speed} bytes a second.")
        speed = min(speed, source_speed)
    return Fraction(size, speed)


def keeps_streaming(generation: Generation, source_speed: int) -> bool:
    """Whether a source is fast enough for the drive never to stop and rewind (true where that limit is not known)."""
    return generation.slowest_speed is None or source_speed >= generation.slowest_speed


# Names


def require_serial(text: str) -> str:
    """A volume serial as given; raises UsageError where it is not six of A-Z and 0-9."""
    if not _SERIAL.fullmatch(text):
        raise UsageError(f"{text!r} is not a volume serial: it has exactly six signs, A-Z and 0-9.")
    if text.startswith("CLN"):
        raise UsageError(f"{text!r} is the serial of a cleaning cartridge, which holds no files.")
    return text


def barcode(serial: str, medium: Medium) -> str:
    """What the label on a cartridge says: the serial and the medium's code ("FA0001L8")."""
    return require_serial(serial) + medium.code


def parse_barcode(text: str) -> tuple[str, Medium]:
    """The serial and the medium of a barcode; raises UsageError where it is none of a data cartridge."""
    medium = MEDIA.get(text[6:])
    if medium is None:
        raise UsageError(
            f"{text!r} is not a cartridge's barcode: six signs of A-Z and 0-9, then one of {', '.join(MEDIA)}."
        )
    return require_serial(text[:6]), medium


def count_serials(used: Iterable[str], count: int, prefix: str = SERIAL_PREFIX) -> list[str]:
    """The next `count` serials of a shelf, FA0001 on, behind the highest that is used; none is given twice.

    Raises Refused where the prefix has no more numbers.
    """
    digits = 6 - len(prefix)
    if digits < 1 or not re.fullmatch(r"[A-Z0-9]+", prefix):
        raise UsageError(f"{prefix!r} can't begin volume serials: it needs one to five signs, A-Z and 0-9.")
    pattern = re.compile(re.escape(prefix) + rf"[0-9]{{{digits}}}")
    highest = max((int(serial[len(prefix) :]) for serial in used if pattern.fullmatch(serial)), default=0)
    if highest + count >= 10**digits:
        raise Refused(
            f"The serials {prefix}{1:0{digits}} to {prefix}{10**digits - 1} don't suffice for {count} more cartridges; "
            "count with another prefix."
        )
    return [f"{prefix}{number:0{digits}}" for number in range(highest + 1, highest + 1 + count)]

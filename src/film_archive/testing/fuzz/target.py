"""What is fed with changed bytes: a target, its samples, and what it means that a case fails."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from film_archive.core.errors import FilmArchiveError
from film_archive.testing.fuzz.mutation import mutate


class Broken(AssertionError):
    """A reader answered, and the answer is wrong."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Whole bytes, under the name that a reader is told; `truth` is what the target compares with."""

    name: str
    data: bytes
    truth: object = None


Answer = TypeVar("Answer")
Change = Callable[[bytes, random.Random, Sequence[bytes]], bytes]


@dataclass(frozen=True, slots=True)
class Target:
    """A reader, or several that read the same bytes."""

    name: str
    make: Callable[[Path], Sequence[Sample]]
    """Its samples; they may be made in a folder, which stays."""
    examine: Callable[[Sample, bytes, Path], None]
    """Read a sample's changed bytes, with an empty folder to work in. Raises anything but our errors where there is a fault."""
    change: Change = mutate


def case(target: Target, samples: Sequence[Sample], seed: int, number: int) -> tuple[Sample, bytes]:
    """The case of this number: a sample and its changed bytes."""
    dice = random.Random(f"{seed} {target.name} {number}")
    sample = dice.choice(samples)
    return sample, target.change(sample.data, dice, [other.data for other in samples])


def answer(read: Callable[[], Answer]) -> Answer | None:
    """What a reader answers, or None where it raises one of our errors, which has to be one sentence on one line."""
    try:
        return read()
    except FilmArchiveError as error:
        text = str(error)
        if "\n" in text or not text:
            raise Broken(f"this is no sentence: {text!r}") from error
        return None

"""The proxy ladder: which sizes there are, what fits into them, and how sizes are written on the command line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from film_archive.core.errors import UsageError

_LARGEST = 16_384
_SMALLEST = 16
_BIT_RATES = range(10_000, 1_000_000_001)


@dataclass(frozen=True, slots=True)
class Rung:
    """One size of proxy: the box that the picture fits into, in pixels, and the nominal bits a second."""

    name: str
    """"preview", or "1280x720"."""
    width: int
    height: int
    bit_rate: int

    def fit(self, width: int, height: int, pixel_aspect: Fraction = Fraction(1)) -> tuple[int, int]:
        """The size of a picture's proxy in this box; see `fit`."""
        return fit(width, height, (self.width, self.height), pixel_aspect)

    def __str__(self) -> str:
        """As `parse_sizes` reads it."""
        return self.name if LADDER.get(self.name) == self else f"{self.name}@{self.bit_rate}"


LADDER: Mapping[str, Rung] = {
    rung.name: rung
    for rung in (
        Rung("thumbnail", 320, 180, 500_000),
        Rung("preview", 854, 480, 1_500_000),
        Rung("editorial", 1920, 1080, 5_000_000),
    )
}


def fit(
    width: int, height: int, box: tuple[int, int], pixel_aspect: Fraction = Fraction(1)
) -> tuple[int, int]:
    """The size, in square pixels, of a picture that is scaled to fit inside a box.

    The aspect is kept: the side that meets the box is the box's, the other is rounded down to an even number, so that
    960 × 540 becomes 852 × 480 in 854 × 480. Neither side gets more pixels than the picture stores: where its pixels
    are not square, the longer side of a pixel decides (2880 × 2160 at 2:1 is shown as 2880 × 1080). Both numbers are
    even and at least 2, as 4:2:0 coding needs.
    """
    if width < 1 or height < 1 or pixel_aspect <= 0:
        raise UsageError(f"A picture of {width}x{height} with pixels of {pixel_aspect} can't be scaled.")
    shown_width = width * min(Fraction(1), pixel_aspect)
    shown_height = height / max(Fraction(1), pixel_aspect)
    scale = min(Fraction(1), box[0] / shown_width, box[1] / shown_height)
    return _even(shown_width * scale), _even(shown_height * scale)


def _even(side: Fraction) -> int:
    return max(2, int(side // 2) * 2)


def parse_sizes(text: str) -> tuple[Rung, ...]:
    """Read sizes as the command line writes them: "thumbnail,1280x720@3M", or "none".

    A size is a name of the ladder or WIDTHxHEIGHT, and may have its bit rate behind "@" (bits a second; k and M are
    thousands and millions); without one it is `nominal_bit_rate`. Raises UsageError.
    """
    if text.strip().lower() == "none":
        return ()
    rungs: dict[str, Rung] = {}
    for word in text.split(","):
        rung = _parse_size(word.strip())
        if rung.name in rungs:
            raise UsageError(f"The proxy size {rung.name} is named twice in {text[:100]!r}.")
        rungs[rung.name] = rung
    return tuple(rungs.values())


_SIZE = re.compile(
    r"(?:(\d{1,5})[x×](\d{1,5})|([a-z]{1,20}))(?:@(\d{1,10}(?:\.\d{1,6})?)([km]?))?", re.IGNORECASE | re.ASCII
)


def _parse_size(word: str) -> Rung:
    match = _SIZE.fullmatch(word)
    named = None if match is None or match[3] is None else LADDER.get(match[3].lower())
    if match is None or (match[3] is not None and named is None):
        raise UsageError(
            f"{word[:40]!r} is not a proxy size; there are {', '.join(LADDER)}, and sizes like 1280x720 or 1280x720@3M."
        )
    width, height = (named.width, named.height) if named else (int(match[1]), int(match[2]))
    if width % 2 or height % 2 or not (_SMALLEST <= width <= _LARGEST and _SMALLEST <= height <= _LARGEST):
        raise UsageError(
            f"A proxy of {width}x{height} is not possible; both are even numbers from {_SMALLEST} to {_LARGEST}."
        )
    if match[4] is not None:
        bit_rate = int(Fraction(match[4]) * {"": 1, "k": 1_000, "m": 1_000_000}[match[5].lower()])
    else:
        bit_rate = named.bit_rate if named else nominal_bit_rate(width, height)
    if bit_rate not in _BIT_RATES:
        raise UsageError(f"A proxy of {bit_rate} bit/s is not possible; it is written like 800k or 3M.")
    return Rung(named.name if named else f"{width}x{height}", width, height, bit_rate)


def nominal_bit_rate(width: int, height: int) -> int:
    """Bits a second for a size of one's own, in whole 100 kb/s: on the curve that the ladder's rungs lie on.

    From thumbnail to editorial the pixels grow 36 times and the bit rate 10 times, so it goes with pixels to the power
    of log 10 / log 36 = 0.64.
    """
    top = LADDER["editorial"]
    pixels = width * height / (top.width * top.height)
    growth: float = pixels**0.6426
    return max(100_000, round(top.bit_rate * growth / 100_000) * 100_000)

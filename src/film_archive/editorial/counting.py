"""How a list's labels are counted: at which rate, drop-frame or not. Defined here and only here."""

from __future__ import annotations

from dataclasses import dataclass

from film_archive.core.timecode import FrameRate, RateLike, parse_rate


@dataclass(frozen=True, slots=True)
class Counting:
    """A rate, and drop-frame, non-drop or (None) as each label or the list says."""

    rate: FrameRate
    drop: bool | None = None

    @classmethod
    def of(cls, rate: RateLike) -> Counting:
        """Of what a user gives: 25, "23.976", "29.97df", Fraction(30000, 1001). Raises UsageError."""
        return cls(*parse_rate(rate)) if isinstance(rate, str) else cls(FrameRate.of(rate))

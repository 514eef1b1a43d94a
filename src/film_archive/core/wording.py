"""Words in sentences for people."""

from __future__ import annotations


def amount(number: int, what: str, many: str | None = None) -> str:
    """1 clip, 2 clips; `many` where the plural is not `what` with an "s"."""
    return f"{number} {what if number == 1 else many or what + 's'}"

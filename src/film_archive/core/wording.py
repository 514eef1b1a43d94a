"""Words in sentences for people."""

from __future__ import annotations


def amount(number: int, what: str, many: str | None = None) -> str:
    """1 clip, 2 clips; `many` where the plural is not `what` with an "s"."""
    return f"{number} {what if number == 1 else many or what + 's'}"


def size_text(count: float) -> str:
    """Bytes in decimal units, as disks and tapes are sold: 1.23 GB."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 1000 or unit == "TB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.2f} {unit}"
        count /= 1000
    return ""

"""Frame numbers as people write them: runs, in text and as ranges."""

from __future__ import annotations

from collections.abc import Iterable

_SHOWN = 8


def runs(numbers: Iterable[int]) -> list[range]:
    """Numbers, in order, as ranges without holes."""
    found: list[range] = []
    for number in numbers:
        if found and found[-1].stop == number:
            found[-1] = range(found[-1].start, number + 1)
        else:
            found.append(range(number, number + 1))
    return found


def numbers_text(numbers: Iterable[int]) -> str:
    """Numbers, in order, as text: 993-995, 1001."""
    parts = runs(numbers)
    said = [str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts[:_SHOWN]]
    return ", ".join(said) + (" …" if len(parts) > _SHOWN else "")

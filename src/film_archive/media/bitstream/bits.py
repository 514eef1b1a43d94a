"""Reading parameter sets bit by bit, as H.264 and HEVC write them (ITU-T H.264 7.2 and 9.1, H.265 7.2 and 9.2)."""

from __future__ import annotations

_LONGEST = 4096


class UnreadableError(Exception):
    """A header that is cut off, or none; the caller says so in a diagnostic, or does without."""


class Bits:
    """Bits of a NAL unit, most significant first, emulation prevention taken out; UnreadableError past the end."""

    def __init__(self, unit: bytes) -> None:
        plain = unit[:_LONGEST].replace(b"\0\0\3", b"\0\0")
        self._value = int.from_bytes(plain, "big")
        self._left = len(plain) * 8

    def take(self, count: int) -> int:
        """u(count)."""
        if count > self._left:
            raise UnreadableError
        self._left -= count
        return self._value >> self._left & ((1 << count) - 1)

    def flag(self) -> bool:
        """u(1)."""
        return bool(self.take(1))

    def number(self) -> int:
        """An Exp-Golomb number, ue(v)."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > 32:
                raise UnreadableError
        return (1 << zeros) - 1 + self.take(zeros)

    def signed(self) -> int:
        """An Exp-Golomb number, se(v)."""
        value = self.number()
        return (value + 1) // 2 if value % 2 else -(value // 2)

    def count(self, most: int) -> int:
        """An Exp-Golomb number that says how many follow; UnreadableError above `most`."""
        value = self.number()
        if value > most:
            raise UnreadableError
        return value

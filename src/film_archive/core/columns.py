"""Columns of whole numbers as bytes that compress well.

Zigzag, then byte plane by byte plane, so that equal bytes lie together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Longs = NDArray[np.int64]


def pack(column: Longs) -> bytes:
    """8 bytes a number, not compressed yet."""
    zigzag = ((column << 1) ^ (column >> 63)).astype("<u8")
    return zigzag.view(np.uint8).reshape(-1, 8).T.tobytes()


@dataclass
class ColumnReader:
    """Takes packed columns off the front of a body; raises ValueError where it ends too early."""

    body: bytes
    position: int = 0

    def take(self, count: int) -> Longs:
        """The next column of `count` numbers."""
        planes = np.frombuffer(self.body, np.uint8, count * 8, self.position).reshape(8, count)
        self.position += count * 8
        zigzag = np.ascontiguousarray(planes.T).view("<u8").reshape(-1)
        return (zigzag >> np.uint64(1)).astype(np.int64) ^ -(zigzag & np.uint64(1)).astype(np.int64)

    def take_bytes(self, count: int) -> bytes:
        """The next `count` bytes as they are."""
        data = self.body[self.position : self.position + count]
        if len(data) != count:
            raise ValueError("a table is cut short")
        self.position += count
        return data

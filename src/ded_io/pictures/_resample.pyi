"""The extension, built from _resample.c."""

from typing import Any

from numpy.typing import NDArray

def resample(
    source: bytes | memoryview | NDArray[Any],
    offset: int,
    line: int,
    kind: int,
    channels: int,
    width: int,
    height: int,
    curves: NDArray[Any],
    rows: NDArray[Any],
    row_weights: NDArray[Any],
    columns: NDArray[Any],
    column_weights: NDArray[Any],
    matrix: NDArray[Any],
    target: NDArray[Any],
    target_offset: int,
    target_line: int,
    target_kind: int,
    /,
) -> None:
    """Write the scaled picture into `target`. Raises ValueError where buffers, sizes and taps do not fit together."""

"""The collector of cycles, and when it only costs time."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def no_cycles() -> Iterator[None]:
    """For blocks that make a great many values that refer to nothing that refers to them.

    Each few hundred of them let Python look for cycles among all that there are, which takes as long as making them.
    Other threads are without the collector meanwhile, too; memory that is not in cycles is freed as ever.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()

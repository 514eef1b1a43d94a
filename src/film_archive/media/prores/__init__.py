"""ProRes at a half, a quarter or an eighth of its size, for a fraction of what a full decode costs."""

from film_archive.media.prores.decoder import (
    PIXEL_FORMATS,
    REDUCTIONS,
    ReducedDecoder,
    ReducedFrame,
    available,
    best_reduction,
    engine,
    reduced_size,
)

__all__ = [
    "PIXEL_FORMATS",
    "REDUCTIONS",
    "ReducedDecoder",
    "ReducedFrame",
    "available",
    "best_reduction",
    "engine",
    "reduced_size",
]

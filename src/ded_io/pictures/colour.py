"""From one colour space to another, as OpenColorIO's config says; prepared once and kept.

A camera's log is one curve a channel and then a matrix. Scaling is a sum, so the matrix may as well come after it, on
the smaller picture; the curve has to come before it, and of whole codes it is a table. Where a conversion is of that form
(what OpenColorIO says of its steps is checked against what it computes), it is split so; any other is computed by
OpenColorIO on the whole picture in floats. Nowhere is anything clipped: light above 1.0 stays what it is.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ded_io.pictures.raster import CODES, Floats, Kind, Raster, raster_of
from film_archive.core.errors import UsageError

IDENTITY: Floats = np.eye(3, 4, dtype=np.float32)
IDENTITY.flags.writeable = False


@dataclass(frozen=True, eq=False)
class Conversion:
    """A conversion that can be applied to rasters while they are scaled.

    `curves` is a processor that treats each channel by itself, `matrix` (3, 4) what follows; where the conversion can't be
    split so, `whole` is a processor of all of it and the two others do nothing.
    """

    curves: Any | None
    matrix: Floats
    whole: Any | None = None

    def prepared(self, raster: Raster) -> tuple[Raster, Floats | None]:
        """(raster, curves) to be scaled and then put through `matrix`."""
        if self.whole is not None or (raster.kind is Kind.FLOATS and self.curves is not None):
            return self._in_floats(raster), None
        if raster.kind is Kind.FLOATS:
            return raster, None
        return raster, self.table(CODES[raster.kind], raster.is_half)

    def table(self, codes: int, is_half: bool) -> Floats:
        """(3, codes) what each code stands for; read-only."""
        return _table(self, codes, is_half)

    def _in_floats(self, raster: Raster) -> Raster:
        """The picture in floats, through what comes before the matrix."""
        plain = None if raster.kind is Kind.FLOATS else _codes(CODES[raster.kind], raster.is_half)
        pixels = raster.values(0, raster.height, plain)
        processor = self.curves if self.whole is None else self.whole
        if processor is not None:
            processor.applyRGB(pixels)
        return raster_of(pixels)


@lru_cache(maxsize=16)
def conversion(config: str, source: str, target: str) -> Conversion:
    """The conversion between two colour spaces of a config (a path, or `ocio://…` for a built-in one).

    Raises UsageError where the config can't be opened or has no such name, with the names that come close.
    """
    import PyOpenColorIO as ocio  # noqa: N813  the name its own documentation uses

    colours = open_config(config)
    for name in (source, target):
        require_space(colours, config, name)
    try:
        processor = colours.getProcessor(source, target)
        cpu = processor.getOptimizedCPUProcessor(ocio.OPTIMIZATION_LOSSLESS)
        split = _split(ocio, colours, processor, cpu)
    except ocio.Exception as error:
        raise UsageError(f"{config} can't convert {source} to {target}: {' '.join(str(error).split())}") from error
    return split if split is not None else Conversion(None, IDENTITY, cpu)


@lru_cache(maxsize=4)
def open_config(config: str) -> Any:
    """An OpenColorIO config; raises UsageError where it can't be opened."""
    import PyOpenColorIO as ocio  # noqa: N813

    try:
        return ocio.Config.CreateFromFile(config)
    except (ocio.Exception, ocio.ExceptionMissingFile) as error:  # neither is the other's base
        reason = " ".join(str(error).split())
        raise UsageError(f"The colour config {config} can't be opened ({reason}); correct or unset OCIO.") from error


def require_space(colours: Any, config: str, name: str) -> str:
    """The config's own name of a colour space, which may have been called by an alias or a role.

    Raises UsageError where it has none.
    """
    space = colours.getColorSpace(name)
    if space is None:
        raise UsageError(f"The colour config {config} has no colour space {name!r}{_near(name, _names(colours))}.")
    return str(space.getName())


def require_view(colours: Any, config: str, display: str, view: str) -> None:
    """Raise UsageError unless the config has a display and on it a view."""
    if display not in list(colours.getDisplays()):
        near = _near(display, list(colours.getDisplays()))
        raise UsageError(f"The colour config {config} has no display {display!r}{near}.")
    if view not in list(colours.getViews(display)):
        raise UsageError(f"{display} has no view {view!r} in {config}; it has: {', '.join(colours.getViews(display))}.")


def _names(colours: Any) -> list[str]:
    names = list(colours.getColorSpaceNames())
    return names + [alias for name in names for alias in colours.getColorSpace(name).getAliases()]


def _near(name: str, names: Iterable[str]) -> str:
    by_key = {known.casefold(): known for known in names}
    found = difflib.get_close_matches(name.casefold(), by_key, 3, 0.5)
    return f"; near it are: {', '.join(by_key[each] for each in found)}" if found else ""


def _split(ocio: Any, colours: Any, processor: Any, cpu: Any) -> Conversion | None:
    """A conversion as curves and a matrix; None where it is not of that form."""
    steps = list(processor.getOptimizedProcessor(ocio.OPTIMIZATION_LOSSLESS).createGroupTransform())
    curves = ocio.GroupTransform()
    while steps and _treats_channels_alone(ocio, steps[0]):
        curves.appendTransform(steps.pop(0))
    matrix = np.eye(4)
    offset = np.zeros(4)
    for step in steps:
        if not isinstance(step, ocio.MatrixTransform) or step.getDirection() != ocio.TRANSFORM_DIR_FORWARD:
            return None
        each = np.array(step.getMatrix()).reshape(4, 4)
        matrix, offset = each @ matrix, each @ offset + np.array(step.getOffset())
    first = None
    if len(curves):
        first = colours.getProcessor(curves).getOptimizedCPUProcessor(ocio.OPTIMIZATION_LOSSLESS)
    found = Conversion(first, np.column_stack([matrix[:3, :3], offset[:3]]).astype(np.float32))
    return found if _agrees(found, cpu) else None


def _treats_channels_alone(ocio: Any, step: Any) -> bool:
    alone = (
        *(ocio.LogTransform, ocio.LogAffineTransform, ocio.LogCameraTransform),
        *(ocio.ExponentTransform, ocio.ExponentWithLinearTransform, ocio.RangeTransform),
    )
    if isinstance(step, ocio.Lut1DTransform):
        return bool(step.getHueAdjust() == ocio.HUE_NONE)
    return isinstance(step, alone)


def _agrees(split: Conversion, cpu: Any) -> bool:
    """Whether curves and matrix do what the whole does, on colours of all kinds."""
    samples = np.random.default_rng(0).uniform(-0.1, 1.1, (4096, 3)).astype(np.float32)
    whole, parts = samples.copy(), samples.copy()
    cpu.applyRGB(whole)
    if split.curves is not None:
        split.curves.applyRGB(parts)
    largest = np.abs(parts).max(axis=1, keepdims=True)
    parts = parts @ split.matrix[:, :3].T + split.matrix[:, 3]
    return bool(np.all(np.abs(whole - parts) <= 1e-5 * np.maximum(largest, 0.1)))


@lru_cache(maxsize=16)
def _table(conversion: Conversion, codes: int, is_half: bool) -> Floats:
    table = _codes(codes, is_half)
    if conversion.curves is not None:
        grays = np.ascontiguousarray(table.T)
        conversion.curves.applyRGB(grays)
        table = np.ascontiguousarray(grays.T)
    table.flags.writeable = False
    return table


def _codes(codes: int, is_half: bool) -> Floats:
    """(3, codes) what codes stand for before any conversion: 0 … 1, or the value of a half float."""
    values: NDArray[Any] = np.arange(codes)
    one = values.astype(np.uint16).view(np.float16).astype(np.float32) if is_half else (values / (codes - 1)).astype(np.float32)
    return np.ascontiguousarray(np.broadcast_to(one, (3, codes)))

"""Changing a proxy's colours: a CDL, a LUT, a display view of OpenColorIO, in this order; and what stands in for a view.

Transforms are applied to RGB in floats. What was done is a plain record that goes into the manifest beside the proxy.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from film_archive.core.digest import MultiHasher
from film_archive.core.errors import NotSupported, UsageError
from film_archive.core.source import FileSource, printable

CONFIG = "ocio://studio-config-v2.1.0_aces-v1.3_ocio-v2.3"
"""Built into OpenColorIO; used where the caller names no other."""
DISPLAY = "Rec.1886 Rec.709 - Display"
"""What a proxy's BT.709 tags promise."""
_LARGEST_FILE = 1 << 28

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Grade:
    """What is done to colours, by the files and names that the user gave.

    `view` is "VIEW" or "DISPLAY/VIEW" of the config, and needs `space`: the colour space that the pictures are in.
    """

    lut: Path | None = None
    cdl: Path | None = None
    view: str | None = None
    space: str | None = None
    config: str = CONFIG

    @property
    def is_nothing(self) -> bool:
        return self.lut is None and self.cdl is None and self.view is None

    @cached_property
    def record(self) -> dict[str, Any]:
        """What a proxy's line says: names, and digests of the files."""
        done: dict[str, Any] = {}
        for name, path in (("cdl", self.cdl), ("lut", self.lut)):
            if path is not None:
                done[name] = {"file": path.name, "xxh128": _digest(path)}
        if self.view is not None:
            done["view"] = {"view": self.view, "space": self.space, "config": self.config}
        return done

    @cached_property
    def key(self) -> str:
        """A short digest of the record, that tells proxies of different grades apart."""
        if self.is_nothing:
            return ""
        hasher = MultiHasher()
        hasher.update(repr(sorted(self.record.items())).encode())
        return hasher.digests()["xxh128"][:8]

    def apply(self, pixels: Floats) -> Floats:
        """The pixels, (height, width, 3) and contiguous, changed in place; any number of threads may call it."""
        if not self.is_nothing:
            self._processor.applyRGB(pixels)
        return pixels

    def require_possible(self) -> None:
        """Raise UsageError where a file or a name of it is none; that a view needs a colour space is not said yet."""
        if self.view is None or self.space is not None:
            if not self.is_nothing:
                self._processor  # noqa: B018  made, or not
            return
        replace(self, view=None).require_possible()
        ocio = _library()
        try:
            _require_view(ocio.Config.CreateFromFile(self.config), *self._display_and_view)
        except (ocio.Exception, ocio.ExceptionMissingFile) as error:
            raise _impossible(error) from error

    @property
    def _display_and_view(self) -> tuple[str, str]:
        display, _, view = (self.view or "").rpartition("/")
        return display or DISPLAY, view

    @cached_property
    def _processor(self) -> Any:
        ocio = _library()
        try:
            config = ocio.Config.CreateFromFile(self.config)
            group = ocio.GroupTransform()
            if self.cdl is not None:
                group.appendTransform(ocio.CDLTransform.CreateFromFile(_name(self.cdl), ""))
            if self.lut is not None:
                group.appendTransform(ocio.FileTransform(_name(self.lut), interpolation=ocio.INTERP_BEST))
            if self.view is not None:
                group.appendTransform(self._viewing(config))
            return config.getProcessor(group).getDefaultCPUProcessor()
        except (ocio.Exception, ocio.ExceptionMissingFile) as error:
            raise _impossible(error) from error

    def _viewing(self, config: Any) -> Any:
        if self.space is None:
            raise UsageError("A view needs to know the pictures' colour space; name it (ACEScg, S-Log3 S-Gamut3.Cine, …).")
        display, view = self._display_and_view
        _require_view(config, display, view)
        if config.getColorSpace(self.space) is None:
            raise UsageError(f"{self.space!r} is no colour space of {self.config}; name one that is.")
        return _library().DisplayViewTransform(src=self.space, display=display, view=view)


def _name(path: Path) -> str:
    """As OpenColorIO takes names; raises UsageError where it does not."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"OpenColorIO opens no file whose name is not UTF-8; rename {printable(path)}.") from error
    return str(path)


def _library() -> Any:
    try:
        import PyOpenColorIO as ocio  # noqa: N813  the name its own documentation uses
    except ImportError as error:
        raise NotSupported("Colours can't be changed without OpenColorIO; install the package opencolorio.") from error
    return ocio


def color_version() -> str | None:
    """OpenColorIO's; None where it is not there."""
    try:
        return str(_library().__version__)
    except NotSupported:
        return None


def _impossible(error: Exception) -> UsageError:
    return UsageError(f"The colours that were asked for can't be made: {' '.join(str(error).split())}")


def _require_view(config: Any, display: str, view: str) -> None:
    if view not in list(config.getViews(display)):
        there = ", ".join(config.getViews(display)) or "none"
        raise UsageError(f"{display} has no view {view!r}; it has: {there}.")


def _digest(path: Path) -> str:
    with FileSource(path) as source:
        data = source.read_at(0, min(source.size, _LARGEST_FILE + 1))
    if len(data) > _LARGEST_FILE:
        raise UsageError(f"{printable(path)} is too large for a look-up table or a list of corrections.")
    hasher = MultiHasher()
    hasher.update(data)
    return hasher.digests()["xxh128"]


def shown_linear(pixels: NDArray[Any]) -> NDArray[np.uint16]:
    """Scene-linear floats as a BT.1886 display shows them: clipped to 0 … 1, to the power of 1/2.4, in 16 bits.

    No tone mapping, no conversion of primaries: light above 1 is white.
    """
    if pixels.dtype == np.float16:
        shown: NDArray[np.uint16] = _half_table()[pixels.view(np.uint16)]
        return shown
    return quantised(np.clip(pixels, 0, 1) ** np.float32(1 / 2.4))


def quantised(pixels: NDArray[Any]) -> NDArray[np.uint16]:
    """0 … 1 as 16 bits; what is no number is 0."""
    clipped = np.clip(np.nan_to_num(pixels, nan=0, posinf=1, neginf=0), 0, 1)
    return np.asarray(clipped * 65_535 + 0.5, np.uint16)


@lru_cache(maxsize=1)
def _half_table() -> NDArray[np.uint16]:
    values = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)
    values = np.nan_to_num(values, nan=0, posinf=1, neginf=0)
    return quantised(np.clip(values, 0, 1) ** np.float32(1 / 2.4))

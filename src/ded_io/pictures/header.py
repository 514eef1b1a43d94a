"""What a plate's header says of where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Protocol

from film_archive import __version__
from film_archive.core.timecode import Timecode


class Origin(Protocol):
    """What a header says of a clip; a `SourceClip` is one."""

    @property
    def name(self) -> str: ...
    @property
    def rate(self) -> Fraction: ...
    @property
    def reel(self) -> str | None: ...
    @property
    def squeeze(self) -> Fraction | None: ...
    @property
    def camera(self) -> Mapping[str, str]: ...
    def timecode(self, position: int) -> Timecode | None: ...


SOFTWARE = f"film-archive {__version__}"
"""The tool that made it, in every header."""

CHROMATICITIES: Mapping[str, tuple[float, ...]] = {
    "ACEScg": (0.713, 0.293, 0.165, 0.83, 0.128, 0.044, 0.32168, 0.33767),
    "ACES2065-1": (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, 0.32168, 0.33767),
}
"""Primaries and white point of ACES AP1 and AP0 (S-2014-004, ST 2065-1), by the colour space's name."""

_CAMERA = {
    "make": "cameraMake",
    "model": "cameraModel",
    "serial": "cameraSerialNumber",
    "firmware": "cameraFirmwareVersion",
    "lens": "lensModel",
    "lens_make": "lensMake",
    "lens_serial": "lensSerialNumber",
}
"""What a clip says of its camera → OpenEXR's standard attribute; all else goes under `camera:`."""


def plate_attributes(
    clip: Origin, position: int, number: int, *, colorspace: str, source_colorspace: str
) -> dict[str, object]:
    """The attributes of a plate's frame `number`, made from the clip's frame at `position`, counted from 0.

    For `FrameJob.attributes`. `imageCounter` is the shot's frame number, `film-archive:source_frame` the clip's.
    """
    attributes: dict[str, object] = {
        "Software": SOFTWARE,
        "framesPerSecond": Fraction(clip.rate),
        "imageCounter": number,
        "film-archive:source": clip.name,
        "film-archive:source_frame": position,
        "film-archive:colorspace": colorspace,
        "film-archive:source_colorspace": source_colorspace,
    }
    label = clip.timecode(position)
    if label is not None:
        attributes["smpte:TimeCode"] = label
    if clip.reel is not None:
        attributes["reelName"] = clip.reel
    if colorspace in CHROMATICITIES:
        attributes["chromaticities"] = CHROMATICITIES[colorspace]
    if clip.squeeze is not None:
        attributes["film-archive:squeeze"] = float(clip.squeeze)
    for name, value in clip.camera.items():
        attributes[_CAMERA.get(name, f"camera:{name}")] = value
    iso = clip.camera.get("iso", "")
    if iso.isascii() and iso.isdigit() and len(iso) < 8:
        attributes["isoSpeed"] = float(iso)
    return attributes

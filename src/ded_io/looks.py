"""A shot's look: a file that was given, or the ASC CDL that its cut list has for it.

A CDL becomes a ColorCorrection document (.cc; ASC CDL 1.2, the XML of a single correction), made the same byte for byte
each time, so that the same list leaves a shot unchanged.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from ded_io.models import EditorialCutInfo, ShotInfo
from ded_io.preparing import work_folder
from film_archive.core import files
from film_archive.core.errors import UsageError

if TYPE_CHECKING:
    from film_archive.editorial.event import ColorDecision

_ENDING = ".cc"
_ONES = (Decimal(1),) * 3
_ZEROS = (Decimal(0),) * 3


def document_of(color: ColorDecision, name: str) -> str:
    """A CDL as a document; what the list leaves out has no effect. `name` has letters, digits and hyphens.

    Raises UsageError for numbers that the ASC CDL does not allow: a slope or saturation below 0, a power that is not above.
    """
    slope, offset, power = color.slope or _ONES, color.offset or _ZEROS, color.power or _ONES
    saturation = Decimal(1) if color.saturation is None else color.saturation
    if min(slope) < 0 or saturation < 0 or min(power) <= 0:
        raise UsageError("a CDL's slope and saturation are not below 0, and its power is above")

    def numbers(three: tuple[Decimal, Decimal, Decimal]) -> str:
        return " ".join(format(number, "f") for number in three)

    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<ColorCorrection id="{name}" xmlns="urn:ASC:CDL:v1.2">\n'
        f"  <SOPNode><Slope>{numbers(slope)}</Slope><Offset>{numbers(offset)}</Offset><Power>{numbers(power)}</Power></SOPNode>\n"
        f"  <SatNode><Saturation>{saturation:f}</Saturation></SatNode>\n"
        "</ColorCorrection>\n"
    )


def look_name(cut: EditorialCutInfo) -> str | None:
    """What the look is called beside the plate; None where there is none."""
    ending = _ENDING if cut.look_file is None else cut.look_file.suffix.lower()
    return None if cut.look_file is None and cut.look_cdl is None else f"{cut.code}_look{ending}"


def require_look(shot_info: ShotInfo) -> None:
    """Raise UsageError or NotFound where a look that was given can't be applied: before the frames are made, not after."""
    if shot_info.editorial_info.look_file is None:
        return
    from ded_io.pictures.review import ReviewLook, display_processor

    settings = shot_info.settings
    look = ReviewLook(
        colorspace=settings.target_colorspace,
        ocio_config=settings.ocio_config,
        display=settings.display,
        view=settings.view,
        look_file=shot_info.editorial_info.look_file,
    )
    display_processor(look)


def look_file(shot_info: ShotInfo) -> Path | None:
    """The look as a file; the list's is written into the shot's work folder. None where the shot has no look."""
    cut = shot_info.editorial_info
    if cut.look_file is not None or cut.look_cdl is None:
        return cut.look_file
    path = work_folder(shot_info).folder("look") / f"{cut.code}_look{_ENDING}"
    files.make_folders(path.parent)
    files.write_atomically(path, cut.look_cdl.encode(), replace=True)
    return path

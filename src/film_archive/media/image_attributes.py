"""Facts out of what OpenImageIO tells of an image: its attributes, under the names that it gives them."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from film_archive.core.errors import Damaged
from film_archive.core.facts import ColorFacts, MediaFacts
from film_archive.core.timecode import FrameRate
from film_archive.media.codeword import CodeWord, header_start, read_code_word
from film_archive.media.color_tags import color_facts
from film_archive.media.dates import iso_date, with_offset
from film_archive.media.exif import ExifFacts

if TYPE_CHECKING:
    from OpenImageIO import ImageSpec


class Attributes:
    """An OpenImageIO spec's attributes, those that can be read."""

    def __init__(self, spec: ImageSpec) -> None:
        self.spec = spec
        self.unreadable = 0
        self._values: dict[str, Any] = {}
        for parameter in spec.extra_attribs:
            try:
                self._values[parameter.name] = parameter.value
            except UnicodeDecodeError:  # OpenImageIO hands on a file's own bytes as text
                self.unreadable += 1

    def text(self, *names: str) -> str | None:
        for name in names:
            value = self._values.get(name)
            if isinstance(value, str) and (text := " ".join(value.split())[:200]) and text.isprintable():
                return text
        return None

    def number(self, name: str) -> float | None:
        value = self._values.get(name)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    def numbers(self, name: str, count: int) -> tuple[float, ...] | None:
        value = self._values.get(name)
        return tuple(value) if isinstance(value, tuple | list) and len(value) == count else None


_CAMERA = {
    "make": ("Make", "cameraMake"),
    "model": ("Model", "cameraModel"),
    "serial": ("cameraSerialNumber", "Exif:BodySerialNumber"),
    "firmware": ("cameraFirmwareVersion",),
    "lens": ("lensModel", "Exif:LensModel"),
    "owner": ("Copyright",),
    "software": ("Software",),
}
_REELS = ("reelName", "openexr:reelName", "com.arri.camera.ReelName")


def image_facts(form: str, attributes: Attributes, exif: ExifFacts, given: FrameRate | None) -> MediaFacts:
    """The facts of one image of a format ("exr", "tiff", …); `given` counts its timecode where its header has no rate.

    Raises Damaged where the header states no size.
    """
    spec = attributes.spec
    if spec.full_width < 1 or spec.full_height < 1:
        raise Damaged("An image's header states no size.")
    said = list(exif.diagnostics)
    if attributes.unreadable:
        said.append(f"{attributes.unreadable} of its attributes are no text and were left unread")
    if form == "exr" and (spec.x, spec.y, spec.width, spec.height) != (
        spec.full_x,
        spec.full_y,
        spec.full_width,
        spec.full_height,
    ):
        said.append(f"its data window is {spec.width}×{spec.height} at {spec.x}, {spec.y} of the display window")
    start = header_start(_word(attributes), _stated_rate(attributes), given)
    reel = attributes.text(*_REELS)
    created, created_source = _created(form, attributes, exif)
    camera = {name: attributes.text(*names) for name, names in _CAMERA.items()} | dict(exif.camera)
    return MediaFacts(
        container=form,
        codec=form,
        profile=_profile(form, attributes),
        width=spec.full_width,
        height=spec.full_height,
        frame_rate=start.rate,
        frames=1,
        start_timecode=start.timecode,
        start_source=None if start.timecode is None else "image header",
        reel=reel,
        reel_source=None if reel is None else "image header",
        scan=None,
        pixel_aspect=_aspect(attributes),
        bit_depth=int(attributes.number("oiio:BitsPerSample") or 8 * spec.format.basesize()),
        color=_color(form, attributes, exif),
        created=created,
        created_source=created_source,
        camera={name: value for name, value in (camera | {"timecode": start.label}).items() if value is not None},
        diagnostics=(*said, *start.diagnostics),
    )


def _word(attributes: Attributes) -> CodeWord | None:
    pair = attributes.numbers("smpte:TimeCode", 2)
    return None if pair is None else read_code_word(int(pair[0]) & 0xFFFFFFFF)


def _stated_rate(attributes: Attributes) -> FrameRate | None:
    # OpenEXR's standard attribute, and the name under which OpenImageIO's writers keep it
    ratio = attributes.numbers("framesPerSecond", 2) or attributes.numbers("FramesPerSecond", 2)
    if ratio is None or ratio[0] <= 0 or ratio[1] <= 0 or not 1 <= Fraction(int(ratio[0]), int(ratio[1])) <= 1000:
        return None
    rate = Fraction(int(ratio[0]), int(ratio[1]))
    return FrameRate(rate.numerator, rate.denominator)


def _profile(form: str, attributes: Attributes) -> str | None:
    """What the trade says of such a file: channels' type and compression, "half DWAA"; a JPEG's subsampling."""
    compression = attributes.text("compression")
    if form == "exr":
        return f"{attributes.spec.format} {(compression or 'none').upper()}"
    if form == "tiff":
        return (compression or "none").upper()
    return attributes.text("jpeg:subsampling")


def _aspect(attributes: Attributes) -> Fraction | None:
    value = attributes.number("PixelAspectRatio")
    if value is None or not 0.1 <= value <= 10:
        return None
    return Fraction(str(round(value, 6))).limit_denominator(1000)


def _created(form: str, attributes: Attributes, exif: ExifFacts) -> tuple[str | None, str | None]:
    if exif.created is not None:
        return exif.created, exif.created_source
    date = iso_date(attributes.text("DateTime"))
    if date is None or form != "exr":
        return None, None  # a TIFF's or PNG's DateTime says when the file was last changed
    west = attributes.number("utcOffset")  # OpenEXR: seconds to add to local time to get UTC
    return (date if west is None else with_offset(date, -west)), "capDate"


_CHROMATICITIES: Mapping[tuple[float, ...], ColorFacts] = {
    (0.64, 0.33, 0.3, 0.6, 0.15, 0.06, 0.3127, 0.329): ColorFacts(primaries="bt709"),
    (0.708, 0.292, 0.17, 0.797, 0.131, 0.046, 0.3127, 0.329): ColorFacts(primaries="bt2020"),
    (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329): ColorFacts(primaries="smpte432"),
    (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.314, 0.351): ColorFacts(primaries="smpte431"),
    (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, 0.32168, 0.33767): ColorFacts(transfer="linear", space="ACES2065-1"),
    (0.713, 0.293, 0.165, 0.83, 0.128, 0.044, 0.32168, 0.33767): ColorFacts(transfer="linear", space="ACEScg"),
}
"""Primaries and white point of ITU-R BT.709, BT.2020, P3-D65, DCI-P3, and ACES AP0 and AP1 (ST 2065-1, S-2014-004)."""


def _color(form: str, attributes: Attributes, exif: ExifFacts) -> ColorFacts:
    codes = attributes.numbers("CICP", 4)
    if codes is not None:
        primaries, transfer, matrix, full = (int(code) for code in codes)
        return color_facts(primaries, transfer, matrix, bool(full))
    chromaticities = attributes.numbers("chromaticities", 8)
    if chromaticities is not None:
        for known, facts in _CHROMATICITIES.items():
            if all(abs(a - b) < 5e-4 for a, b in zip(known, chromaticities, strict=True)):
                return facts
    if form == "exr":
        return ColorFacts(space=attributes.text("colorInteropID", "openexr:colorInteropID"))
    # OpenImageIO's own "oiio:ColorSpace" is a guess by format, so it says nothing about the file.
    return ColorFacts(space=attributes.text("ICCProfile:profile_description") or exif.color_space)

"""EXIF: when a photograph was taken, in which zone, and by which camera (CIPA DC-008), through exifread."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, cast

from film_archive.core.source import ByteSource, SourceFile
from film_archive.media.dates import iso_date

_MOST_READS = 20_000
_MOST_BYTES = 1 << 24
"""EXIF that chains its directories endlessly ends here; honest files need a few hundred reads and kilobytes."""

_CAMERA = {
    "make": "Image Make",
    "model": "Image Model",
    "serial": "EXIF BodySerialNumber",
    "lens": "EXIF LensModel",
    "iso": "EXIF ISOSpeedRatings",
    "software": "Image Software",
}
_DATES = (
    ("EXIF DateTimeOriginal", "EXIF OffsetTimeOriginal", "EXIF SubSecTimeOriginal"),
    ("EXIF DateTimeDigitized", "EXIF OffsetTimeDigitized", "EXIF SubSecTimeDigitized"),
)


@dataclass(frozen=True, slots=True)
class ExifFacts:
    """What EXIF tells of a recording; empty where there is none."""

    created: str | None = None
    created_source: str | None = None
    color_space: str | None = None
    """"sRGB" where the tag says 1."""
    camera: Mapping[str, str] = field(default_factory=dict)
    diagnostics: tuple[str, ...] = ()


class _TooMuchError(Exception):
    pass


class _Limited(SourceFile):
    """A source as a file that ends the reading of hostile EXIF."""

    _reads = 0
    _bytes = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(_MOST_BYTES + 1 if size is None or size < 0 else min(size, _MOST_BYTES + 1))
        self._reads += 1
        self._bytes += len(data)
        if self._reads > _MOST_READS or self._bytes > _MOST_BYTES:
            raise _TooMuchError
        return data


def read_exif(source: ByteSource) -> ExifFacts:
    """Read the EXIF of a JPEG, TIFF, PNG, WebP, HEIC or of a raw photograph; what can't be read is a diagnostic."""
    import exifread

    logging.getLogger("exifread").setLevel(logging.CRITICAL)  # it would print about every odd field
    try:
        tags: dict[str, Any] = exifread.process_file(
            cast(BinaryIO, _Limited(source)), details=False, extract_thumbnail=False
        )
    except _TooMuchError:
        return ExifFacts(diagnostics=("its EXIF is endless and was left unread",))
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001  exifread raises whatever damaged fields lead it to
        return ExifFacts(diagnostics=(f"its EXIF is damaged and was left unread ({type(error).__name__})",))
    created, source_tag = _date(tags)
    return ExifFacts(
        created=created,
        created_source=source_tag,
        color_space="sRGB" if _number(tags.get("EXIF ColorSpace")) == 1 else None,
        camera={name: text for name, tag in _CAMERA.items() if (text := _text(tags.get(tag)))},
    )


def _date(tags: Mapping[str, Any]) -> tuple[str | None, str | None]:
    for date_tag, zone_tag, fraction_tag in _DATES:
        date = _text(tags.get(date_tag))
        fraction = _text(tags.get(fraction_tag)) or ""
        if date is not None and fraction.isascii() and fraction.isdigit():
            date += f".{fraction[:9]}"
        found = iso_date(None if date is None else date + (_text(tags.get(zone_tag)) or ""))
        if found is not None:
            return found, date_tag
    return None, None


def _text(tag: Any) -> str | None:
    if tag is None:
        return None
    text = " ".join(str(getattr(tag, "printable", tag)).split("\0", 1)[0].split())[:200]
    return text if text and text.isprintable() else None


def _number(tag: Any) -> int | None:
    values = getattr(tag, "values", None)
    return values[0] if isinstance(values, list) and values and isinstance(values[0], int) else None

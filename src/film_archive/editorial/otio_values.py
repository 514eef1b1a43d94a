"""The values in an OpenTimelineIO document: objects by schema name, times, ranges, numbers. Defined here and only here.

Everything is taken as it may come: what is not what it should be is None, or empty. Numbers are exact, as the decimals that
they are written as.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from film_archive.core.errors import Damaged, UsageError
from film_archive.core.timecode import FrameRate

OWN = "film-archive"
"""The key of our own metadata."""


def parse_otio(data: bytes, name: str) -> dict[str, Any]:
    """The document's root object, to be read. Raises Damaged.

    To change references and leave everything else as it stands, letter for letter, there is `otio.read_document`, which
    keeps places in the text and no values; it reads documents of any depth, this one as deep as Python's parser does.
    """
    try:
        root = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Damaged(f"{name} is not readable as OpenTimelineIO: {error}.") from error
    if not isinstance(root, dict) or not isinstance(root.get("OTIO_SCHEMA"), str):
        raise Damaged(f"{name} is not readable as OpenTimelineIO: it is JSON without an OTIO_SCHEMA.")
    return root


def schema_of(value: object) -> str:
    """The schema's name without its version: "Clip" of "Clip.2"; empty where it is no object."""
    schema = value.get("OTIO_SCHEMA") if isinstance(value, dict) else None
    return schema.split(".")[0] if isinstance(schema, str) else ""


@dataclass(frozen=True, slots=True)
class OtioTime:
    """A RationalTime or a TimeRange's part: a count at a rate."""

    value: Fraction
    rate: FrameRate

    @property
    def seconds(self) -> Fraction:
        return self.value / self.rate


@dataclass(frozen=True, slots=True)
class OtioRange:
    start: OtioTime
    duration: OtioTime


def range_of(value: object) -> OtioRange | None:
    """A TimeRange; None where it is none."""
    if not isinstance(value, dict):
        return None
    start, duration = time_of(value.get("start_time")), time_of(value.get("duration"))
    return None if start is None or duration is None else OtioRange(start, duration)


def time_of(value: object) -> OtioTime | None:
    """A RationalTime; None where it is none."""
    if not isinstance(value, dict):
        return None
    count, rate = number_of(value.get("value")), value.get("rate")
    if count is None or isinstance(rate, bool) or not isinstance(rate, int | float):
        return None
    try:
        return OtioTime(count, FrameRate.of(rate))
    except (UsageError, OverflowError):
        return None


def number_of(value: object) -> Fraction | None:
    """A number as it is written; None where it is none, not finite or beyond all times."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e15:
        return None
    exact = Fraction(repr(value))
    whole = round(exact)
    return Fraction(whole) if abs(exact - whole) < Fraction(1, 10_000) and whole else exact


def text_of(value: object) -> str | None:
    """A text without blanks around it; None where it is empty or none."""
    return value.strip() or None if isinstance(value, str) else None


def list_of(value: object) -> list[Any]:
    """A list; empty where it is none."""
    return value if isinstance(value, list) else []


def dict_of(value: object) -> dict[str, Any]:
    """An object; empty where it is none."""
    return value if isinstance(value, dict) else {}


def time_json(value: Fraction | int, rate: FrameRate) -> dict[str, Any]:
    """A RationalTime as it is written: the format has doubles."""
    return {"OTIO_SCHEMA": "RationalTime.1", "rate": float(rate), "value": float(value)}


def range_json(start: Fraction | int, duration: Fraction | int, rate: FrameRate) -> dict[str, Any]:
    """A TimeRange as it is written."""
    return {"OTIO_SCHEMA": "TimeRange.1", "start_time": time_json(start, rate), "duration": time_json(duration, rate)}

"""Recording dates as media write them, turned into ISO 8601; the zone is kept where it is said and never guessed."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

_DATE = re.compile(
    r"(\d{4})[:/-](\d\d)[:/-](\d\d)[:T ]+(\d\d):(\d\d):(\d\d)(\.\d{1,9})?\s*"
    r"(Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)?(?![\d+-]).*",
    re.ASCII,
)


def iso_date(text: str | None) -> str | None:
    """ISO 8601 of "2020:01:31 12:00:00" (EXIF, EXR), "2020:01:31:12:00:00LTZ" (DPX), "2020-01-31T12:00:00+01:00" (XML).

    A zone is read where it is "Z", "UTC", "GMT" or an offset. None where that is no date.
    """
    match = None if text is None else _DATE.fullmatch(text.strip())
    if match is None:
        return None
    try:
        moment = datetime(*(int(match[place]) for place in range(1, 7)))  # type: ignore[arg-type]  # six whole numbers
    except ValueError:
        return None
    return f"{moment.isoformat()}{match[7] or ''}{_zone(match[8])}"


def with_offset(date: str, seconds_east: float) -> str:
    """A local ISO date with its distance from UTC."""
    if "+" in date or date.endswith("Z") or date.count("-") > 2 or abs(seconds_east) > 50_400:
        return date
    zone = timezone(timedelta(minutes=round(seconds_east / 60)))
    text = datetime.fromisoformat(date.split(".")[0]).replace(tzinfo=UTC if not seconds_east else zone).isoformat()
    return text.replace("+00:00", "Z")


def _zone(text: str | None) -> str:
    if not text:
        return ""
    if text in ("Z", "UTC", "GMT"):
        return "Z"
    digits = text[1:].replace(":", "").ljust(4, "0")
    return f"{text[0]}{digits[:2]}:{digits[2:]}"

"""Times as LTFS writes them: `2026-11-20T14:52:07.821817063Z`, UTC, always nine digits behind the second.

LTFS Format Specification 2.4, 7.1. In memory a time is whole nanoseconds since 1970, as the system gives it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from film_archive.core.errors import Damaged, NotSupported

_SECOND = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FORM = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?Z", re.ASCII)


@lru_cache(maxsize=4096)
def _written(second: int) -> str:
    return (_EPOCH + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")


def format_time(nanoseconds: int) -> str:
    """A time as an index has it; raises NotSupported outside of the years 1 to 9999."""
    second, rest = divmod(nanoseconds, _SECOND)
    try:
        return f"{_written(second)}.{rest:09d}Z"
    except OverflowError as error:
        raise NotSupported(f"A time of {nanoseconds} ns since 1970 can't be written on tape.") from error


@lru_cache(maxsize=4096)
def _read(text: str) -> int:
    """Whole seconds since 1970 of `YYYY-MM-DDThh:mm:ss`."""
    year, month, day, hour, minute, second = (
        int(text[start:end]) for start, end in ((0, 4), (5, 7), (8, 10), (11, 13), (14, 16), (17, 19))
    )
    leap = second == 60  # a leap second is the begin of the next one
    moment = datetime(year, month, day, hour, minute, 59 if leap else second, tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(seconds=1) + leap


@lru_cache(maxsize=4096)
def known_second(text: str) -> int | None:
    """Whole seconds since 1970 of `YYYY-MM-DDThh:mm:ss.` (with the point), or None where that is no time."""
    matched = _FORM.fullmatch(f"{text}0Z")
    try:
        return None if matched is None else _read(text[:19])
    except (ValueError, OverflowError):
        return None


def parse_time(text: str) -> tuple[int, bool]:
    """(nanoseconds since 1970, whether it is written as the format asks): fewer digits are read as a fraction.

    Raises Damaged where it is no time.
    """
    if len(text) == 30 and text[29] == "Z" and text[20:29].isdigit() and text.isascii():
        # The usual form, by which a million files are read in half the time; what known_second does not take is looked at below.
        second = known_second(text[:20])
        if second is not None:
            return second * _SECOND + int(text[20:29]), True
    matched = _FORM.fullmatch(text)
    try:
        if matched is None:
            raise ValueError("it has another form")
        fraction = matched[7] or ""
        return _read(text[:19]) * _SECOND + int(fraction.ljust(9, "0")), len(fraction) == 9
    except (ValueError, OverflowError) as error:
        raise Damaged(f"{text[:40]!r} is not a time as LTFS writes it: {error}.") from error

"""When something was recorded: what the media says, else a date in its name, else the file's time; and which it was."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from film_archive.core.errors import FilmArchiveError
from film_archive.core.source import FileSource

_IN_NAME = re.compile(
    r"(?<!\d)((?:19|20)\d\d)[-_. ]?(0[1-9]|1[0-2])[-_. ]?(0[1-9]|[12]\d|3[01])"
    r"(?:[-_ T]{0,2}([01]\d|2[0-3])[-_.:h]?([0-5]\d)[-_.:m]?([0-5]\d))?(?!\d)",
    re.ASCII,
)
_FIRST_YEAR, _LAST_YEAR = 1970, 2105
"""Before and after these a clock was not set: 1904 is QuickTime's zero, 2106 the end of 32 bits."""


class DateSource(StrEnum):
    """What a date was taken from."""

    MEDIA = "media"
    NAME = "name"
    MTIME = "mtime"


@dataclass(frozen=True, slots=True)
class Recorded:
    """A moment of recording, as local time where it was recorded as far as that is known, else in UTC."""

    moment: datetime.datetime
    source: DateSource
    detail: str
    """The tag, the name, or the zone that was taken."""

    @property
    def day(self) -> str:
        return self.moment.strftime("%Y-%m-%d")

    @property
    def stamp(self) -> str:
        """ "20240612_140503"."""
        return self.moment.strftime("%Y%m%d_%H%M%S")


def recorded(path: Path, mtime_ns: int) -> Recorded:
    """When a file was recorded. A time with a zone is the local time of that zone; one in UTC stays in UTC."""
    return _from_media(path) or _from_name(path.name) or _from_mtime(mtime_ns)


def _from_media(path: Path) -> Recorded | None:
    from film_archive.media.probe import probe

    try:
        with FileSource(path) as source:
            facts = probe(source)
    except FilmArchiveError:  # no media, or damaged: its name and time are left
        return None
    if facts.created is None:
        return None
    try:
        moment = datetime.datetime.fromisoformat(facts.created)
    except ValueError:
        return None
    return _plausible(moment.replace(tzinfo=None), DateSource.MEDIA, facts.created_source or "its header")


def _from_name(name: str) -> Recorded | None:
    match = _IN_NAME.search(name)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups())
    try:
        moment = datetime.datetime(year, month, day, hour, minute, second)
    except ValueError:
        return None
    return _plausible(moment, DateSource.NAME, name)


def _from_mtime(mtime_ns: int) -> Recorded:
    seconds = mtime_ns // 1_000_000_000
    try:
        moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC).replace(tzinfo=None)
    except (OverflowError, ValueError, OSError):
        moment = datetime.datetime(1970, 1, 1)
    return Recorded(moment, DateSource.MTIME, "UTC")


def _plausible(moment: datetime.datetime, source: DateSource, detail: str) -> Recorded | None:
    return Recorded(moment, source, detail) if _FIRST_YEAR < moment.year <= _LAST_YEAR else None

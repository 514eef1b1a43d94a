"""The channels column of a list: which tracks an event is on. Defined here and only here.

CMX3600 knows V, A, A2, AA, B (picture and sound), AA/V, A2/V and NONE; programs since write V2, A12/V, A34, VA1, A1234V.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise

from film_archive.editorial.event import Event

_PART = re.compile(r"(?P<kind>V|AA|A|B|NONE)(?P<numbers>\d*)", re.ASCII)
_LONGEST = 64
_MOST_TRACKS = 24
"""Up to which a number behind A is taken for a track's; Avid writes that many into lists."""


@lru_cache(maxsize=1024)
def tracks_of_channels(channels: str) -> tuple[str, ...]:
    """ "V" (or "V2" …) and "A1", "A2", …, in order; a text of no known form is a track of its own name.

    Digits behind A are a channel each where picture is with them or where they are no track number that anybody uses
    (A12/V and VA12 are A1 and A2, A34 is A3 and A4); alone they are one number (Avid's A12 is track 12).
    """
    text = channels.strip().upper()[:_LONGEST]
    found: list[str] = []
    for part in text.split("/"):
        place = 0
        while place < len(part):
            match = _PART.match(part, place)
            if match is None:
                return (text,)
            found += _tracks(match["kind"], match["numbers"], alone=part == text and match[0] == part)
            place = match.end()
    return tuple(dict.fromkeys(found))


def _tracks(kind: str, numbers: str, *, alone: bool) -> list[str]:
    if kind == "NONE":
        return []
    if kind == "B":
        return ["V", "A1"]
    if kind == "V":
        return ["V" if numbers in ("", "1") else f"V{numbers}"]
    if kind == "AA":
        return ["A1", "A2"]
    rising = all(one < other for one, other in pairwise(numbers)) and "0" not in numbers
    if rising and len(numbers) > 1 and not (alone and int(numbers) <= _MOST_TRACKS):
        return [f"A{digit}" for digit in numbers]
    return [f"A{numbers or 1}"]


def tracks_of(event: Event) -> tuple[str, ...]:
    """The record tracks that an event is on: by name where the format has tracks, else by its channels column."""
    if event.track is not None:
        return (event.track,)
    tracks = tracks_of_channels(event.channels) if event.channels else ("V",)
    return tuple(dict.fromkeys((*tracks, *(f"A{number}" for number in event.audio_channels))))


def shows_picture(event: Event) -> bool:
    """Whether an event is on a picture track."""
    if event.channels:
        return any(track.startswith("V") for track in tracks_of_channels(event.channels))
    return True

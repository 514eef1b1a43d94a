"""The generations of a volume: its indexes, newest first, as each names the one before it.

LTFS Format Specification 2.4, 5.4: back pointers lead along the data partition. Only the begin of an index is read here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from xml.sax.saxutils import unescape

from film_archive.core.errors import Damaged
from film_archive.tape.drives.drive import Drive, Position
from film_archive.tape.ltfs.label import Label
from film_archive.tape.ltfs.mounting import place_name
from film_archive.tape.ltfs.times import parse_time
from film_archive.tape.ltfs.tree import Location


@dataclass(frozen=True, slots=True)
class Generation:
    """An index that a cartridge holds, newest or older, as its first record tells."""

    number: int
    updated: int
    """Nanoseconds since 1970."""
    location: Location
    previous: Location | None
    comment: str


def generations(drive: Drive, label: Label, newest: Location) -> Iterator[Generation]:
    """The generations that can still be opened, from the one at `newest` back along the data partition.

    Raises Damaged where the chain leads to something that is no older index.
    """
    location: Location | None = newest
    last: Generation | None = None
    while location is not None:
        found = _summary(_head(drive, Position(label.number(location.partition), location.block)), location)
        same = last is not None and found is not None and last.location.partition != found.location.partition
        if found is None or (last is not None and found.number >= last.number + same):
            newer = "newest" if last is None else f"one of generation {last.number}"
            raise Damaged(f"There is no older index at {place_name(location)}, where the {newer} says that it is.")
        if not same or (last is not None and last.number != found.number):
            yield found
        last, location = found, found.previous


_LONGEST_HEAD = 1 << 18
_HEADER = re.compile(rb"<(generationnumber|updatetime|comment)>([^<]{0,65536})</")
_PLACE = re.compile(
    rb"<(location|previousgenerationlocation)>\s*<partition>([a-z])</partition>\s*<startblock>(\d{1,19})</startblock>"
)


def _head(drive: Drive, position: Position) -> bytes:
    """The begin of an index, up to its root folder: one record, but for a long comment."""
    head = b""
    drive.locate(*position)
    while b"<directory" not in head and len(head) < _LONGEST_HEAD and isinstance(record := drive.read(), bytes):
        head += record
    return head.partition(b"<directory")[0]


def _summary(head: bytes, location: Location) -> Generation | None:
    """What an index says before its root folder; None where it is no index that stands here."""
    if b"<ltfsindex" not in head:
        return None
    texts = {match[1]: unescape(match[2].decode("utf-8", "replace")) for match in _HEADER.finditer(head)}
    places = {match[1]: Location(match[2].decode(), int(match[3])) for match in _PLACE.finditer(head)}
    number = texts.get(b"generationnumber", "").strip()
    if not re.fullmatch(r"[0-9]{1,19}", number) or places.get(b"location") != location:
        return None
    try:
        updated, _exact = parse_time(texts.get(b"updatetime", "").strip())
    except Damaged:
        updated = 0
    return Generation(
        int(number), updated, location, places.get(b"previousgenerationlocation"), texts.get(b"comment", "")
    )

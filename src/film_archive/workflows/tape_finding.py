"""Finding what is on tape without the tapes: by name, digest, date, timecode, reel, and by how many cartridges have it."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass

from film_archive.catalog.cartridges import Cartridges, KnownCartridge, TapePlace, TapeQuery
from film_archive.catalog.catalog import Catalog
from film_archive.core.digest import KEY
from film_archive.core.errors import UsageError
from film_archive.core.records import Record

_BY_LENGTH = {32: KEY, 64: "sha256", 40: "sha1", 128: "sha512"}
_DAY = 86_400_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundOnTape(Record):
    """A file on a cartridge, as the catalog knows it."""

    path: str
    """Its path on tape."""
    cartridge: str
    """The serial of the cartridge."""
    barcode: str
    """Serial and medium: what its label says."""
    tape_id: str
    """The set; "" for none of ours."""
    location: str
    """Where the cartridge was put last."""
    size: int
    """Bytes."""
    digest: str | None
    """Its XXH3-128."""
    modified: str
    """When it was changed last before it was written, ISO 8601 in UTC."""
    start_timecode: str | None
    """Of a clip: the label of its first frame."""
    frames: int | None
    """Of a clip: how many frames it has."""
    frame_rate: str | None
    """Of a clip: its rate."""
    reel: str | None
    """Of a clip: its reel."""
    verified: str | None
    """When it was last read back and right; null where it never was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeFindings(Record):
    """What was found."""

    found: tuple[FoundOnTape, ...]
    """By cartridge and path."""
    bytes: int
    """Their bytes."""


def query_of(
    text: str = "",
    *,
    digest: str | None = None,
    since: str | None = None,
    until: str | None = None,
    timecode: str | None = None,
    reel: str | None = None,
    tape_id: str | None = None,
    fewer_than: int | None = None,
) -> TapeQuery:
    """A query of a user's words. Dates are YYYY-MM-DD, `until` counts whole. Raises UsageError."""
    if not any((text, digest, since, until, timecode, reel, tape_id, fewer_than)):
        raise UsageError("Say what to look for: a part of a name, a digest, a date, a timecode, a reel, or --once.")
    end = None if until is None else _day(until) + _DAY
    return TapeQuery(
        text, None if digest is None else _digest(digest), None if since is None else _day(since), end, timecode, reel, tape_id,
        fewer_than,
    )  # fmt: skip


def find_on_tape(catalog: Catalog, query: TapeQuery, *, limit: int | None = None) -> TapeFindings:
    """Files that a query means."""
    cartridges = Cartridges(catalog)
    known = {each.holder.id: each for each in cartridges.all()}
    found: list[FoundOnTape] = []
    for each in cartridges.search(query):
        if limit is not None and len(found) >= limit:
            break
        found.append(_found(each, known.get(each.place.holder.id)))
    return TapeFindings(found=tuple(found), bytes=sum(one.size for one in found))


def _found(each: TapePlace, known: KnownCartridge | None) -> FoundOnTape:
    place, clip = each.place, each.clip
    return FoundOnTape(
        path=place.inner.lstrip("/"),
        cartridge=place.holder.label[:6] if known is None else known.row.serial,
        barcode=place.holder.label if known is None else known.row.barcode,
        tape_id="" if known is None else known.row.tape_id,
        location="" if known is None else known.place,
        size=place.size,
        digest=None if each.xxh128 is None else each.xxh128.hex(),
        modified=_iso(place.mtime_ns // 1_000_000_000),
        start_timecode=None if clip is None else clip.start or None,
        frames=None if clip is None else clip.frames,
        frame_rate=None if clip is None else clip.rate or None,
        reel=None if clip is None else clip.reel or None,
        verified=None if place.verified is None else _iso(place.verified.at),
    )


def _digest(text: str) -> tuple[str, str]:
    name, _, value = text.lower().rpartition(":")
    if not re.fullmatch(r"[0-9a-f]{8,128}", value) or len(value) % 2 or (not name and len(value) not in _BY_LENGTH):
        raise UsageError(f"{text[:40]!r} is no digest: give the hex of an XXH3-128, SHA-1, SHA-256 or SHA-512, or md5:HEX.")
    return name or _BY_LENGTH[len(value)], value


def _day(text: str) -> int:
    """The begin of a day, UTC, in nanoseconds since 1970."""
    try:
        moment = datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC)
    except ValueError:
        raise UsageError(f"{text!r} is no date; write YYYY-MM-DD.") from None
    return int(moment.timestamp()) * 1_000_000_000


def _iso(seconds: int) -> str:
    try:
        return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat().replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        return ""

"""What a QuickTime or MP4 file says about itself in text: camera, reel, recording date.

Three forms, all read from the movie and from its tracks: `udta` texts (©day …), Apple's keys (`meta` with `mdta`:
reverse-domain names), and MP4's `ilst` tags. Sources: QuickTime File Format, "User Data Atoms" and "Metadata"; the
keys' names are Apple's (AVMetadataIdentifiers) and the camera makers'.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from film_archive.media.mov.atoms import Atom, Notes, kind_text

MAX_TAGS = 2000
MAX_TEXT = 4096
_QUICKTIME = "com.apple.quicktime."
_OWN = "film-archive."
"""Begins the keys under which cuts say where they come from."""
_SEEN_AS = {
    "com.apple.quicktime.make": "make",
    "com.apple.quicktime.model": "model",
    "com.apple.quicktime.software": "software",
    "©mak": "make",
    "©mod": "model",
    "©day": "",
    "com.apple.quicktime.creationdate": "",
}
_REEL_KEYS = ("com.apple.proapps.reel", "com.apple.proapps.reelname")
_REEL_NAMES = frozenset(("reel", "reelname", "reel_name", "tape", "tapename", "tape_name"))
_UMID = re.compile(r"(?:0x)?(?:060a2b34[0-9a-f]*|[0-9a-f]{64}|[0-9a-f]{128})", re.IGNORECASE)
_EPOCH = datetime(1904, 1, 1, tzinfo=UTC)
_UNIX_EPOCH = 2_082_844_800
"""Seconds from 1904 to 1970."""
_DATE = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?) ?(Z|[+-]\d\d:?\d\d|[+-]\d\d)?)?", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Tag:
    """One text of the file: its key ("com.apple.quicktime.make", "©day") and its value, shown safely."""

    key: str
    text: str


@dataclass(frozen=True, slots=True)
class Created:
    """A recording date in ISO 8601, with its zone where the file says one, and where it was found."""

    date: str
    source: str


def read_tags(containers: Iterable[Atom], notes: Notes) -> tuple[Tag, ...]:
    """The tags of some atoms (the moov, then its tracks), in that order; what can't be read is passed over."""
    tags: list[Tag] = []
    for container in containers:
        for atom in container.children(lenient=True):
            if atom.kind == b"meta":
                tags += _meta(atom)
            elif atom.kind == b"udta":
                tags += _user_data(atom)
            if len(tags) > MAX_TAGS:
                notes.add(f"there are more than {MAX_TAGS} metadata texts; the first are read")
                return tuple(tags[:MAX_TAGS])
    return tuple(tags)


def printable_text(data: bytes, encoding: str | None = None) -> str:
    """Text that is safe to show: no control signs, at most 4096 signs. Without an encoding UTF-8, else MacRoman."""
    data = data[: 4 * MAX_TEXT]
    if encoding is not None:
        text = data.decode(encoding, "replace")
    else:
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            text = data.decode("mac_roman")
    return "".join(sign for sign in text if sign.isprintable() or sign == " ").strip()[:MAX_TEXT]


def reel_of(tags: Iterable[Tag]) -> tuple[str, str] | None:
    """(reel, the key it was found under): Apple's reel key first, then any other key that is called so."""
    known = [tag for tag in tags if tag.text and not looks_like_umid(tag.text)]
    for tag in known:
        if tag.key.lower() in _REEL_KEYS:
            return tag.text, tag.key
    for tag in known:
        if re.split(r"[./]", tag.key.lower())[-1] in _REEL_NAMES:
            return tag.text, tag.key
    return None


def looks_like_umid(text: str) -> bool:
    """Whether a text is a UMID written as hex (SMPTE ST 330), which some programs put where the reel belongs."""
    digits = re.sub(r"[\s:.{}\-]", "", text)
    return _UMID.fullmatch(digits) is not None


def camera_of(tags: Iterable[Tag]) -> dict[str, str]:
    """Camera metadata: "make", "model", "software", Apple's other keys without their prefix, makers' keys as they are.

    What programs write about themselves (©swr, ©too) and what has a place of its own (date, reel, timecode) is left
    out.
    """
    camera: dict[str, str] = {}
    for tag in tags:
        key = _SEEN_AS.get(tag.key)
        if key is None:
            last = tag.key.rsplit(".", 1)[-1].lower()
            if "." not in tag.key or last in _REEL_NAMES or tag.key.startswith(_OWN):
                continue
            key = tag.key.removeprefix(_QUICKTIME)
        if key and tag.text:
            camera.setdefault(key, tag.text)
    return camera


def created_of(tags: Iterable[Tag], movie_seconds: int, notes: Notes) -> Created | None:
    """The recording date: Apple's key (it has a zone), ©day, else the movie header's seconds since 1904 (UTC)."""
    by_key: Mapping[str, str] = {tag.key: tag.text for tag in reversed(tuple(tags))}
    for key in ("com.apple.quicktime.creationdate", "©day"):
        date = iso_date(by_key.get(key, ""))
        if date is not None:
            return Created(date, key)
        if key == "com.apple.quicktime.creationdate" and by_key.get(key):
            notes.add(f"its creation date {by_key[key]!r} can't be read")
    if movie_seconds == 0:
        return None
    if movie_seconds < _UNIX_EPOCH:
        # Before 1970 nobody wrote QuickTime: the writer counted from 1970.
        return Created(_utc(movie_seconds + _UNIX_EPOCH) or "", "mvhd, counted from 1970")
    date = _utc(movie_seconds)
    return None if date is None else Created(date, "mvhd")


def iso_date(text: str) -> str | None:
    """A date as ISO 8601 ("2024-05-06T07:08:09+02:00"); None where it is not a full date that exists."""
    match = _DATE.fullmatch(text.strip())
    if match is None:
        return None
    day, time, zone = match.groups()
    if time is None:
        written = day
    else:
        if zone is None or zone in "Zz":
            zone = "" if zone is None else "Z"
        elif ":" not in zone:
            zone = f"{zone[:3]}:{zone[3:] or '00'}"
        written = f"{day}T{time}{':00' if time.count(':') == 1 else ''}{zone}"
    try:
        datetime.fromisoformat(written)
    except ValueError:
        return None
    return written


def _utc(seconds: int) -> str | None:
    try:
        moment = _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return None
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _user_data(udta: Atom) -> list[Tag]:
    tags: list[Tag] = []
    for atom in udta.children(lenient=True):
        if atom.kind == b"meta":
            tags += _meta(atom)
        elif atom.kind[0] == 0xA9 and len(atom.body) >= 4:
            # 16-bit length, 16-bit language, text; repeated for other languages, of which the first is taken.
            length, language = atom.unpack("HH")
            data = bytes(atom.body[4 : 4 + length])
            tags.append(Tag(kind_text(atom.kind), printable_text(data, "utf-8" if language >= 0x400 else None)))
    return tags


def _meta(meta: Atom) -> list[Tag]:
    """Apple's keys and values, or MP4's tags. The atom is plain in QuickTime and has version and flags in MP4."""
    body = bytes(meta.body[:12])
    if body[4:8] != b"hdlr" and body[8:12] != b"hdlr":
        return []
    children = meta.children(0 if body[4:8] == b"hdlr" else 4, lenient=True)
    keys: list[str] = []
    tags: list[Tag] = []
    for atom in children:
        if atom.kind == b"keys":
            keys = [printable_text(bytes(key.body)) for key in atom.children(8, lenient=True)]
    for atom in children:
        if atom.kind == b"ilst":
            for entry in atom.children(lenient=True):
                number = int.from_bytes(entry.kind, "big")
                key = keys[number - 1] if 1 <= number <= len(keys) else kind_text(entry.kind)
                value = next((value for value in entry.children(lenient=True) if value.kind == b"data"), None)
                text = None if value is None else _value(value)
                if text is not None:
                    tags.append(Tag(key, text))
    return tags


_NUMBERS = {65: "b", 66: ">h", 67: ">i", 74: ">q", 75: "B", 76: ">H", 77: ">I", 78: ">Q", 23: ">f", 24: ">d"}
_TUPLES = {70: ">2f", 71: ">2f", 72: ">4f"}


def _value(data: Atom) -> str | None:
    """A `data` atom's value as text, or None where it is a picture or the like."""
    if len(data.body) < 8:
        return None
    (kind,) = data.unpack("I")
    kind &= 0xFFFFFF
    value = bytes(data.body[8 : 8 + 4 * MAX_TEXT])
    if kind == 1:
        return printable_text(value, "utf-8")
    if kind == 2:
        return printable_text(value, "utf-16-be")
    if kind in (21, 22) and 1 <= len(value) <= 8:
        return str(int.from_bytes(value, "big", signed=kind == 21))
    layout = _NUMBERS.get(kind) or _TUPLES.get(kind)
    if layout is None or len(value) < struct.calcsize(layout):
        return None
    numbers = struct.unpack_from(layout, value)
    return ",".join(f"{number:g}" if isinstance(number, float) else str(number) for number in numbers)

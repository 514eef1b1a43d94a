"""What a media reference's URL means on this machine, and how media in a bundle are referenced.

OTIO says `file://` URLs and relative paths; programs write more: `file://localhost/`, `FILE://`, bare paths, percent
signs that encode nothing, a raw `#`. So a URL has several readings, the likeliest first, and the first that leads to a
file counts. A `file://` URL is read decoded first, as RFC 8089 says, a bare path first as it stands, since it is none.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_to_bytes

MEDIA = "media"
"""The folder of a bundle in which the media lie, flat."""

_FILE = re.compile(r"file:(?://(?P<host>[^/\\]*)(?=[/\\]|$))?", re.IGNORECASE)
_OTHER_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_DRIVE = re.compile(r"[/\\]+(?=[A-Za-z]:)")
_ODD = re.compile(r"%[0-9A-Fa-f]{2}|[#?]")


@dataclass(frozen=True, slots=True)
class Reading:
    """A path that a URL may mean. `decoded` tells whether percent signs were taken for encoded bytes."""

    path: str
    decoded: bool


def readings(url: str) -> tuple[Reading, ...]:
    """The paths that a URL may mean, the likeliest first; none where it is no file's.

    Paths are the system's (bytes that are not UTF-8 as surrogates) and may be relative.
    """
    match = _FILE.match(url)
    if match is not None:
        path = _with_host(url[match.end() :], match["host"] or "")
        found = (Reading(decoded(_cut(path)), True), Reading(decoded(path), True), Reading(path, False))
    elif not url or _OTHER_SCHEME.match(url):
        return ()
    else:
        found = (Reading(url, False), Reading(decoded(url), True), Reading(decoded(_cut(url)), True))
    return tuple(Reading(_without_drive_slash(reading.path), reading.decoded) for reading in found)


def media_url(name: str) -> str:
    """How a file in a bundle's media folder is referenced: as OTIO 0.18.1 does, not encoded."""
    return f"{MEDIA}/{name}"


def is_read_differently(name: str) -> bool:
    """Whether programs that decode a reference and those that don't look for two different names."""
    return _ODD.search(name) is not None


def _with_host(path: str, host: str) -> str:
    """A host other than this one is a share (UNC); of `file://C:/…` the host is a drive."""
    if host.lower() in ("", "localhost", "127.0.0.1"):
        return path
    if re.fullmatch(r"[A-Za-z]:", host):
        return f"/{host}{path}"
    return f"//{host}{path}"


def _without_drive_slash(path: str) -> str:
    match = _DRIVE.match(path) if os.name == "nt" else None
    return path if match is None else path[match.end() :]


def _cut(path: str) -> str:
    """Without query and fragment."""
    return path.partition("#")[0].partition("?")[0]


def decoded(text: str) -> str:
    """Percent-encoded bytes as what they are, as a path has them."""
    if "%" not in text:
        return text
    try:
        return os.fsdecode(unquote_to_bytes(text))
    except UnicodeError:  # half a surrogate pair, which no path has
        return text


def place_of(path: str, bases: tuple[Path, ...]) -> tuple[Path, ...]:
    """Where a path may lead: itself if it is absolute, else below each of the bases."""
    found = Path(path)
    return (found,) if found.is_absolute() else tuple(base / found for base in bases)

"""What pulled cuts are called: a template with fields in braces, checked before it is used.

`{event:03}_{clip}_{start}`: a field's value is cleaned of everything that some file system can't have in a name;
`:03` fills numbers up with zeros to so many digits.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from dataclasses import dataclass

from film_archive.core.errors import UsageError

FIELDS = {
    "event": "the event's number",
    "reel": "its reel, else the media's",
    "clip": "the media file's name without extension",
    "name": "the event's clip name, else the media file's name",
    "start": "timecode of the cut's first frame, handles counted in, without colons",
    "first": "that frame's number in the media, from 0",
    "frames": "how many frames the cut has",
    "track": "the event's track or channels",
    "line": "the event's line in the list",
    "list": "the list's file name without extension",
}
DEFAULT = "{event:03}_{clip}_{start}"
LONGEST = 180
"""Bytes; what stands behind (extension, sidecar) fits into the 255 that a name may have, too."""

_UNCLEAN = re.compile(r"[^\w.+-]+")
_LITERAL = re.compile(r"[\w.+ -]*")
_FILL = re.compile(r"0?(\d{1,2})", re.ASCII)
_RESERVED = frozenset(
    ("con", "prn", "aux", "nul", *(f"com{digit}" for digit in range(10)), *(f"lpt{digit}" for digit in range(10)))
)
"""That Windows has no files under, with any extension."""


@dataclass(frozen=True, slots=True)
class NameTemplate:
    """A template that makes names; use `parse`."""

    text: str
    parts: tuple[tuple[str, str | None, int], ...]
    """(literal text, field behind it or None, digits to fill it up to) of each part."""

    @classmethod
    def parse(cls, text: str) -> NameTemplate:
        """Read a template. Raises UsageError where it is none, has fields that nobody knows, or could make no name."""
        parts: list[tuple[str, str | None, int]] = []
        try:
            pieces = list(string.Formatter().parse(text))
        except ValueError as error:
            raise UsageError(f"{text[:80]!r} is no template for names ({error}); fields are like {{event:03}}.") from error
        for literal, field, fill, conversion in pieces:
            if not _LITERAL.fullmatch(literal):
                raise UsageError(f"{text[:80]!r} has signs in it that names should not have; letters, digits, . _ - + do.")
            if field is not None and (field not in FIELDS or conversion):
                raise UsageError(f"A template has no field {{{field[:40]}}}; there are {', '.join(FIELDS)}.")
            digits = _FILL.fullmatch(fill) if fill else None
            if fill and digits is None:
                raise UsageError(f"{{{field}:{fill[:20]}}}: behind the colon stands a number of digits, as in {{event:03}}.")
            parts.append((literal, field, int(digits[1]) if digits else 0))
        if not any(field for _, field, _ in parts):
            raise UsageError(f"{text[:80]!r} would give all cuts one name; put a field into it, like {{event:03}}.")
        return cls(text, tuple(parts))

    def name(self, values: Mapping[str, str]) -> str:
        """A name, without extension. Raises UsageError where the values come to none."""
        made = "".join(literal + (_filled(values.get(field, ""), fill) if field else "") for literal, field, fill in self.parts)
        made = made.lstrip(". -").rstrip(". ")
        if not made or not re.search(r"\w", made) or made.partition(".")[0].casefold() in _RESERVED:
            given = ", ".join(f"{field} {values.get(field, '')[:40]!r}" for _, field, _ in self.parts if field)
            raise UsageError(f"{self.text!r} makes no name of {given}; put {{event}} or {{line}} into the template.")
        if len(made.encode()) > LONGEST:
            raise UsageError(f"{self.text!r} makes a name of more than {LONGEST} bytes: {made[:60]}…; use fewer fields.")
        return made


def _filled(value: str, digits: int) -> str:
    clean = _UNCLEAN.sub("_", value.strip()).strip("_")
    return clean.zfill(digits) if clean.isascii() and clean.isdecimal() else clean

"""JSON that people type, with the line of each value, so that a mistake can be shown where it is.

Read by hand down to the scalars, which `json` reads. Stricter in one thing: a key that stands twice is refused.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from film_archive.core.errors import UsageError, from_os_error
from film_archive.core.source import printable

_SPACE = re.compile(r"[ \t\r\n]*")
_LARGEST = 1 << 26
_DEEPEST = 64

Place = tuple[str | int, ...]
"""Keys and positions from the top down to a value."""


@dataclass(frozen=True, slots=True)
class Located:
    """A document's value, and the line on which each value in it begins."""

    name: str
    value: Any
    lines: dict[Place, int] = field(default_factory=dict)

    def error(self, place: Place, what: str) -> UsageError:
        """An error about a value, with its line and key."""
        return UsageError(f"{self.name}, line {self.lines.get(place, 1)}, {written(place)}: {what}")


def written(place: Place) -> str:
    """A place as people say it: output.proxy_crf, [3].shot."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return text.removeprefix(".") or "the document"


def read_json(path: Path) -> Located:
    """Read a file. Raises UsageError with line and key where it is not JSON; NotFound, Refused and so on."""
    name = printable(path)
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise from_os_error(error, f"read {name}") from error
    if len(data) > _LARGEST:
        raise UsageError(f"{name} is larger than {_LARGEST} bytes; that is no list of settings or shots.")
    return parse_json(data, name)


def parse_json(data: bytes, name: str) -> Located:
    """Read a document; raises UsageError with line and key where it is not JSON."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{name}, line {line}: this is not UTF-8.") from error
    reading = _Reading(text, name)
    value, end = reading.value(_after_space(text, 0), ())
    end = _after_space(text, end)
    if end != len(text):
        raise reading.error(end, (), "there is something after the end of the document")
    return Located(name, value, reading.lines)


def _after_space(text: str, place: int) -> int:
    match = _SPACE.match(text, place)
    assert match is not None  # it matches nothing, too
    return match.end()


class _Reading:
    def __init__(self, text: str, name: str) -> None:
        self.text = text
        self.name = name
        self.lines: dict[Place, int] = {}
        self._counted = (0, 1)

    def line(self, place: int) -> int:
        """The line of a place in the text; places come in order, but for errors."""
        before, line = self._counted
        if place < before:
            before, line = 0, 1
        line += self.text.count("\n", before, place)
        self._counted = (place, line)
        return line

    def error(self, place: int, where: Place, what: str) -> UsageError:
        found = repr(self.text[place]) if place < len(self.text) else "the end"
        return UsageError(f"{self.name}, line {self.line(place)}, {written(where)}: {what} (found {found}).")

    def value(self, place: int, where: Place) -> tuple[Any, int]:
        if len(where) > _DEEPEST:
            raise UsageError(f"{self.name}, line {self.line(place)}: values lie in each other more than {_DEEPEST} deep.")
        self.lines[where] = self.line(place)
        sign = self.text[place : place + 1]
        if sign == "{":
            return self._object(place + 1, where)
        if sign == "[":
            return self._array(place + 1, where)
        if sign == '"':
            return self._string(place, where)
        try:
            value, end = _SCALARS.raw_decode(self.text, place)
        except (ValueError, RecursionError) as error:
            raise self.error(place, where, "a value is expected") from error
        return value, end

    def _string(self, place: int, where: Place) -> tuple[str, int]:
        try:
            value, end = _SCALARS.raw_decode(self.text, place)
        except ValueError as error:
            raise self.error(place, where, "this text does not end, or has a sign that needs a backslash") from error
        return str(value), end

    def _object(self, place: int, where: Place) -> tuple[dict[str, Any], int]:
        made: dict[str, Any] = {}
        place = _after_space(self.text, place)
        if self.text[place : place + 1] == "}":
            return made, place + 1
        last = where
        while True:
            if self.text[place : place + 1] != '"':
                raise self.error(place, last, 'a key between " is expected, no comma before the closing brace')
            key, after = self._string(place, last)
            here = (*where, key)
            if key in made:
                raise self.error(place, here, "this key stands twice")
            after = _after_space(self.text, after)
            if self.text[after : after + 1] != ":":
                raise self.error(after, here, "a colon is expected after the key")
            made[key], after = self.value(_after_space(self.text, after + 1), here)
            place, closed = self._next(after, here, "}")
            if closed:
                return made, place
            last = here

    def _array(self, place: int, where: Place) -> tuple[list[Any], int]:
        made: list[Any] = []
        place = _after_space(self.text, place)
        if self.text[place : place + 1] == "]":
            return made, place + 1
        while True:
            here = (*where, len(made))
            value, after = self.value(place, here)
            made.append(value)
            place, closed = self._next(after, here, "]")
            if closed:
                return made, place

    def _next(self, place: int, where: Place, closing: str) -> tuple[int, bool]:
        """Past the comma or the closing sign after a value, and whether it was the latter."""
        place = _after_space(self.text, place)
        sign = self.text[place : place + 1]
        if sign not in (",", closing) or not sign:
            raise self.error(place, where, f"a comma or {closing} is expected after this value")
        return (place + 1, True) if sign == closing else (_after_space(self.text, place + 1), False)


def _no_constant(name: str) -> Any:
    raise ValueError(name)


_SCALARS = json.JSONDecoder(parse_constant=_no_constant)

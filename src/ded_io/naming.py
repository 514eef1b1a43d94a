"""Names of plates as templates that parse back: `parse(format(name)) == name`. Defined here and only here.

    {shot}_{task}_{element}_v{version:03d}_{rep}_{colorspace}.{frame:04d}.{ext}

A field's text has letters, digits and hyphens; numbers have at least as many digits as the template says. Between two
fields a template has at least one sign that no field may have, so that a name has one meaning only.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from film_archive.core.errors import UsageError

_TEXT = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_WORD = re.compile(_TEXT)
_FIELD = re.compile(r"\{(\w+)(?::0(\d{1,2})d)?\}")
_PLAIN = re.compile(r"[\w.+=@ -]*")
_PARTS = re.compile(r"[^A-Za-z0-9-]")
_MOST = 10**12


@dataclass(frozen=True, slots=True)
class PlateName:
    """What a name says. None is a field that the name's template does not have."""

    shot: str | None = None
    task: str | None = None
    element: str | None = None
    version: int | None = None
    rep: str | None = None
    """The representation: main, proxy."""
    colorspace: str | None = None
    frame: int | None = None
    ext: str | None = None


_FIELDS = {field.name: "int" in str(field.type) for field in dataclasses.fields(PlateName)}
"""Field → whether it is a number."""


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    digits: int

    @property
    def is_number(self) -> bool:
        return _FIELDS[self.name]

    @property
    def pattern(self) -> str:
        if not self.is_number:
            return _TEXT
        if self.digits <= 1:
            return r"0|[1-9]\d{0,11}"
        return rf"\d{{{self.digits}}}|[1-9]\d{{{self.digits},11}}"


class Template:
    """A name with fields in braces; `{version:03d}` has at least three digits.

    Raises UsageError where a field is not known, stands twice, or touches another without a sign between them.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._parts = tuple(_split(text))
        self._pattern = re.compile(
            "".join(
                re.escape(part) if isinstance(part, str) else f"(?P<{part.name}>{part.pattern})" for part in self._parts
            ),
            re.ASCII,
        )

    @property
    def fields(self) -> frozenset[str]:
        return frozenset(part.name for part in self._parts if isinstance(part, _Field))

    def format(self, name: PlateName) -> str:
        """The name as text. Raises UsageError where a field of the template is not given, or has signs that names can't have."""
        return "".join(part if isinstance(part, str) else self._written(part, getattr(name, part.name)) for part in self._parts)

    def parse(self, text: str) -> PlateName | None:
        """What a name says; None where it is not one of this template."""
        match = self._pattern.fullmatch(text)
        if match is None:
            return None
        said = match.groupdict()
        values: dict[str, Any] = {field: int(value) if _FIELDS[field] else value for field, value in said.items()}
        return PlateName(**values)

    def _written(self, field: _Field, value: object) -> str:
        if value is None:
            raise UsageError(f"The name {self.text} needs {'an' if field.name[0] in 'aeiou' else 'a'} {field.name}.")
        if field.is_number:
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _MOST:
                raise UsageError(f"{value!r} can't be the {field.name} in a name; it is a number from 0.")
            return f"{value:0{field.digits}d}"
        if not isinstance(value, str) or not _WORD.fullmatch(value):
            raise UsageError(f"{value!r} can't be the {field.name} in a name; it has letters, digits and inner hyphens.")
        return value

    def __repr__(self) -> str:
        return f"Template({self.text!r})"


def _split(text: str) -> Iterator[str | _Field]:
    """The template's literals and fields, in order."""
    place, before, seen = 0, None, set[str]()
    for match in _FIELD.finditer(text):
        literal, name = text[place : match.start()], match[1]
        if name not in _FIELDS:
            raise UsageError(f"The name {text!r} has a field {name!r} that is not known; there are {', '.join(_FIELDS)}.")
        if name in seen:
            raise UsageError(f"The name {text!r} has the field {name} twice.")
        if match[2] is not None and not _FIELDS[name]:
            raise UsageError(f"The field {name} in the name {text!r} is text and has no digits.")
        if before is not None and not _PARTS.search(literal):
            raise UsageError(f"The name {text!r} needs a sign such as _ or . between {before} and {name}.")
        seen.add(name)
        yield from _literal(text, literal)
        yield _Field(name, int(match[2] or 1))
        place, before = match.end(), name
    if before is None:
        raise UsageError(f"The name {text!r} has no field.")
    yield from _literal(text, text[place:])


def _literal(text: str, literal: str) -> Iterator[str]:
    if not _PLAIN.fullmatch(literal) or not literal.isascii():
        raise UsageError(f"The name {text!r} has {literal!r}, which can't stand there; fields are {{shot}} or {{frame:04d}}.")
    if literal:
        yield literal


@lru_cache(maxsize=64)
def template(text: str) -> Template:
    """The template of a text; read once."""
    return Template(text)


def token(text: str) -> str:
    """A colour space's name as it stands in a file's name: "Linear Rec.709 (sRGB)" is LinearRec709sRGB."""
    kept = re.sub(r"[^A-Za-z0-9-]", "", text).strip("-")
    if not kept:
        raise UsageError(f"{text!r} has no letters or digits that could stand in a file's name.")
    return kept

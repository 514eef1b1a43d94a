"""Where media references stand in the text of an OTIO document.

The text is gone through once, sign by sign and without recursion: what is around the references may be of any schema
and as deep as DEEPEST. JSON is read as RFC 8259 has it, with NaN and Infinity, which OTIO writes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from film_archive.core.errors import Damaged

DEEPEST = 4096
"""Levels of nesting; timelines within timelines take about eight each."""

_EXTERNAL, _SEQUENCE = "ExternalReference", "ImageSequenceReference"
_STRING = r'"[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*"'
_TOKEN = re.compile(rf'[ \t\n\r]*(?:(?P<sign>[{{}}\[\]:,])|(?P<text>{_STRING})|(?P<word>[^\s{{}}\[\]:,"]+))')
_WORD = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null|NaN|-?Inf(?:inity)?", re.ASCII)
_NOTED = frozenset(("OTIO_SCHEMA", "name", "target_url", "target_url_base", "name_prefix", "name_suffix"))


@dataclass(frozen=True, slots=True)
class Span:
    """A run of signs of the text: the first, and the one behind the last."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class WrittenReference:
    """Where a reference's object ends, and where the values in it stand."""

    end: int
    values: Mapping[str, Span]
    key: str | None = None
    """Its key among a clip's several references; None where it stands alone."""
    siblings: Sequence[str] = ()
    """All keys there."""


class _Expecting(Enum):
    VALUE = auto()
    VALUE_OR_END = auto()
    KEY = auto()
    KEY_OR_END = auto()
    COMMA_OR_END = auto()


class _Stands(Enum):
    """Where an object stands, as far as references are concerned."""

    ANYWHERE = auto()
    IN_METADATA = auto()
    AS_REFERENCE = auto()
    AS_REFERENCES = auto()
    """The object that has a clip's references, each under its key."""


@dataclass(slots=True)
class _Open:
    """An object or array that is not closed yet."""

    start: int
    is_object: bool
    stands: _Stands
    key: str = ""
    """The last that was read."""
    values: dict[str, Span] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)
    """Of the object that has a clip's references: all so far."""
    unnamed: list[int] = field(default_factory=list)
    """References in it whose clip is not known yet."""


class Scanner:
    """Goes through the text once, without recursion: no document is too deep for the stack."""

    def __init__(self, text: str, name: str) -> None:
        self._text, self._name = text, name
        self._stack: list[_Open] = []
        self.objects: dict[int, WrittenReference] = {}
        self.clips: dict[int, str] = {}

    def scan(self) -> None:
        """Find all references; raises Damaged where the text is not JSON (with NaN and Infinity, as OTIO writes them)."""
        position, expecting = 0, _Expecting.VALUE
        while True:
            match = _TOKEN.match(self._text, position)
            if match is None or match.lastgroup is None:
                raise self._wrong(position)
            token, start, position = match[match.lastgroup], match.start(match.lastgroup), match.end()
            if expecting in (_Expecting.VALUE, _Expecting.VALUE_OR_END):
                expecting = self._value(token, start, position, may_end=expecting is _Expecting.VALUE_OR_END)
            elif expecting in (_Expecting.KEY, _Expecting.KEY_OR_END):
                if token == "}" and expecting is _Expecting.KEY_OR_END:
                    expecting = self._close(token, start, position)
                else:
                    position = self._key(token, start, position)
                    expecting = _Expecting.VALUE
            elif token == ",":
                expecting = _Expecting.KEY if self._stack[-1].is_object else _Expecting.VALUE
            else:
                expecting = self._close(token, start, position)
            if not self._stack:
                break
        if self._text[position:].strip(" \t\n\r"):
            raise self._wrong(position)

    def _value(self, token: str, start: int, end: int, *, may_end: bool) -> _Expecting:
        if token in ("{", "["):
            if len(self._stack) >= DEEPEST:
                raise Damaged(f"{self._name} is nested deeper than {DEEPEST} levels, which no timeline is.")
            self._stack.append(_Open(start, token == "{", self._standing()))
            return _Expecting.KEY_OR_END if token == "{" else _Expecting.VALUE_OR_END
        if token == "]" and may_end:
            return self._close(token, start, end)
        if not self._stack or not (token[0] == '"' or _WORD.fullmatch(token)):
            raise self._wrong(start)
        holder = self._stack[-1]
        if holder.is_object and holder.key in _NOTED:
            if holder.key in holder.values:
                raise Damaged(f"{self._name}: an object has two of {holder.key!r} ({self._where(start)}).")
            holder.values[holder.key] = Span(start, end)
        return _Expecting.COMMA_OR_END

    def _standing(self) -> _Stands:
        """Where what begins now stands."""
        if not self._stack:
            return _Stands.ANYWHERE
        holder = self._stack[-1]
        if holder.stands is _Stands.IN_METADATA:
            return _Stands.IN_METADATA
        if holder.stands is _Stands.AS_REFERENCES:
            return _Stands.AS_REFERENCE
        if not holder.is_object:
            return _Stands.ANYWHERE
        places = {
            "metadata": _Stands.IN_METADATA,
            "media_reference": _Stands.AS_REFERENCE,
            "media_references": _Stands.AS_REFERENCES,
        }
        return places.get(holder.key, _Stands.ANYWHERE)

    def _key(self, token: str, start: int, position: int) -> int:
        colon = _TOKEN.match(self._text, position)
        if token[0] != '"' or colon is None or colon["sign"] != ":":
            raise self._wrong(start)
        holder = self._stack[-1]
        holder.key = self._string(Span(start, position))
        if holder.stands is _Stands.AS_REFERENCES:
            holder.keys.append(holder.key)
        return colon.end()

    def _close(self, token: str, start: int, end: int) -> _Expecting:
        closed = self._stack[-1]
        if token != ("}" if closed.is_object else "]"):
            raise self._wrong(start)
        self._stack.pop()
        if closed.is_object and closed.stands is not _Stands.IN_METADATA:
            self._note(closed, end)
        if self._stack:
            self._stack[-1].unnamed += closed.unnamed
        elif "OTIO_SCHEMA" not in closed.values:
            raise Damaged(f"{self._name} is not an OTIO document: what is at its top has no OTIO_SCHEMA.")
        return _Expecting.COMMA_OR_END

    def _note(self, closed: _Open, end: int) -> None:
        """Keep an object if it is a reference; if it is what references belong to, name them."""
        schema = self._string(closed.values.get("OTIO_SCHEMA")).partition(".")[0]
        has_url = "target_url" in closed.values or "target_url_base" in closed.values
        if schema in (_EXTERNAL, _SEQUENCE) or (has_url and closed.stands is _Stands.AS_REFERENCE):
            holder = self._stack[-1] if self._stack else None
            several = holder is not None and holder.stands is _Stands.AS_REFERENCES
            key, siblings = (holder.key, holder.keys) if several and holder is not None else (None, ())
            self.objects[closed.start] = WrittenReference(end, closed.values, key, siblings)
            closed.unnamed = [closed.start]
        elif schema and closed.unnamed and "name" in closed.values:
            name = self._string(closed.values["name"])
            self.clips.update((place, name) for place in closed.unnamed if name)
            closed.unnamed = []

    def _string(self, span: Span | None) -> str:
        """The string that stands there; "" where there is none, or something else."""
        text = '""' if span is None else self._text[span.start : span.end]
        if text[0] != '"':
            return ""
        if "\\" not in text:
            return text[1:-1]
        try:
            return str(json.loads(text))
        except ValueError:
            raise self._wrong(0 if span is None else span.start) from None

    def _where(self, position: int) -> str:
        line = self._text.count("\n", 0, position) + 1
        return f"line {line}, column {position - self._text.rfind(chr(10), 0, position)}"

    def _wrong(self, position: int) -> Damaged:
        return Damaged(f"{self._name} is not an OTIO document: it is not JSON at {self._where(position)}.")

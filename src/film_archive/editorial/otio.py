"""OpenTimelineIO documents as text: which media they reference, and the same document with references changed.

A document is not turned into objects and back: it is scanned once for its media references, and only their URLs are
replaced, in place. Everything else stays letter for letter as it was written, so that documents of schema versions that
no library on this machine knows (the next OTIO's, a studio's own) lose nothing and are refused for nothing.

A media reference is an object outside metadata whose schema is ExternalReference or ImageSequenceReference, or which
stands where a clip keeps its references (`media_reference`, `media_references`) and has a `target_url` or a
`target_url_base`. All of a clip's references count, not only the active one, however deep the clip is nested.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from film_archive.core.errors import Damaged

DEEPEST = 4096
"""Levels of nesting; timelines within timelines take about eight each."""

_EXTERNAL, _SEQUENCE = "ExternalReference", "ImageSequenceReference"
_TOKEN = re.compile(
    r'[ \t\n\r]*(?:(?P<sign>[{}\[\]:,])|(?P<text>"[^"\\\x00-\x1f]*(?:\\.[^"\\\x00-\x1f]*)*")|(?P<word>[^\s{}\[\]:,"]+))'
)
_WORD = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null|NaN|-?Inf(?:inity)?", re.ASCII)
_NOTED = frozenset(("OTIO_SCHEMA", "name", "target_url", "target_url_base", "name_prefix", "name_suffix"))


@dataclass(frozen=True, slots=True)
class SequenceNumbers:
    """How the files of an ImageSequenceReference are called and which of them it means."""

    prefix: str
    suffix: str
    start: int
    step: int
    padding: int
    count: int | None
    """How many; None where the reference has no available range, and so does not say."""
    tolerates_holes: bool
    """Its policy for missing frames is to hold the last one or to show black."""

    def numbers(self) -> range | None:
        """The numbers in the files' names, in the order they are shown; None where the reference does not say."""
        return None if self.count is None else range(self.start, self.start + self.count * self.step, self.step)

    def digits(self, number: int) -> str:
        """A number as it stands in a file's name."""
        return f"{'-' if number < 0 else ''}{abs(number):0{self.padding}d}"


@dataclass(frozen=True, slots=True)
class MediaReference:
    """One reference of a document, as it is written there."""

    place: int
    """Where its object begins in the text: by this it is told from all others."""
    url: str
    """`target_url`, or of an image sequence `target_url_base`; "" where there is none."""
    sequence: SequenceNumbers | None
    clip: str | None
    """The name of the clip that it belongs to."""

    def url_of(self, number: int) -> str:
        """The URL of one image of a sequence, put together as OTIO does it."""
        assert self.sequence is not None
        slash = "" if not self.url or self.url.endswith("/") else "/"
        named = self.sequence
        return f"{self.url}{slash}{named.prefix}{named.digits(number)}{named.suffix}"


@dataclass(frozen=True, slots=True)
class Relinked:
    """A reference that shall lead elsewhere. `prefix` and `suffix` are those of an image sequence's file names."""

    url: str
    prefix: str | None = None
    suffix: str | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """A reference that shall become a MissingReference, with what it was in its metadata."""

    because: str


@dataclass(frozen=True, slots=True)
class _Span:
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Object:
    """Where a reference and the values in it stand."""

    end: int
    values: Mapping[str, _Span]


class Document:
    """A document that was read; see `read_document`."""

    def __init__(self, text: str, references: tuple[MediaReference, ...], objects: Mapping[int, _Object]) -> None:
        self.text = text
        self.references = references
        """In the order in which they stand."""
        self._objects = objects

    def changed(self, changes: Mapping[int, Relinked | Missing]) -> bytes:
        """The document with the references at these places changed and nothing else, in UTF-8."""
        edits = sorted((edit for place, change in changes.items() for edit in self._edits(place, change)), key=_start)
        parts, position = [], 0
        for span, new in edits:
            parts += [self.text[position : span.start], new]
            position = span.end
        parts.append(self.text[position:])
        return "".join(parts).encode("utf-8")

    def _edits(self, place: int, change: Relinked | Missing) -> Iterator[tuple[_Span, str]]:
        found = self._objects[place]
        if isinstance(change, Missing):
            yield _Span(place, found.end), _missing_reference(self.text[place : found.end], change.because)
            return
        key = "target_url_base" if "target_url_base" in found.values else "target_url"
        for name, value in ((key, change.url), ("name_prefix", change.prefix), ("name_suffix", change.suffix)):
            if value is not None and name in found.values:
                yield found.values[name], json.dumps(value, ensure_ascii=not _is_unicode(value))


def read_document(data: bytes, name: str) -> Document:
    """Read a document; `name` is what errors call it.

    Raises Damaged where it is not JSON in UTF-8 with an OTIO object at its top, or its references can't be read.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Damaged(f"{name} is not an OTIO document: it is not text in UTF-8 ({error.reason}).") from error
    scanner = _Scanner(text, name)
    scanner.scan()
    references = tuple(
        _reference(place, _values(text[place : found.end], name), scanner.clips.get(place), name)
        for place, found in sorted(scanner.objects.items())
    )
    return Document(text, references, scanner.objects)


def _start(edit: tuple[_Span, str]) -> int:
    return edit[0].start


def _is_unicode(text: str) -> bool:
    """Whether it can be written in UTF-8 (half a surrogate pair can stand in JSON, escaped, but not there)."""
    return not any("\ud800" <= sign <= "\udfff" for sign in text)


def _values(text: str, name: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Damaged(f"{name}: a media reference can't be read ({error}).") from error
    return found


def _reference(place: int, values: Mapping[str, Any], clip: str | None, name: str) -> MediaReference:
    if "target_url_base" not in values:
        url = values.get("target_url")
        return MediaReference(place, url if isinstance(url, str) else "", None, clip)
    url = values["target_url_base"]
    return MediaReference(place, url if isinstance(url, str) else "", _numbers(values, name), clip)


_MOST_FRAMES = 10_000_000
"""Five days at 24 a second; a reference to more images is a mistake."""


def _numbers(values: Mapping[str, Any], name: str) -> SequenceNumbers:
    try:
        start, step, padding = (int(values.get(key, least)) for key, least in _WHOLE)
        count = _count(values, step)
        if step == 0 or not 0 <= padding <= 64 or (count or 0) > _MOST_FRAMES or abs(start) > 10**15 or abs(step) > 10**9:
            raise ValueError("it has numbers that no file has")
        return SequenceNumbers(
            prefix=str(values.get("name_prefix") or ""),
            suffix=str(values.get("name_suffix") or ""),
            start=start,
            step=step,
            padding=padding,
            count=count,
            tolerates_holes=values.get("missing_frame_policy") in ("hold", "black"),
        )
    except (TypeError, ValueError, KeyError, ArithmeticError) as error:
        raise Damaged(f"{name}: an image sequence's reference can't be read ({error!r}).") from error


_WHOLE = (("start_frame", 1), ("frame_step", 1), ("frame_zero_padding", 0))


def _count(values: Mapping[str, Any], step: int) -> int | None:
    """As OTIO's ImageSequenceReference::number_of_images_in_sequence, in the same floating point arithmetic."""
    available = values.get("available_range")
    if available is None:
        return None
    duration = available["duration"]
    value, rate = float(duration["value"]), float(duration["rate"])
    playback = float(values.get("rate", 1)) / step
    return max(0, int(value if playback == rate else value * playback / rate))


def _missing_reference(text: str, because: str) -> str:
    """A MissingReference in place of the reference with this text: name, ranges and metadata stay, the rest is kept in it."""
    old: dict[str, Any] = json.loads(text)
    new: dict[str, Any] = {"OTIO_SCHEMA": "MissingReference.1"}
    if "OTIO_REF_ID" in old:
        new["OTIO_REF_ID"] = old.pop("OTIO_REF_ID")
    metadata = old.pop("metadata", None)
    for key in ("name", "available_range", "available_image_bounds"):
        if key in old:
            new[key] = old.pop(key)
    original = {"schema" if key == "OTIO_SCHEMA" else key: value for key, value in old.items()}
    new["metadata"] = {
        **(metadata if isinstance(metadata, dict) else {}),
        "missing_reference_because": because,
        "original_target_url": old.get("target_url", old.get("target_url_base")),
        "original_media_reference": original,
    }
    return json.dumps(new)


# The scan


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
    values: dict[str, _Span] = field(default_factory=dict)
    unnamed: list[int] = field(default_factory=list)
    """References in it whose clip is not known yet."""


class _Scanner:
    """Goes through the text once, without recursion: no document is too deep for the stack."""

    def __init__(self, text: str, name: str) -> None:
        self._text, self._name = text, name
        self._stack: list[_Open] = []
        self.objects: dict[int, _Object] = {}
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
            holder.values[holder.key] = _Span(start, end)
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
        self._stack[-1].key = self._string(_Span(start, position))
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
            self.objects[closed.start] = _Object(end, closed.values)
            closed.unnamed = [closed.start]
        elif schema and closed.unnamed and "name" in closed.values:
            name = self._string(closed.values["name"])
            self.clips.update((place, name) for place in closed.unnamed if name)
            closed.unnamed = []

    def _string(self, span: _Span | None) -> str:
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

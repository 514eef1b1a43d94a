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
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from film_archive.core.errors import Damaged
from film_archive.editorial.otio_scan import Scanner, Span, WrittenReference
from film_archive.editorial.otio_values import OWN, OtioRange, range_json, time_json


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

    @property
    def pattern(self) -> str:
        """The files' names, with the number in printf's form."""
        return f"{self.prefix}%{f'0{self.padding}' if self.padding else ''}d{self.suffix}"

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

    @property
    def pattern(self) -> str:
        """The URL; of a sequence that of its images, with the number in printf's form."""
        return self.url if self.sequence is None else f"{self._base}{self.sequence.pattern}"

    def url_of(self, number: int) -> str:
        """The URL of one image of a sequence, put together as OTIO does it."""
        assert self.sequence is not None
        named = self.sequence
        return f"{self._base}{named.prefix}{named.digits(number)}{named.suffix}"

    @property
    def _base(self) -> str:
        return self.url if not self.url or self.url.endswith("/") else f"{self.url}/"


@dataclass(frozen=True, slots=True)
class Further:
    """One more reference for a clip, to the same pictures in another file."""

    name: str
    """Its key among the clip's references; where that is taken, a number is put to it."""
    url: str


@dataclass(frozen=True, slots=True)
class Relinked:
    """A reference that shall lead elsewhere. `prefix` and `suffix` are those of an image sequence's file names."""

    url: str
    prefix: str | None = None
    suffix: str | None = None
    further: tuple[Further, ...] = ()
    """What is put beside it, where the clip can have several (from Clip.2 on)."""


@dataclass(frozen=True, slots=True)
class Shortened:
    """A reference that shall lead to a part of what it leads to, with what it was in its metadata."""

    url: str
    available: OtioRange
    """The part, in the media's own time."""
    original: Mapping[str, Any]
    """What is kept of the whole, beside the reference's own URL and available range."""
    prefix: str | None = None
    start_frame: int | None = None
    """Of an image sequence: what stands before the numbers, and the first image's."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A reference that shall become a MissingReference, with what it was in its metadata."""

    because: str


Change = Relinked | Shortened | Missing


class Document:
    """A document that was read; see `read_document`."""

    def __init__(self, text: str, references: tuple[MediaReference, ...], objects: Mapping[int, WrittenReference]) -> None:
        self.text = text
        self.references = references
        """In the order in which they stand."""
        self._objects = objects

    def changed(self, changes: Mapping[int, Change]) -> bytes:
        """The document with the references at these places changed and nothing else, in UTF-8."""
        edits = sorted((edit for place, change in changes.items() for edit in self._edits(place, change)), key=_start)
        parts, position = [], 0
        for span, new in edits:
            parts += [self.text[position : span.start], new]
            position = span.end
        parts.append(self.text[position:])
        return "".join(parts).encode("utf-8")

    def _edits(self, place: int, change: Change) -> Iterator[tuple[Span, str]]:
        found = self._objects[place]
        if isinstance(change, Missing):
            yield Span(place, found.end), _missing_reference(self.text[place : found.end], change.because)
            return
        if isinstance(change, Shortened):
            yield Span(place, found.end), _shortened_reference(self.text[place : found.end], change)
            return
        key = "target_url_base" if "target_url_base" in found.values else "target_url"
        for name, value in ((key, change.url), ("name_prefix", change.prefix), ("name_suffix", change.suffix)):
            if value is not None and name in found.values:
                yield found.values[name], json.dumps(value, ensure_ascii=not _is_unicode(value))
        if found.key is not None and change.further:
            yield Span(found.end, found.end), "".join(_further(found, self.text[place : found.end], change.further))

    def takes_further(self, place: int) -> bool:
        """Whether a reference stands where a clip can have more of them."""
        return self._objects[place].key is not None


def read_document(data: bytes, name: str) -> Document:
    """Read a document; `name` is what errors call it.

    Raises Damaged where it is not JSON in UTF-8 with an OTIO object at its top, or its references can't be read.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Damaged(f"{name} is not an OTIO document: it is not text in UTF-8 ({error.reason}).") from error
    scanner = Scanner(text, name)
    scanner.scan()
    references = tuple(
        _reference(place, _values(text[place : found.end], name), scanner.clips.get(place), name)
        for place, found in sorted(scanner.objects.items())
    )
    return Document(text, references, scanner.objects)


def _start(edit: tuple[Span, str]) -> int:
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


def reference_of(values: Mapping[str, Any], name: str) -> MediaReference:
    """A reference's object as a reference; `name` is what errors call the document. Its place is not known. Raises Damaged."""
    return _reference(-1, values, None, name)


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


def _shortened_reference(text: str, change: Shortened) -> str:
    """The reference with another URL and available range; what it was stands in its metadata."""
    found: dict[str, Any] = json.loads(text)
    key = "target_url_base" if "target_url_base" in found else "target_url"
    kept = {key: found.get(key), "available_range": found.get("available_range"), "name": found.get("name")}
    if change.start_frame is not None:
        kept |= {name: found.get(name) for name in ("name_prefix", "start_frame")}
        found["start_frame"] = change.start_frame
    if change.prefix is not None:
        found["name_prefix"] = change.prefix
    metadata = found.get("metadata")
    metadata = dict(metadata) if isinstance(metadata, dict) else {}
    own = metadata.get(OWN)
    metadata[OWN] = {**(own if isinstance(own, dict) else {}), "trimmed_from": {**kept, **change.original}}
    found |= {key: change.url, "available_range": _written(change.available), "metadata": metadata}
    return json.dumps(found)


def _written(value: OtioRange) -> dict[str, Any]:
    duration = time_json(value.duration.value, value.duration.rate)
    return {**range_json(value.start.value, 0, value.start.rate), "duration": duration}


def _further(found: WrittenReference, text: str, wanted: Iterable[Further]) -> Iterator[str]:
    """More members of the object that a reference stands in, of the same range as that."""
    taken = set(found.siblings)
    available = json.loads(text).get("available_range")
    for each in wanted:
        stem = each.name if found.key == _USUAL_KEY else f"{found.key} {each.name}"
        key = next(key for n in count(1) if (key := stem if n == 1 else f"{stem} {n}") not in taken)
        taken.add(key)
        reference = {
            "OTIO_SCHEMA": "ExternalReference.1",
            "available_image_bounds": None,
            "available_range": available,
            "metadata": {OWN: {"proxy_of": found.key}},
            "name": key,
            "target_url": each.url,
        }
        yield f", {json.dumps(key)}: {json.dumps(reference)}"


_USUAL_KEY = "DEFAULT_MEDIA"


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

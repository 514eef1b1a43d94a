"""A timeline as it is drawn and checked: its tracks, what stands where on them, and which media each clip needs.

What is nested stands as one piece where it is shown, and its clips are looked at where they are. Times are exact seconds.
Schemas are known by name, whatever their version.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from typing import Any

from film_archive.core.timecode import FrameRate
from film_archive.editorial.otio import MediaReference, reference_of
from film_archive.editorial.otio_clips import raw_references
from film_archive.editorial.otio_times import DEEPEST, SOUND, ItemTimes
from film_archive.editorial.otio_values import (
    OtioRange,
    dict_of,
    list_of,
    parse_otio,
    range_of,
    schema_of,
    text_of,
    time_of,
)


class PieceKind(StrEnum):
    """What stands on a track."""

    CLIP = "clip"
    GAP = "gap"
    TRANSITION = "transition"
    NESTED = "nested"
    """A stack, track or timeline in place of a clip."""


@dataclass(frozen=True, slots=True)
class ClipReference:
    """A media reference of a clip."""

    reference: MediaReference | None
    """None for one that leads to no media: missing, or made by the program."""
    schema: str
    active: bool
    available: OtioRange | None
    number: int | None
    """Which of the document's references it is (`Document.references` in their order); None for one that leads to no media."""


@dataclass(frozen=True, slots=True)
class LaidClip:
    """A clip, wherever it is nested, and what it needs of its media."""

    name: str
    references: tuple[ClipReference, ...]
    begin: Fraction
    """Seconds of the media's own time: the first that is shown, speed and transitions counted."""
    end: Fraction
    rate: FrameRate | None
    """What its range counts at; None where it has no range, and so shows all of the media."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Something on a track."""

    kind: PieceKind
    name: str
    begin: Fraction
    """Seconds from the beginning of the timeline."""
    seconds: Fraction
    clips: tuple[LaidClip, ...]
    """Of a clip itself; of what is nested all in it."""


@dataclass(frozen=True, slots=True)
class LaidTrack:
    """A track, with its pieces in order."""

    name: str
    kind: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """A document's tracks, below first; of a collection all timelines' one after the other."""

    name: str | None
    tracks: tuple[LaidTrack, ...]
    seconds: Fraction
    rate: FrameRate | None
    """Of the first picture clip's range."""
    odd: tuple[str, ...] = ()
    """What could not be taken as it is, each one sentence."""
    references: int = 0
    """How many references to media the document has, wherever they stand."""

    def clips(self) -> Iterator[LaidClip]:
        """All clips, those that are nested among them."""
        for track in self.tracks:
            for piece in track.pieces:
                yield from piece.clips


def lay_out(data: bytes, name: str) -> Layout:
    """Lay out a document. Raises Damaged where it is no OTIO document, or too deep to be looked at whole."""
    root = parse_otio(data, name)
    laying = _Laying(_numbered_references(root))
    laying.top(root)
    seconds = max((piece.begin + piece.seconds for track in laying.tracks for piece in track.pieces), default=Fraction(0))
    return Layout(text_of(root.get("name")), tuple(laying.tracks), seconds, laying.rate, tuple(laying.odd), len(laying.numbers))


def _numbered_references(root: dict[str, Any]) -> dict[int, int]:
    """id of each reference's object → which one it is, in the order in which they stand: as `otio_scan` finds them."""
    found: dict[int, int] = {}
    pending: list[tuple[Any, bool, bool]] = [(root, False, False)]
    while pending:
        value, is_reference, holds_references = pending.pop()
        if isinstance(value, dict):
            if schema_of(value) in _LEADING or (is_reference and _has_url(value)):
                found[id(value)] = len(found)
            inner = [
                (each, holds_references or key == "media_reference", key == "media_references" and not holds_references)
                for key, each in value.items()
                if holds_references or key != "metadata"
            ]
            pending.extend(reversed(inner))
        elif isinstance(value, list):
            pending.extend((each, False, False) for each in reversed(value))
    return found


_LEADING = ("ExternalReference", "ImageSequenceReference")


def _has_url(raw: dict[str, Any]) -> bool:
    return "target_url" in raw or "target_url_base" in raw


@dataclass(slots=True)
class _Laying:
    numbers: dict[int, int]
    tracks: list[LaidTrack] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    rate: FrameRate | None = None
    times: ItemTimes = field(init=False)

    def __post_init__(self) -> None:
        self.times = ItemTimes(self.odd)

    def top(self, root: dict[str, Any]) -> None:
        """What is at the top of a document: timelines, or what stands for one."""
        schema = schema_of(root)
        if schema == "SerializableCollection":
            for child in list_of(root.get("children")):
                if isinstance(child, dict):
                    self.top(child) if schema_of(child) != "SerializableCollection" else None
            return
        stack = dict_of(root.get("tracks")) if schema == "Timeline" else root
        if schema_of(stack) == "Stack":
            for child in list_of(stack.get("children")):
                if isinstance(child, dict):
                    self._track(child)
        elif stack:
            self._track(stack)

    def _track(self, track: dict[str, Any]) -> None:
        kind = text_of(track.get("kind")) or "Video"
        number = 1 + sum(other.kind == kind for other in self.tracks)
        children = [track]  # a clip where a track could stand, as in a stack of clips
        if schema_of(track) in ("Track", "Sequence"):
            children = [child for child in list_of(track.get("children")) if isinstance(child, dict)]
        trimmed = range_of(track.get("source_range")) if children != [track] else None
        at = Fraction(0) if trimmed is None else -trimmed.start.seconds
        pieces = []
        for index, child in enumerate(children):
            piece = self._piece(child, at, children, index)
            if piece is not None and (trimmed is None or _is_seen(piece, trimmed)):
                pieces.append(piece)
            at += self.times.length(child, 1)
        self.tracks.append(LaidTrack(text_of(track.get("name")) or f"{kind} {number}", kind, tuple(pieces)))

    def _piece(self, item: dict[str, Any], at: Fraction, siblings: list[dict[str, Any]], index: int) -> Piece | None:
        schema, name = schema_of(item), text_of(item.get("name")) or ""
        if schema == "Transition":
            before, after = time_of(item.get("in_offset")), time_of(item.get("out_offset"))
            if before is None or after is None:
                return None
            return Piece(PieceKind.TRANSITION, name, at - before.seconds, before.seconds + after.seconds, ())
        length = self.times.length(item, 1)
        if schema in ("Gap", "Filler"):
            return Piece(PieceKind.GAP, name, at, length, ())
        if _is_composition(item):
            return Piece(PieceKind.NESTED, name, at, length, tuple(self._nested(item)))
        return Piece(PieceKind.CLIP, name, at, length, (self._clip(item, siblings, index),))

    def _nested(self, item: dict[str, Any]) -> Iterator[LaidClip]:
        """All clips in a composition."""
        pending = [(item, 1)]
        while pending:
            composition, depth = pending.pop()
            children = composition.get("children")
            if children is None:
                children = [composition["tracks"]] if isinstance(composition.get("tracks"), dict) else []
            children = [child for child in list_of(children) if isinstance(child, dict)]
            for index, child in enumerate(children):
                if _is_composition(child):
                    if depth < DEEPEST:
                        pending.append((child, depth + 1))
                elif schema_of(child) not in ("Gap", "Filler", "Transition"):
                    yield self._clip(child, children, index)

    def _clip(self, item: dict[str, Any], siblings: list[dict[str, Any]], index: int) -> LaidClip:
        references = tuple(_reference(raw, active, self.numbers.get(id(raw))) for raw, active in raw_references(item))
        shown = range_of(item.get("source_range"))
        if shown is not None and self.rate is None and shown.start.rate < SOUND:
            self.rate = shown.start.rate
        available = next((each.available for each in references if each.active), None)
        used = shown or available
        if used is None:
            return LaidClip(text_of(item.get("name")) or "", references, Fraction(0), Fraction(0), None)
        speed = self.times.speed(item)
        if speed == 0:
            begin, end = used.start.seconds, used.start.seconds + 1 / Fraction(used.start.rate)
        else:
            head = _offset(siblings, index - 1, "in_offset")
            tail = _offset(siblings, index + 1, "out_offset")
            head, tail = (head, tail) if speed > 0 else (tail, head)
            begin = used.start.seconds - head * abs(speed)
            end = used.start.seconds + (used.duration.seconds + tail) * abs(speed)
        rate = used.start.rate if shown is not None else None
        return LaidClip(text_of(item.get("name")) or "", references, begin, end, rate)


def _is_seen(piece: Piece, trimmed: OtioRange) -> bool:
    """Whether any of a piece lies in what is seen of its track."""
    return piece.begin + piece.seconds > 0 and piece.begin < trimmed.duration.seconds


def _is_composition(item: dict[str, Any]) -> bool:
    return isinstance(item.get("children"), list) or schema_of(item) == "Timeline"


def _offset(siblings: list[dict[str, Any]], index: int, key: str) -> Fraction:
    """How far a transition beside a clip reaches beyond the clip's own range, in seconds."""
    if not 0 <= index < len(siblings) or schema_of(siblings[index]) != "Transition":
        return Fraction(0)
    found = time_of(siblings[index].get(key))
    return Fraction(0) if found is None else max(Fraction(0), found.seconds)


def _reference(raw: dict[str, Any], active: bool, number: int | None) -> ClipReference:
    schema = schema_of(raw)
    reference = reference_of(raw, "a reference") if schema in _LEADING or _has_url(raw) else None
    return ClipReference(reference, schema, active, range_of(raw.get("available_range")), number)

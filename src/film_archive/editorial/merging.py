"""Merging lists and timelines that two people changed: what each changed is kept where that is sound, else nothing is merged.

Sound is: of the length and order of what is on a track (an EDL's record times) at most one side changed anything, the
other only what is in its places; so the merged timeline runs as that side's does, frame for frame. A track whose length or
order one side changed is that side's alone; of others each clip or event is one side's as a whole. Where both sides changed
the same thing otherwise, that is a reason not to merge, and it is named.

OTIO documents are merged as JSON, so that schemas that no library here knows keep what they say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

MOST_BYTES = 64 << 20
_MOST_REASONS = 20
_REFERENCE = "SerializableObjectRef."
_EVENT = re.compile(rb"^\s*\d+\s+\S+\s+\S+\s+\S+.*?(\d\d[:;.,]\d\d[:;.,]\d\d[:;.,]\d\d\s+\d\d[:;.,]\d\d[:;.,]\d\d[:;.,]\d\d)\s*$")
"""An event's line, and its record in and out (CMX 3600)."""


class Merged(NamedTuple):
    """What became of it: the merged document, or the reasons why there is none."""

    data: bytes | None
    reasons: tuple[str, ...] = ()


def can_be_merged(path: str) -> bool:
    """Whether a path is called as what can be merged by content is."""
    return path.lower().endswith((".otio", ".edl"))


def merge_documents(path: str, base: bytes, source: bytes, target: bytes) -> Merged:
    """Merge what two sides made of a document of at most `MOST_BYTES`, whose name `can_be_merged`.

    What is not read as its name says is a reason not to.
    """
    return (_merge_edls if path.lower().endswith(".edl") else _merge_timelines)(base, source, target)


# EDLs


def _merge_edls(base: bytes, source: bytes, target: bytes) -> Merged:
    sides = [_blocks(data) for data in (base, source, target)]
    layouts = [[times for times, _ in blocks] for blocks in sides]
    if layouts[0] != layouts[1] or layouts[0] != layouts[2]:
        return Merged(None, ("events were added, removed or moved in record time",))
    merged, reasons = [], []
    for number, ((_, old), (_, theirs), (_, ours)) in enumerate(zip(*sides, strict=True)):
        if theirs in (old, ours):
            merged.append(ours)
        elif ours == old:
            merged.append(theirs)
        else:
            reasons.append("both sides changed " + (f"event {number}" if number else "what stands before the first event"))
    return Merged(None, tuple(reasons[:_MOST_REASONS])) if reasons else Merged(b"".join(merged))


def _blocks(data: bytes) -> list[tuple[bytes, bytes]]:
    """(record times, lines) of what stands before the first event, and of each event with all that belongs to it."""
    blocks: list[tuple[bytes, list[bytes]]] = [(b"", [])]
    for line in data.splitlines(keepends=True):
        event = _EVENT.match(line)
        if event is not None:
            blocks.append((b" ".join(event[1].split()), []))
        blocks[-1][1].append(line)
    return [(times, b"".join(lines)) for times, lines in blocks]


# OTIO


def _merge_timelines(base: bytes, source: bytes, target: bytes) -> Merged:
    documents = []
    for data, whose in ((base, "the common ancestor"), (source, "the source"), (target, "the target")):
        try:
            documents.append(json.loads(data.decode(), object_pairs_hook=_object))
        except (ValueError, RecursionError) as error:
            return Merged(None, (f"{whose} can't be read as OTIO ({str(error)[:80] or 'nested too deep'})",))
    if any(not isinstance(one, dict) or not str(one.get("OTIO_SCHEMA", "")).startswith("Timeline.") for one in documents):
        return Merged(None, ("not all sides are timelines",))
    if any(_REFERENCE.encode() in data for data in (base, source, target)):
        return Merged(None, ("it has references from one place to another, which can't be told apart between sides",))
    merging = _Timelines(*documents)
    try:
        found = merging.merged()
    except RecursionError:
        return Merged(None, ("it is nested too deep",))
    if merging.reasons:
        return Merged(None, tuple(merging.reasons[:_MOST_REASONS]))
    return Merged(json.dumps(found, indent=4, ensure_ascii=False).encode() + b"\n")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


_MISSING: Any = object()


class _Timelines:
    """Three versions of a timeline: what it was, the source's and the target's."""

    def __init__(self, base: Any, source: Any, target: Any) -> None:
        self._documents = (base, source, target)
        self.reasons: list[str] = []

    def merged(self) -> Any:
        base, source, target = (_layout(document) for document in self._documents)
        if source != base and target != base and source != target:
            self.reasons.append("both sides changed the length or order of what is on the tracks")
            return None
        return self._value(*self._documents, "timeline")

    def _value(self, base: Any, source: Any, target: Any, where: str) -> Any:
        if _same(source, target) or _same(source, base):
            return target
        if _same(target, base):
            return source
        if all(map(_has_parts, (base, source, target))) and _one_schema(base, source, target):
            return self._fields(base, source, target, where)
        if where.endswith(".metadata") and all(isinstance(one, dict) for one in (base, source, target)):
            return self._fields(base, source, target, where)  # each program's part is one side's
        if where.endswith(".children") and all(isinstance(one, list) for one in (base, source, target)):
            return self._children(base, source, target, where)
        self.reasons.append(f"both sides changed {where}")
        return target

    def _fields(self, base: Mapping[str, Any], source: Mapping[str, Any], target: Mapping[str, Any], where: str) -> Any:
        merged = {}
        for name in dict.fromkeys((*target, *source)):
            old, theirs, ours = (one.get(name, _MISSING) for one in (base, source, target))
            value = self._value(old, theirs, ours, f"{where}.{name}")
            if value is not _MISSING:
                merged[name] = value
        return merged

    def _children(self, base: Sequence[Any], source: Sequence[Any], target: Sequence[Any], where: str) -> Any:
        above = where.removesuffix(".children")
        if not len(base) == len(source) == len(target) or any(
            not _in_one_place(*three) for three in zip(base, source, target, strict=True)
        ):
            self.reasons.append(f"one side changed the length or order of what is on {above}, the other what is on it")
            return target
        return [
            self._value(*three, f"{above}/{_called(three[2], number)}")
            for number, three in enumerate(zip(base, source, target, strict=True), 1)
        ]


def _same(one: Any, other: Any) -> bool:
    """Whether two values are written alike: 1, 1.0 and true are three."""
    if one is _MISSING or other is _MISSING:
        return one is other
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _has_parts(value: Any) -> bool:
    """Whether a value is a timeline, a stack or a track; a clip is one side's as a whole."""
    return isinstance(value, dict) and ("tracks" in value or "children" in value)


def _one_schema(*objects: Mapping[str, Any]) -> bool:
    return all(one.get("OTIO_SCHEMA") == objects[0].get("OTIO_SCHEMA") for one in objects)


def _in_one_place(*children: Any) -> bool:
    """Whether three versions of a child are the same thing in time: tracks by name and kind, others by their length."""
    if not all(isinstance(child, dict) for child in children) or not _one_schema(*children):
        return False
    if str(children[0].get("OTIO_SCHEMA", "")).startswith("Track."):
        return len({(json.dumps(child.get("name")), json.dumps(child.get("kind"))) for child in children}) == 1
    return all(_same(_length(child), _length(children[0])) for child in children)


def _called(child: Any, number: int) -> str:
    name = child.get("name") if isinstance(child, dict) else None
    return f"{number} ({str(name)[:60]})" if name else str(number)


def _layout(value: Any) -> Any:
    """All that decides where on the tracks what is, in time."""
    if isinstance(value, list):
        return [_layout(one) for one in value]
    if not isinstance(value, dict):
        return None
    if "tracks" in value:
        return json.dumps(value.get("global_start_time"), sort_keys=True), _layout(value["tracks"])
    if "children" in value:
        return json.dumps(value.get("source_range"), sort_keys=True), _layout(value["children"])
    return json.dumps(_length(value), sort_keys=True)


def _length(child: Mapping[str, Any]) -> Any:
    """What says how long a child is: its range's duration; without a range, all that it is."""
    schema = str(child.get("OTIO_SCHEMA", ""))
    if schema.startswith("Transition."):
        return schema, child.get("in_offset"), child.get("out_offset")
    trimmed = child.get("source_range")
    if isinstance(trimmed, dict):
        return schema, trimmed.get("duration")
    return schema, {name: value for name, value in child.items() if name not in ("name", "metadata", "markers", "enabled")}

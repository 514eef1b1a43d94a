"""Batches: shots as JSON files, scripts and lists have them, read into cuts."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from ded_io import reading_settings as reading
from ded_io.located_json import Located, Place, read_json, written
from ded_io.models import EditorialCutInfo
from film_archive.core.errors import UsageError

_REQUIRED = ("sequence", "shot", "source_file", "in_point", "out_point")


@dataclass(frozen=True, slots=True)
class Batch:
    """Shots, and what is to be said about how they were written."""

    cuts: tuple[EditorialCutInfo, ...]
    warnings: tuple[str, ...] = ()


def read_batch(path: Path) -> Batch:
    """Read a batch file: a list of shots, or an object with that list under `shots`.

    Raises UsageError with line and key for what can't be read, and where a shot stands twice with the same element.
    """
    document = read_json(path)
    listed, base = document.value, ()
    if isinstance(listed, dict) and "shots" in listed:
        listed, base = listed["shots"], ("shots",)  # type: ignore[assignment]  # a place one deeper
    if not isinstance(listed, list):
        raise document.error(base, "a batch is a list of shots, in brackets")
    if not listed:
        raise document.error(base, "the batch has no shots")
    warnings: list[str] = []
    cuts: list[EditorialCutInfo] = []
    seen: dict[tuple[str, str | None, str | None], int] = {}
    for number, each in enumerate(listed):
        place: Place = (*base, number)
        cut = _located_cut(document, place, each, warnings)
        first = seen.setdefault((cut.code, cut.task, cut.element), number)
        if first != number:
            raise document.error(place, f"{cut.code} stands in the batch already, as shot {first + 1}.")
        cuts.append(cut)
    return Batch(tuple(cuts), tuple(warnings))


def _located_cut(document: Located, place: Place, each: Any, warnings: list[str]) -> EditorialCutInfo:
    def fail(key: str | None, what: str) -> UsageError:
        return document.error(place if key is None or (*place, key) not in document.lines else (*place, key), what)

    def warn(key: str, what: str) -> None:
        line = document.lines.get((*place, key), 1)
        warnings.append(f"{document.name}, line {line}, {written((*place, key))}: {what}")

    return _cut(each, fail, warn)


def cut_of(values: Mapping[str, Any]) -> tuple[EditorialCutInfo, tuple[str, ...]]:
    """A shot as a script writes it, and warnings. Raises UsageError that names the key."""
    warnings: list[str] = []

    def fail(key: str | None, what: str) -> UsageError:
        return UsageError(what if key is None else f"{key}: {what}")

    return _cut(values, fail, lambda key, what: warnings.append(f"{key}: {what}")), tuple(warnings)


def _cut(
    values: Any, fail: Callable[[str | None, str], UsageError], warn: Callable[[str, str], None]
) -> EditorialCutInfo:
    if not isinstance(values, Mapping):
        raise fail(None, "a shot is an object, in braces")
    for name in _REQUIRED:
        if name not in values:
            raise fail(None, f"the shot lacks the key {name}")
    read: dict[str, Any] = {}
    for name, value in values.items():
        if str(name).startswith(("_", "//")):
            continue
        reader = _KEYS.get(name)
        if reader is None:
            near = difflib.get_close_matches(str(name), _KEYS, 1)
            warn(str(name), "this key is not known and has no effect" + (f"; is {near[0]} meant?" if near else "."))
        elif value is not None or name in _REQUIRED:
            try:
                read[name] = reader(value)
            except UsageError as error:
                raise fail(name, str(error)) from error
    try:
        return EditorialCutInfo(**read)
    except UsageError as error:
        raise fail(None, str(error)) from error


def name_part(value: Any) -> str:
    """A sequence's or shot's name; numbers, as 100, are taken as they are written."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return reading.word(value)


def point(value: Any) -> int | str:
    """An in or out point: a frame of the clip, or a timecode."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise UsageError(f"{value!r} is neither a frame of the clip nor a timecode.")
    return value


def source(value: Any) -> Path:
    if isinstance(value, Path):
        return value
    return Path(reading.text(value)).expanduser()


def speed(value: Any) -> Fraction:
    """A retime's speed: 1 is as shot, 2 twice as fast, 0 a freeze, negative backwards."""
    try:
        ratio = Fraction(str(value)) if not isinstance(value, bool) and len(str(value)) < 30 else None
    except (ValueError, ZeroDivisionError):
        ratio = None
    if ratio is None or abs(ratio) > 1000:
        raise UsageError(f"{value!r} is not a speed.")
    return ratio


def remark(value: Any) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{value!r} is not a text.")
    return value


_KEYS: dict[str, Callable[[Any], Any]] = {
    "sequence": name_part,
    "shot": name_part,
    "source_file": source,
    "in_point": point,
    "out_point": point,
    "source_fps": reading.rate,
    "timecode": reading.text,
    "notes": remark,
    "task": reading.word,
    "element": reading.word,
    "version": reading.whole(1, 999_999),
    "head_handles": reading.whole(0, 100_000),
    "tail_handles": reading.whole(0, 100_000),
    "source_colorspace": reading.text,
    "squeeze": reading.squeeze,
    "look_file": source,
    "look_cdl": reading.text,
    "clip": remark,
    "speed": speed,
    "record_in": reading.text,
    "record_out": reading.text,
}
"""The keys of a shot, and how each is read."""

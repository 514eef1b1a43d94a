"""What the comments of an EDL's event say: clip names, files, locators, colour decisions, reels, frame counts.

Each kind is a row of `_KINDS`. Comments come with and without `*`, with and without blanks, with and without a colon;
what fits no kind is kept as a comment and means nothing here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from film_archive.editorial.event import ColorDecision, Marker
from film_archive.editorial.text import Line

LONGEST = 4096
"""Characters of a line that are looked at; no honest list has longer lines."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """A comment that begins with `words` and tells one field."""

    field: str
    words: str
    colon: bool = True
    """Whether a colon has to follow."""


_KINDS = (
    _Kind("from_clip_name", "FROM CLIP NAME"),
    _Kind("to_clip_name", "TO CLIP NAME"),
    _Kind("key_clip_name", "KEY CLIP NAME"),
    _Kind("source_file", "SOURCE FILE"),
    _Kind("from_clip_path", "FROM CLIP"),
    _Kind("from_file", "FROM FILE"),
    _Kind("locator", "LOC"),
    _Kind("asc_sop", "ASC_SOP", colon=False),
    _Kind("asc_sat", "ASC_SAT", colon=False),
)
_STAR = re.compile(r"[* \t]*")
_REEL_IS_CLIP = re.compile(r"REEL +(?P<reel>\S+) +IS +CLIP +(?P<clip>\S.*)", re.IGNORECASE)
_REEL_REPLACED = re.compile(r"FINAL CUT PRO REEL: *(?P<clip>\S+) +REPLACED +BY: *(?P<reel>\S+)", re.IGNORECASE)
_NUMBERS = re.compile(r"[-+]?(?:\d{1,20}(?:\.\d{0,30})?|\.\d{1,30})(?:[eE][-+]?\d{1,2})?", re.ASCII)
_GROUP = re.compile(r"\(([^()]*)\)")
_LOCATOR = re.compile(
    r"(?P<timecode>\d{1,2}[:;]\d{1,2}[:;]\d{1,2}[:;.,]\d{1,3})(?:\s+(?P<color>[A-Za-z]+))?(?:\s+(?P<text>\S.*))?",
    re.ASCII,
)
_RESOLVE = re.compile(r"\|\s*([CMD]):([^|]*)")
_AUD = re.compile(r"AUD(?:\s+\d{1,2})+", re.IGNORECASE | re.ASCII)


def facts_of(comments: Iterable[Line]) -> dict[str, Any]:
    """The fields of `Event` that an event's comments tell. Where one is told twice, the first counts."""
    facts: dict[str, Any] = {}
    locators: list[str] = []
    markers: list[Marker] = []
    reels: list[str] = []
    channels: list[int] = []
    files: list[str] = []
    for line in comments:
        text = line.text[:LONGEST]
        bare = text[_span(text) :]
        field, value = _field(bare)
        if field == "locator":
            locators.append(value)
            markers.append(_locator(value))
        elif field is not None:
            if value and field == "source_file":
                files.append(value)
            if value:
                facts.setdefault(field, value)
        elif "|" in bare:
            markers.extend(_resolve_marker(bare))
        else:
            reels.extend(_reel(bare))
            channels.extend(_audio(bare))
    for name, found in (
        ("locators", locators),
        ("markers", markers),
        ("reel_names", reels),
        ("audio_channels", channels),
    ):
        if found:
            facts[name] = tuple(found)
    if len(files) > 1:
        facts["source_files"] = tuple(files)
    if "asc_sop" in facts or "asc_sat" in facts:
        facts["color"] = color_decision(facts.get("asc_sop"), facts.get("asc_sat"))
    return facts


def _span(text: str) -> int:
    match = _STAR.match(text)
    return match.end() if match else 0


def _field(bare: str) -> tuple[str | None, str]:
    """Which field a comment tells, and what."""
    upper = bare[:24].upper()
    for kind in _KINDS:
        if not upper.startswith(kind.words):
            continue
        rest = bare[len(kind.words) :].lstrip()
        if rest.startswith(":"):
            return kind.field, rest[1:].strip()
        if not kind.colon:
            return kind.field, rest.strip()
    return None, ""


def _locator(text: str) -> Marker:
    match = _LOCATOR.fullmatch(text)
    if match is None:
        return Marker(text)
    return Marker(match["text"] or "", match["timecode"], match["color"])


def _resolve_marker(text: str) -> list[Marker]:
    """DaVinci Resolve's "text |C:ResolveColorBlue |M:name |D:frames"."""
    fields = {key: value.strip() for key, value in _RESOLVE.findall(text)}
    if not {"C", "M", "D"} <= fields.keys():
        return []
    frames = int(fields["D"]) if re.fullmatch(r"\d{1,9}", fields["D"], re.ASCII) else 1
    return [Marker(text[: text.index("|")].strip(), None, fields["C"], fields["M"], frames)]


def _reel(text: str) -> list[str]:
    match = _REEL_IS_CLIP.fullmatch(text) or _REEL_REPLACED.match(text)
    return [] if match is None else [match["clip"].strip()]


def _audio(text: str) -> list[int]:
    return [int(word) for word in text.split()[1:]] if _AUD.fullmatch(text) else []


def color_decision(sop: str | None, sat: str | None) -> ColorDecision | None:
    """The ASC CDL of an ASC_SOP and an ASC_SAT text; None where neither can be read."""
    groups = [_decimals(group) for group in _GROUP.findall(sop or "")]
    readable = len(groups) == 3 and all(len(group) == 3 for group in groups)
    saturation = _decimals(sat or "")
    if not readable and len(saturation) != 1:
        return None
    slope, offset, power = [(group[0], group[1], group[2]) for group in groups] if readable else [None, None, None]
    return ColorDecision(slope, offset, power, saturation[0] if len(saturation) == 1 else None)


def _decimals(text: str) -> list[Decimal]:
    """The numbers of a text that has nothing else; else none."""
    words = text.replace(",", " ").split()
    if len(words) > 8 or any(_NUMBERS.fullmatch(word) is None for word in words):
        return []
    return [Decimal(word) for word in words]

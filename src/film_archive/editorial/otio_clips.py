"""What an OpenTimelineIO clip says beyond its times: media references, reel, markers, colour."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

from film_archive.editorial.comments import color_decision
from film_archive.editorial.event import EventMedia, Marker
from film_archive.editorial.otio_values import OtioRange, dict_of, list_of, range_of, schema_of, text_of

_PATTERN = re.compile(r"%0\d{1,2}d", re.ASCII)


def file_name(url: str) -> str | None:
    """The file's name at the end of a URL or path, percent-decoded where it is an encoded one; a frame pattern stays."""
    name = PurePosixPath(url.replace("\\", "/")).name
    return (name if _PATTERN.search(name) else unquote(name)) or None


def facts_of_clip(item: dict[str, Any], references: tuple[EventMedia, ...]) -> dict[str, Any]:
    """Further fields of the event: names, reel, markers, colour."""
    active = next((each for each in references if each.active), None)
    facts: dict[str, Any] = {"from_clip_name": text_of(item.get("name"))}
    if active is not None and active.url:
        facts["source_file"] = file_name(active.url)
    facts["reel"] = _reel(item)
    facts["markers"] = tuple(_marker(each) for each in list_of(item.get("markers")) if isinstance(each, dict))
    cdl = dict_of(dict_of(item.get("metadata")).get("cdl"))
    sop, sat = _sop(cdl.get("asc_sop")), cdl.get("asc_sat")
    if sop is not None:
        facts["asc_sop"] = sop
    if isinstance(sat, int | float):
        facts["asc_sat"] = str(sat)
    if "asc_sop" in facts or "asc_sat" in facts:
        facts["color"] = color_decision(facts.get("asc_sop"), facts.get("asc_sat"))
    return facts


_REELS = (
    ("cmx_3600", "reel"),
    ("ALE", "Tape"),
    ("ALE", "Reel"),
    ("fcp_xml", "timecode", "reel", "name"),
    ("fcp_xml", "reel", "name"),
    ("AAF", "UserComments", "Tape"),
    ("AAF", "SourceID", "TapeName"),
    ("Resolve_OTIO", "Reel Name"),
    ("film-archive", "reel"),
)
"""Where adapters and programs keep the reel in metadata."""


def _reel(item: dict[str, Any]) -> str | None:
    """The reel that the clip's metadata, or its media reference's, name."""
    for holder in (item, *(reference for reference, _ in raw_references(item))):
        metadata = dict_of(holder.get("metadata"))
        for path in _REELS:
            value: object = metadata
            for key in path:
                value = dict_of(value).get(key)
            if isinstance(value, str) and value.strip():
                return value.strip()
    return None


def _sop(value: object) -> str | None:
    groups = [list_of(dict_of(value).get(part)) for part in ("slope", "offset", "power")]
    if any(len(group) != 3 or not all(isinstance(number, int | float) for number in group) for group in groups):
        return None
    return "".join(f"({' '.join(str(number) for number in group)})" for group in groups)


def _marker(marker: dict[str, Any]) -> Marker:
    color = marker.get("color")
    marked = range_of(marker.get("marked_range"))
    frames = 1 if marked is None else max(1, int(marked.duration.value))
    name = color.get("name") if isinstance(color, dict) else color
    return Marker(text_of(marker.get("comment")) or "", None, text_of(name), text_of(marker.get("name")), frames)


def raw_references(item: dict[str, Any]) -> Iterator[tuple[dict[str, Any], bool]]:
    """(reference, whether it is active) of a clip's media references, in both schemas' forms."""
    several = dict_of(item.get("media_references"))
    if several:
        active = item.get("active_media_reference_key", "DEFAULT_MEDIA")
        for key, reference in several.items():
            if isinstance(reference, dict):
                yield reference, key == active
    elif isinstance(item.get("media_reference"), dict):
        yield item["media_reference"], True


def references_of(item: dict[str, Any]) -> tuple[tuple[EventMedia, ...], bool]:
    """The clip's media, and whether its picture is made by the program (bars, a slate) and has none."""
    found = []
    generated = False
    for reference, active in raw_references(item):
        schema = schema_of(reference)
        generated = generated or (active and schema == "GeneratorReference")
        available = range_of(reference.get("available_range"))
        url = reference.get("target_url")
        if schema == "ImageSequenceReference":
            url = _sequence_url(reference)
        found.append(
            EventMedia(
                name=text_of(reference.get("name")),
                url=text_of(url),
                start=None if available is None else available.start.value,
                frames=None if available is None else available.duration.value,
                rate=None if available is None else available.start.rate,
                active=active,
            )
        )
    return tuple(found), generated


def _sequence_url(reference: dict[str, Any]) -> str:
    """base/prefix%04dsuffix"""
    keys = ("target_url_base", "name_prefix", "name_suffix")
    base, prefix, suffix = (text_of(reference.get(key)) or "" for key in keys)
    padding = reference.get("frame_zero_padding")
    digits = padding if isinstance(padding, int) and 0 <= padding <= 20 else 0
    joint = "" if not base or base.endswith("/") else "/"
    return f"{base}{joint}{prefix}%0{digits}d{suffix}"


def available_range(item: dict[str, Any]) -> OtioRange | None:
    """Of the media that the clip plays."""
    for reference, active in raw_references(item):
        if active:
            return range_of(reference.get("available_range"))
    return None

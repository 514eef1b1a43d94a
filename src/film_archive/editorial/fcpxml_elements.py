"""FCPXML's elements by themselves: where their time lies in record, what they inherit, what they are called.

Source: Apple's FCPXML reference, versions 1.5 to 1.13.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from xml.etree.ElementTree import Element

from film_archive.core.timecode import FrameRate
from film_archive.editorial.event import Marker
from film_archive.editorial.fcpxml_resources import Asset

STORY = (
    "asset-clip",
    "clip",
    "video",
    "audio",
    "sync-clip",
    "ref-clip",
    "mc-clip",
    "gap",
    "title",
    "audition",
    "spine",
)
"""What a storyline can hold."""
DEEPEST = 32
"""Compound clips within each other."""
_BROWSER = ("asset-clip", "clip", "sync-clip", "ref-clip", "mc-clip")
_STEPS = tuple(Fraction(step) for step in ("1/5", "1/4", "1/3", "2/5", "1/2", "1", "2", "5/2", "3", "4", "5"))


@dataclass(frozen=True, slots=True)
class Place:
    """Where an element's own time lies in record time: its second `zero` at the record second `origin`."""

    origin: Fraction
    zero: Fraction
    scale: Fraction
    """Seconds of its own for a second of record; never 0."""
    low: Fraction
    high: Fraction | None
    """What of record time is seen."""

    def record(self, own: Fraction) -> Fraction:
        return self.origin + (own - self.zero) / self.scale


@dataclass(frozen=True, slots=True)
class Context:
    """What elements inherit from those around them."""

    lane: tuple[int, ...] = ()
    """The lanes of what it hangs on, from the primary storyline outward."""
    depth: int = 0
    enabled: str = "all"
    """"all", "video" or "audio": what a multicam clip takes of an angle."""
    reel: str | None = None
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Local:
    """An element's place: it begins at a record second, is seen from `low` to `high`, and its time begins at `start`."""

    begin: Fraction
    low: Fraction
    high: Fraction
    start: Fraction
    scale: Fraction


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown from one record second to another: the original's time at the first, and how fast it runs."""

    low: Fraction
    high: Fraction
    source: Fraction
    speed: Fraction


def conformed(source: FrameRate, sequence: FrameRate) -> Fraction:
    """How fast a source runs whose frame rate is scaled: each of its frames is shown as often as any other.

    23.976 in 24 runs 1.001 times as fast, and so it does in 60, where a frame is shown two and a half times; in 59.94 it
    runs as it is (measured on projects that Final Cut Pro wrote of the same cut at several rates).
    """
    ratio = sequence / source
    return ratio / min(_STEPS, key=lambda step: abs(ratio / step - 1))


def inside(
    context: Context,
    *,
    lane: int = 0,
    depth: int = 0,
    enabled: str | None = None,
    reel: str | None = None,
    name: str | None = None,
) -> Context:
    return Context(
        (*context.lane, lane)[-DEEPEST:] if lane else context.lane,
        context.depth + depth,
        context.enabled if enabled is None else enabled,
        reel if reel is not None else (None if lane else context.reel),
        context.names if name is None else (*context.names, name)[-DEEPEST:],
    )


def lane_of(element: Element) -> int:
    text = element.get("lane", "0")
    return int(text) if text.lstrip("-").isdecimal() and len(text) < 6 else 0


def track_of(lane: tuple[int, ...], sound: bool) -> str:
    """ "lane 0" is the primary storyline, "lane 2" what is connected to it there, "lane 2, -1" what hangs on that."""
    return f"lane {', '.join(map(str, lane)) or 0}" + (" sound" if sound else "")


def channels_of(element: Element, outer: Element, asset: Asset | None, enabled: str) -> str | None:
    """ "V", "A" or "B" (both); None where nothing of it is on."""
    if asset is None:
        picture, sound = element.tag in ("video", "title"), False
    elif element.tag == "audio":
        picture, sound = False, True
    elif element.tag == "video":
        picture, sound = True, asset.sound and any(True for _ in element.iter("audio"))
    else:
        picture, sound = asset.picture, asset.sound
    if element.tag in ("title", "video") and asset is None and element.get("ref") is None:
        return None
    for allowed in (enabled, outer.get("srcEnable", "all"), element.get("srcEnable", "all")):
        picture, sound = picture and allowed in ("all", "video"), sound and allowed in ("all", "audio")
    if picture:
        return "B" if sound else "V"
    return "A" if sound else None


def markers_of(element: Element) -> Iterator[Marker]:
    for marker in element:
        if marker.tag in ("marker", "chapter-marker"):
            yield Marker(marker.get("note", ""), None, None, marker.get("value"))


def browser_clips(root: Element) -> Iterator[Element]:
    for holder in (root, *root.iter("event")):
        yield from (child for child in holder if child.tag in _BROWSER)


def called(element: Element) -> str:
    name = element.get("name")
    return f"the {element.tag} {name[:60]!r}" if name else f"a nameless {element.tag}"

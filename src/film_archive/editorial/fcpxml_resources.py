"""What an FCPXML document's resources say: formats, assets, compound and multicam media; and its rational times.

Source: Apple's FCPXML reference, versions 1.5 to 1.13. Times are "1001/24000s", "5s", in seconds, exact.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction
from xml.etree.ElementTree import Element

from film_archive.core.errors import UsageError
from film_archive.core.timecode import FrameRate
from film_archive.editorial.event import EventMedia

_TIME = re.compile(r"(-?\d{1,30})(?:/(\d{1,30})|(\.\d{1,30}))?s?", re.ASCII)
_FORMAT_NAME = re.compile(
    r"FFVideoFormat.*?(?P<scan>[pi])(?P<rate>2398|24|25|2997|30|50|5994|60|90|100|11988|120)", re.ASCII
)
_HUNDREDTHS = {"2398": "23.98", "2997": "29.97", "5994": "59.94", "11988": "119.88"}
REEL_KEY = "com.apple.proapps.studio.reel"


def seconds(text: str | None) -> Fraction | None:
    """A time attribute; None where it is absent or no time."""
    match = _TIME.fullmatch(text.strip()) if text is not None and len(text) < 100 else None
    if match is None:
        return None
    if match[3] is not None:
        return Fraction(match[1] + match[3])
    if match[2] is None:
        return Fraction(int(match[1]))
    return Fraction(int(match[1]), int(match[2])) if int(match[2]) else None


@dataclass(frozen=True, slots=True)
class Asset:
    """A media file. Times are seconds, `start` its timecode as seconds since midnight."""

    name: str | None
    start: Fraction
    duration: Fraction | None
    rate: FrameRate | None
    picture: bool
    sound: bool
    urls: tuple[tuple[str, bool], ...]
    """(URL, whether it is the original) of its representations."""
    reel: str | None

    def references(self, rate: FrameRate) -> tuple[EventMedia, ...]:
        frames = None if self.duration is None else self.duration * rate
        return tuple(
            EventMedia(self.name, url, self.start * rate, frames, rate, original) for url, original in self.urls
        )


@dataclass(slots=True)
class Resources:
    """By id."""

    rates: dict[str, FrameRate | None] = field(default_factory=dict)
    assets: dict[str, Asset] = field(default_factory=dict)
    media: dict[str, Element] = field(default_factory=dict)
    """Of compound and multicam clips: the `sequence` or `multicam` element."""

    @classmethod
    def of(cls, root: Element) -> Resources:
        found = cls()
        for format_ in root.iter("format"):
            found.rates.setdefault(format_.get("id", ""), _format_rate(format_))
        for asset in root.iter("asset"):
            found.assets.setdefault(asset.get("id", ""), found._asset(asset))
        for media in root.iter("media"):
            for kind in ("sequence", "multicam"):
                inside = media.find(kind)
                if inside is not None:
                    found.media.setdefault(media.get("id", ""), inside)
        return found

    def rate(self, reference: str | None) -> FrameRate | None:
        return self.rates.get(reference or "")

    def _asset(self, asset: Element) -> Asset:
        representations = asset.findall("media-rep")
        urls = [(rep.get("src", ""), rep.get("kind", "original-media") == "original-media") for rep in representations]
        if not urls and asset.get("src"):
            urls = [(asset.get("src", ""), True)]
        if urls and not any(original for _, original in urls):
            urls[0] = (urls[0][0], True)
        return Asset(
            name=asset.get("name"),
            start=seconds(asset.get("start")) or Fraction(0),
            duration=seconds(asset.get("duration")),
            rate=self.rate(asset.get("format")),
            picture=asset.get("hasVideo") == "1",
            sound=asset.get("hasAudio") == "1",
            urls=tuple(urls),
            reel=reel_of(asset),
        )


def reel_of(element: Element) -> str | None:
    """The reel in an element's own metadata."""
    for entry in element.findall("metadata/md"):
        if entry.get("key") == REEL_KEY and (entry.get("value") or "").strip():
            return (entry.get("value") or "").strip()
    return None


def _format_rate(element: Element) -> FrameRate | None:
    """From `frameDuration`, else from the name of one of Final Cut's own formats."""
    duration = seconds(element.get("frameDuration"))
    try:
        if duration is not None and duration > 0:
            return FrameRate.of(1 / duration)
        match = _FORMAT_NAME.match(element.get("name", "")[:100])
        if match is None:
            return None
        rate = FrameRate.of(_HUNDREDTHS.get(match["rate"], match["rate"]))
        return FrameRate.of(rate / 2) if match["scan"] == "i" else rate
    except UsageError:
        return None


@dataclass(frozen=True, slots=True)
class TimeMap:
    """A retiming: local times of a clip and what of the original clip is shown there, straight in between."""

    points: tuple[tuple[Fraction, Fraction], ...]

    @classmethod
    def of(cls, element: Element) -> TimeMap | None:
        """Of a clip's `timeMap`; None where there is none that says anything."""
        found = []
        for point in element.findall("timeMap/timept"):
            time, value = seconds(point.get("time")), seconds(point.get("value"))
            if time is not None and value is not None:
                found.append((time, value))
        found.sort(key=lambda point: point[0])
        points = [point for place, point in enumerate(found) if place == 0 or point[0] > found[place - 1][0]]
        return cls(tuple(points)) if len(points) > 1 else None

    def at(self, time: Fraction) -> Fraction:
        """What is shown at a local time; beyond the ends the first and last stretch go on."""
        for (start, shown), (end, last) in zip(self.points, self.points[1:], strict=False):
            if time < end or end == self.points[-1][0]:
                return shown + (time - start) * (last - shown) / (end - start)
        raise AssertionError("a map has two points or more")

    def is_straight(self, first: Fraction, end: Fraction) -> bool:
        """Whether the speed is the same from one local time to another, but for rounding to a hundredth of a second."""
        length = end - first
        if length <= 0:
            return True
        speed = (self.at(end) - self.at(first)) / length
        inside = [point for point in self.points if first < point[0] < end]
        return all(abs(self.at(first) + (time - first) * speed - shown) < Fraction(1, 100) for time, shown in inside)

"""HTTP Live Streaming playlists of a clip's proxies (RFC 8216, and Apple's HLS Authoring Specification).

Nothing is stored: a media playlist names byte ranges of the proxy as it lies in the archive. Whole fragments are joined
to segments of about `TARGET` seconds; all renditions of a clip have their segments at the same frames, so that a player
can change at any of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from film_archive.streaming.fragments import FragmentIndex

TARGET = 4
"""Seconds of a segment, about; whole fragments come nearest to it."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Bytes `offset` to before `offset + length` of the file, shown for `seconds`."""

    offset: int
    length: int
    seconds: Fraction

    @property
    def bit_rate(self) -> Fraction:
        return 8 * self.length / self.seconds


@dataclass(frozen=True, slots=True)
class Rendition:
    """One proxy: its fragments, where its own playlist is, and where its bytes are."""

    fragments: FragmentIndex
    playlist_url: str
    media_url: str


def segments(index: FragmentIndex) -> tuple[Segment, ...]:
    """Whole fragments joined: a segment ends at the fragment's end that is nearest to each multiple of TARGET.

    So renditions with the same fragments have the same segments. Less than a quarter of TARGET at the clip's end is no
    segment of its own.
    """
    found: list[Segment] = []
    begin = 0
    for end in range(1, len(index) + 1):
        wanted = TARGET * (len(found) + 1)
        nearest = end < len(index) and wanted - _seconds(index, end) <= _seconds(index, end + 1) - wanted
        left = _seconds(index, len(index)) - _seconds(index, end)
        if end == len(index) or (nearest and left >= Fraction(TARGET, 4)):
            seconds = _seconds(index, end) - _seconds(index, begin)
            found.append(Segment(index.offsets[begin], index.offsets[end] - index.offsets[begin], seconds))
            begin = end
    return tuple(found)


def _seconds(index: FragmentIndex, place: int) -> Fraction:
    """When a fragment begins, from the clip's beginning."""
    return Fraction(index.times[place] - index.times[0]) / index.timescale


def media_playlist(rendition: Rendition) -> str:
    """The playlist of one rendition. Segment durations are written to the microsecond, and their sum stays exact."""
    found = segments(rendition.fragments)
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{target_duration(found)}",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        f'#EXT-X-MAP:URI="{rendition.media_url}",BYTERANGE="{rendition.fragments.init}@0"',
    ]
    position = written = Fraction(0)
    for segment in found:
        position += segment.seconds
        shown = Fraction(round((position - written) * 1_000_000), 1_000_000)
        written += shown
        lines += [
            f"#EXTINF:{_decimal(shown, 6)},",
            f"#EXT-X-BYTERANGE:{segment.length}@{segment.offset}",
            rendition.media_url,
        ]
    return _text([*lines, "#EXT-X-ENDLIST"])


def master_playlist(renditions: Sequence[Rendition]) -> str:
    """The playlist of all renditions, the lowest bit rate first: the one that players begin with."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-INDEPENDENT-SEGMENTS"]
    for rendition in sorted(renditions, key=lambda one: bandwidth(one.fragments)):
        index = rendition.fragments
        attributes = [
            f"BANDWIDTH={bandwidth(index)}",
            f"AVERAGE-BANDWIDTH={average_bandwidth(index)}",
            f'CODECS="{index.codecs}"',
            f"RESOLUTION={index.width}x{index.height}",
            f"FRAME-RATE={_decimal(index.frame_rate, 3)}",
            "CLOSED-CAPTIONS=NONE",
        ]
        lines += [f"#EXT-X-STREAM-INF:{','.join(attributes)}", rendition.playlist_url]
    return _text(lines)


def bandwidth(index: FragmentIndex) -> int:
    """The peak segment bit rate (RFC 8216, 4.3.4.2): the largest of any run of segments that together last half to one
    and a half target durations; of the whole where that is shorter.
    """
    found = segments(index)
    target = target_duration(found)
    peak = Fraction(average_bandwidth(index)) if index.duration < Fraction(target, 2) else Fraction(0)
    for first in range(len(found)):
        size, seconds = 0, Fraction(0)
        for segment in found[first:]:
            size, seconds = size + segment.length, seconds + segment.seconds
            if seconds > Fraction(3 * target, 2):
                break
            if seconds >= Fraction(target, 2):
                peak = max(peak, 8 * size / seconds)
    return ceil(peak)


def target_duration(found: Sequence[Segment]) -> int:
    """Whole seconds that no segment's duration, rounded, exceeds (4.3.3.1)."""
    return max(1, *(_rounded(segment.seconds) for segment in found))


def average_bandwidth(index: FragmentIndex) -> int:
    """Bits a second over all segments."""
    return ceil(8 * (index.offsets[-1] - index.offsets[0]) / index.duration)


def _rounded(seconds: Fraction) -> int:
    """To the nearest whole second."""
    return int(seconds + Fraction(1, 2))


def _decimal(value: Fraction, places: int) -> str:
    scaled = round(value * 10**places)
    return f"{scaled // 10**places}.{scaled % 10**places:0{places}d}"


def _text(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"

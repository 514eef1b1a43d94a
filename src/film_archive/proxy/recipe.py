"""How proxies are made besides their sizes: codec, colours, burn-in, sound, and the stills that come with them.

All verbs that make proxies have the same recipe, and their plans carry it as plain data.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from film_archive.core.digest import KEY, MultiHasher
from film_archive.core.errors import SourceChanged, UsageError
from film_archive.core.facts import MediaFacts
from film_archive.core.ladder import LADDER, Rung
from film_archive.core.records import Record

if TYPE_CHECKING:
    from film_archive.media.av.overlays import BurnIn, Treatment
    from film_archive.media.grading import Grade

VERSION = 2
"""Of how proxies are made: when it changes, those of older versions count as stale."""

CODECS = ("h264", "prores_proxy", "dnxhr_lb")
"""What proxies can be coded in: the first plays everywhere, the others are for the edit."""

PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
"""x264's, the fastest first."""

_EDIT_BITS = 0.75
"""Bits of a pixel in ProRes Proxy and in DNxHR LB, about (45 Mb/s at 1920 × 1080 and 29.97)."""
_WORDS = {"timecode": "{timecode}", "frame": "{frame}", "clip": "{clip}"}


class Still(StrEnum):
    """Stills that come with a clip's proxies."""

    POSTER = "poster"
    """One frame, up to 1280 × 720."""
    STRIP = "strip"
    """Small pictures side by side, and a WebVTT file that tells for which time which of them is shown."""
    SHEET = "sheet"
    """Up to 30 frames with their timecodes."""


STILL_FILES: Mapping[Still, tuple[str, ...]] = {
    Still.POSTER: ("poster.jpg",),
    Still.STRIP: ("strip.jpg", "strip.vtt"),
    Still.SHEET: ("sheet.jpg",),
}
"""The files of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe(Record):
    """How proxies are made; as it stands here, plain H.264."""

    codec: str = "h264"
    """"h264", "prores_proxy" or "dnxhr_lb"."""
    preset: str = "superfast"
    """x264's."""
    hardware: bool = False
    """Whether an encoder of this machine's hardware is used where one works."""
    audio_map: tuple[int, ...] = ()
    """Which channels are heard, counted from 1; none named: mono, stereo and 5.1 as they are, else 1 and 2."""
    lut: Path | None = None
    """A look-up table that colours go through."""
    cdl: Path | None = None
    """A colour correction, applied before the look-up table."""
    view: str | None = None
    """An OpenColorIO view, "VIEW" or "DISPLAY/VIEW", through which pictures are shown."""
    space: str | None = None
    """The pictures' colour space; null: what the clip says of itself."""
    config: str | None = None
    """The OpenColorIO config; null: the built-in one."""
    burn_in: tuple[str, ...] = ()
    """Lines of burn-in, each "TEXT@POSITION"."""
    first_number: int | None = None
    """The number that {frame} shows for the first frame; null: an image sequence's own, else 0."""
    stills: tuple[Still, ...] = ()
    """Stills that are made beside the proxies."""
    look: str | None = None
    """A digest of what is done to the pictures, the bytes of `lut` and `cdl` among it."""

    def looked_at(self) -> Recipe:
        """The same with its `look`; raises UsageError, NotFound where something of it can't be."""
        if self.codec not in CODECS:
            raise UsageError(f"{self.codec!r} is no codec of proxies; there are: {', '.join(CODECS)}.")
        if self.preset not in PRESETS:
            raise UsageError(f"{self.preset!r} is no preset of x264; there are: {', '.join(PRESETS)}.")
        if self.audio_map and self.codec != "h264":
            raise UsageError("A proxy for the edit has every channel of its original; leave out the audio map.")
        if self.hardware and self.codec != "h264":
            raise UsageError(f"{self.codec} is not coded by hardware; leave one of them out.")
        if len(self.audio_map) not in (0, 1, 2, 6) or min(self.audio_map, default=1) < 1:
            raise UsageError("An audio map names 1, 2 or 6 channels, counted from 1.")
        if (self.space or self.config) and self.view is None:
            raise UsageError("A colour space and a config belong to a view; name the view too.")
        for line in self.burn_in:
            burn_in_of(line)
        return replace(self, look=self._look())

    def _look(self) -> str:
        """Nothing is loaded where nothing is done to the pictures."""
        if not self._treats:
            return ""
        grade = self._grade(self.space)
        hasher = MultiHasher()
        hasher.update(repr((sorted(grade.record.items()), self.burn_in, self.first_number)).encode())
        grade.require_possible()
        return hasher.digests()[KEY][:8]

    @property
    def _treats(self) -> bool:
        return bool(self.lut or self.cdl or self.view or self.burn_in)

    def _grade(self, space: str | None) -> Grade:
        from film_archive.media.grading import CONFIG, Grade

        return Grade(self.lut, self.cdl, self.view, space, self.config or CONFIG)

    def treatment(self, facts: MediaFacts) -> Treatment | None:
        """What is done to the pictures of a clip; raises SourceChanged where a file of colours is not what it was."""
        if not self._treats:
            return None
        from film_archive.media.av.overlays import Treatment

        if self.look is not None and self.look != self._look():
            raise SourceChanged("A file of colours changed since it was looked at; nothing was made. Try again.")
        space = self.space or (facts.color.space if self.view is not None else None)
        first = self.first_number if self.first_number is not None else facts.first_frame or 0
        return Treatment(self._grade(space), tuple(map(burn_in_of, self.burn_in)), first)

    def settings(self, rung: Rung) -> str:
        """What a proxy depends on besides its original, for telling a stale one.

        Not told apart: a proxy of another encoder in hardware, and one that was scaled down from other larger sizes.
        """
        parts = [f"proxy {VERSION} {rung}"]
        if self.codec != "h264":
            parts = [f"proxy {VERSION} {rung.name} {self.codec}"]
        elif self.preset != "superfast":
            parts.append(self.preset)
        if self.look:
            parts.append(self.look)
        if self.audio_map:
            parts.append("channels " + ",".join(map(str, self.audio_map)))
        return " ".join(parts)

    @property
    def extension(self) -> str:
        """How the names of its proxies end, behind the size."""
        return "mp4" if self.codec == "h264" else f"{self.codec}.mov"

    def bit_rate(self, rung: Rung, facts: MediaFacts) -> int:
        """Bits a second of a proxy, about; with the original's sound where all of it is kept."""
        if self.codec == "h264":
            return rung.bit_rate
        width, height = rung.fit(facts.width or 2, facts.height or 2, facts.pixel_aspect or 1)  # type: ignore[arg-type]
        sound = sum(track.channels * track.sample_rate * 24 for track in facts.audio)
        return int(width * height * _EDIT_BITS * float(facts.frame_rate or 24)) + sound


PLAIN = Recipe()


def burn_in_of(text: str) -> BurnIn:
    """A line as it is written on the command line: "timecode@bottom-left", "Dailies {clip}@top-right"."""
    from film_archive.media.av.overlays import BurnIn

    said, _, position = text.rpartition("@")
    if not said:
        raise UsageError(f"{text!r} is no line of burn-in; write TEXT@POSITION, as timecode@bottom-left.")
    return BurnIn(position.replace("-", " ").strip().lower(), _WORDS.get(said, said))


def channels_of(text: str) -> tuple[int, ...]:
    """Channels as they are written on the command line: "3,4"."""
    if not re.fullmatch(r"\d{1,4}(,\d{1,4})*", text, re.ASCII):
        raise UsageError(f"{text[:40]!r} names no channels; write their numbers, counted from 1, as 3,4.")
    return tuple(map(int, text.split(",")))


def default_sizes(codec: str) -> Sequence[Rung]:
    """The sizes where none are named: those of the page and of dailies; for the edit one."""
    return (LADDER["thumbnail"], LADDER["preview"]) if codec == "h264" else (LADDER["editorial"],)

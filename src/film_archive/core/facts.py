"""What a probe knows about a piece of media. Values only: `media/` fills them, others store and show them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, TypeVar

from film_archive.core.errors import Damaged
from film_archive.core.timecode import FrameRange, FrameRate, Timecode

_Value = TypeVar("_Value")

_LONG_HOLE = 10_000
"""A hole of more frames is written as one text: "clip.1.dpx" and "clip.4000000000.dpx" are a sequence too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColorFacts:
    """Colour tags in the names of ITU-T H.273 ("bt709", "smpte2084", …); None where untagged."""

    primaries: str | None = None
    """Colour primaries: "bt709", "bt2020", …"""
    transfer: str | None = None
    """Transfer characteristic: "bt709", "smpte2084", "arib-std-b67", …"""
    matrix: str | None = None
    """Matrix coefficients: "bt709", "bt2020nc", …"""
    range: str | None = None
    """"limited" or "full"."""
    space: str | None = None
    """A camera's or a colour config's own name ("S-Log3 S-Gamut3.Cine") where the file says one."""

    def to_json(self) -> dict[str, Any]:
        return {
            "primaries": self.primaries,
            "transfer": self.transfer,
            "matrix": self.matrix,
            "range": self.range,
            "space": self.space,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ColorFacts:
        return cls(**{name: _read(data, name, str) for name in ("primaries", "transfer", "matrix", "range", "space")})


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioFacts:
    """One audio track."""

    codec: str
    """"pcm_s24le", "aac", …"""
    channels: int
    """How many."""
    sample_rate: int
    """Samples a second."""
    bits: int | None = None
    """Of a sample, where it is not compressed."""
    samples: int | None = None
    """Samples a channel, counted; null where that would need decoding."""
    layout: str | None = None
    """Which channel is which, where the file says: "stereo", "5.1", …"""

    def to_json(self) -> dict[str, Any]:
        return {
            "codec": self.codec,
            "channels": self.channels,
            "sample_rate": self.sample_rate,
            "bits": self.bits,
            "samples": self.samples,
            "layout": self.layout,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> AudioFacts:
        return cls(
            codec=_need(data, "codec", str),
            channels=_need(data, "channels", int),
            sample_rate=_need(data, "sample_rate", int),
            bits=_read(data, "bits", int),
            samples=_read(data, "samples", int),
            layout=_read(data, "layout", str),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFacts:
    """One clip: a file, or an image sequence as one.

    `frames` is counted from sample tables, index tables or packets, never taken from a header's claim. `frame_rate` is
    the rate at which the frames play; `start_timecode` the label of frame 0, with `start_source` saying where it was
    found ("tmcd track", "material package", "bext", "image header", "sidecar", "caller").
    """

    container: str
    """"mov", "mp4", "mxf", "wav", "dpx", "exr", "tiff", …; "r3d", "braw", "arriraw", … where it is found only."""
    codec: str | None = None
    """"prores_422", "dnxhd", "h264", "h265", … as in `VideoCodec`; for sound alone "pcm_s24le", …"""
    profile: str | None = None
    """As the trade writes it: "422 HQ", "DNxHR HQX", …"""
    width: int | None = None
    """Pixels, as stored."""
    height: int | None = None
    """Pixels, as stored."""
    frame_rate: FrameRate | None = None
    """The rate at which the frames play."""
    frames: int | None = None
    """Counted, not taken from a header."""
    start_timecode: Timecode | None = None
    """Label of frame 0."""
    start_source: str | None = None
    """Where it was found: "tmcd track", "material package", "bext", "image header", "sidecar", "caller"."""
    continuous_frames: int | None = None
    """How many frames, from the first on, the timecode counts without a jump; null where it never jumps."""
    reel: str | None = None
    """Reel, tape or card name."""
    reel_source: str | None = None
    """Where that was found."""
    vfr: bool = False
    """Whether frames are shown for different times."""
    first_frame: int | None = None
    """For sequences: the number in the first file's name."""
    missing: tuple[FrameRange, ...] = ()
    """For sequences: the holes, in the numbers of the file names."""
    scan: str | None = None
    """"progressive", "tff" (top field first), "bff"."""
    pixel_aspect: Fraction | None = None
    """Width of a pixel to its height: "1:1", "2:1"."""
    bit_depth: int | None = None
    """Bits of a component."""
    color: ColorFacts = field(default_factory=ColorFacts)
    """Colour tags."""
    audio: tuple[AudioFacts, ...] = ()
    """Sound tracks."""
    created: str | None = None
    """Recording date, ISO 8601; with its zone where the file says one, without where it does not."""
    created_source: str | None = None
    """Where that was found."""
    camera: Mapping[str, str] = field(default_factory=dict)
    """What the camera wrote of itself, by name."""
    decodable: bool = True
    """Whether this machine can decode it."""
    cut_short: bool = False
    """Whether the file ends before all is there that it says it holds; `diagnostics` say where."""
    note: str | None = None
    """Why it can't be decoded, and what to do."""
    diagnostics: tuple[str, ...] = ()
    """What was odd about the file, each one sentence."""

    @property
    def start_rate(self) -> FrameRate | None:
        """The rate that the start timecode counts at, where that is not `frame_rate`."""
        start = self.start_timecode
        return None if start is None or start.rate == self.frame_rate else start.rate

    @property
    def drop_frame(self) -> bool | None:
        """Whether the start timecode is drop-frame; null without one."""
        return None if self.start_timecode is None else self.start_timecode.drop_frame

    @property
    def seconds(self) -> Fraction | None:
        """How long it plays, where that is known exactly."""
        if self.frames is not None and self.frame_rate is not None:
            return Fraction(self.frames) / self.frame_rate
        for track in self.audio:
            if track.samples is not None and track.sample_rate > 0:
                return Fraction(track.samples, track.sample_rate)
        return None

    def with_start(self, start: Timecode, source: str) -> MediaFacts:
        """The same facts with a start timecode from elsewhere (a sidecar, the caller)."""
        return replace(self, start_timecode=start, start_source=source)

    def with_reel(self, reel: str, source: str) -> MediaFacts:
        """The same facts with a reel from elsewhere."""
        return replace(self, reel=reel, reel_source=source)

    def to_json(self) -> dict[str, Any]:
        """The keys that `probe --json` prints, without the path.

        Rates are "n/d" strings, timecodes SMPTE strings, `missing` frame numbers ("first-last" for a hole of more than
        10,000 frames).
        """
        start = self.start_timecode
        return {
            "container": self.container,
            "codec": self.codec,
            "profile": self.profile,
            "width": self.width,
            "height": self.height,
            "frame_rate": None if self.frame_rate is None else str(self.frame_rate),
            "start_timecode": None if start is None else str(start),
            "start_rate": None if self.start_rate is None else str(self.start_rate),
            "start_source": self.start_source,
            "drop_frame": self.drop_frame,
            "continuous_frames": self.continuous_frames,
            "reel": self.reel,
            "reel_source": self.reel_source,
            "frames": self.frames,
            "vfr": self.vfr,
            "first_frame": self.first_frame,
            "missing": [entry for hole in self.missing for entry in _written(hole)],
            "scan": self.scan,
            "pixel_aspect": None if self.pixel_aspect is None else _fraction_text(self.pixel_aspect),
            "bit_depth": self.bit_depth,
            "color": self.color.to_json(),
            "audio": [track.to_json() for track in self.audio],
            "created": self.created,
            "created_source": self.created_source,
            "camera": dict(self.camera),
            "decodable": self.decodable,
            "cut_short": self.cut_short,
            "note": self.note,
            "diagnostics": list(self.diagnostics),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> MediaFacts:
        """Read what `to_json` wrote; keys of later versions are passed over. Raises Damaged where it is not that."""
        try:
            return cls._from_json(data)
        except (ValueError, ArithmeticError, LookupError, TypeError, AttributeError) as error:
            raise Damaged(f"Facts about media could not be read ({error}).") from error

    @classmethod
    def _from_json(cls, data: Mapping[str, Any]) -> MediaFacts:
        rate = _rate(data, "frame_rate")
        label = _read(data, "start_timecode", str)
        start_rate = _rate(data, "start_rate") or rate
        return cls(
            container=_need(data, "container", str),
            codec=_read(data, "codec", str),
            profile=_read(data, "profile", str),
            width=_read(data, "width", int),
            height=_read(data, "height", int),
            frame_rate=rate,
            frames=_read(data, "frames", int),
            start_timecode=None if label is None or start_rate is None else Timecode.from_string(label, start_rate),
            start_source=_read(data, "start_source", str),
            continuous_frames=_read(data, "continuous_frames", int),
            reel=_read(data, "reel", str),
            reel_source=_read(data, "reel_source", str),
            vfr=_read(data, "vfr", bool) or False,
            first_frame=_read(data, "first_frame", int),
            missing=_holes(_read(data, "missing", list) or []),
            scan=_read(data, "scan", str),
            pixel_aspect=_aspect(_read(data, "pixel_aspect", str)),
            bit_depth=_read(data, "bit_depth", int),
            color=ColorFacts.from_json(_read(data, "color", dict) or {}),
            audio=tuple(AudioFacts.from_json(track) for track in _read(data, "audio", list) or ()),
            created=_read(data, "created", str),
            created_source=_read(data, "created_source", str),
            camera={str(name): str(value) for name, value in (_read(data, "camera", dict) or {}).items()},
            decodable=_read(data, "decodable", bool) is not False,
            cut_short=_read(data, "cut_short", bool) or False,
            note=_read(data, "note", str),
            diagnostics=tuple(map(str, _read(data, "diagnostics", list) or ())),
        )


def frame_ranges(numbers: Iterable[int]) -> tuple[FrameRange, ...]:
    """Runs of consecutive numbers, in order: 5 6 7 9 → 5–7, 9."""
    runs: list[FrameRange] = []
    for number in sorted(set(numbers)):
        if runs and runs[-1].end == number:
            runs[-1] = FrameRange(runs[-1].first, number + 1)
        else:
            runs.append(FrameRange(number, number + 1))
    return tuple(runs)


def _written(hole: FrameRange) -> Iterable[int | str]:
    return hole if hole.count <= _LONG_HOLE else [f"{hole.first}-{hole.end - 1}"]


def _holes(entries: Iterable[Any]) -> tuple[FrameRange, ...]:
    numbers: list[int] = []
    long: list[FrameRange] = []
    for entry in entries:
        if isinstance(entry, str):
            first, last = entry.split("-")
            long.append(FrameRange(int(first), int(last) + 1))
        else:
            numbers.append(entry)
    return tuple(sorted((*frame_ranges(numbers), *long)))


def _read(data: Mapping[str, Any], name: str, kind: type[_Value]) -> _Value | None:
    """The value of a key, None where it has none; TypeError where it is something else than it has to be."""
    value = data.get(name)
    if value is not None and type(value) is not kind:
        raise TypeError(f"{name!r} is {str(value)[:40]!r}")
    return value


def _need(data: Mapping[str, Any], name: str, kind: type[_Value]) -> _Value:
    value = _read(data, name, kind)
    if value is None:
        raise LookupError(f"there is no {name!r}")
    return value


def _rate(data: Mapping[str, Any], name: str) -> FrameRate | None:
    text = _read(data, name, str)
    return None if text is None else FrameRate.of(text)


def _aspect(text: str | None) -> Fraction | None:
    if text is None:
        return None
    width, height = text.replace("/", ":").split(":")
    return Fraction(int(width), int(height))


def _fraction_text(value: Fraction) -> str:
    return f"{value.numerator}:{value.denominator}"

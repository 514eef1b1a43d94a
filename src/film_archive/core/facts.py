"""What a probe knows about a piece of media. Values only: `media/` fills them, others store and show them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from film_archive.core.timecode import FrameRange, FrameRate, Timecode


@dataclass(frozen=True, slots=True, kw_only=True)
class ColorFacts:
    """Colour tags in the names of ITU-T H.273 ("bt709", "smpte2084", …); None where untagged."""

    primaries: str | None = None
    transfer: str | None = None
    matrix: str | None = None
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
        return cls(**{name: data.get(name) for name in ("primaries", "transfer", "matrix", "range", "space")})


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioFacts:
    """One audio track."""

    codec: str
    channels: int
    sample_rate: int
    bits: int | None = None
    samples: int | None = None
    """Samples a channel, counted; None where that would need decoding."""
    layout: str | None = None

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
            codec=data["codec"],
            channels=data["channels"],
            sample_rate=data["sample_rate"],
            bits=data.get("bits"),
            samples=data.get("samples"),
            layout=data.get("layout"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFacts:
    """One clip: a file, or an image sequence as one.

    `frames` is counted from sample tables, index tables or packets, never taken from a header's claim. `frame_rate` is the
    rate at which the frames play; `start_timecode` the label of frame 0, with `start_source` saying where it was found
    ("tmcd track", "material package", "bext", "image header", "sidecar", "caller").
    """

    container: str
    """"mov", "mp4", "mxf", "wav", "dpx", "exr", "tiff", "jpeg", … ; "r3d", "braw", "arriraw", … for what is found only."""
    codec: str | None = None
    """"prores", "dnxhd", "h264", "hevc", …; for sound alone "pcm_s24le", …"""
    profile: str | None = None
    width: int | None = None
    height: int | None = None
    frame_rate: FrameRate | None = None
    frames: int | None = None
    start_timecode: Timecode | None = None
    start_source: str | None = None
    reel: str | None = None
    reel_source: str | None = None
    vfr: bool = False
    first_frame: int | None = None
    """For sequences: the number in the first file's name."""
    missing: tuple[FrameRange, ...] = ()
    """For sequences: the holes, in the numbers of the file names."""
    scan: str | None = None
    """"progressive", "tff" (top field first), "bff"."""
    pixel_aspect: Fraction | None = None
    bit_depth: int | None = None
    color: ColorFacts = field(default_factory=ColorFacts)
    audio: tuple[AudioFacts, ...] = ()
    created: str | None = None
    """Recording date, ISO 8601; with its zone where the file says one, without where it does not."""
    created_source: str | None = None
    camera: Mapping[str, str] = field(default_factory=dict)
    decodable: bool = True
    note: str | None = None
    """Why it can't be decoded, and what to do."""
    diagnostics: tuple[str, ...] = ()
    """What was odd about the file, each one sentence."""

    @property
    def seconds(self) -> Fraction | None:
        if self.frames is not None and self.frame_rate is not None:
            return Fraction(self.frames) / self.frame_rate
        for track in self.audio:
            if track.samples is not None:
                return Fraction(track.samples, track.sample_rate)
        return None

    def with_start(self, start: Timecode, source: str) -> MediaFacts:
        """The same facts with a start timecode from elsewhere (a sidecar, the caller)."""
        return replace(self, start_timecode=start, start_source=source)

    def to_json(self) -> dict[str, Any]:
        """The keys that `probe --json` prints, without the path. Frame rates are "n/d" strings, timecodes SMPTE strings."""
        start = self.start_timecode
        return {
            "container": self.container,
            "codec": self.codec,
            "profile": self.profile,
            "width": self.width,
            "height": self.height,
            "frame_rate": None if self.frame_rate is None else str(self.frame_rate),
            "start_timecode": None if start is None else str(start),
            "start_rate": None if start is None or start.rate == self.frame_rate else str(start.rate),
            "start_source": self.start_source,
            "drop_frame": None if start is None else start.drop_frame,
            "reel": self.reel,
            "reel_source": self.reel_source,
            "frames": self.frames,
            "vfr": self.vfr,
            "first_frame": self.first_frame,
            "missing": [number for hole in self.missing for number in hole],
            "scan": self.scan,
            "pixel_aspect": None if self.pixel_aspect is None else _fraction_text(self.pixel_aspect),
            "bit_depth": self.bit_depth,
            "color": self.color.to_json(),
            "audio": [track.to_json() for track in self.audio],
            "created": self.created,
            "created_source": self.created_source,
            "camera": dict(self.camera),
            "decodable": self.decodable,
            "note": self.note,
            "diagnostics": list(self.diagnostics),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> MediaFacts:
        """Read what `to_json` wrote; keys of later versions are passed over."""
        rate = FrameRate.of(data["frame_rate"]) if data.get("frame_rate") else None
        label = data.get("start_timecode")
        start_rate = FrameRate.of(data["start_rate"]) if data.get("start_rate") else rate
        return cls(
            container=data["container"],
            codec=data.get("codec"),
            profile=data.get("profile"),
            width=data.get("width"),
            height=data.get("height"),
            frame_rate=rate,
            frames=data.get("frames"),
            start_timecode=None if label is None or start_rate is None else Timecode.from_string(label, start_rate),
            start_source=data.get("start_source"),
            reel=data.get("reel"),
            reel_source=data.get("reel_source"),
            vfr=bool(data.get("vfr", False)),
            first_frame=data.get("first_frame"),
            missing=frame_ranges(data.get("missing", ())),
            scan=data.get("scan"),
            pixel_aspect=Fraction(data["pixel_aspect"].replace(":", "/")) if data.get("pixel_aspect") else None,
            bit_depth=data.get("bit_depth"),
            color=ColorFacts.from_json(data.get("color") or {}),
            audio=tuple(AudioFacts.from_json(track) for track in data.get("audio", ())),
            created=data.get("created"),
            created_source=data.get("created_source"),
            camera=dict(data.get("camera") or {}),
            decodable=bool(data.get("decodable", True)),
            note=data.get("note"),
            diagnostics=tuple(data.get("diagnostics", ())),
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


def _fraction_text(value: Fraction) -> str:
    return f"{value.numerator}:{value.denominator}"

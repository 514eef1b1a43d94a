"""Media files and sidecars as targets: probed and indexed, whatever their bytes say."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

from film_archive.core.facts import MediaFacts
from film_archive.core.frame_index import FrameIndex
from film_archive.core.source import MemorySource
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.media.probe import index, probe
from film_archive.media.sidecars import read_sidecar
from film_archive.testing.fuzz.target import Broken, Sample, Target, answer
from film_archive.testing.media import AudioSpec, ClipSpec, make_clip
from film_archive.testing.stills import SequenceSpec, make_sequence
from film_archive.testing.wave import WaveSpec, wave_bytes

_PAL = FrameRate(25, 1)
_START = Timecode.from_string("10:00:00:00", _PAL)
_STEREO = (AudioSpec(),)
_FAST = (("preset", "superfast"),)

_SONY = b"""<?xml version="1.0" encoding="UTF-8"?>
<NonRealTimeMeta xmlns="urn:schemas-professionalDisc:nonRealTimeMeta:ver.2.20">
<Duration value="4380"/>
<LtcChangeTable tcFps="25" halfStep="false"><LtcChange frameCount="0" value="17305719" status="increment"/>
</LtcChangeTable><CreationDate value="2022-09-25T11:57:59+10:00"/><VideoFormat><VideoFrame videoCodec="F55_X-OCN_LT_8.6K"
captureFps="25p" formatFps="25p"/><VideoLayout pixel="8640" numOfVerticalLine="5760" pixelAspect="1.5:1"/></VideoFormat>
<Device manufacturer="Sony" modelName="ILME-FX9" serialNo="4000123"/></NonRealTimeMeta>
"""
_P2 = b"""<P2Main xmlns="urn:schemas-Professional-Plug-in:P2:ClipMetadata:v3.1"><ClipContent><ClipName>0001AB</ClipName>
<Duration>100</Duration><EditUnit>1/25</EditUnit><EssenceList><Video><StartTimecode>01:00:00:00</StartTimecode></Video></EssenceList>
<ClipMetadata><Shoot><StartDate>2024-05-06T07:08:09+02:00</StartDate></Shoot></ClipMetadata></ClipContent></P2Main>
"""


def _clips(container: str, *variants: dict[str, object]) -> Callable[[Path], Sequence[Sample]]:
    def make(folder: Path) -> Sequence[Sample]:
        samples = []
        for number, fields in enumerate(variants):
            spec = ClipSpec(**{  # type: ignore[arg-type]
                "name": f"{container}{number}", "container": container, "width": 64, "height": 48, "frames": 6, "rate": _PAL,
                "start": _START, "reel": "A001R1AB", "audio": _STEREO, **fields,
            })  # fmt: skip
            path = make_clip(spec, folder)
            samples.append(Sample(path.name, path.read_bytes()))
        return samples

    return make


_LONG_GOP: dict[str, object] = {"codec": "h264", "gop": 4, "b_frames": 2, "encoder_options": _FAST}
_BARE: dict[str, object] = {"start": None, "reel": None}


def _stills(kind: str) -> Callable[[Path], Sequence[Sample]]:
    def make(folder: Path) -> Sequence[Sample]:
        spec = SequenceSpec(name=kind, format=kind, width=64, height=48, rate=_PAL, frames=1, start=_START, reel="A001")
        (path,) = make_sequence(spec, folder)
        return [Sample(path.name, path.read_bytes())]

    return make


def _waves(folder: Path) -> Sequence[Sample]:
    spec = WaveSpec(name="a", samples=500, rate=_PAL, start=_START, tape="SR1", scene="1", take="2")
    return [Sample("a.wav", wave_bytes(spec))]


def _raw(folder: Path) -> Sequence[Sample]:
    arri = b"ARRI\x12\x34\x56\x78" + struct.pack("<5I", 4096, 3, 0, 2880, 1620) + bytes(4096)
    entries = [(0x1000, b"01:00:00:00\0"), (0x101A, b"001\0"), (0x1056, b"A001_C003_1204R5_001.R3D\0"), (0x1071, b"KOMODO\0")]
    directory = b"".join(struct.pack(">HH", len(text) + 4, tag) + text for tag, text in entries)
    size = struct.pack(">II", 6144, 3240) + b"\x11\x02" + struct.pack(">HI", 1001, 24000)
    red = b"RED2\x05\x10R2\x0c\x01\x0c\x00" + bytes(0x40 - 0x10) + b"\x01\0\0\x01" + b"rdi\x01" + bytes(4) + size
    red += struct.pack(">H", len(directory)) + directory
    red = struct.pack(">I", len(red) + 4) + red + bytes(500)
    return [Sample("a.ari", arri), Sample("A001_C003_1204R5_001.R3D", red)]


def _sidecars(folder: Path) -> Sequence[Sample]:
    return [Sample("a.xml", _SONY), Sample("b.xml", _P2)]


def _examine_media(sample: Sample, data: bytes, folder: Path) -> None:
    facts = answer(lambda: probe(MemorySource(data, sample.name)))
    if facts is not None and MediaFacts.from_json(facts.to_json()) != facts:
        raise Broken("facts are others when they are written and read again")
    frames = answer(lambda: index(MemorySource(data, sample.name)))
    if frames is not None and FrameIndex.from_bytes(frames.to_bytes()).to_bytes() != frames.to_bytes():
        raise Broken("an index is another when it is written and read again")


def _examine_sidecar(sample: Sample, data: bytes, folder: Path) -> None:
    answer(lambda: read_sidecar(MemorySource(data, sample.name)))


_MEDIA = {
    "mov": _clips("mov", {}, {"codec": "h264", "encoder_options": _FAST}, {"rate": FrameRate(30000, 1001), **_BARE}),
    "mp4": _clips(
        "mp4", {**_LONG_GOP, "audio": (AudioSpec("aac"),)},
        {**_LONG_GOP, **_BARE, "muxer_options": (("movflags", "frag_keyframe+empty_moov+default_base_moof"),)},
        {**_LONG_GOP, "codec": "h265", "pixel_aspect": Fraction(4, 3)},
    ),
    "mxf": _clips("mxf", {"codec": "dnxhr", "width": 256, "height": 120}, {"codec": "mpeg2", "gop": 4, "b_frames": 2}, {}),
    "other-containers": lambda folder: [
        *_clips("mkv", {**_LONG_GOP, **_BARE})(folder),
        *_clips("ts", {**_LONG_GOP, **_BARE, "audio": (AudioSpec("aac"),)})(folder),
    ],
    "dpx": _stills("dpx"),
    "exr": _stills("exr"),
    "stills": lambda folder: [*_stills("tiff")(folder), *_stills("jpeg")(folder)],
    "wave": _waves,
    "raw": _raw,
}

TARGETS = (
    *(Target(name, make, _examine_media) for name, make in _MEDIA.items()),
    Target("sidecars", _sidecars, _examine_sidecar),
)

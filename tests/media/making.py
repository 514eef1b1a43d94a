"""Small real media for the probe's tests, each made once a session: images by OpenImageIO, films by PyAV, the rest
here."""

from __future__ import annotations

import io
import os
import struct
import tempfile
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SHARED = Path(os.environ.get("FILM_ARCHIVE_SHARED", Path(__file__).parents[2].parent / "shared"))


def corpus(*parts: str) -> Path:
    """A file of the shared corpus; skips the test where that is not at hand."""
    path = SHARED.joinpath("corpus", *parts)
    if not path.exists():
        pytest.skip(f"the shared corpus is not here ({path})")
    return path


# Sound


def chunk(kind: bytes, data: bytes, size: int | None = None, *, pad: bool = True) -> bytes:
    padding = b"\0" * (len(data) % 2) if pad else b""
    return struct.pack("<4sI", kind, len(data) if size is None else size) + data + padding


def riff(*chunks: bytes, form: bytes = b"RIFF", size: int | None = None) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return struct.pack("<4sI", form, len(body) if size is None else size) + body


def fmt(
    channels: int = 2, bits: int = 24, rate: int = 48_000, *, tag: int = 1, valid: int | None = None, mask: int = 0
) -> bytes:
    """A format chunk; with `valid` or `mask` a WAVE_FORMAT_EXTENSIBLE one."""
    align = channels * (bits // 8)
    if valid is None and not mask:
        return chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate, rate * align, align, bits))
    head = struct.pack("<HHIIHH", 0xFFFE, channels, rate, rate * align, align, bits)
    guid = struct.pack("<H", tag) + bytes.fromhex("000000001000800000aa00389b71")
    return chunk(b"fmt ", head + struct.pack("<HHI", 22, valid or bits, mask) + guid)


def bext(
    time_reference: int, *, date: str = "2024-05-06", time: str = "07:08:09", originator: str = "Recorder"
) -> bytes:
    fields = struct.pack(
        "<256s32s32s10s8sIIH",
        b"a scene",
        originator.encode(),
        b"ref",
        date.encode(),
        time.encode(),
        time_reference & 0xFFFFFFFF,
        time_reference >> 32,
        1,
    )
    return chunk(b"bext", fields + bytes(64 + 190) + b"A=PCM,F=48000\r\n")


def ixml(speed: Mapping[str, object] | None = None, **fields: object) -> bytes:
    def element(name: str, value: object) -> str:
        return f"<{name}>{value}</{name}>"

    inner = "".join(element(name.upper(), value) for name, value in fields.items())
    inner += "" if speed is None else element("SPEED", "".join(element(*pair) for pair in speed.items()))
    return chunk(b"iXML", f'<?xml version="1.0" encoding="UTF-8"?>\n<BWFXML>{inner}</BWFXML>'.encode())


@lru_cache
def wave() -> bytes:
    sound = bytes(range(256)) * 6 * 100
    return riff(
        bext(172_800_000),
        ixml({"TIMECODE_RATE": "25/1", "TIMECODE_FLAG": "NDF"}, scene="12A", take=3, tape="SR7"),
        fmt(),
        chunk(b"data", sound),
    )


@lru_cache
def rf64() -> bytes:
    sound = bytes(48_000 * 2)
    sizes = struct.pack("<QQQI", 0, len(sound), 0, 0)
    unknown = 0xFFFFFFFF
    return riff(chunk(b"ds64", sizes), fmt(1, 16), chunk(b"data", sound, unknown), form=b"RF64", size=unknown)


# Images


@lru_cache
def image(
    extension: str,
    attributes: tuple[tuple[str, str, Any], ...] = (),
    pixels: str = "uint8",
    size: tuple[int, int] = (48, 32),
    channels: int = 3,
) -> bytes:
    """An image file by OpenImageIO; `attributes` are (name, type or "", value)."""
    import OpenImageIO as Oiio

    spec = Oiio.ImageSpec(*size, channels, pixels)
    for name, kind, value in attributes:
        if kind:
            spec.attribute(name, Oiio.TypeDesc(kind), value)
        else:
            spec.attribute(name, value)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, f"image.{extension}"))
        output = Oiio.ImageOutput.create(path)
        assert output.open(path, spec), Oiio.geterror()
        noise = np.random.default_rng(5).random((size[1], size[0], channels), np.float32)
        assert output.write_image(noise)
        assert output.close()
        return Path(path).read_bytes()


def exr(*attributes: tuple[str, str, Any], **more: Any) -> bytes:
    return image("exr", (("DateTime", "", "2024:05:06 07:08:09"), *attributes), "half", **more)


TIMED = (("smpte:TimeCode", "timecode", (0x01020304, 0)), ("FramesPerSecond", "rational", (24, 1)))


def dpx(
    fields: Mapping[int, tuple[str, Any]] | None = None,
    *,
    order: str = ">",
    offset: int = 2048,
    industry: bytes | None = None,
    pixels: int = 48 * 32 * 4,
) -> bytes:
    """A DPX laid out by hand after ST 268; `fields` are (struct format, value) by their place in the header."""
    head = bytearray(b"\xff" * offset)
    for place, length in (
        (36, 100),
        (136, 24),
        (160, 100),
        (260, 200),
        (460, 200),
        (1432, 100),
        (1532, 24),
        (1556, 64),
    ):
        head[place : place + length] = bytes(length)
    written: dict[int, tuple[str, Any]] = {
        0: ("4s", b"SDPX" if order == ">" else b"XPDS"),
        4: ("I", offset),
        8: ("8s", b"V2.0"),
        16: ("I", offset + pixels),
        768: ("H", 0),
        770: ("H", 1),
        772: ("I", 48),
        776: ("I", 32),
        800: ("B", 50),
        801: ("B", 6),
        802: ("B", 6),
        803: ("B", 10),
        1628: ("I", 1),
        1632: ("I", 1),
    }
    if industry is not None:
        head[1664:2048] = industry
    for place, (form, value) in (written | dict(fields or {})).items():
        struct.pack_into(f"{order}{form}", head, place, value)
    return bytes(head) + bytes(pixels)


def timed_dpx(timecode: int, rate: float, **more: Any) -> bytes:
    return dpx({1920: ("I", timecode), 1724: ("f", rate), 1940: ("f", rate), 1928: ("B", 0)}, **more)


@lru_cache
def jpeg_with_exif(zone: str | None = "+02:00", *, endless: bool = False) -> bytes:
    """A JPEG with an EXIF segment laid out by hand (TIFF 6.0 directories)."""
    ascii_tags = [(0x010F, b"Maker\0"), (0x0110, b"Model X\0")]
    exif_tags = [(0x9003, b"2024:05:06 07:08:09\0")]
    if zone is not None:
        exif_tags.append((0x9011, zone.encode() + b"\0"))
    exif_tags.append((0x9291, b"25\0"))
    first = _directory(ascii_tags, 8, pointer=(0x8769, None), following=8 if endless else 0)
    second = _directory(sorted(exif_tags), 8 + len(first))
    first = _directory(ascii_tags, 8, pointer=(0x8769, 8 + len(first)), following=8 if endless else 0)
    segment = b"Exif\0\0" + b"MM\0*" + struct.pack(">I", 8) + first + second
    plain = image("jpg")
    return plain[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + plain[2:]


def _directory(
    tags: Sequence[tuple[int, bytes]],
    start: int,
    *,
    pointer: tuple[int, int | None] | None = None,
    following: int = 0,
) -> bytes:
    count = len(tags) + (pointer is not None)
    behind = start + 2 + 12 * count + 4
    entries, values = b"", b""
    for tag, text in tags:
        if len(text) <= 4:
            entries += struct.pack(">HHI", tag, 2, len(text)) + text.ljust(4, b"\0")
        else:
            entries += struct.pack(">HHII", tag, 2, len(text), behind + len(values))
            values += text + b"\0" * (len(text) % 2)
    if pointer is not None:
        entries += struct.pack(">HHII", pointer[0], 4, 1, pointer[1] or 0)
    return struct.pack(">H", count) + entries + struct.pack(">I", following) + values


# Raw cameras


@lru_cache
def arriraw() -> bytes:
    return b"ARRI\x12\x34\x56\x78" + struct.pack("<5I", 4096, 3, 0, 2880, 1620) + bytes(4096 - 28) + bytes(1000)


@lru_cache
def r3d(name: str = "A001_C003_1204R5_001.R3D") -> bytes:
    def entry(tag: int, text: str) -> bytes:
        return struct.pack(">HH", len(text) + 5, tag) + text.encode() + b"\0"

    directory = b"".join(
        [
            entry(0x1000, "01:00:00:00"),
            entry(0x1001, "14:03:02:01"),
            entry(0x101A, "001"),
            entry(0x1023, "20231204"),
            entry(0x1024, "140302"),
            entry(0x1056, name),
            entry(0x1071, "KOMODO"),
            struct.pack(">HHf", 8, 0x200D, 5600.0),
        ]
    )
    size = struct.pack(">II", 6144, 3240) + b"\x11\x02" + struct.pack(">HI", 1001, 24000)
    block = b"RED2\x05\x10R2\x0c\x01\x0c\x00" + bytes(0x40 - 0x10) + b"\x01\0\0\x01" + b"rdi\x01" + bytes(4) + size
    block += struct.pack(">H", len(directory)) + directory
    return struct.pack(">I", len(block) + 4) + block + bytes(2000)


@lru_cache
def dng(*, rate: tuple[int, int] | None = (24000, 1001), order: str = "<") -> bytes:
    """A CinemaDNG frame's tags, with the raw image in a directory below a preview's."""
    entries = [
        (254, 4, 1, struct.pack(f"{order}I", 1)),
        (256, 4, 1, struct.pack(f"{order}I", 160)),
        (257, 4, 1, struct.pack(f"{order}I", 90)),
        (330, 4, 1, b"SUBS"),
        (50706, 1, 4, bytes([1, 4, 0, 0])),
        (50708, 2, 8, b"Camera X"),
        (51043, 1, 8, bytes([0x12, 0x34, 0x56, 0x07]) + bytes(4)),
        (51081, 2, 4, b"A01\0"),
    ]
    if rate is not None:
        entries.insert(-1, (51044, 10, 1, struct.pack(f"{order}2i", *rate)))
    raw = [(254, 4, 1, struct.pack(f"{order}I", 0)), (256, 4, 1, struct.pack(f"{order}I", 1920)),
           (257, 4, 1, struct.pack(f"{order}I", 1080)), (258, 3, 1, struct.pack(f"{order}HH", 12, 0))]  # fmt: skip
    length = 2 + 12 * len(entries) + 4
    values = b"".join(data for *_, data in entries if len(data) > 4)
    below = 8 + length + len(values)
    parts, place = [], 8 + length
    for tag, kind, count, data in entries:
        if tag == 330:
            data = struct.pack(f"{order}I", below)
        if len(data) > 4:
            parts.append(struct.pack(f"{order}HHII", tag, kind, count, place))
            place += len(data)
        else:
            parts.append(struct.pack(f"{order}HHI", tag, kind, count) + data)
    second = b"".join(struct.pack(f"{order}HHI", tag, kind, count) + data for tag, kind, count, data in raw)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    first = struct.pack(f"{order}H", len(entries)) + b"".join(parts) + bytes(4)
    return head + first + values + struct.pack(f"{order}H", len(raw)) + second + bytes(4) + bytes(500)


SONY_XML = """<?xml version="1.0" encoding="UTF-8"?>
<NonRealTimeMeta xmlns="urn:schemas-professionalDisc:nonRealTimeMeta:ver.2.20" lastUpdate="2022-09-25T11:57:59+10:00">
\t<Duration value="4380"/>
\t<LtcChangeTable tcFps="25" halfStep="false">
\t\t<LtcChange frameCount="0" value="17305719" status="increment"/>
\t\t<LtcChange frameCount="4379" value="21250020" status="end"/>
\t</LtcChangeTable>
\t<CreationDate value="2022-09-25T11:57:59+10:00"/>
\t<VideoFormat>
\t\t<VideoFrame videoCodec="F55_X-OCN_LT_8.6K_3:2" captureFps="25p" formatFps="25p"/>
\t\t<VideoLayout pixel="8640" numOfVerticalLine="5760" pixelAspect="1.5:1"/>
\t</VideoFormat>
\t<Device manufacturer="Sony" modelName="ILME-FX9" serialNo="4000123"/>
\t<AcquisitionRecord><Group name="CameraUnitMetadataSet">
\t\t<Item name="CaptureGammaEquation" value="s-log3"/><Item name="CaptureColorPrimaries" value="s-gamut3-cine"/>
\t</Group></AcquisitionRecord>
</NonRealTimeMeta>
"""


# Films and sound that PyAV writes


@lru_cache
def film(
    container: str,
    codec: str = "mjpeg",
    pixels: str = "yuvj420p",
    *,
    frames: int = 12,
    rate: Fraction = Fraction(25),
    options: tuple[tuple[str, str], ...] = (),
    metadata: tuple[tuple[str, str], ...] = (),
    sound: str | None = None,
    size: tuple[int, int] = (64, 48),
) -> bytes:
    import av

    out = io.BytesIO()
    with av.open(out, "w", format=container) as opened:
        opened.metadata.update(dict(metadata))
        video: Any = opened.add_stream(codec, rate=rate, options=dict(options))
        video.width, video.height = size
        video.pix_fmt = pixels
        audio: Any = None
        if sound is not None:
            audio = opened.add_stream(sound, rate=48_000, layout="stereo")
        for number in range(frames):
            plane = np.full((size[1], size[0], 3), number * 255 // frames, np.uint8)
            plane[: number + 1, ::2] = 200
            for packet in video.encode(av.VideoFrame.from_ndarray(plane)):
                opened.mux(packet)
        for packet in video.encode(None):
            opened.mux(packet)
        if audio is not None:
            samples = int(48_000 * frames / rate)
            tone = (np.sin(np.arange(samples * 2) / 20) * 8000).astype(np.int16).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(tone, format="s16", layout="stereo")
            frame.sample_rate = 48_000
            for packet in (*audio.encode(frame), *audio.encode(None)):
                opened.mux(packet)
    return out.getvalue()


@lru_cache
def sound_file(container: str, codec: str) -> bytes:
    import av

    out = io.BytesIO()
    with av.open(out, "w", format=container) as opened:
        stream: Any = opened.add_stream(codec, rate=48_000, layout="stereo")
        tone = (np.sin(np.arange(48_000) / 20) * 8000).astype(np.int16).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(tone, format="s16", layout="stereo")
        frame.sample_rate = 48_000
        resampler = av.AudioResampler(
            format=stream.format, layout="stereo", rate=48_000, frame_size=stream.frame_size or None
        )
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            for packet in stream.encode(part):
                opened.mux(packet)
        for packet in stream.encode(None):
            opened.mux(packet)
    return out.getvalue()

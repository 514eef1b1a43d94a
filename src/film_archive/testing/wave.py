"""Test sound as broadcast wave files, with a time reference and iXML as field recorders write them.

RIFF/WAVE with `bext` (EBU Tech 3285, version 1) and `iXML` (Gallery, 2.0). The samples carry their positions.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from film_archive.core.errors import UsageError
from film_archive.core.files import write_atomically
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.testing.cache import cached_folder
from film_archive.testing.sound import position_coded

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_SUBFORMAT = bytes.fromhex("000000001000800000aa00389b71")


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveSpec:
    """A broadcast wave file to be made; `bits` 16, 24 or 32 (float)."""

    name: str
    channels: int = 2
    bits: int = 24
    sample_rate: int = 48_000
    samples: int = 48_000
    rate: FrameRate = FrameRate(24, 1)  # noqa: RUF009  a fraction, which does not change
    start: Timecode | None = None
    tape: str | None = None
    scene: str | None = None
    take: str | None = None
    ixml: bool = True

    @property
    def file_name(self) -> str:
        return f"{self.name}.wav"

    @property
    def time_reference(self) -> int | None:
        """Samples since midnight at the start, rounded to the nearest."""
        return None if self.start is None else round(self.start.seconds_since_midnight * self.sample_rate)


def make_wave(spec: WaveSpec, folder: Path) -> Path:
    """Make a wave file as `folder`/`name.wav`; refuses an existing file."""
    target = folder / spec.file_name
    write_atomically(target, wave_bytes(spec))
    return target


def cached_wave(spec: WaveSpec, folder: Path) -> Path:
    """The wave file of a spec out of a folder, where it is made when first asked for."""
    return cached_folder(spec, folder, lambda here: make_wave(spec, here)) / spec.file_name


def wave_bytes(spec: WaveSpec) -> bytes:
    """The whole file."""
    coded = position_coded(0, spec.samples, spec.channels, spec.sample_rate, spec.rate)
    chunks = [(b"fmt ", _format(spec)), (b"data", _data(coded, spec.bits))]
    if spec.ixml:
        chunks.insert(0, (b"iXML", _ixml(spec).encode()))
    if spec.start is not None:
        chunks.insert(0, (b"bext", _bext(spec)))
    body = b"".join(struct.pack("<4sI", name, len(data)) + data + b"\0" * (len(data) % 2) for name, data in chunks)
    return struct.pack("<4sI4s", b"RIFF", 4 + len(body), b"WAVE") + body


def _data(coded: NDArray[np.int16], bits: int) -> bytes:
    if bits == 16:
        return coded.astype("<i2").tobytes()
    if bits == 24:
        return (coded.astype("<i4") << 16).view(np.uint8).reshape(-1, 4)[:, 1:].tobytes()
    if bits == 32:
        return (coded.astype("<f4") / np.float32(32768)).tobytes()
    raise UsageError(f"Wave files of {bits} bits are not made here; give 16, 24 or 32 (float).")


def _format(spec: WaveSpec) -> bytes:
    tag = _FLOAT if spec.bits == 32 else _PCM
    frame = spec.channels * spec.bits // 8
    head = struct.pack("<HIIHH", spec.channels, spec.sample_rate, spec.sample_rate * frame, frame, spec.bits)
    if spec.channels <= 2 and spec.bits == 16:
        return struct.pack("<H", tag) + head
    return struct.pack("<H", _EXTENSIBLE) + head + struct.pack("<HHIH", 22, spec.bits, 0, tag) + _SUBFORMAT


def _bext(spec: WaveSpec) -> bytes:
    """EBU Tech 3285, 2.3: fixed fields of 602 bytes, then the coding history."""
    description = "".join(
        f"s{key}={value}\r\n"
        for key, value in (("SPEED", spec.rate.text), ("SCENE", spec.scene), ("TAKE", spec.take), ("TAPE", spec.tape))
        if value is not None
    )
    fixed = struct.pack(
        "<256s32s32s10s8sQH64s190x",
        description.encode(),
        b"film-archive",
        spec.name.encode()[:32],
        b"2024-06-12",
        b"10:00:00",
        spec.time_reference,
        1,
        b"",
    )
    mode = {1: "mono", 2: "stereo"}.get(spec.channels, f"multichannel {spec.channels}")
    return fixed + f"A=PCM,F={spec.sample_rate},W={spec.bits},M={mode}\r\n".encode()


def _ixml(spec: WaveSpec) -> str:
    reference = spec.time_reference or 0
    speed = {
        "MASTER_SPEED": f"{spec.rate.numerator}/{spec.rate.denominator}",
        "CURRENT_SPEED": f"{spec.rate.numerator}/{spec.rate.denominator}",
        "TIMECODE_RATE": f"{spec.rate.numerator}/{spec.rate.denominator}",
        "TIMECODE_FLAG": "DF" if spec.start is not None and spec.start.drop_frame else "NDF",
        "FILE_SAMPLE_RATE": str(spec.sample_rate),
        "AUDIO_BIT_DEPTH": str(spec.bits),
        "DIGITIZER_SAMPLE_RATE": str(spec.sample_rate),
        "TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_HI": str(reference >> 32),
        "TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_LO": str(reference & 0xFFFF_FFFF),
        "TIMESTAMP_SAMPLE_RATE": str(spec.sample_rate),
    }
    tracks = "".join(
        f"<TRACK><CHANNEL_INDEX>{number}</CHANNEL_INDEX><INTERLEAVE_INDEX>{number}</INTERLEAVE_INDEX>"
        f"<NAME>TR{number}</NAME></TRACK>"
        for number in range(1, spec.channels + 1)
    )
    about = "".join(
        f"<{key}>{escape(value)}</{key}>"
        for key, value in (("SCENE", spec.scene), ("TAKE", spec.take), ("TAPE", spec.tape))
        if value is not None
    )
    listed = "".join(f"<{key}>{value}</{key}>" for key, value in speed.items())
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<BWFXML><IXML_VERSION>2.0</IXML_VERSION><PROJECT>TEST</PROJECT>{about}<SPEED>{listed}</SPEED>"
        f"<TRACK_LIST><TRACK_COUNT>{spec.channels}</TRACK_COUNT>{tracks}</TRACK_LIST></BWFXML>\n"
    )

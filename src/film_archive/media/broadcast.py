"""What sound recorders write beside the sound: the `bext` chunk (EBU Tech 3285) and iXML (ixml.info), as values."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from xml.etree.ElementTree import Element

from film_archive.core.errors import FilmArchiveError, UsageError
from film_archive.core.timecode import FrameRate
from film_archive.core.xml import parse_xml, text_of
from film_archive.media.dates import iso_date

BEXT = 348
"""The least a `bext` chunk has: version 0 up to its version field and the UMID's place."""


@dataclass(frozen=True, slots=True)
class Bext:
    """The fields of a `bext` chunk; None where empty."""

    description: str | None
    originator: str | None
    originator_reference: str | None
    created: str | None
    """ISO 8601, local time: the chunk has no zone."""
    time_reference: int
    """Samples since midnight at the first sample."""
    version: int
    coding_history: str | None


def read_bext(data: bytes) -> Bext | None:
    """Read a `bext` chunk; None where it is too short to be one."""
    if len(data) < BEXT:
        return None
    low, high, version = struct.unpack_from("<IIH", data, 338)
    date, time = _text(data[320:330]), _text(data[330:338])
    return Bext(
        description=_text(data[:256]),
        originator=_text(data[256:288]),
        originator_reference=_text(data[288:320]),
        # Recorders write "-", "_", ":", "." or blanks between the numbers (Tech 3285, 2.3: any of them).
        created=None if date is None or time is None else iso_date(f"{_dashed(date, '-')}T{_dashed(time, ':')}"),
        time_reference=low | high << 32,
        version=version,
        coding_history=_text(data[602:]),
    )


@dataclass(frozen=True, slots=True)
class Ixml:
    """The fields of an iXML document that say where a take belongs; None where empty."""

    project: str | None = None
    scene: str | None = None
    take: str | None = None
    tape: str | None = None
    note: str | None = None
    circled: bool | None = None
    user_bits: str | None = None
    timecode_rate: FrameRate | None = None
    drop_frame: bool | None = None
    file_sample_rate: int | None = None
    timestamp: int | None = None
    """Samples since midnight at the first sample, counted at `timestamp_rate`."""
    timestamp_rate: int | None = None
    family: str | None = None
    """FAMILY_UID: the same in all files of one take."""
    tracks: Mapping[int, str] = field(default_factory=dict)
    """Names of tracks by their place in the file, from 1."""
    problem: str | None = None


def read_ixml(data: bytes, name: str) -> Ixml:
    """Read an iXML chunk; what is damaged or hostile is a `problem` and leaves the rest empty."""
    try:
        root = parse_xml(data, f"the iXML of {name}")
    except FilmArchiveError as error:
        return Ixml(problem=str(error))
    speed = root.find("SPEED")
    rate = None if speed is None else _rate(text_of(speed, "TIMECODE_RATE"))
    flag = "" if speed is None else (text_of(speed, "TIMECODE_FLAG") or "").upper()
    return Ixml(
        project=text_of(root, "PROJECT"),
        scene=text_of(root, "SCENE"),
        take=text_of(root, "TAKE"),
        tape=text_of(root, "TAPE"),
        note=text_of(root, "NOTE"),
        circled={"TRUE": True, "FALSE": False}.get((text_of(root, "CIRCLED") or "").upper()),
        user_bits=text_of(root, "UBITS"),
        timecode_rate=rate,
        drop_frame={"DF": True, "NDF": False}.get(flag),
        file_sample_rate=_whole(speed, "FILE_SAMPLE_RATE"),
        timestamp=_timestamp(speed),
        timestamp_rate=_whole(speed, "TIMESTAMP_SAMPLE_RATE"),
        family=text_of(root, "FILE_SET/FAMILY_UID"),
        tracks=_tracks(root),
    )


def _rate(text: str | None) -> FrameRate | None:
    """iXML writes "24000/1001"; some recorders "23.98" or "23976/1000", and mean the same."""
    try:
        rate = None if text is None else FrameRate.of(text)
        if rate is not None and rate.denominator not in (1, 1001):
            rate = FrameRate.of(f"{float(rate):.3f}")
    except UsageError:
        return None
    return rate if rate is not None and 1 <= rate <= 1000 else None


def _whole(element: Element | None, path: str) -> int | None:
    text = None if element is None else text_of(element, path)
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 20 else None


def _timestamp(speed: Element | None) -> int | None:
    low = _whole(speed, "TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_LO")
    high = _whole(speed, "TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_HI")
    return None if low is None or low >> 32 else low | (high or 0) << 32


def _tracks(root: Element) -> dict[int, str]:
    names = {}
    for track in root.findall("TRACK_LIST/TRACK")[:1024]:
        place, name = _whole(track, "INTERLEAVE_INDEX"), text_of(track, "NAME")
        if place is not None and name is not None:
            names[place] = name
    return names


def _text(raw: bytes) -> str | None:
    """Text up to its first NUL; recorders write UTF-8 as well as the standard's ASCII."""
    raw = raw.split(b"\0", 1)[0].strip()
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    text = " ".join(text.split())
    return text if text and text.isprintable() else None


def _dashed(text: str, sign: str) -> str:
    return "".join(letter if letter.isdigit() else sign for letter in text)


def samples_to_frames(samples: int, sample_rate: int, rate: FrameRate) -> tuple[int, int]:
    """The frame that begins at a time reference, counted from midnight, and how many whole samples into it that is.

    A frame need not begin on a sample (29.97 at 48 kHz has 1601.6), so recorders round: what lies less than one
    sample before a frame's start is that start.
    """
    a_frame = Fraction(sample_rate) / rate
    frame = math.ceil((samples + 1) / a_frame) - 1
    return frame, int(samples - frame * a_frame)

"""MXF for Media Composer: OP-Atom (SMPTE ST 390), one track a file, the tracks of a clip joined by one material package.

FFmpeg writes the files. What it can't do is done behind it: its bit-exact UMIDs are all the same, so those of the material and
of the tape package are replaced by ones that all tracks of a clip share, and those of the file packages by ones of their own
(UMIDs: SMPTE ST 330; FFmpeg's end in 00 for the material, 01 for the file, 02 for the tape package).
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from film_archive.core.digest import KEY, MultiHasher
from film_archive.core.errors import Damaged, UsageError, from_os_error
from film_archive.core.source import FileSource, printable
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.media.av.coded import CodedPacket
from film_archive.media.av.encoding import AudioSettings, ContainerWriter, VideoSettings
from film_archive.media.mxf import MxfFile

_LABEL = bytes.fromhex("060a2b340101010501010d0013")
"""How a basic UMID begins: its label (ST 330, 5.1) and its length."""
_MATERIAL, _FILE, _TAPE = 0, 1, 2
_NUMBER = 18
"""Bytes of instance and material number, but for the last, which FFmpeg has for the package."""


def write_picture(
    path: Path, settings: VideoSettings, pictures: Iterable[CodedPacket], start: Timecode | None, reel: str | None
) -> None:
    """The picture track of a clip, coded already; every picture stays for one tick."""
    with ContainerWriter(path, "mxf_opatom", timecode=start, reel=reel) as writer:
        track = writer.add_video(settings)
        for picture in pictures:
            track.write_coded(picture)


def write_sound(
    path: Path,
    codec: str,
    sample_rate: int,
    samples: Iterable[NDArray[np.int16] | NDArray[np.int32]],
    rate: FrameRate,
    start: Timecode | None,
    reel: str | None,
) -> None:
    """One channel of a clip's sound, (count, 1) a run; `rate` is that of the pictures, by which its timecode counts."""
    options = {"mxf_audio_edit_rate": f"{rate.numerator}/{rate.denominator}"}
    with ContainerWriter(path, "mxf_opatom", options=options, timecode=start, reel=reel) as writer:
        track = writer.add_audio(AudioSettings(codec=codec, sample_rate=sample_rate, channels=1))
        for run in samples:
            track.write(run)


def join(paths: Iterable[Path], clip: bytes, reel: str | None) -> None:
    """Make tracks that were just written those of one clip; `clip` tells it from every other one."""
    for path in paths:
        numbers = {
            _MATERIAL: _number(b"material", clip),
            _FILE: _number(b"file", clip, path.name.encode("utf-8", "surrogateescape")),
            _TAPE: _number(b"tape", clip if reel is None else b"", (reel or "").encode("utf-8", "surrogateescape")),
        }
        _renumber(path, numbers)


def _number(*parts: bytes) -> bytes:
    hasher = MultiHasher()
    for part in parts:
        hasher.update(len(part).to_bytes(8, "big") + part)
    return bytes(3) + bytes.fromhex(hasher.digests()[KEY])[: _NUMBER - 3]


def _renumber(path: Path, numbers: dict[int, bytes]) -> None:
    """Replace the UMIDs in all metadata of a file: what stands before its essence, and behind it."""
    with FileSource(path) as source:
        index = MxfFile.open(source).index()
        tracks = [track for track in (index.video, *(each.packets for each in index.audio)) if track is not None]
        if len(tracks) != 1 or not len(tracks[0]):
            raise Damaged(f"{source.name} has {len(tracks)} tracks instead of one.")
        begins, ends = int(tracks[0].offsets.min()), int((tracks[0].offsets + tracks[0].sizes).max())
    seen = set[int]()
    try:
        with open(path, "r+b") as file:
            for start, end in ((0, begins), (ends, file.seek(0, io.SEEK_END))):
                file.seek(start)
                data = file.read(end - start)
                at = data.find(_LABEL)
                while at >= 0:
                    kind = data[at + 31] if at + 32 <= len(data) else -1
                    if kind in numbers and not any(data[at + 13 : at + 31]):
                        file.seek(start + at + 13)
                        file.write(numbers[kind])
                        seen.add(kind)
                    at = data.find(_LABEL, at + 13)
    except OSError as error:
        raise from_os_error(error, f"write {printable(path)}") from error
    if not {_MATERIAL, _FILE} <= seen:
        raise UsageError(f"{printable(path)} has no UMIDs of FFmpeg's own; it was not written as it was meant.")

"""A proxy as Media Composer takes it: MXF of one track a file, joined by their material package, and an ALE.

The files are made from a finished DNxHR proxy, picture by picture and sample by sample, and held against it before they
get their names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from film_archive.core import files
from film_archive.core.digest import KEY, MultiHasher, read_ahead
from film_archive.core.errors import Damaged, NotSupported, UsageError
from film_archive.core.facts import MediaFacts
from film_archive.core.source import FileSource, printable
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.core.wording import amount
from film_archive.editorial.event import EditList, Event
from film_archive.editorial.resolving import resolve
from film_archive.editorial.table_writing import write_ale
from film_archive.media.mov import MovFile
from film_archive.media.mxf import MxfFile
from film_archive.proxy.making import Proxy
from film_archive.proxy.original import Original


@dataclass(frozen=True, slots=True)
class _Labels:
    """What all tracks of a clip say of it."""

    rate: FrameRate
    start: Timecode | None
    reel: str | None


def package(proxy: Proxy, original: Original, places: Sequence[Path], folder: Path) -> list[tuple[Path, Path]]:
    """The files of a clip, made in `folder`, each with the place where it is to go: picture, channels of sound, ALE.

    Raises NotSupported for a variable rate, Damaged where a file is not what the proxy is.
    """
    if proxy.proof.variable:
        raise NotSupported(f"{original.name} has a variable frame rate, which MXF for Media Composer can't have.")
    picture, *sound, ale = places
    folder.mkdir(parents=True, exist_ok=True)
    with FileSource(proxy.path) as movie:
        facts = MovFile.open(movie).facts()
        if facts.frame_rate is None or len(sound) != sum(track.channels for track in facts.audio):
            raise Damaged(f"The proxy of {original.name} has other tracks than the original; it was not kept.")
        labels = _Labels(facts.frame_rate, facts.start_timecode, facts.reel)
        written = [folder / place.name for place in (picture, *sound)]
        _write(movie, facts, labels, written)
        for path, check in zip(written, (_check_picture, *[_check_sound] * len(sound)), strict=True):
            _check_labels(path, labels, original.name)
            check(path, movie, facts, written.index(path) - 1, original.name)
        _check_joined(written, original.name)
    listed = folder / ale.name
    listing = _ale(proxy, labels, ale.stem, len(sound), original.name, picture.name)
    files.write_atomically(listed, listing, replace=True)
    return list(zip([*written, listed], places, strict=True))


def _write(movie: FileSource, facts: MediaFacts, labels: _Labels, paths: Sequence[Path]) -> None:
    from film_archive.media.av.coded import CodedPacket
    from film_archive.media.av.edit_proxies import edit_video
    from film_archive.media.av.op_atom import join, write_picture, write_sound

    table = MovFile.open(movie).index()

    def pictures() -> Iterator[CodedPacket]:
        for number in range(table.frames):
            frame = table.frame(number)
            yield CodedPacket(movie.read_at(frame.offset, frame.size), number, 1, key=True)

    settings = edit_video("dnxhr_lb", facts.width or 0, facts.height or 0, labels.rate)
    write_picture(paths[0], settings, pictures(), labels.start, labels.reel)
    for path, (track, channel) in zip(paths[1:], _channels(facts), strict=True):
        audio = facts.audio[track]
        write_sound(
            path, audio.codec, audio.sample_rate, _samples(movie, track, channel), labels.rate, labels.start, labels.reel
        )
    hasher = MultiHasher()
    for block in read_ahead(movie, 0, movie.size):
        hasher.update(block)
    join(paths, bytes.fromhex(hasher.digests()[KEY]), labels.reel)


def _channels(facts: MediaFacts) -> list[tuple[int, int]]:
    """(track, channel of it) of each channel of a clip, from 0."""
    return [(track, channel) for track, audio in enumerate(facts.audio) for channel in range(audio.channels)]


def _samples(source: FileSource, track: int, channel: int) -> Iterator[NDArray[Any]]:
    from film_archive.media.av.sound import decode_audio

    for run in decode_audio(source, track=track):
        yield np.ascontiguousarray(run.samples[:, channel : channel + 1])


def _check_labels(path: Path, labels: _Labels, name: str) -> None:
    with FileSource(path) as source:
        facts = MxfFile.open(source).facts()
    start = labels.start or Timecode.from_frame(0, labels.rate)
    if str(facts.start_timecode) != str(start) or (labels.reel is not None and facts.reel != labels.reel):
        raise Damaged(
            f"{path.name}, made of {name}, starts at {facts.start_timecode} of reel {facts.reel} instead of {start} of "
            f"{labels.reel}; it was not kept."
        )


def _check_picture(path: Path, movie: FileSource, facts: MediaFacts, number: int, name: str) -> None:
    """Frame for frame the very bytes of the proxy."""
    expected = MovFile.open(movie).index()
    with FileSource(path) as source:
        found = MxfFile.open(source).index()
        if found.frames != expected.frames:
            what = f"{amount(found.frames, 'frame')} instead of {expected.frames}"
            raise Damaged(f"{path.name}, made of {name}, has {what}; it was not kept.")
        for place in range(found.frames):
            frame, original = found.frame(place), expected.frame(place)
            if source.read_at(frame.offset, original.size) != movie.read_at(original.offset, original.size):
                raise Damaged(f"{path.name}, made of {name}, has another picture at frame {place}; it was not kept.")


def _check_sound(path: Path, movie: FileSource, facts: MediaFacts, number: int, name: str) -> None:
    """Sample for sample."""
    track, channel = _channels(facts)[number]
    with FileSource(path) as source:
        if _digest(_samples(source, 0, 0)) != _digest(_samples(movie, track, channel)):
            raise Damaged(f"{path.name}, made of {name}, has other sound than channel {number + 1}; it was not kept.")


def _digest(runs: Iterator[NDArray[Any]]) -> str:
    hasher = MultiHasher()
    for run in runs:
        hasher.update(run.tobytes())
    return hasher.digests()[KEY]


def _check_joined(paths: Sequence[Path], name: str) -> None:
    packages = set()
    for path in paths:
        with FileSource(path) as source:
            packages.add(MxfFile.open(source).facts().camera.get("package"))
    if len(packages) != 1 or None in packages:
        raise Damaged(f"The tracks made of {name} have not one material package; they were not kept.")


def _ale(proxy: Proxy, labels: _Labels, clip: str, channels: int, name: str, file: str) -> bytes:
    """An ALE of one row, that names and labels the clip."""
    start = labels.start or Timecode.from_frame(0, labels.rate)
    event = Event(
        line=1,
        event="001",
        reel=labels.reel or clip,
        channels="V",
        audio_channels=tuple(range(1, channels + 1)),
        source_in=str(start),
        source_out=str(start + proxy.frames),
        drop_frame=start.drop_frame,
        from_clip_name=clip,
        source_file=file,
        source_rate=labels.rate,
    )
    rate = f"{labels.rate.text}df" if start.drop_frame else labels.rate
    exported = write_ale(resolve(EditList(None, (event,)), rate))
    if exported.diagnostics:
        raise UsageError(f"The ALE of {printable(name)} can't be written: {exported.diagnostics[0]}.")
    return exported.data

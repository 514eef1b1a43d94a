"""Discs: an image of each volume that is not burned yet, and marking a volume as burned when its disc has been read."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from film_archive.core import files
from film_archive.core.digest import KEY
from film_archive.core.errors import Damaged, FilmArchiveError, NoSpace, NotFound, UsageError
from film_archive.core.job import Failure, Report
from film_archive.core.progress import Phase, Progress, quiet
from film_archive.core.records import Record
from film_archive.core.source import printable
from film_archive.library import hashing
from film_archive.library.hashing import Wanted
from film_archive.library.index_file import read_index
from film_archive.library.listing import join
from film_archive.library.udf_image import READER, make_image

INDEX, CHECKSUMS = "index.json", "checksums.xxh128"
UNBURNED, BURNED = "unburned", "burned"
IMAGE = ".iso"


@dataclass(frozen=True, slots=True, kw_only=True)
class Image(Record):
    """A volume as a UDF image, ready to be burned."""

    path: str
    """The image."""
    bytes: int
    """Its size."""
    reader: str
    """The program that has read all of it back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Burned(Report):
    """What reading a disc has shown."""

    volume: str
    """The volume's folder."""
    disc: str
    """Where the disc is mounted."""
    files: int
    """Files that the index names."""
    verified: int
    """Files that the disc has, byte for byte."""
    burned: bool
    """Whether the volume is marked as burned now."""
    failed: tuple[Failure, ...]
    """What is missing on the disc, or is not the same."""

    @property
    def exit_status(self) -> int:
        return 0 if self.burned else Damaged.exit_status


def make_images(target: Path, room: int, progress: Progress | None = None) -> tuple[list[Image], list[Failure]]:
    """Make an image beside each volume of a folder that is not burned and has none yet.

    `room` is what a disc holds, in bytes. A volume whose image can't be made is told and doesn't keep the others from
    theirs; raises NoSpace where the disk is full.
    """
    shown = progress or quiet()
    made: list[Image] = []
    failed: list[Failure] = []
    for mark in sorted(target.glob(f"volume-*.{UNBURNED}")):
        volume = target / mark.stem
        image = target / f"{mark.stem}{IMAGE}"
        if image.exists() or not (volume / INDEX).is_file():
            continue
        shown.begin(Phase.WRITING, image.name)
        try:
            size = make_image(volume, image, room=room, on_bytes=shown.counting(Phase.WRITING))
        except NoSpace:
            raise
        except FilmArchiveError as error:
            failed.append(Failure.of(os.fspath(volume), error))
        else:
            made.append(Image(path=os.fspath(image), bytes=size, reader=READER))
    return made, failed


def burned(volume: Path, disc: Path, *, progress: Progress | None = None) -> Burned:
    """Read a disc that is mounted, and mark the volume as burned where it has every file of it, byte for byte.

    Raises NotFound where the volume has no index, or there is no disc.
    """
    begun = time.monotonic()
    if not (volume / INDEX).is_file():
        raise NotFound(f"{printable(volume)} is no volume: it has no {INDEX}.")
    if not disc.is_dir():
        raise NotFound(f"There is no disc at {printable(disc)}; is it mounted?")
    if os.path.realpath(disc) == os.path.realpath(volume):
        raise UsageError("The disc that is to be read is the volume's folder itself; name where the burned disc is mounted.")
    shown = progress or quiet()
    entries = list(read_index(volume / INDEX))
    failed: list[Failure] = []
    for entry in entries:
        path = join(os.fspath(disc), entry.path)
        try:
            status = Path(path).stat()
        except OSError:
            failed.append(Failure(path=path, reason=f"{printable(path)} is not on the disc.", status=11))
            continue
        wanted = Wanted(path, status.st_size, status.st_mtime_ns, status.st_ino)
        (found,) = hashing.read_all([wanted], (KEY,))
        shown.add(Phase.VERIFYING, entry.size)
        if found.failure is not None:
            failed.append(found.failure)
        elif found.digests is None or found.digests[KEY] != entry.hash:
            failed.append(Failure(path=path, reason=f"{printable(path)} is not what the index says.", status=11))
    mark = volume.parent / f"{volume.name}.{BURNED}"
    if not failed and not mark.exists():
        unburned = volume.parent / f"{volume.name}.{UNBURNED}"
        if unburned.exists():
            files.rename(unburned, mark)
        else:
            files.write_atomically(mark, b"This volume was burned, and the disc read back.\n")
    return Burned(
        volume=os.fspath(volume),
        disc=os.fspath(disc),
        files=len(entries),
        verified=len(entries) - len(failed),
        burned=not failed,
        failed=tuple(failed),
        seconds=time.monotonic() - begun,
    )

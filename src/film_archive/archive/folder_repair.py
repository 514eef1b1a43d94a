"""Mending a folder archive's manifest: it is kept twice, and the one that is whole makes the other anew; and its format mark."""

from __future__ import annotations

from pathlib import Path

from film_archive.archive import layout
from film_archive.archive.folder_reader import file_chunks, read_folder_manifest
from film_archive.archive.journal import MemberJournal
from film_archive.core import files
from film_archive.core.errors import Damaged, NotFound, from_os_error
from film_archive.core.manifest import Header
from film_archive.core.source import printable

_NAMES = {layout.MANIFEST: "manifest", layout.MANIFEST_COPY: "copy of the manifest"}


def plan_folder_repair(folder: Path) -> tuple[str, ...]:
    """What `repair_folder` would do, nothing where nothing is wrong; changes nothing."""
    good, bad = _diagnose(folder)
    would = (f"write the {_NAMES[bad]} anew from the {_NAMES[good]}",) if bad else ()
    return would if _has_mark(folder) else (*would, "write the format mark anew")


def _has_mark(folder: Path) -> bool:
    """Whether the format mark says what it says in every archive of this version."""
    place = folder / layout.FORMAT
    try:
        return place.is_file() and place.stat().st_size == len(layout.FORMAT_TEXT) and place.read_bytes() == layout.FORMAT_TEXT
    except OSError as error:
        raise from_os_error(error, f"read {printable(place)}") from error


def repair_folder(folder: Path) -> tuple[tuple[str, ...], Header]:
    """Make manifest and copy the same again; (what was done, the manifest's first line). Raises Damaged where neither holds."""
    good, bad = _diagnose(folder)
    done: tuple[str, ...] = ()
    if bad:
        work = folder / layout.WORK
        with files.explaining(f"repair {printable(folder)}"):
            work.mkdir(exist_ok=True)
        journal = MemberJournal(work / "journal")
        try:
            copy_manifest(folder, good, bad)
        finally:
            journal.remove_if_empty()
            files.remove_empty_folders(work)
        done = (f"Wrote the {_NAMES[bad]} anew from the {_NAMES[good]}.",)
    if not _has_mark(folder):
        files.write_atomically(folder / layout.FORMAT, layout.FORMAT_TEXT, replace=True)
        done = (*done, "Wrote the format mark anew.")
    return done, read_folder_manifest(folder / layout.MANIFEST)


def copy_manifest(folder: Path, good: str, bad: str) -> None:
    """Give one of the two the bytes of the other."""
    with files.AtomicFile(folder / bad, replace=True) as new:
        for chunk in file_chunks(folder / good):
            new.file.write(chunk)
        new.commit()


def copy_problem(folder: Path) -> str | None:
    """What is wrong with the copy of a manifest that holds, or None."""
    try:
        copy = read_folder_manifest(folder / layout.MANIFEST_COPY)
    except NotFound:
        return "is missing; run `repair`"
    except Damaged as error:
        return str(error)
    header = read_folder_manifest(folder / layout.MANIFEST)
    unfinished = (folder / layout.WORK / "journal").exists() and copy.generation == header.generation + 1
    return None if copy.seal == header.seal or unfinished else "is not the manifest's; run `repair`"


def _diagnose(folder: Path) -> tuple[str, str | None]:
    """(the one that holds, the one that has to be written anew or None)."""
    seals: dict[str, str | None] = {}
    for name in _NAMES:
        try:
            seals[name] = read_folder_manifest(folder / name).seal
        except (Damaged, NotFound):
            seals[name] = None
    if not any(seals.values()):
        if not any((folder / name).exists() for name in _NAMES):
            raise NotFound(f"{printable(folder)} is not an archive; make one of it with `create --in-place`.")
        raise Damaged(
            f"{printable(folder)}: neither the manifest nor its copy is whole, and nothing else tells what they said; the "
            f"media are untouched. Move {layout.OWN} away and make the archive anew with `create --in-place`."
        )
    first, second = _NAMES
    if seals[first] == seals[second]:
        return first, None
    return (first, second) if seals[first] else (second, first)

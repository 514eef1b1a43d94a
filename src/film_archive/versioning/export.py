"""A branch as a real archive: every byte is proven while it is written, and nothing is made where one is missing."""

from __future__ import annotations

from pathlib import Path

from film_archive.archive.entries import EPOCH_NS
from film_archive.archive.writer import Sealed, Writer, ZipWriter
from film_archive.core.digest import KEY
from film_archive.core.errors import Damaged, NotMedia, NotSupported
from film_archive.core.facts import MediaFacts
from film_archive.core.manifest import Member
from film_archive.core.source import ByteSource, printable
from film_archive.versioning.archives import Lender, Places
from film_archive.versioning.objects import ObjectStore
from film_archive.versioning.tree import Entry, EntryKind, Tree


def export_tree(tree: Tree, objects: ObjectStore, places: Places, target: Path) -> Sealed:
    """Write a tree's files as a new archive, without proxies (`film-archive proxy` makes them).

    Raises Refused where the target exists, NotFound where an archive that lends bytes is missing, Damaged where bytes
    are not what they were; nothing has the target's name then.
    """
    with Lender(places) as lender:
        for entry in tree:  # all of it is there before anything is written
            if entry.kind is EntryKind.FILE:
                _open(entry, objects, lender).close()
        with ZipWriter.create(target) as archive:
            try:
                _write(tree, archive, objects, lender)
            except Damaged:
                archive.abandon()  # else the next run would keep what was found to be wrong
                raise
            return archive.finish()


def _open(entry: Entry, objects: ObjectStore, lender: Lender) -> ByteSource:
    if entry.borrowed is not None:
        return lender.source(entry, entry.borrowed)
    return objects.content(entry.digests["blake3"], entry.size, printable(entry.path))


def _write(tree: Tree, archive: Writer, objects: ObjectStore, lender: Lender) -> None:
    folders = []
    filled: set[str] = set()
    for entry in tree:
        filled.update(_folders(entry.path))
        if entry.kind is EntryKind.FOLDER:
            folders.append(entry)
        elif entry.kind is EntryKind.SYMLINK:
            archive.add_symlink(
                entry.path,
                str(entry.more.get("target", "")),
                mtime_ns=_time(entry),
                raw_name=entry.more.get("raw_name"),
                raw_target=entry.more.get("raw_target"),
            )
        else:
            with _open(entry, objects, lender) as source:
                _add(entry, source, archive, _media(entry, source, lender))
    for folder in folders:
        archive.add_folder(
            folder.path,
            empty=folder.path not in filled,
            mtime_ns=_time(folder),
            mode=0o755 if folder.mode is None else folder.mode,
            raw_name=folder.more.get("raw_name"),
        )


def _add(entry: Entry, source: ByteSource, archive: Writer, media: MediaFacts | None) -> None:
    """One file, and proof that what was written is what the entry says."""
    member = archive.add(
        entry.path,
        source,
        identity=f"{entry.size} {sorted(entry.digests.items())}",
        mtime_ns=_time(entry),
        mode=0o644 if entry.mode is None else entry.mode,
        media=media,
        raw_name=entry.more.get("raw_name"),
    )
    found = _computed(member)
    shared = found.keys() & entry.digests.keys()
    if not shared or any(found[name] != entry.digests[name] for name in shared):
        raise Damaged(f"{source.name} does not hold what its digest says; no archive was made.")


def _computed(member: Member) -> dict[str, str]:
    return {KEY: member.digests[KEY], "crc32": f"{member.crc32:08x}"}


def _media(entry: Entry, source: ByteSource, lender: Lender) -> MediaFacts | None:
    """What is known of a clip: from the archive that lends it, else from a probe."""
    from film_archive.media.probe import probe

    if entry.borrowed is not None:
        return lender.member(entry, entry.borrowed).media
    if entry.size == 0:
        return None
    try:
        return probe(source)
    except (NotMedia, NotSupported, Damaged):
        return None  # it is archived all the same, as `create` would


def _time(entry: Entry) -> int:
    return EPOCH_NS if entry.mtime_ns is None else entry.mtime_ns


def _folders(path: str) -> set[str]:
    parts = path.split("/")
    return {"/".join(parts[:count]) for count in range(1, len(parts))}

"""Entering cartridges in the catalog from their indexes, and cartridges as the catalog knows them.

In the catalog a cartridge is a holder known by its volume's UUID; a file's `inode` there is the block where it begins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from film_archive.catalog.cartridges import CartridgeRow, Cartridges, ClipRow, KnownCartridge
from film_archive.catalog.catalog import Catalog
from film_archive.catalog.lookup import looking
from film_archive.catalog.rows import Content, Event, FileRow, FolderRows, Holder
from film_archive.core.digest import KEY
from film_archive.tape.cartridge_lists import is_own
from film_archive.tape.clip_facts import read_facts
from film_archive.tape.holdings import Holding
from film_archive.tape.ltfs.index import Index, encode_index
from film_archive.tape.ltfs.index_reader import read_index
from film_archive.tape.ltfs.tree import DIGEST_KEYS, TapeAttribute, TapeFile, Times
from film_archive.tape.volumes import Membership, OpenTape

_BATCH = 20_000


@dataclass(frozen=True, slots=True)
class Seen:
    """A cartridge as it is entered."""

    row: CartridgeRow
    files: Callable[[], Iterable[tuple[str, TapeFile]]]
    """(path, file) of all files; asked twice."""
    index: Iterable[bytes] | None


def seen_tape(tape: OpenTape) -> Seen:
    """An open cartridge."""
    if tape.volume is not None:
        return seen_index(tape.volume.index, tape.serial, tape.barcode, str(tape.address), room=tape.room)
    listed, place = list(tape.files()), str(tape.address)
    row = _row(tape.uuid, tape.serial, tape.barcode, tape.membership, tape.generation, 0, listed, tape.room, place)
    return Seen(row, lambda: listed, None)


def seen_index(index: Index, serial: str, barcode: str, place: str, *, room: int | None = None) -> Seen:
    """An index that was read, of a cartridge that need not be here."""
    membership = Membership.of(index.tree.root.folder.attributes)
    row = _row(
        index.volume_uuid, serial, barcode, membership, index.generation, index.updated, index.tree.all_files(), room, place
    )
    return Seen(row, index.tree.all_files, encode_index(index))


def _row(
    uuid: str,
    serial: str,
    barcode: str,
    membership: Membership | None,
    generation: int,
    updated: int,
    files: Iterable[tuple[str, TapeFile]],
    room: int | None,
    place: str,
) -> CartridgeRow:
    count = size = 0
    for path, file in files:
        if file.target is None and not is_own(path):
            count += 1
            size += file.length
    set_, number, copy = ("", 0, 1) if membership is None else (membership.tape_id, membership.number, membership.copy)
    return CartridgeRow(uuid, serial, barcode, set_, number, copy, generation, updated, count, size, room, place)


def enter(catalog: Catalog, seen: Seen, verb: str) -> Holder:
    """Make the catalog say of a cartridge what its index says; a few thousand files a transaction."""
    cartridges = Cartridges(catalog)
    holder = cartridges.put(seen.row, seen.index)
    event = catalog.event(verb, seen.row.serial or seen.row.uuid)
    clips: dict[Content, ClipRow] = {}
    for folders in _batches(_folders(seen.files, clips)):
        catalog.put(holder, folders, event)
    cartridges.put_clips(clips)
    return holder


def _folders(
    files: Callable[[], Iterable[tuple[str, TapeFile]]], clips: dict[Content, ClipRow]
) -> Iterator[FolderRows]:
    below: dict[str, set[str]] = {"/": set()}
    counts: dict[str, int] = {}
    for inner, _, _ in _ours(files()):
        _note_folders(inner, below)
        counts[inner] = counts.get(inner, 0) + 1
    for inner in sorted(below.keys() - counts.keys()):
        yield FolderRows(inner, None, (), (), frozenset(below[inner]))
    rows: dict[str, list[FileRow]] = {}
    for inner, name, file in _ours(files()):
        row = _file_row(name, file)
        rows.setdefault(inner, []).append(row)
        facts = read_facts(file)
        if facts is not None and row.content is not None:
            clips[row.content] = ClipRow(
                facts.codec, facts.rate, facts.start, facts.first, facts.frames, facts.reel, facts.width, facts.height
            )
        if len(rows[inner]) == counts[inner]:  # so that a million files are not in memory as rows too
            yield FolderRows(inner, None, tuple(rows.pop(inner)), (), frozenset(below[inner]))


def _ours(files: Iterable[tuple[str, TapeFile]]) -> Iterator[tuple[str, str, TapeFile]]:
    """(folder, name, file) of the files that are entered."""
    for path, file in files:
        if file.target is None and not is_own(path):
            folder, _, name = path.rpartition("/")
            yield (f"/{folder}" if folder else "/"), name, file


def _note_folders(inner: str, below: dict[str, set[str]]) -> None:
    """Note a folder, and those above it as far as they are new, with the names of what is in them."""
    new: list[tuple[str, str]] = []
    while inner not in below:
        below[inner] = set()
        above, _, name = inner.rpartition("/")
        inner = above or "/"
        new.append((inner, name))
    for above, name in new:
        below[above].add(name)


def _file_row(name: str, file: TapeFile) -> FileRow:
    content = None
    digests = {key: value for key, value in file.digests.items() if value.isalnum()}
    key = digests.get(KEY, "")
    if len(key) == 32:
        try:
            content = Content.of(file.length, digests)
        except ValueError:
            content = None  # another program's idea of an XXH3-128
    block = min((extent.start_block for extent in file.extents), default=0)
    return FileRow(name, file.length, file.times.modified, block, content)


def _batches(folders: Iterable[FolderRows]) -> Iterator[list[FolderRows]]:
    batch: list[FolderRows] = []
    count = 0
    for folder in folders:
        batch.append(folder)
        count += len(folder.files) + 1
        if count >= _BATCH:
            yield batch
            batch, count = [], 0
    if batch:
        yield batch


def known_verified(catalog: Catalog, holder: Holder, outcomes: Mapping[str, str], event: Event) -> None:
    """Keep dated results of reading back: path on tape → outcome."""
    catalog.verified(holder, {f"/{path}": outcome for path, outcome in outcomes.items()}, event)


def absent_holdings(catalog: Catalog, tape_id: str | None) -> Iterator[Holding]:
    """Cartridges as the catalog knows them."""
    for known in Cartridges(catalog).all(tape_id):
        yield known_holding(catalog, known)


def known_holding(catalog: Catalog, known: KnownCartridge) -> Holding:
    """What the catalog knows a cartridge to hold: by its newest index, or by the rows of a list that was imported."""
    index = index_of(Cartridges(catalog), known)
    if index is not None:
        return holding_of_index(index, known)
    files = {}
    with looking(catalog) as lookup:
        for number, (inner, row) in enumerate(lookup.files_below(known.holder, "/"), 2):
            digests = {} if row.content is None else row.content.digests
            named = ((DIGEST_KEYS[name], value) for name, value in digests.items() if name in DIGEST_KEYS)
            attributes = tuple(TapeAttribute(key, value.encode()) for key, value in named)
            files[inner.lstrip("/")] = TapeFile(number, row.size, Times.all_of(row.mtime_ns), (), attributes)
    its = known.row
    membership = Membership(its.tape_id, its.number, its.copy) if its.tape_id else None
    return Holding(its.serial, its.barcode, its.uuid, membership, files, None, known.place)


def index_of(cartridges: Cartridges, known: KnownCartridge, generation: int | None = None) -> Index | None:
    """The index of a cartridge that the catalog keeps, the newest or one of a generation."""
    pieces = cartridges.index(known.holder, generation)
    first = next(pieces, None)
    if first is None:
        return None

    def all_pieces() -> Iterator[bytes]:
        yield first
        yield from pieces

    return read_index(all_pieces(), f"The index of {known.row.barcode} in the catalog")


def holding_of_index(index: Index, known: KnownCartridge) -> Holding:
    """What a cartridge that is not here holds."""
    files = {path: file for path, file in index.tree.all_files() if file.target is None and not is_own(path)}
    membership = Membership.of(index.tree.root.folder.attributes)
    return Holding(known.row.serial, known.row.barcode, known.row.uuid, membership, files, None, known.place)

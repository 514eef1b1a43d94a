"""Entering cartridges that were written elsewhere in the catalog: by index XML alone, by hash lists, by tables.

An LTFS index tells all but the serial: that is taken from the file's name ("ABC123L8.xml"), or given. A list (MHL, md5 and its
kin) is one cartridge, called as its file; a table may have many. What has no XXH3-128 is known by name and size only.
"""

from __future__ import annotations

import csv
import io
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from film_archive.catalog.cartridges import CartridgeRow
from film_archive.catalog.catalog import Catalog
from film_archive.core.digest import ALGORITHMS
from film_archive.core.errors import Damaged, FilmArchiveError, NotSupported, UsageError
from film_archive.core.job import Failure, Report, status_of
from film_archive.core.source import FileSource, printable
from film_archive.library import checksum_lists
from film_archive.tape.cataloguing import Seen, enter, seen_index
from film_archive.tape.formats import MEDIA
from film_archive.tape.ltfs.index_reader import read_index
from film_archive.tape.ltfs.tree import DIGEST_KEYS, TapeAttribute, TapeFile, Times

_BARCODE = re.compile(r"[A-Z0-9]{6}(?:" + "|".join(MEDIA) + r")?")
_CHUNK = 1 << 20
_LARGEST_TABLE = 1 << 30
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "cartridge": ("barcode", "volser", "cartridge", "tape", "volume", "tape name", "tape id", "serial"),
    "path": ("path", "file", "file path", "name", "filename", "file name"),
    "size": ("bytes", "size", "file size", "length", "size in bytes"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeImported(Report):
    """Cartridges that were entered."""

    cartridges: tuple[str, ...]
    """Barcodes, serials or names."""
    files: int
    """Files on them."""
    failed: tuple[Failure, ...]
    """What could not be read."""

    @property
    def exit_status(self) -> int:
        return status_of(self.failed, any_done=bool(self.cartridges))


def import_cartridges(catalog: Catalog, paths: Sequence[Path], *, serial: str | None = None) -> TapeImported:
    """Enter what files, or the files of folders, tell of cartridges; what can't be read is left out and told."""
    begun = time.monotonic()
    places = [place for path in paths for place in _files_of(path)]
    if serial is not None and len(places) != 1:
        raise UsageError(f"A serial names one cartridge, and {len(places)} files are given.")
    entered: list[str] = []
    failed: list[Failure] = []
    count = 0
    for place in places:
        try:
            for seen in read_cartridges(place, serial):
                enter(catalog, seen, "tape import")
                entered.append(seen.row.barcode or seen.row.serial or seen.row.uuid)
                count += seen.row.files
        except FilmArchiveError as error:
            failed.append(Failure.of(printable(place), error))
    return TapeImported(
        cartridges=tuple(entered), files=count, failed=tuple(failed), seconds=time.monotonic() - begun
    )


def look_at(paths: Sequence[Path], *, serial: str | None = None) -> TapeImported:
    """What `import_cartridges` would enter; nothing is changed."""
    begun = time.monotonic()
    found: list[str] = []
    failed: list[Failure] = []
    count = 0
    for place in (place for path in paths for place in _files_of(path)):
        try:
            for seen in read_cartridges(place, serial):
                found.append(seen.row.barcode or seen.row.serial or seen.row.uuid)
                count += seen.row.files
        except FilmArchiveError as error:
            failed.append(Failure.of(printable(place), error))
    return TapeImported(cartridges=tuple(found), files=count, failed=tuple(failed), seconds=time.monotonic() - begun)


def _files_of(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(each for each in path.rglob("*") if each.suffix.lower() in _READERS and each.is_file())
    else:
        yield path


def read_cartridges(path: Path, serial: str | None = None) -> Iterable[Seen]:
    """The cartridges that a file tells of; raises NotSupported for files that are no list of a cartridge."""
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise NotSupported(f"{printable(path)} is no list of a cartridge: it ends in none of {', '.join(_READERS)}.")
    return reader(path, serial)


def _named(path: Path, serial: str | None) -> tuple[str, str]:
    """(serial, barcode) that were given, or that a file's name begins with; "" where it has none."""
    text = serial if serial is not None else path.name.upper()
    found = _BARCODE.match(text) if serial is None else _BARCODE.fullmatch(text)
    if found is None:
        if serial is not None:
            raise UsageError(f"{serial!r} is no serial and no barcode: six of A-Z and 0-9, and a medium's code.")
        return "", ""
    behind = text[found.end() : found.end() + 1]
    if behind.isalnum():
        return "", ""  # a longer word, and no serial
    return found[0][:6], found[0]


def _index(path: Path, serial: str | None) -> Iterator[Seen]:
    """An LTFS index, of any version."""
    known, code = _named(path, serial)
    with FileSource(path) as source:
        index = read_index(_pieces(source), printable(path))
    yield seen_index(index, known, code, str(path))


def _pieces(source: FileSource) -> Iterator[bytes]:
    for place in range(0, source.size, _CHUNK):
        yield source.read_at(place, min(_CHUNK, source.size - place))


def _hash_list(path: Path, serial: str | None) -> Iterator[Seen]:
    """A hash list: one cartridge, with the paths of the list."""
    listed = checksum_lists.read_list(path)
    files = []
    for each in listed.files:
        digests = {name: min(values) for name, values in each.digests.items() if len(values) == 1}
        files.append((each.path.strip("/"), each.size or 0, 0, digests))
    known, code = _named(path, serial)
    yield _listed(known, code or path.stem, files, path)


def _listed(serial: str, name: str, files: Sequence[tuple[str, int, int, Mapping[str, str]]], path: Path) -> Seen:
    """A cartridge of which only a list is known: its name stands for the identity of a volume."""
    found = [(inner, _file(number, size, mtime, digests)) for number, (inner, size, mtime, digests) in enumerate(files, 2)]
    total = sum(file.length for _, file in found)
    row = CartridgeRow(f"list:{name}", serial or name[:6].upper(), name, "", 0, 1, 0, 0, len(found), total, None, str(path))
    return Seen(row, lambda: found, None)


def _file(number: int, size: int, mtime_ns: int, digests: Mapping[str, str]) -> TapeFile:
    attributes = tuple(
        TapeAttribute(DIGEST_KEYS[name], value.encode("ascii", "replace"))
        for name, value in digests.items()
        if name in DIGEST_KEYS
    )
    return TapeFile(number, size, Times.all_of(mtime_ns), (), attributes)


def _table(path: Path, serial: str | None) -> Iterator[Seen]:
    """A table with a row a file: a path, and if it has them cartridge, size and digests, under the names that tools give."""
    with FileSource(path) as source:
        if source.size > _LARGEST_TABLE:
            raise Damaged(f"{printable(path)} is too large for a table ({source.size} bytes).")
        text = source.read_at(0, source.size).decode("utf-8-sig", "replace")
    try:
        dialect = csv.Sniffer().sniff(text[:4096], ",;\t")
    except csv.Error:
        dialect = csv.excel
    try:
        rows = list(csv.reader(io.StringIO(text), dialect))
    except csv.Error as error:
        raise Damaged(f"{printable(path)} is no table that can be read ({error}).") from error
    if not rows:
        raise Damaged(f"{printable(path)} is empty.")
    columns = {name.strip().lower(): number for number, name in enumerate(rows[0])}
    places = {key: next((columns[name] for name in names if name in columns), None) for key, names in _COLUMNS.items()}
    if places["path"] is None:
        raise Damaged(f"{printable(path)} has no column of paths; call one path, and others barcode, bytes, xxh128.")
    digests = {name: columns[name] for name in ALGORITHMS if name in columns}
    cartridges: dict[str, list[tuple[str, int, int, Mapping[str, str]]]] = {}
    for row in rows[1:]:
        inner = _cell(row, places["path"]).strip("/")
        name = serial or _cell(row, places["cartridge"]) or path.stem
        if inner:
            size = _cell(row, places["size"])
            found = {algorithm: _cell(row, place).lower() for algorithm, place in digests.items() if _cell(row, place)}
            cartridges.setdefault(name, []).append((inner, int(size) if size.isdigit() and len(size) < 19 else 0, 0, found))
    for name, files in cartridges.items():
        known = _BARCODE.fullmatch(name)
        yield _listed("" if known is None else known[0][:6], name, files, path)


def _cell(row: Sequence[str], place: int | None) -> str:
    return row[place].strip() if place is not None and place < len(row) else ""


_READERS = {
    ".xml": _index,
    ".schema": _index,
    ".csv": _table,
    **dict.fromkeys(checksum_lists.READERS, _hash_list),
}
"""Ending → how a file is read."""

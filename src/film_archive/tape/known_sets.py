"""What the manifests of a set tell of its cartridges that are not here: each cartridge names all files before it and behind it.

So one cartridge of a set is enough to say what is missing and on which barcode it lies, without a catalog. Of a set that is
written in drives, where the cartridge before is out when the next one is begun, the shelf keeps the newest manifest of each copy
(`sets/`), so that the same command goes on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from film_archive.core import files
from film_archive.core.errors import Damaged, FilmArchiveError
from film_archive.core.source import ByteSource, FileSource
from film_archive.tape.clip_facts import KEY as CLIP
from film_archive.tape.gathering import OWN
from film_archive.tape.holdings import Holding
from film_archive.tape.ltfs.tree import DIGEST_KEYS, TapeAttribute, TapeFile, Times
from film_archive.tape.set_manifest import SetEntry, SetHeader, manifest_path, next_manifest, read_manifest
from film_archive.tape.shelf import Shelf
from film_archive.tape.volumes import Membership, OpenTape

_CHUNK = 1 << 20
_KEPT = "sets"
"""The folder of a shelf for manifests of sets that are written in drives."""


@dataclass(slots=True)
class _Copy:
    """What is known of one copy of a set."""

    here: dict[int, Holding] = field(default_factory=dict)
    header: SetHeader | None = None
    """Of the manifest that was written last, among those that are here."""
    teller: Holding | None = None
    """The cartridge that has it."""

    @property
    def absent(self) -> set[int]:
        return set() if self.header is None else {*range(1, self.header.planned + 1)} - set(self.here)


class ToldSets:
    """Collects cartridges that are here, and then tells of those that are not."""

    def __init__(self) -> None:
        self._copies: dict[tuple[str, int], _Copy] = {}

    def add(self, holding: Holding, header: SetHeader | None = None) -> None:
        """Note a cartridge that is here or that a catalog knows, with the head of its newest manifest."""
        member = holding.membership
        if member is None:
            return
        copy = self._copies.setdefault((member.tape_id, member.copy), _Copy())
        copy.here[member.number] = holding
        if header is not None and (copy.header is None or _age(copy.header) < _age(header)):
            copy.header, copy.teller = header, holding

    def absent(self) -> Iterator[Holding]:
        """Cartridges that are neither here nor known otherwise, with their files as far as manifests name them.

        A file that was planned only, and is on a cartridge of another copy, is left to that.
        """
        held = {(tape_id, path, file.length) for (tape_id, _), copy in self._copies.items()
                for one in copy.here.values() for path, file in one.files.items()}  # fmt: skip
        for (tape_id, number), copy in self._copies.items():
            if copy.header is None or not copy.absent or copy.teller is None or copy.teller.address is None:
                continue
            listed: dict[int, dict[str, TapeFile]] = {one: {} for one in copy.absent}
            with OpenTape(copy.teller.address) as tape:
                for place, entry in enumerate(_entries(tape), 2):
                    known = bool(entry.digests) or (tape_id, entry.path, entry.size) not in held
                    if known and entry.number in listed:
                        listed[entry.number][entry.path] = _file(place, entry)
            for one, its in sorted(listed.items()):
                if its:
                    yield _holding(Membership(tape_id, one, number), copy.header, its)


def head_of_newest(tape: OpenTape) -> SetHeader | None:
    """The head of a cartridge's newest manifest; None where it has none that can be read."""
    path = _newest(tape)
    if path is None:
        return None
    try:
        with tape.open_file(path) as source:
            return read_manifest(_lines(source), path)[0]
    except FilmArchiveError:  # damaged: reading it back tells; another cartridge has the same
        return None


def _age(header: SetHeader) -> tuple[int, int, int]:
    """Manifests that were written later have a higher number, or name more files."""
    return header.number, header.planned, header.files


def _newest(tape: OpenTape) -> str | None:
    names = [path.rpartition("/")[2] for path, _ in tape.files() if path.startswith(f"{OWN}/")]
    number = next_manifest(names) - 1
    return manifest_path(number) if number else None


def _entries(tape: OpenTape) -> Iterator[SetEntry]:
    path = _newest(tape)
    if path is None:
        return
    with tape.open_file(path) as source:
        yield from read_manifest(_lines(source), path)[1]


def _lines(source: ByteSource) -> Iterator[bytes]:
    """Lines of a source, however it is cut into pieces; an endless one is cut where no reader takes it any more."""
    rest = b""
    for place in range(0, source.size, _CHUNK):
        rest += source.read_at(place, min(_CHUNK, source.size - place))
        *lines, rest = rest.split(b"\n")
        yield from lines
        if len(rest) > 2 * _CHUNK:
            raise Damaged(f"{source.name} has a line that no manifest has.")
    if rest:
        yield rest


def _file(uid: int, entry: SetEntry) -> TapeFile:
    said: Mapping[str, str] = {DIGEST_KEYS[name]: value for name, value in entry.digests.items() if name in DIGEST_KEYS}
    attributes = [TapeAttribute(key, value.encode()) for key, value in said.items()]
    if entry.clip:
        attributes.append(TapeAttribute(CLIP, entry.clip.encode()))
    return TapeFile(uid, entry.size, Times.all_of(entry.mtime_ns), (), tuple(attributes))


def _holding(membership: Membership, header: SetHeader, its: dict[str, TapeFile]) -> Holding:
    serial = _at(header.cartridges, membership.number)
    barcode = _at(header.barcodes, membership.number) or serial
    called = barcode or f"number {membership.number} of {membership.tape_id}"
    identity = f"{membership.tape_id}:{membership.copy}:{membership.number}"
    return Holding(serial or barcode[:6] or called, called, identity, membership, its)


def _at(names: Sequence[str], number: int) -> str:
    return names[number - 1] if number <= len(names) else ""


def keep_manifest(shelf: Shelf, tape: OpenTape, membership: Membership) -> None:
    """Keep a copy of a cartridge's newest manifest in the shelf."""
    path = _newest(tape)
    if path is not None:
        with tape.open_file(path) as source:
            data = source.read_at(0, source.size)
        files.make_folders(shelf.folder / _KEPT)
        files.write_atomically(_place(shelf, membership.tape_id, membership.copy), data, replace=True)


def kept_holdings(shelf: Shelf, tape_id: str, copies: int, known: Iterable[Holding] = ()) -> list[Holding]:
    """What the shelf's manifests tell to be on a set's cartridges, for those that are not `known` otherwise.

    Raises Damaged where one of them is not what was written.
    """
    others = {one.membership for one in known}
    found: list[Holding] = []
    for copy in range(1, copies + 1):
        place = _place(shelf, tape_id, copy)
        if not place.exists():
            continue
        listed: dict[int, dict[str, TapeFile]] = {}
        with FileSource(place) as source:
            header, entries = read_manifest(_lines(source), str(place))
            for uid, entry in enumerate(entries, 2):
                if entry.digests and entry.number:
                    listed.setdefault(entry.number, {})[entry.path] = _file(uid, entry)
        members = ((Membership(tape_id, number, copy), on) for number, on in sorted(listed.items()))
        found += (_holding(member, header, on) for member, on in members if member not in others)
    return found


def _place(shelf: Shelf, tape_id: str, copy: int) -> Path:
    return shelf.folder / _KEPT / f"{hashlib.sha256(tape_id.encode()).hexdigest()[:16]}-{copy}.jsonl"


def told_by(tapes: Iterable[tuple[Holding, SetHeader | None]], known: Iterable[Holding]) -> list[Holding]:
    """The cartridges of sets that are neither among those here (each with its newest manifest) nor known."""
    sets = ToldSets()
    for holding in known:
        sets.add(holding)
    for holding, header in tapes:
        sets.add(holding, header)
    return list(sets.absent())

"""A cartridge's own lists, written behind its files: an ASC MHL generation of what is new on it, the manifest of its set.

An attribute of the root says up to which file (by its number in the index) the hash lists go, so a run that was killed
before them is completed by the next one.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from film_archive.core.digest import KEY, MultiHasher
from film_archive.core.errors import NoSpace
from film_archive.tape.clip_facts import KEY as CLIP
from film_archive.tape.gathering import HISTORY, OWN
from film_archive.tape.hash_list import Listed, can_hold, next_generation
from film_archive.tape.ltfs.feeding import ALGORITHMS
from film_archive.tape.ltfs.tree import DIGEST_KEYS, TapeAttribute, TapeFile, Times
from film_archive.tape.records import TapeStep
from film_archive.tape.set_manifest import SetEntry, SetHeader, encode_manifest, manifest_path, next_manifest
from film_archive.tape.volumes import Membership, OpenTape

LISTED = "film_archive.listed"
UNLISTED_TIMES = 8 << 20
"""Bytes that lists take beside what each file has in them: whole records, headers, the chain."""
There = Mapping[str, tuple[str, TapeFile]]


@dataclass(frozen=True, slots=True)
class CopyCartridges:
    """The cartridges of one copy of a set, as far as they are known: number → serial, and number → barcode."""

    serials: Mapping[int, str]
    """Of those that are written by now."""
    barcodes: Mapping[int, str]
    """Of all, planned ones too."""
    planned: int
    """How many there are by the plan."""


def is_own(path: str) -> bool:
    """Whether a path on a cartridge is one of its lists and no file of the set."""
    return path.partition("/")[0] in (OWN, HISTORY)


def write_lists(
    tape: OpenTape,
    membership: Membership,
    there: There,
    planned: Sequence[TapeStep],
    cartridges: CopyCartridges,
) -> bool:
    """Write the lists of a cartridge and commit; False where nothing is new since the last ones.

    `there` are the files of this copy of the set on all cartridges, `planned` those that go on later ones.
    """
    on_tape = dict(tape.files())
    listed_up_to = _listed_up_to(tape)
    new = [
        (path, file)
        for path, file in on_tape.items()
        if file.uid > listed_up_to and file.target is None and not is_own(path)
    ]
    if not new:
        tape.commit("Folders and links")
        return False
    try:
        _write_history(tape, on_tape, new, membership)
        _write_manifest(tape, on_tape, membership, there, planned, cartridges)
    except NoSpace:
        tape.commit("Without lists: the cartridge is full")
        raise
    highest = max(file.uid for _, file in new)
    tape.set_root_attributes([TapeAttribute(LISTED, str(highest).encode())])
    tape.commit("Lists")
    return True


def _listed_up_to(tape: OpenTape) -> int:
    text = next((one.value.decode("ascii", "replace") for one in tape.root_attributes if one.key == LISTED), "0")
    return int(text) if text.isdigit() else 0


def _write_history(
    tape: OpenTape, on_tape: Mapping[str, TapeFile], new: Sequence[tuple[str, TapeFile]], membership: Membership
) -> None:
    history = {}
    for path in on_tape:
        if PurePosixPath(path).parent == PurePosixPath(HISTORY):
            with tape.open_file(path) as source:
                history[path.rpartition("/")[2]] = source.read_at(0, source.size)
    listed = (
        Listed(path, file.length, file.times.modified, file.digests[KEY])
        for path, file in new
        if KEY in file.digests and can_hold(path)
    )
    comment = f"Cartridge {membership.number} of {membership.tape_id}, copy {membership.copy}"
    for name, data in next_generation(history, listed, name=tape.serial, comment=comment).items():
        if name in history:  # the chain: what it was stays in older generations of the index
            tape.remove_file(f"{HISTORY}/{name}")
        _write(tape, f"{HISTORY}/{name}", [data])


def _write_manifest(
    tape: OpenTape,
    on_tape: Mapping[str, TapeFile],
    membership: Membership,
    there: There,
    planned: Sequence[TapeStep],
    cartridges: CopyCartridges,
) -> None:
    number_of = {serial: number for number, serial in cartridges.serials.items()}
    names = [path.rpartition("/")[2] for path in on_tape if path.startswith(f"{OWN}/")]
    files = [(path, serial, file) for path, (serial, file) in there.items() if file.target is None and not is_own(path)]
    header = SetHeader(
        tape_id=membership.tape_id,
        volser=tape.serial,
        number=membership.number,
        copy=membership.copy,
        cartridges=_by_number(cartridges.serials, max(cartridges.serials)),
        barcodes=_by_number(cartridges.barcodes, cartridges.planned),
        planned=cartridges.planned,
        files=len(files) + len(planned),
        bytes=sum(file.length for _, _, file in files) + sum(step.size for step in planned),
    )
    entries = (*(_entry(path, number_of.get(serial, 0), file) for path, serial, file in files), *map(_planned_entry, planned))
    _write(tape, manifest_path(next_manifest(names)), encode_manifest(header, entries))


def _by_number(found: Mapping[int, str], last: int) -> tuple[str, ...]:
    return tuple(found.get(number, "") for number in range(1, last + 1))


def _entry(path: str, number: int, file: TapeFile) -> SetEntry:
    clip = file.attribute(CLIP)
    return SetEntry(
        path=path, size=file.length, mtime_ns=file.times.modified, number=number, digests=file.digests,
        clip="" if clip is None else clip.decode("utf-8", "replace"),
    )  # fmt: skip


def _planned_entry(step: TapeStep) -> SetEntry:
    return SetEntry(path=step.path, size=step.size, mtime_ns=step.mtime_ns, number=step.cartridge, digests={})


def _write(tape: OpenTape, path: str, blocks: Iterable[bytes]) -> None:
    """Write a list with its digests, as every file on tape has them."""
    hasher = MultiHasher(ALGORITHMS)

    def digested() -> Iterable[bytes]:
        for block in blocks:
            hasher.update(block)
            yield block

    def attributes() -> list[TapeAttribute]:
        return [TapeAttribute(DIGEST_KEYS[name], value.encode()) for name, value in hasher.digests().items()]

    tape.writable.write_file(path, digested(), Times.all_of(time.time_ns()), attributes=attributes)

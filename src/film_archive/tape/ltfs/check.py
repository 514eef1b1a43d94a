"""Whether the structure of a cartridge is what LTFS asks for; stricter than the reference's `ltfsck`, and it changes nothing.

Labels byte for byte, how both partitions end, both copies of the newest index entry for entry, the chain of older ones,
the numbers of files, where extents lie, and what the cartridge's memory says. The bytes of files are not looked at; their
digests tell about those. What no copy can show (a changed sign of the maker's name in the memory, say) is not found.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

from film_archive.core.errors import Damaged, FilmArchiveError, NotSupported
from film_archive.core.source import printable
from film_archive.tape.drives.drive import DATA_PARTITION, INDEX_PARTITION, Drive, Mark
from film_archive.tape.ltfs.generations import generations
from film_archive.tape.ltfs.index import Index
from film_archive.tape.ltfs.label import Label
from film_archive.tape.ltfs.memory import (
    BARCODE,
    FORMAT_VERSION,
    VOLUME_NAME,
    Coherent,
    read_coherency,
    read_text,
)
from film_archive.tape.ltfs.mounting import (
    LABEL_END,
    Mounted,
    PartitionState,
    look_at_partition,
    mount_by_search,
    read_labels,
)
from film_archive.tape.ltfs.tree import TapeFile


@dataclass(frozen=True, slots=True)
class StructureProblem:
    """Something that is not as it should be; `path` is of a file or folder, where it is about one."""

    what: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class StructureReport:
    """What a check found. `label` and `index` are what could be read."""

    label: Label | None
    index: Index | None
    problems: tuple[StructureProblem, ...]

    @property
    def ok(self) -> bool:
        return not self.problems


def check_structure(drive: Drive) -> StructureReport:
    """Look at all that LTFS has written on a cartridge but the bytes of files.

    Raises only where the drive itself fails: a cartridge that can't be read at all is a report with problems.
    """
    problems: list[str] = []
    try:
        label, _ = read_labels(drive, problems)
    except (Damaged, NotSupported) as error:
        return StructureReport(None, None, (StructureProblem(str(error)),))
    problems.extend(_labels_differ(drive, label))
    try:
        mounted = mount_by_search(drive, label, problems)
    except (Damaged, NotSupported) as error:
        return StructureReport(label, None, _as_problems([*problems, str(error)]))
    index = mounted.newest.index
    states = [look_at_partition(drive, label, partition) for partition in (INDEX_PARTITION, DATA_PARTITION)]
    problems.extend(_copies_differ(states))
    problems.extend(_memory_differs(drive, label, mounted, states))
    problems.extend(_broken_chain(drive, label, index))
    found = [
        *_as_problems(problems),
        *_index_problems(states),
        *_misplaced(index, label, states),
    ]
    return StructureReport(label, index, tuple(found))


def _as_problems(sentences: list[str]) -> tuple[StructureProblem, ...]:
    return tuple(StructureProblem(sentence) for sentence in dict.fromkeys(sentences))


def _index_problems(states: list[PartitionState]) -> list[StructureProblem]:
    """What both copies of the index have against the format, once."""
    found = [one for state in states if state.newest is not None for one in state.newest.index.problems]
    return [StructureProblem(one.what, one.path) for one in dict.fromkeys(found)]


def _labels_differ(drive: Drive, label: Label) -> Iterator[str]:
    """Compare the labels' records byte for byte: what they say alike was compared when they were read."""
    records: list[list[bytes | Mark]] = []
    for partition in (INDEX_PARTITION, DATA_PARTITION):
        drive.locate(partition, 0)
        try:
            records.append([drive.read() for _ in range(LABEL_END)])
        except Damaged:
            return  # said already
    first, second = records
    if first[0] != second[0]:
        yield "The VOL1 labels of the two partitions differ."
    letters = [f"<partition>{letter}</partition>".encode() for letter in (label.index_partition, label.data_partition)]
    if isinstance(first[2], bytes) and isinstance(second[2], bytes) and first[2].replace(letters[0], letters[1]) != second[2]:
        yield "The LTFS labels of the two partitions differ in more than the partition that they are on."


_ALIKE = (
    *("updated", "volume_name", "creator", "comment", "version", "policy", "allow_policy_update", "unknown", "lock_state"),
    "attributes",
)
"""What both copies of an index say alike, beside their trees."""


def _copies_differ(states: list[PartitionState]) -> Iterator[str]:
    """Compare the two copies of one generation, entry for entry."""
    first, second = (state.newest for state in states)
    if first is None or second is None or first.index.generation != second.index.generation:
        return
    ours, theirs = first.index, second.index
    for name in _ALIKE:
        if getattr(ours, name) != getattr(theirs, name):
            yield f"The two copies of generation {ours.generation} differ in {name.replace('_', ' ')}."
    if ours.tree.root.folder != theirs.tree.root.folder or ours.tree.highest_uid != theirs.tree.highest_uid:
        yield f"The two copies of generation {ours.generation} differ in their root."
    for one, other in zip_longest(ours.tree.walk(), theirs.tree.walk()):
        if one != other:
            path = (one or other or ("",))[0]
            yield f"The two copies of generation {ours.generation} differ, first at {printable(path)}."
            return


def _memory_differs(drive: Drive, label: Label, mounted: Mounted, states: list[PartitionState]) -> Iterator[str]:
    coherent = read_coherency(drive, label)
    if isinstance(coherent, Coherent):
        for name, said, state in (("index", coherent.index, states[0]), ("data", coherent.data, states[1])):
            there = state.newest
            if there is None or (said.generation, said.block) != (there.index.generation, there.position.block):
                yield (
                    f"The cartridge's memory says that generation {said.generation} is at block {said.block} of the {name} "
                    "partition; it is not the last one there."
                )
    else:
        yield coherent
    index = mounted.newest.index
    name = read_text(drive, VOLUME_NAME)
    if name and not index.volume_name.startswith(name):  # it may have been too long for the memory
        yield f"The cartridge's memory has the volume name {name!r}, the index {index.volume_name!r}."
    version = read_text(drive, FORMAT_VERSION)
    if version and version != index.version:
        yield f"The cartridge's memory has the format version {version!r}, the index {index.version!r}."
    barcode = read_text(drive, BARCODE)
    ours = label.creator.startswith("film-archive")  # others write anything there
    if ours and barcode and not (label.serial and barcode.startswith(label.serial)):
        yield f"The cartridge's memory has the barcode {barcode!r}, the label the serial {label.serial!r}."


def _broken_chain(drive: Drive, label: Label, index: Index) -> Iterator[str]:
    if index.location is None:
        return
    try:
        for _ in generations(drive, label, index.location):
            pass
    except FilmArchiveError as error:
        if not isinstance(error, Damaged):
            raise
        yield str(error)


def _misplaced(index: Index, label: Label, states: list[PartitionState]) -> Iterator[StructureProblem]:
    """Extents that lie where no file's bytes can: in the label, behind the end, or over each other within records."""
    ends = {label.letter(partition): state.end for partition, state in enumerate(states)}
    starts: dict[str, list[tuple[int, int]]] = {letter: [] for letter in ends}
    for path, file in index.tree.all_files():
        yield from _odd_file(path, file)
        for extent in file.extents:
            end = extent.start_block + extent.blocks(label.block_size)
            if extent.partition not in ends:
                yield StructureProblem(f"It lies on partition {extent.partition}, which is not there", printable(path))
            elif extent.start_block < LABEL_END or end > ends[extent.partition]:
                yield StructureProblem(
                    f"It lies at blocks {extent.start_block} to {end} of partition {extent.partition}, outside of what is there",
                    printable(path),
                )
            elif extent.byte_count:
                starts[extent.partition].append((extent.start_block, end))
    for partition, state in enumerate(states):
        if state.newest is None:
            continue
        begin = state.newest.position.block - 1
        letter = label.letter(partition)
        if any(start < state.newest.end and end > begin for start, end in starts[letter]):
            yield StructureProblem(f"A file of partition {letter} lies where the index is")


def _odd_file(path: str, file: TapeFile) -> Iterator[StructureProblem]:
    if file.open_for_write:
        yield StructureProblem("It was not finished when the index was written", printable(path))
    if any(extent.byte_count == 0 for extent in file.extents):
        yield StructureProblem("It has an extent without bytes", printable(path))

"""Finding the newest index of a cartridge, and telling in what state its two partitions are.

LTFS Format Specification 2.4, 4 and 6: a partition is complete when it ends with an index; a volume is consistent when
both are, and the index partition's last index names the data partition's. What the cartridge's memory says is used to go
straight to the newest index, and is never believed without looking at it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from film_archive.core.errors import Damaged, FilmArchiveError, NotSupported
from film_archive.tape.drives.drive import DATA_PARTITION, INDEX_PARTITION, Drive, Mark, Position
from film_archive.tape.ltfs.index import Index
from film_archive.tape.ltfs.index_reader import read_index
from film_archive.tape.ltfs.label import Label, decode_label, decode_vol1
from film_archive.tape.ltfs.memory import Coherent, read_coherency
from film_archive.tape.ltfs.tree import Location

LABEL_END = 4
"""The first block behind the label: VOL1, filemark, LTFS label, filemark."""
_FAR = 1 << 62


@dataclass(frozen=True, slots=True)
class FoundIndex:
    """An index as it stands on a partition."""

    index: Index
    position: Position
    """Its first record."""
    end: int
    """The block behind the filemark that ends it, or behind its last record where it has none."""
    ended: bool
    """Whether a filemark ends it."""

    @property
    def records(self) -> int:
        return self.end - self.position.block - self.ended


@dataclass(frozen=True, slots=True)
class PartitionState:
    """How a partition ends."""

    end: int
    """Its end of data, or where reading ends."""
    has_end: bool
    """Whether its end of data is there."""
    newest: FoundIndex | None
    """Its last index that can be read."""
    unknown: str = ""
    """Where there is one of another format behind it: what that is."""

    @property
    def complete(self) -> bool:
        return self.has_end and self.newest is not None and self.newest.ended and self.newest.end == self.end


@dataclass(slots=True)
class Mounted:
    """A cartridge whose newest index is known."""

    label: Label
    newest: FoundIndex
    data_index: Location | None
    """Where the last index of the data partition begins; None where it has none."""
    index_location: int | None
    """Where the last index of the index partition begins."""
    index_end: int | None = None
    """The end of data of the index partition, where that was looked for."""
    problems: list[str] = field(default_factory=list)
    """What is not as it should be, in words."""
    by_memory: bool = False
    """Whether the cartridge's memory told where the newest index is."""
    consistent: bool = True
    """Whether both partitions end with an index of the same generation."""
    writable: bool = True
    """Whether it may be written to: not where what it says contradicts itself."""


def read_labels(drive: Drive, problems: list[str]) -> tuple[Label, bool]:
    """The label of a volume, from both partitions, and whether both have it.

    Raises Damaged where neither can be read or they contradict each other, NotSupported where it is not LTFS.
    """
    found: list[Label | None] = []
    errors: list[FilmArchiveError] = []
    for partition in (INDEX_PARTITION, DATA_PARTITION):
        try:
            label, letter = _read_label(drive, partition)
            if letter != label.letter(partition):
                raise Damaged(f"The label on partition {partition} says that it is partition {letter!r}.")
            found.append(label)
        except (Damaged, NotSupported) as error:
            found.append(None)
            errors.append(error)
            problems.append(f"The label of partition {partition} can't be used: {error}")
    whole = [label for label in found if label is not None]
    if not whole:
        if drive.partitions < 2:
            raise NotSupported(f"The cartridge in {drive.name} is not formatted for LTFS; format it first.") from errors[0]
        raise errors[0]
    if len(whole) == 2 and whole[0] != whole[1]:
        raise Damaged(
            f"The two labels of the cartridge in {drive.name} contradict each other: {_difference(whole[0], whole[1])}."
        )
    return whole[0], len(whole) == 2


def _difference(first: Label, second: Label) -> str:
    names = [name for name in Label.__slots__ if getattr(first, name) != getattr(second, name)]
    return "; ".join(f"{name} {getattr(first, name)!r} and {getattr(second, name)!r}" for name in names)


def _read_label(drive: Drive, partition: int) -> tuple[Label, str]:
    drive.locate(partition, 0)
    met = [drive.read() for _ in range(LABEL_END)]
    vol1, first, label, second = met
    if not (isinstance(vol1, bytes) and isinstance(label, bytes) and first is second is Mark.FILEMARK):
        raise Damaged(f"Partition {partition} of the cartridge in {drive.name} does not begin with an LTFS label.")
    return decode_label(label, decode_vol1(vol1))


def index_records(drive: Drive, position: Position) -> Iterator[bytes]:
    """The records from a position to the next filemark or the end of data."""
    drive.locate(*position)
    while isinstance(record := drive.read(), bytes):
        yield record


def read_index_at(drive: Drive, label: Label, position: Position) -> FoundIndex:
    """The index whose first record lies here.

    Raises Damaged where there is none of this volume, or where it says that it stands elsewhere.
    """
    name = f"The index at block {position.block} of partition {label.letter(position.partition)} in {drive.name}"
    index = read_index(index_records(drive, position), name)
    end = drive.position.block
    # Behind a filemark the drive stands one further than behind the last record: ask what was met.
    drive.locate(position.partition, end - 1)
    ended = drive.read() is Mark.FILEMARK
    if index.volume_uuid != label.volume_uuid:
        raise Damaged(f"{name} is of another volume.")
    if index.location != Location(label.letter(position.partition), position.block):
        raise Damaged(f"{name} says that it stands at {place_name(index.location)}.")
    _check_previous(index, label, name)
    return FoundIndex(index, position, end, ended)


def _check_previous(index: Index, label: Label, name: str) -> None:
    here, previous = index.location, index.previous
    if previous is None or here is None:
        return
    behind = previous.partition == here.partition and previous.block > here.block - 3
    if previous.partition != label.data_partition or previous.block < LABEL_END + 1 or behind:
        raise Damaged(f"{name} says that the one before it stands at {place_name(previous)}, where none can be.")


def place_name(location: Location | None) -> str:
    return "no place" if location is None else f"block {location.block} of partition {location.partition}"


def look_at_partition(drive: Drive, label: Label, partition: int) -> PartitionState:
    """How a partition ends: its end of data and the last index that can be read, searched from there back."""
    try:
        end, has_end = drive.locate_end(partition).block, True
    except Damaged:
        end, has_end = drive.locate(partition, _FAR).block, False
    return PartitionState(end, has_end, *_last_index(drive, label, partition, end))


def _last_index(drive: Drive, label: Label, partition: int, end: int) -> tuple[FoundIndex | None, str]:
    """The last index, and what a newer one is that can't be read because of its version."""
    unknown = ""
    drive.locate(partition, end)
    while drive.space_filemarks(-1) and (mark := drive.position.block) >= LABEL_END:
        if mark + 1 < end:
            try:
                return read_index_at(drive, label, Position(partition, mark + 1)), unknown
            except NotSupported as error:
                unknown = unknown or str(error)
            except Damaged:
                pass  # these are a file's records, or an index that was not finished: look further back
        drive.locate(partition, mark)
    return None, unknown


def mount(drive: Drive, *, writing: bool) -> Mounted:
    """Find the newest index of the volume in a drive.

    For writing the ends of both partitions are looked at too. Raises Damaged where there is no index, or nothing that
    can be trusted; NotSupported where it is no LTFS volume.
    """
    problems: list[str] = []
    label, both = read_labels(drive, problems)
    coherent = read_coherency(drive, label)
    if isinstance(coherent, Coherent) and both:
        mounted = _mount_by_memory(drive, label, coherent, problems, writing=writing)
        if mounted is not None:
            return mounted
    elif isinstance(coherent, str):
        problems.append(coherent)
    mounted = mount_by_search(drive, label, problems)
    mounted.writable = mounted.writable and both
    return mounted


def _mount_by_memory(
    drive: Drive, label: Label, coherent: Coherent, problems: list[str], *, writing: bool
) -> Mounted | None:
    """Go where the cartridge's memory says that the newest index is; None where that is not so."""
    index, data = coherent.index, coherent.data
    if index.generation < data.generation:
        return None  # the last commit was not finished
    try:
        newest = read_index_at(drive, label, Position(INDEX_PARTITION, index.block))
    except (Damaged, NotSupported) as error:
        problems.append(f"The cartridge's memory names a place where the index can't be read: {error}")
        return None
    data_index = Location(label.data_partition, data.block)
    if newest.index.generation != index.generation or newest.index.previous != data_index:
        problems.append("The cartridge's memory names an index that is not the one it describes.")
        return None
    mounted = Mounted(label, newest, data_index, index.block, problems=problems, by_memory=True)
    if writing:
        for partition, block in ((DATA_PARTITION, data.block), (INDEX_PARTITION, index.block)):
            end = drive.locate_end(partition).block
            if not drive.space_filemarks(-2) or drive.position.block + 1 != block:
                problems.append(f"Partition {partition} does not end with the index that the cartridge's memory names.")
                return None
        mounted.index_end = end
    return mounted


def mount_by_search(drive: Drive, label: Label, problems: list[str]) -> Mounted:
    """Find the newest index by looking at the ends of both partitions."""
    states = [look_at_partition(drive, label, partition) for partition in (INDEX_PARTITION, DATA_PARTITION)]
    index, data = states[0].newest, states[1].newest
    for partition, state in enumerate(states):
        problems.extend(_what_is_wrong(label.letter(partition), state))
    if index is None and data is None:
        raise Damaged(f"There is no index on the cartridge in {drive.name}; its files can't be told apart.")
    newest, consistent, contradiction = _newest(index, data)
    if contradiction:
        problems.append(contradiction)
    elif not consistent:
        problems.append(_stale(index, data))
    return Mounted(
        label=label,
        newest=newest,
        data_index=None if data is None else data.index.location,
        index_location=None if index is None else index.position.block,
        index_end=states[0].end,
        problems=problems,
        consistent=consistent and all(state.complete for state in states),
        writable=not contradiction and all(state.has_end and not state.unknown for state in states),
    )


def _what_is_wrong(letter: str, state: PartitionState) -> Iterator[str]:
    if not state.has_end:
        yield f"Partition {letter} has no end of data."
    if state.unknown:
        yield f"Partition {letter} has an index that only a later version reads: {state.unknown}"
    if state.newest is None:
        yield f"Partition {letter} has no index."
    elif not state.newest.ended:
        yield f"The last index of partition {letter} has no filemark behind it."
    elif state.newest.end < state.end:
        extra = state.end - state.newest.end
        yield f"Partition {letter} has {extra} blocks behind its last index, of a write that was not finished."


def _newest(index: FoundIndex | None, data: FoundIndex | None) -> tuple[FoundIndex, bool, str]:
    """(the newest index, whether both partitions agree, in words what contradicts itself)."""
    if index is None or data is None:
        found = index if index is not None else data
        assert found is not None
        return found, False, ""
    ours, theirs = index.index, data.index
    if ours.generation >= theirs.generation and ours.previous == theirs.location:
        return index, True, ""
    if ours.generation > theirs.generation:
        return index, False, (
            f"The index partition has generation {ours.generation}, whose copy at {place_name(ours.previous)} is not on the data "
            f"partition, which ends with generation {theirs.generation} at {place_name(theirs.location)}; the cartridge can be "
            "read, not written."
        )
    return data, False, ""


def _stale(index: FoundIndex | None, data: FoundIndex | None) -> str:
    if index is None or data is None:
        return f"Only the {'data' if index is None else 'index'} partition has an index."
    return f"The index partition has generation {index.index.generation}, the data partition {data.index.generation}."

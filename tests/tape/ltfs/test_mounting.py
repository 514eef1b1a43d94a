"""The negative table: what may be wrong with a cartridge, what then still opens, and that a check notices all of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import pytest

from film_archive.core.errors import Damaged, FilmArchiveError, NotSupported
from film_archive.tape.drives.drive import Attribute, Mark
from film_archive.tape.ltfs.check import check_structure
from tests.tape.making import (
    BLOCK,
    Bench,
    FolderBench,
    MemoryBench,
    content,
    contents,
    contents_of,
    format_volume,
    open_volume,
    put,
)

OLD = {"one": content(1, 2 * BLOCK + 5)}
ALL = {**OLD, "two": content(2, BLOCK)}


@lru_cache
def made() -> tuple[list[list[bytes | Mark]], dict[tuple[int, int], Attribute]]:
    """Records and memory of a cartridge. Generation 2 has one file, generation 3 two.

    Index partition: label, index at 5. Data partition: label, indexes at 5, 11, 15; files from 7 and 13.
    """
    bench = MemoryBench()
    with format_volume(bench) as volume:
        put(volume, "one", ALL["one"])
        volume.commit()
        put(volume, "two", ALL["two"])
    return [bench.records(0), bench.records(1)], dict(bench.cartridge.memory)


def make(bench: Bench) -> None:
    records, attributes = made()
    for partition in (0, 1):
        bench.rewrite(partition, list(records[partition]))
    for (partition, _), attribute in attributes.items():
        bench.put_attribute(partition, attribute)


Records = list[bytes | Mark | None]


def edit(partition: int, change: Callable[[Records], Records | None], *, end: bool = True) -> Callable[[Bench], None]:
    def act(bench: Bench) -> None:
        records: Records = list(bench.records(partition))
        changed = change(records)
        bench.rewrite(partition, records if changed is None else changed, end=end)

    return act


def in_last_index(old: bytes, new: bytes, *partitions: int) -> Callable[[Bench], None]:
    """Change the text of the last index of partitions (both, where none is named)."""

    def change(records: Records) -> None:
        place = max(number for number, record in enumerate(records) if isinstance(record, bytes) and b"<ltfsindex" in record)
        record = records[place]
        assert isinstance(record, bytes)
        assert old in record
        records[place] = record.replace(old, new)

    def act(bench: Bench) -> None:
        for partition in partitions or (0, 1):
            edit(partition, change)(bench)

    return act


def in_label(partition: int, place: int, old: bytes, new: bytes) -> Callable[[Bench], None]:
    def change(records: Records) -> None:
        record = records[place]
        assert isinstance(record, bytes)
        assert old in record
        records[place] = record.replace(old, new)

    return edit(partition, change)


def lost(block: int) -> Callable[[Records], None]:
    def change(records: Records) -> None:
        assert isinstance(records[block], bytes)
        records[block] = None

    return change


def memory(identifier: int, value: bytes | None, *partitions: int) -> Callable[[Bench], None]:
    def act(bench: Bench) -> None:
        for partition in partitions:
            bench.set_attribute(partition, identifier, value)

    return act


def both(*acts: Callable[[Bench], None]) -> Callable[[Bench], None]:
    def act(bench: Bench) -> None:
        for one in acts:
            one(bench)

    return act


@dataclass(frozen=True)
class Row:
    """What is done to a cartridge, what opens then for reading and writing (None: refused), and what a check says."""

    name: str
    act: Callable[[Bench], None]
    read: dict[str, bytes] | None
    write: dict[str, bytes] | None
    says: str


INCREMENTAL = (
    *(Mark.FILEMARK, b'<?xml version="1.0" encoding="UTF-8"?><ltfsincrementalindex version="2.5.0"/>', Mark.FILEMARK),
)
STALE = memory(0x09, b"\0\0\0\x63", 0)
INDEX_START = 4

TABLE = (
    Row("data partition without end", edit(1, lambda r: None, end=False), ALL, None, "b has no end of data"),
    Row("index partition without end", edit(0, lambda r: None, end=False), ALL, None, "a has no end of data"),
    Row("trailing filemark of data lost", edit(1, lambda r: r[:-1]), ALL, ALL, "b has no filemark behind it"),
    Row("trailing filemark of index lost", edit(0, lambda r: r[:-1]), ALL, ALL, "a has no filemark behind it"),
    Row("index of the index partition lost", edit(0, lambda r: r[:INDEX_START]), ALL, ALL, "Partition a has no index"),
    Row("index lost, a filemark left", edit(0, lambda r: r[: INDEX_START + 1]), ALL, ALL, "Partition a has no index"),
    Row("last index of data lost", edit(1, lambda r: r[:-3]), ALL, None, "read, not written"),
    Row("last index of data lost, memory stale", both(edit(1, lambda r: r[:-3]), STALE), ALL, None, "not on the data"),
    Row("all indexes lost", both(edit(0, lambda r: r[:4]), edit(1, lambda r: r[:4])), None, None, "no index on"),
    Row("blocks behind the last index", both(edit(1, lambda r: [*r, b"x" * 50]), STALE), ALL, ALL, "1 blocks behind"),
    Row("an incremental index (2.5) behind the last", edit(1, lambda r: [*r, *INCREMENTAL]), ALL, ALL, "3 blocks behind"),
    Row("half an index behind the last", edit(1, lambda r: [*r, Mark.FILEMARK, b"<?xml"]), ALL, ALL, "2 blocks behind"),
    Row(
        "self pointer of the index partition wrong",
        in_last_index(b"<partition>a</partition><startblock>5<", b"<partition>a</partition><startblock>6<", 0),
        ALL,
        ALL,
        "Partition a has no index",
    ),
    Row("labels' UUIDs differ", in_label(1, 2, b"<volumeuuid>", b"<volumeuuid>0"), ALL, None, "is not a volume's UUID"),
    Row("labels' block sizes differ", in_label(1, 2, b">4096<", b">8192<"), None, None, "contradict each other"),
    Row("labels' creators differ", in_label(1, 2, b"Python", b"Pithon"), None, None, "contradict each other"),
    Row("VOL1 in lower case", in_label(0, 0, b"FA0001", b"fa0001"), ALL, None, "not six of A-Z"),
    Row("VOL1s differ", in_label(0, 0, b"FA0001", b"FA0002"), None, None, "contradict each other"),
    Row("VOL1 blank", both(*(in_label(p, 0, b"FA0001", b" " * 6) for p in (0, 1))), ALL, ALL, "barcode"),
    Row("label of another kind", in_label(0, 0, b"LTFS ", b"TAR  "), ALL, None, "not for LTFS"),
    Row("both labels lost", both(edit(0, lost(2)), edit(1, lost(2))), None, None, "label|can't be read|no record"),
    Row("number of a file missing", in_last_index(b"<fileuid>3</fileuid>", b""), ALL, ALL, "no <fileuid>"),
    Row("flag missing", in_last_index(b"<readonly>false</readonly>", b""), ALL, ALL, "no <readonly>"),
    Row("time missing", in_last_index(b"backuptime>", b"vendortime>"), ALL, ALL, "no <backuptime>"),
    Row("unknown element", in_last_index(b"<highestfileuid>", b"<acme>1</acme><highestfileuid>"), ALL, ALL, ""),
    Row("time without a fraction", in_last_index(b".123456789Z", b"Z"), ALL, ALL, "nine digits"),
    Row("version 2.5.1", in_last_index(b'version="2.4.0"', b'version="2.5.1"'), ALL, ALL, "format version"),
    Row("version 3.0.0", in_last_index(b'version="2.4.0"', b'version="3.0.0"'), OLD, None, "only a later version reads.*3.0.0"),
    Row("a number twice", in_last_index(b"<fileuid>3<", b"<fileuid>2<"), ALL, ALL, "belongs to something else"),
    Row("number 1 on a file", in_last_index(b"<fileuid>2<", b"<fileuid>1<"), ALL, ALL, "belongs to something else"),
    Row("highest number too low", in_last_index(b"<highestfileuid>3<", b"<highestfileuid>2<"), ALL, ALL, "highest"),
    Row("an extent in the label", in_last_index(b"<startblock>7<", b"<startblock>2<"), None, None, "outside of what"),
    Row("an extent behind the end", in_last_index(b"<startblock>7<", b"<startblock>700<"), None, None, "outside of what"),
    Row("length less than the extents", in_last_index(b"<length>4096<", b"<length>96<"), None, None, "length says 96"),
    Row("another one before it", in_last_index(b"<startblock>11<", b"<startblock>9<", 1), ALL, ALL, "Partition b|no older index"),
    Row("change reference stale", STALE, ALL, ALL, "written to after"),
    Row("coherency information lost", memory(0x80C, None, 0), ALL, ALL, "no coherency information"),
    Row("coherency information too short", memory(0x80C, b"\x08", 1), ALL, ALL, "not one of LTFS"),
    Row("volume name in memory", memory(0x803, b"Shaw", 0), ALL, ALL, "volume name 'Shaw'"),
    Row("barcode in memory", memory(0x806, b"FA0002L8", 0), ALL, ALL, "barcode 'FA0002L8'"),
    Row("one name changed in one copy", in_last_index(b">one<", b">onf<", 1), ALL, ALL, "differ, first at"),
    Row("one digest changed in one copy", in_last_index(b"sha256sum</key>", b"sha256sun</key>", 1), ALL, ALL, "differ"),
    Row("data lost", edit(1, lost(8)), None, None, ""),
)


ROWS = pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)


@ROWS
def test_what_opens_for_reading(memory_bench: MemoryBench, row: Row) -> None:
    make(memory_bench)
    row.act(memory_bench)
    if row.read is None:
        with pytest.raises((Damaged, NotSupported)):
            contents_of(memory_bench)
    else:
        assert contents_of(memory_bench) == row.read


@ROWS
def test_what_opens_for_writing_is_in_order_afterwards(bench: Bench, row: Row) -> None:
    make(bench)
    row.act(bench)
    if row.write is None:
        with pytest.raises((Damaged, NotSupported)), open_volume(bench, writable=True) as volume:
            assert contents(volume) == ALL
        return
    with open_volume(bench, writable=True) as volume:
        put(volume, "new", b"new")
    assert contents_of(bench) == {**row.write, "new": b"new"}


@ROWS
def test_a_check_notices(memory_bench: MemoryBench, row: Row) -> None:
    make(memory_bench)
    row.act(memory_bench)
    with memory_bench.drive(writable=False) as drive:
        report = check_structure(drive)
    said = " | ".join(f"{problem.what} {problem.path}" for problem in report.problems)
    if row.says:
        assert re.search(row.says, said), said
        assert not report.ok


def test_a_whole_cartridge_has_no_problem(bench: Bench) -> None:
    make(bench)
    with bench.drive(writable=False) as drive:
        report = check_structure(drive)
    assert report.ok
    assert report.index is not None
    assert report.index.generation == 3


def test_a_mixed_up_cartridge_is_not_believed(folder_bench: FolderBench) -> None:
    """The memory of one cartridge in the folder of another: its coherency information is not used."""
    make(folder_bench)
    other = FolderBench(folder_bench.folder.with_name("other"))
    with format_volume(other) as volume:
        put(volume, "other", b"other")
    for name in ("attr_0_80c", "attr_1_80c", "attr_0_9"):
        (folder_bench.folder / name).write_bytes((other.folder / name).read_bytes())
    with open_volume(folder_bench) as volume:
        assert any("another volume" in problem for problem in volume.problems)
        assert contents(volume) == ALL


def test_an_index_of_another_volume_is_not_believed(bench: Bench) -> None:
    make(bench)
    foreign = b"0" * 8 + b"-0000-0000-0000-" + b"0" * 12
    index = bench.records(0)[5]
    assert isinstance(index, bytes)
    begin = index.index(b"<volumeuuid>") + 12
    in_last_index(index[begin : begin + 36], foreign)(bench)
    assert contents_of(bench) == OLD  # the newest one that is of this volume


def test_nothing_is_written_to_a_volume_that_grew_meanwhile(bench: Bench) -> None:
    make(bench)
    with open_volume(bench, writable=True) as volume:
        volume._data_end += 3
        with pytest.raises(FilmArchiveError, match="somebody else"):
            put(volume, "new", b"new")
        volume._dirty = False
    assert contents_of(bench) == ALL


def test_opening_does_not_search_where_the_memory_knows(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    make(bench)
    monkeypatch.setattr("film_archive.tape.ltfs.mounting.mount_by_search", None)
    assert contents_of(bench) == ALL
    with open_volume(bench, writable=True):
        pass

"""What every drive does alike: one suite for all of them."""

from __future__ import annotations

import pytest

from film_archive.core.errors import Damaged, NoSpace, Refused, UsageError
from film_archive.tape.drives.drive import Attribute, AttributeFormat, Drive, Mark, Position, Room
from tests.tape.making import Bench


def everything(drive: Drive, partition: int) -> list[bytes | Mark]:
    """All that a partition has, the end of data left out."""
    drive.locate(partition, 0)
    found = []
    while (record := drive.read()) is not Mark.END_OF_DATA:
        found.append(record)
    return found


def test_a_blank_cartridge_has_one_empty_partition(bench: Bench) -> None:
    with bench.drive() as drive:
        assert drive.partitions == 1
        assert drive.read() is Mark.END_OF_DATA
        assert drive.position == Position(0, 0)


def test_what_is_written_is_read_in_another_drive(bench: Bench) -> None:
    with bench.drive() as drive:
        drive.make_partitions()
        assert drive.partitions == 2
        drive.locate(1, 0)
        drive.write(b"one")
        drive.write_filemark()
        drive.write(memoryview(bytearray(b"x" * 5000)))
        assert drive.position == Position(1, 3)
        drive.flush()
    with bench.drive(writable=False) as drive:
        assert drive.partitions == 2
        assert everything(drive, 1) == [b"one", Mark.FILEMARK, b"x" * 5000]
        assert everything(drive, 0) == []
        assert drive.locate_end(1) == Position(1, 3)


def test_reading_into_a_buffer(bench: Bench) -> None:
    buffer = bytearray(10)
    with bench.drive() as drive:
        drive.make_partitions()
        drive.locate(1, 0)
        drive.write(b"one")
        drive.write_filemark()
        drive.write(b"x" * 11)
        drive.flush()
        drive.locate(1, 0)
        assert drive.read_into(memoryview(buffer)) == 3
        assert buffer[:4] == b"one\0"
        assert drive.read_into(memoryview(buffer)) is Mark.FILEMARK
        with pytest.raises(Damaged, match="more than"):
            drive.read_into(memoryview(buffer))
        assert drive.position == Position(1, 2)
        drive.read()
        assert drive.read_into(memoryview(buffer)) is Mark.END_OF_DATA


def test_reading_back_in_the_same_session(bench: Bench) -> None:
    with bench.drive() as drive:
        drive.make_partitions()
        drive.locate(1, 0)
        drive.write(b"one")
        drive.write(b"two")
        assert drive.locate(1, 1) == Position(1, 1)
        assert drive.read() == b"two"
        assert drive.read() is Mark.END_OF_DATA
        assert drive.position == Position(1, 2)


def test_locating_stops_at_the_end(bench: Bench) -> None:
    with bench.drive() as drive:
        drive.make_partitions()
        drive.locate(1, 0)
        drive.write(b"one")
        drive.flush()
        assert drive.locate(1, 1 << 61) == Position(1, 1)
        with pytest.raises(UsageError):
            drive.locate(2, 0)


def test_writing_drops_what_is_behind(bench: Bench) -> None:
    with bench.drive() as drive:
        drive.make_partitions()
        drive.locate(0, 0)
        for number in range(6):
            drive.write(bytes([number + 1]))
            drive.write_filemark()
        drive.locate(1, 0)
        drive.write(b"other partition")
        drive.locate(0, 3)
        drive.write(b"new")
        drive.flush()
    with bench.drive(writable=False) as drive:
        assert everything(drive, 0) == [b"\1", Mark.FILEMARK, b"\2", b"new"]
        assert everything(drive, 1) == [b"other partition"]


def test_spacing_over_filemarks(bench: Bench) -> None:
    with bench.drive() as drive:
        drive.make_partitions()
        drive.locate(1, 0)
        for record in (b"0", None, b"2", b"3", None, None, b"6"):
            drive.write(record) if record is not None else drive.write_filemark()
        drive.locate(1, 0)
        assert drive.space_filemarks(2)
        assert drive.position.block == 5
        assert drive.space_filemarks(-1)
        assert drive.position.block == 4
        assert drive.space_filemarks(0)
        assert drive.position.block == 4
        drive.locate_end(1)
        assert drive.space_filemarks(-3)
        assert drive.position.block == 1
        assert not drive.space_filemarks(-1)
        assert drive.position.block == 0
        assert not drive.space_filemarks(4)
        assert drive.position.block == 7


def test_records_have_bounds(bench: Bench) -> None:
    with bench.drive() as drive:
        drive.make_partitions()
        drive.locate(1, 0)
        with pytest.raises(UsageError):
            drive.write(b"")
        with pytest.raises(UsageError):
            drive.write(bytes(drive.block_limit + 1))
        drive.write(bytes(drive.block_limit))
        assert drive.position.block == 1


def test_attributes_are_kept(bench: Bench) -> None:
    attribute = Attribute(0x0803, AttributeFormat.TEXT, "Ü".encode())
    with bench.drive() as drive:
        assert drive.attribute(0, 0x0803) is None
        drive.set_attribute(0, attribute)
        drive.set_attribute(1, Attribute(0x0803, AttributeFormat.ASCII, b"other"))
    with bench.drive(writable=False) as drive:
        assert drive.attribute(0, 0x0803) == attribute
        assert drive.attribute(1, 0x0803) == Attribute(0x0803, AttributeFormat.ASCII, b"other")


def test_the_change_reference_tells_of_writing_since_the_coherency_information(bench: Bench) -> None:
    def reference() -> bytes:
        found = drive.attribute(0, 9)
        assert found is not None
        return found.value

    with bench.drive() as drive:
        drive.make_partitions()
        drive.locate(1, 0)
        drive.write(b"one")
        drive.flush()
        drive.set_attribute(0, Attribute(0x080C, AttributeFormat.BINARY, b"?"))
        before = reference()
        drive.set_attribute(1, Attribute(0x080C, AttributeFormat.BINARY, b"?"))
        drive.locate(1, 0)
        drive.read()
        assert reference() == before
        drive.write(b"two")
        drive.flush()
        after = reference()
        assert after != before
        drive.write(b"three")
        drive.flush()
        assert reference() == after


def test_room_gets_low_and_ends(bench: Bench) -> None:
    with bench.drive() as drive:
        drive.make_partitions()
        drive.locate(1, 0)
        met = [drive.room]
        while True:
            left = drive.capacity(1)
            assert left.before_warning <= left.remaining <= left.total
            assert (left.before_warning == 0) == (drive.room is not Room.AMPLE)
            try:
                drive.write(b"x")
            except NoSpace:
                break
            met.append(drive.room)
        assert met == sorted(met)
        assert {*met} == {Room.AMPLE, Room.LOW, Room.LAST}
        end = drive.position.block
        assert drive.capacity(1).remaining == 0
        drive.flush()
    with bench.drive(writable=False) as drive:
        assert drive.locate_end(1).block == end


def test_one_job_at_a_time(bench: Bench) -> None:
    with bench.drive() as drive:
        with pytest.raises(Refused, match="another job"):
            bench.drive()
        drive.close()
        drive.close()
        with bench.drive():
            pass


def test_opened_for_reading_nothing_is_written(bench: Bench) -> None:
    with bench.drive() as drive:
        drive.make_partitions()
        drive.locate(1, 0)
        drive.write(b"one")
        drive.flush()
    with bench.drive(writable=False) as drive:
        drive.locate(1, 0)
        for act in (lambda: drive.write(b"two"), drive.write_filemark, drive.make_partitions):
            with pytest.raises(Refused):
                act()
        with pytest.raises(Refused):
            drive.set_attribute(0, Attribute(1, AttributeFormat.BINARY, b"x"))
        assert everything(drive, 1) == [b"one"]


@pytest.mark.parametrize("data", [b"", b"\0\x09\0\0", b"\0\x09\0\0\5abcd", b"\0\x09\3\0\1a"])
def test_attributes_that_are_none(data: bytes) -> None:
    with pytest.raises(Damaged):
        Attribute.decode(data)


def test_attributes_are_coded_as_scsi_does() -> None:
    coded = Attribute(0x080B, AttributeFormat.ASCII, b"2.4.0 ").encode()
    assert coded == b"\x08\x0b\x01\x00\x062.4.0 "
    assert Attribute.decode(coded + b"behind") == Attribute(0x080B, AttributeFormat.ASCII, b"2.4.0 ")

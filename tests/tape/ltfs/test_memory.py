"""What LTFS keeps in a cartridge's memory."""

from __future__ import annotations

import pytest

from film_archive.core.errors import Damaged
from film_archive.tape.drives.drive import Attribute, AttributeFormat
from film_archive.tape.ltfs.label import Label
from film_archive.tape.ltfs.memory import (
    BARCODE,
    CHANGE_REFERENCE,
    COHERENCY,
    VOLUME_NAME,
    Coherency,
    Coherent,
    change_reference,
    read_coherency,
    read_text,
    write_coherency,
    write_host_attributes,
)
from tests.tape.making import NOW, MemoryBench

UUID = "cc8f6d52-a4bd-4985-8184-2c1c99d9ac88"
LABEL = Label("FA0001", UUID, NOW)
# As mkltfs and ltfs 2.4.5 left it on a cartridge: change reference 2, generation 2, block 9.
OF_THE_REFERENCE = bytes.fromhex(
    "080c0000460800000000000000020000000000000002000000000000000900"
    "2b4c5446530063633866366435322d613462642d343938352d383138342d32633163393964396163383800" + "01"
)


def test_coherency_information_is_the_references() -> None:
    attribute = Attribute.decode(OF_THE_REFERENCE)
    assert Coherency.decode(attribute) == Coherency(2, 2, 9, UUID)
    assert Coherency(2, 2, 9, UUID).encode().encode() == OF_THE_REFERENCE


@pytest.mark.parametrize(("place", "value"), [(0, 9), (26, 44), (27, 0x58), (68, 1), (69, 0), (69, 2)])
def test_coherency_information_of_others(place: int, value: int) -> None:
    data = bytearray(Attribute.decode(OF_THE_REFERENCE).value)
    data[place] = value
    with pytest.raises(Damaged):
        Coherency.decode(Attribute(COHERENCY, AttributeFormat.BINARY, bytes(data)))


def test_it_is_believed_only_of_an_unchanged_cartridge_of_this_volume(memory_bench: MemoryBench) -> None:
    with memory_bench.drive() as drive:
        assert read_coherency(drive, LABEL) == "The cartridge's memory has no coherency information."
        drive.make_partitions()
        write_coherency(drive, LABEL, 3, 5, 11)
        reference = change_reference(drive)
        assert reference is not None
        assert read_coherency(drive, LABEL) == Coherent(Coherency(reference, 3, 5, UUID), Coherency(reference, 3, 11, UUID))
        other = Label("FA0001", UUID.replace("c", "d"), NOW)
        assert "another volume" in str(read_coherency(drive, other))
        drive.locate(1, 0)
        drive.write(b"x")
        assert "written to after" in str(read_coherency(drive, LABEL))


@pytest.mark.parametrize("value", [b"\0\0\0\0", b"\xff\xff\xff\xff", None])
def test_a_drive_without_a_change_reference_gets_none(memory_bench: MemoryBench, value: bytes | None) -> None:
    with memory_bench.drive() as drive:
        if value is not None:
            drive.set_attribute(0, Attribute(CHANGE_REFERENCE, AttributeFormat.BINARY, value))
        assert change_reference(drive) is None
        write_coherency(drive, LABEL, 3, 5, 11)
        assert drive.attribute(0, COHERENCY) is None


def test_host_attributes(memory_bench: MemoryBench) -> None:
    with memory_bench.drive() as drive:
        write_host_attributes(drive, LABEL, "Ü" * 200, "FA0001L8")
        assert read_text(drive, BARCODE) == "FA0001L8"
        assert read_text(drive, VOLUME_NAME) == "Ü" * 79  # whole signs, and a NUL behind them
        assert read_text(drive, 0x999) == ""
        sizes = {identifier: len(attribute.value) for (_, identifier), attribute in memory_bench.cartridge.memory.items()}
        assert sizes == {
            0x800: 8, 0x801: 32, 0x802: 8, 0x803: 160, 0x805: 1, 0x806: 32, 0x808: 160, 0x80B: 16, 0x1623: 1,
        }

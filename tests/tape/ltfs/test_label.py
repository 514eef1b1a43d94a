"""Labels: byte for byte as the standard has them, and what is refused."""

from __future__ import annotations

import pytest

from film_archive.core.errors import Damaged, FilmArchiveError, NotSupported
from film_archive.tape.ltfs.label import Label, decode_label, decode_vol1, encode_label, encode_vol1
from tests.tape.making import NOW

LABEL = Label("FA0001", "a8f9cb21-3434-4951-a1d0-40c233ffcac2", NOW)


def test_vol1() -> None:
    record = encode_vol1(LABEL)
    assert record == b"VOL1FA0001L" + b" " * 13 + b"LTFS" + b" " * 9 + b" " * 14 + b" " * 28 + b"4"
    assert len(record) == 80
    assert decode_vol1(record) == "FA0001"
    assert decode_vol1(record.replace(b"FA0001", b"      ")) == ""


@pytest.mark.parametrize(
    ("record", "error"),
    [
        (b"", Damaged),
        (encode_vol1(LABEL)[:79], Damaged),
        (b"HDR1" + encode_vol1(LABEL)[4:], Damaged),
        (encode_vol1(LABEL).replace(b"FA0001", b"fa0001"), Damaged),
        (encode_vol1(LABEL).replace(b"FA0001", b"FA01  "), Damaged),
        (encode_vol1(LABEL).replace(b"FA0001", b"FA\xff001"), Damaged),
        (encode_vol1(LABEL).replace(b"LTFS", b"TAR "), NotSupported),
    ],
)
def test_vol1_of_others(record: bytes, error: type[FilmArchiveError]) -> None:
    with pytest.raises(error):
        decode_vol1(record)


def test_the_label() -> None:
    for letter in "ab":
        assert decode_label(encode_label(LABEL, letter), "FA0001") == (LABEL, letter)
    text = encode_label(LABEL, "b").decode()
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<ltfslabel version="2.4.0">')
    assert "<formattime>2026-11-18T11:06:40.123456789Z</formattime>" in text
    assert "<location><partition>b</partition></location>" in text


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("ltfslabel", "label", Damaged),
        ('version="2.4.0"', 'version="3.0.0"', NotSupported),
        ('version="2.4.0"', "", NotSupported),
        ("<index>a</index>", "<index>b</index>", Damaged),
        ("<index>a</index>", "<index>A</index>", Damaged),
        ("<index>a</index>", "", Damaged),
        ("524288", "1024", Damaged),
        ("524288", "99999999999999999999", Damaged),
        ("524288", "-1", Damaged),
        ("<volumeuuid>a8", "<volumeuuid>x8", Damaged),
        ("<formattime>2026", "<formattime>20-6", Damaged),
        ("<creator>", "<!DOCTYPE", Damaged),
        ("</ltfslabel>", "", Damaged),
    ],
)
def test_labels_of_others(old: str, new: str, error: type[FilmArchiveError]) -> None:
    text = encode_label(LABEL, "a").decode()
    assert old in text
    with pytest.raises(error):
        decode_label(text.replace(old, new).encode(), "FA0001")


def test_a_label_of_another_program() -> None:
    """As the reference writes it, with blanks between the elements."""
    text = """<?xml version="1.0" encoding="UTF-8"?>
<ltfslabel version="2.2.0">
    <creator>Other 1.0 - Linux - mkltfs</creator>
    <formattime>2016-11-21T16:41:38.515641767Z</formattime>
    <volumeuuid>CC8F6D52-a4bd-4985-8184-2c1c99d9ac88</volumeuuid>
    <location>
        <partition>i</partition>
    </location>
    <partitions>
        <index>i</index>
        <data>d</data>
    </partitions>
    <blocksize>524288</blocksize>
    <compression>true</compression>
</ltfslabel>
"""
    label, letter = decode_label(text.encode(), "")
    assert letter == "i"
    assert (label.index_partition, label.data_partition, label.compression, label.version) == ("i", "d", True, "2.2.0")
    assert label.volume_uuid == "cc8f6d52-a4bd-4985-8184-2c1c99d9ac88"

"""Volumes on both kinds of cartridge: what was committed is there, in order, whatever comes after it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from film_archive.core.errors import Damaged, NoSpace, NotFound, NotSupported, Refused, UsageError
from film_archive.tape.drives.drive import Room
from film_archive.tape.ltfs.check import check_structure
from film_archive.tape.ltfs.label import Label
from film_archive.tape.ltfs.tree import TapeAttribute, TapeExtent, TapeFile, TapeFolder, Times
from film_archive.tape.ltfs.volume import Volume
from tests.tape.making import (
    BLOCK,
    NOW,
    SERIAL,
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

FILES = {
    "reel 1/A001C001.mov": content(1, 3 * BLOCK + 17),
    "reel 1/A001C002.mov": content(2, 2 * BLOCK),
    "reel 2/sound/take 1.wav": content(3, 100),
    "notes.txt": b"",
}


def assert_sound(bench: Bench) -> None:
    with bench.drive(writable=False) as drive:
        assert check_structure(drive).problems == ()


@pytest.fixture
def written(bench: Bench) -> Bench:
    with format_volume(bench) as volume:
        for path, data in FILES.items():
            put(volume, path, data)
    return bench


def test_what_is_committed_is_read_in_another_session(written: Bench) -> None:
    assert contents_of(written) == FILES
    assert_sound(written)
    with open_volume(written) as volume:
        assert volume.problems == []
        assert (volume.label.serial, volume.index.volume_name, volume.index.generation) == (SERIAL, "Show", 2)
        assert [path for path, _ in volume.tree.walk()] == [
            *("reel 1", "reel 1/A001C001.mov", "reel 1/A001C002.mov"),
            *("reel 2", "reel 2/sound", "reel 2/sound/take 1.wav", "notes.txt"),
        ]
        file = volume.tree.file("reel 1/A001C001.mov")
        assert file.extents == (TapeExtent(0, "b", 7, 0, 3 * BLOCK + 17),)
        assert file.times == Times.all_of(NOW)
        assert volume.tree.file("notes.txt").extents == ()


def test_files_are_appended_behind_what_is_there(written: Bench) -> None:
    more = content(4, 5 * BLOCK)
    with open_volume(written, writable=True) as volume:
        put(volume, "reel 3/B.mov", more)
    with open_volume(written, writable=True) as volume:
        put(volume, "reel 3/C.mov", more[:7])
        volume.commit("by hand")
        volume.commit("nothing is new")
    assert contents_of(written) == {**FILES, "reel 3/B.mov": more, "reel 3/C.mov": more[:7]}
    assert_sound(written)
    with open_volume(written) as volume:
        assert volume.index.generation == 4
        assert volume.index.comment == "by hand"
        assert [one.number for one in volume.generations()] == [4, 3, 2, 1]


def test_older_generations_can_be_read(written: Bench) -> None:
    with open_volume(written, writable=True) as volume:
        volume.remove_file("notes.txt")
        put(volume, "notes.txt", b"other")
        put(volume, "more", b"more")
    for generation, expected in ((1, {}), (2, FILES), (3, {**FILES, "notes.txt": b"other", "more": b"more"})):
        with open_volume(written, generation=generation) as volume:
            assert contents(volume) == expected
            assert volume.index.generation == generation
    with pytest.raises(NotFound, match="it has 3, 2, 1"):
        open_volume(written, generation=9)


def test_rolling_back_loses_nothing(written: Bench) -> None:
    with open_volume(written, writable=True) as volume:
        put(volume, "more", b"more")
    with open_volume(written, writable=True) as volume:
        volume.roll_back(2)
        put(volume, "after", b"after")
        uid = volume.tree.file("after").uid
    assert contents_of(written) == {**FILES, "after": b"after"}
    with open_volume(written, generation=3) as volume:
        assert contents(volume) == {**FILES, "more": b"more"}
        assert uid > volume.tree.file("more").uid  # numbers are never given twice
    assert_sound(written)


def test_only_what_is_asked_for_is_read(written: Bench) -> None:
    with open_volume(written) as volume, volume.open_file("reel 1/A001C001.mov") as source:
        expected = FILES["reel 1/A001C001.mov"]
        assert source.read_at(BLOCK - 3, 6) == expected[BLOCK - 3 : BLOCK + 3]
        assert volume.bytes_read == 2 * BLOCK
        assert source.read_at(3 * BLOCK, 100) == expected[3 * BLOCK :]
        assert volume.bytes_read == 2 * BLOCK + 17
        assert source.slice(BLOCK, 20).read_at(0, 20) == expected[BLOCK : BLOCK + 20]


def test_links_and_attributes_and_folders(written: Bench) -> None:
    value = bytes(range(256))
    with open_volume(written, writable=True) as volume:
        volume.make_link("latest", "reel 1/A001C002.mov", Times.all_of(NOW))
        volume.make_folder("empty/folder", Times.all_of(NOW + 5), [TapeAttribute("acme.x", b" y ")])
        volume.set_attributes("", [TapeAttribute("acme.set", b"1 of 3")])
        volume.set_attributes("notes.txt", [TapeAttribute("acme.bytes", value), TapeAttribute("acme.text", "Ü<&>".encode())])
        volume.set_attributes("notes.txt", [TapeAttribute("acme.text", b"other")])
        with pytest.raises(NotFound):
            volume.set_attributes("nobody", [])
    with open_volume(written) as volume:
        link = volume.tree.file("latest")
        assert (link.target, link.length) == ("reel 1/A001C002.mov", 0)
        with pytest.raises(NotFound, match="link"):
            volume.open_file("latest")
        notes = volume.tree.file("notes.txt")
        assert (notes.attribute("acme.bytes"), notes.attribute("acme.text")) == (value, b"other")
        folder = volume.tree.get("empty/folder")
        assert isinstance(folder, TapeFolder)
        assert folder.attributes == (TapeAttribute("acme.x", b" y "),)
        assert volume.tree.root.folder.attributes == (TapeAttribute("acme.set", b"1 of 3"),)
    assert_sound(written)


def test_nothing_is_taken_twice(written: Bench) -> None:
    with open_volume(written, writable=True) as volume:
        for path in ("notes.txt", "reel 1", "notes.txt/below", "reel 1/A001C001.mov"):
            with pytest.raises(Refused):
                volume.new_file(path)
        with pytest.raises(NotSupported):
            volume.new_file("a\udcffb")
        with volume.new_file("open"), pytest.raises(UsageError):
            volume.new_file("another")
        with volume.new_file("open"), pytest.raises(UsageError):
            volume.commit()
    assert contents_of(written) == FILES


def write_and_fail(volume: Volume) -> None:
    with volume.new_file("broken") as new:
        new.write(bytes(3 * BLOCK))
        raise NotFound("The rest is gone.")


def test_a_dropped_file_is_not_on_the_volume(written: Bench) -> None:
    with open_volume(written, writable=True) as volume:
        with pytest.raises(NotFound):
            write_and_fail(volume)
        put(volume, "whole", b"whole")
    assert contents_of(written) == {**FILES, "whole": b"whole"}
    assert_sound(written)


def test_records_of_a_dropped_file_are_followed_by_an_index(written: Bench) -> None:
    with open_volume(written, writable=True) as volume, volume.new_file("broken") as new:
        new.write(bytes(3 * BLOCK))
    assert contents_of(written) == FILES
    assert_sound(written)


def test_a_full_cartridge_has_all_but_the_file_that_did_not_fit(bench: Bench) -> None:
    done: dict[str, bytes] = {}
    with format_volume(bench) as volume:
        for number in range(1000):
            data = content(number, 9 * BLOCK + number)
            room = volume.room
            if room < len(data) + BLOCK:
                with pytest.raises(NoSpace, match="Commit"):
                    put(volume, f"{number:04}", data)
                break
            put(volume, f"{number:04}", data)
            done[f"{number:04}"] = data
        else:
            pytest.fail("the cartridge never ends")
        assert volume.drive.room <= Room.LOW
        volume.commit("full")
    assert len(done) > 50
    assert contents_of(bench) == done
    assert_sound(bench)
    with open_volume(bench, writable=True) as volume:
        with pytest.raises(NoSpace):
            put(volume, "more", bytes(20 * BLOCK))
        volume.set_attributes("0000", [TapeAttribute("verified", b"yes")])
    assert contents_of(bench) == done


def test_a_data_partition_without_room_for_an_index(memory_bench: MemoryBench) -> None:
    with format_volume(memory_bench) as volume:
        put(volume, "file", b"file")
        total = memory_bench.cartridge.blocks[1]
        volume.drive.flush()
        memory_bench.cartridge.blocks = (32, volume._data_end + 1)
        with pytest.raises(NoSpace, match="index partition only"):
            volume.commit()
        memory_bench.cartridge.blocks = (32, total)
    assert contents_of(memory_bench) == {"file": b"file"}


def test_formatting_wants_a_yes_where_something_is(written: Bench) -> None:
    with written.drive() as drive:
        with pytest.raises(Refused, match="not blank"):
            Volume.format(drive, SERIAL, block_size=BLOCK)
        with pytest.raises(UsageError):
            Volume.format(drive, "lower1", erase=True, block_size=BLOCK)
        with pytest.raises(UsageError):
            Volume.format(drive, SERIAL, erase=True, block_size=1 << 24)
    assert contents_of(written) == FILES
    with written.drive() as drive, Volume.format(drive, "FA0002", erase=True, block_size=BLOCK):
        pass
    assert contents_of(written) == {}
    assert_sound(written)


def test_a_cartridge_that_is_not_ltfs(bench: Bench) -> None:
    with pytest.raises(NotSupported, match="format it first"):
        open_volume(bench)
    with bench.drive() as drive:
        drive.make_partitions()
        for partition in (0, 1):
            drive.locate(partition, 0)
            drive.write(b"something else")
    with pytest.raises((Damaged, NotSupported)):
        open_volume(bench)


def test_reading_leaves_a_cartridge_as_it_is(folder_bench: FolderBench) -> None:
    with format_volume(folder_bench) as volume:
        put(volume, "file", b"file")
    before = {path.name: path.stat() for path in folder_bench.folder.iterdir()}
    with open_volume(folder_bench) as volume:
        assert contents(volume) == {"file": b"file"}
        with pytest.raises(Refused, match="opened for reading"):
            volume.new_file("other")
        with pytest.raises(Refused):
            volume.commit()
    after = {path.name: path.stat() for path in folder_bench.folder.iterdir()}
    assert {name: (status.st_ino, status.st_mtime_ns) for name, status in after.items()} == {
        name: (status.st_ino, status.st_mtime_ns) for name, status in before.items()
    }


def test_write_protected(memory_bench: MemoryBench) -> None:
    with format_volume(memory_bench) as volume:
        put(volume, "file", b"file")
    memory_bench.cartridge.write_protected = True
    with pytest.raises(Refused, match="write-protected"):
        open_volume(memory_bench, writable=True)
    assert contents_of(memory_bench) == {"file": b"file"}


@pytest.mark.parametrize("kind", ["folder", "memory"])
def test_worm_cartridges_are_appended_to_and_never_overwritten(kind: str, tmp_path: Path) -> None:
    bench: Bench = MemoryBench() if kind == "memory" else FolderBench(tmp_path / "worm", worm=True)
    if isinstance(bench, MemoryBench):
        bench.cartridge.worm = True
    with format_volume(bench) as volume:
        put(volume, "one", b"one")
        volume.commit()
        put(volume, "two", b"two")
    with open_volume(bench, writable=True) as volume:
        put(volume, "three", b"three")
    assert contents_of(bench) == {"one": b"one", "two": b"two", "three": b"three"}
    assert_sound(bench)
    with bench.drive() as drive, pytest.raises(Refused, match="WORM"):
        Volume.format(drive, SERIAL, erase=True, block_size=BLOCK)
    assert contents_of(bench) == {"one": b"one", "two": b"two", "three": b"three"}


def test_a_locked_volume_is_not_written(bench: Bench) -> None:
    with format_volume(bench) as volume:
        put(volume, "one", b"one")
        volume.index = dataclasses.replace(volume.index, lock_state="permlocked")
    with pytest.raises(Refused, match="permlocked"):
        open_volume(bench, writable=True)
    assert contents_of(bench) == {"one": b"one"}


def test_files_on_the_index_partition_are_kept(bench: Bench) -> None:
    """Others put small files there; the next index then goes behind them, and never over them."""
    with format_volume(bench) as volume:
        drive, label = volume.drive, volume.label
        drive.locate(0, volume._index_start)
        drive.write(b"small")
        file = TapeFile(volume.tree.next_uid(), 5, Times.all_of(NOW), (TapeExtent(0, label.index_partition, 4, 0, 5),))
        volume.tree.add_file("small", file)
        volume._index_start = 5
        volume._dirty = True
    for number in range(2):
        with open_volume(bench, writable=True) as volume:
            put(volume, f"big {number}", b"big")
    assert contents_of(bench) == {"small": b"small", "big 0": b"big", "big 1": b"big"}
    assert_sound(bench)


def test_holes_shared_records_and_offsets_are_read(bench: Bench) -> None:
    """Extents as others write them: files packed into one record, sparse files, files that share data."""
    data = content(9, 2 * BLOCK + 100)
    with format_volume(bench) as volume:
        put(volume, "base", data)
        place = volume.tree.file("base").extents[0].start_block

        def add(path: str, length: int, *extents: TapeExtent) -> None:
            volume.tree.add_file(path, TapeFile(volume.tree.next_uid(), length, Times.all_of(NOW), extents))

        add("packed", 50, TapeExtent(0, "b", place + 1, BLOCK - 20, 50))
        add("sparse", 1000, TapeExtent(700, "b", place, 5, 100), TapeExtent(100, "b", place, 0, 10))
        add("holes only", 10)
    with open_volume(bench) as volume:
        found = contents(volume)
    assert found["packed"] == data[2 * BLOCK - 20 : 2 * BLOCK + 30]
    assert found["sparse"] == bytes(100) + data[:10] + bytes(590) + data[5:105] + bytes(200)
    assert found["holes only"] == bytes(10)
    assert_sound(bench)


def test_what_was_not_committed_is_not_there_after_an_error(written: Bench) -> None:
    def work() -> None:
        with open_volume(written, writable=True) as volume:
            put(volume, "more", bytes(9 * BLOCK))
            raise NotFound("The rest is gone.")

    with pytest.raises(NotFound):
        work()
    assert contents_of(written) == FILES
    with open_volume(written, writable=True) as volume:
        put(volume, "more", b"more")
    assert contents_of(written) == {**FILES, "more": b"more"}
    assert_sound(written)


def test_an_index_with_a_comment_longer_than_a_record(bench: Bench) -> None:
    comment = "<& " * 3000
    with format_volume(bench) as volume:
        put(volume, "one", b"one")
        volume.commit(comment)
        put(volume, "two", b"two")
    with open_volume(bench) as volume:
        assert [one.comment for one in volume.generations()] == ["", comment, "Format"]


def test_partitions_may_have_other_letters(bench: Bench) -> None:
    label = Label(SERIAL, "0" * 8 + "-0000-0000-0000-" + "0" * 12, NOW, index_partition="x", data_partition="c")
    assert (label.number("x"), label.number("c"), label.letter(1)) == (0, 1, "c")
    with pytest.raises(Damaged):
        label.number("a")

"""Every kind of source against plain bytes: places, slices, threads, and files that are not what they should be."""

from __future__ import annotations

import io
import os
import pickle
import random
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("hypothesis")

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from film_archive.core.errors import (
    FilmArchiveError,
    NotFound,
    NotSupported,
    Refused,
    ShortRead,
    SourceChanged,
    StorageError,
    UsageError,
)
from film_archive.core.source import (
    ByteSource,
    ConcatSource,
    Extent,
    FileSource,
    MemorySource,
    OpenRun,
    SliceSource,
    SourceFile,
    StreamSource,
    as_source,
    kind_of,
    printable,
)

DATA = random.Random(1).randbytes(10_000)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mov"
    path.write_bytes(DATA)
    return path


def split(data: bytes) -> ConcatSource:
    return ConcatSource(
        [MemorySource(data[:1]), MemorySource(b""), MemorySource(data[1:3000]), MemorySource(data[3000:])]
    )


KINDS: dict[str, Callable[[Path], ByteSource]] = {
    "file": FileSource,
    "memory": lambda path: MemorySource(path.read_bytes()),
    "slice": lambda path: MemorySource(b"xx" + path.read_bytes() + b"yyy").slice(2, path.stat().st_size),
    "slice of a slice": lambda path: MemorySource(b"xx" + path.read_bytes() + b"yyy").slice(1, 10_003).slice(1, 10_000),
    "concat": lambda path: split(path.read_bytes()),
    "slice of a concat": lambda path: split(b"x" + path.read_bytes()).slice(1, 10_000),
    "stream": lambda path: StreamSource(io.BytesIO(path.read_bytes())),
}


@pytest.fixture(params=KINDS)
def source(request: pytest.FixtureRequest, file: Path) -> Any:
    with KINDS[request.param](file) as opened:
        yield opened


# What all sources do


def test_reads_at_any_place(source: ByteSource) -> None:
    assert source.size == len(DATA)
    for offset, length in ((0, 10_000), (0, 1), (9999, 1), (9990, 100), (10_000, 5), (20_000, 5), (17, 0), (2995, 10)):
        assert source.read_at(offset, length) == DATA[offset : offset + length]
    assert source.read_at(5, -1) == b""
    with pytest.raises(UsageError):
        source.read_at(-1, 10)


def test_reads_into_a_buffer(source: ByteSource) -> None:
    buffer = bytearray(b"." * 20)
    assert source.read_into(9990, memoryview(buffer)) == 10
    assert bytes(buffer) == DATA[9990:] + b"." * 10
    assert source.read_into(10_000, memoryview(buffer)) == 0
    with pytest.raises(UsageError):
        source.read_into(-1, memoryview(buffer))


def test_a_slice_has_to_lie_inside(source: ByteSource) -> None:
    assert source.slice(10_000, 0).size == 0
    for offset, length in ((-1, 5), (0, 10_001), (10_001, 0), (5, -1)):
        with pytest.raises(ShortRead):
            source.slice(offset, length)
        with pytest.raises(ShortRead):
            source.slice(0, 10_000).slice(offset, length)


def test_many_threads_read_at_once(source: ByteSource) -> None:
    wrong: list[tuple[int, int]] = []

    def read(seed: int) -> None:
        places = random.Random(seed)
        for _ in range(150):
            offset, length = places.randrange(10_000), places.randrange(3000)
            if source.read_at(offset, length) != DATA[offset : offset + length]:
                wrong.append((offset, length))

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_opens_as_files_with_places_of_their_own(source: ByteSource) -> None:
    with source.open() as first, source.open() as second:
        assert first.read(10) == DATA[:10]
        assert second.read(4) == DATA[:4]
        assert first.tell() == 10
    assert source.read_at(0, 3) == DATA[:3]  # closing them closed nothing else


def test_works_as_a_buffered_file(source: ByteSource) -> None:
    with io.BufferedReader(source.open(), 64) as reader:  # type: ignore[type-var]  # it is a RawIOBase
        reader.seek(9000)
        assert reader.read() == DATA[9000:]


def test_unchanged_stays_quiet(source: ByteSource) -> None:
    source.check_unchanged()


@pytest.mark.parametrize("kind", [name for name in KINDS if name != "stream"])
def test_goes_to_another_process(kind: str, file: Path) -> None:
    with KINDS[kind](file) as source, pickle.loads(pickle.dumps(source)) as again:
        assert again.read_at(0, 20_000) == DATA
        assert (again.name, again.size) == (source.name, source.size)


def test_a_file_that_changed_does_not_go_to_another_process(file: Path) -> None:
    with FileSource(file) as source:
        packed = pickle.dumps(source)
    file.write_bytes(DATA + b"more")
    with pytest.raises(SourceChanged):
        pickle.loads(packed)


# Concatenation and slices against bytes


@given(st.lists(st.binary(max_size=20), max_size=8), st.data())
def test_concatenation_is_concatenation(parts: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(parts)
    source: ByteSource = ConcatSource([MemorySource(part) for part in parts])
    for _ in range(data.draw(st.integers(0, 3))):
        offset = data.draw(st.integers(0, len(whole)))
        length = data.draw(st.integers(0, len(whole) - offset))
        source, whole = source.slice(offset, length), whole[offset : offset + length]
    assert source.size == len(whole)
    offset, length = data.draw(st.integers(0, 200)), data.draw(st.integers(0, 200))
    assert source.read_at(offset, length) == whole[offset : offset + length]
    assert source.read_at(0, source.size) == whole


def test_a_part_that_breaks_its_promise_does_not_hang_the_whole() -> None:
    class Liar(ByteSource):
        name, size = "liar", 10

        def read_into(self, offset: int, buffer: memoryview) -> int:
            return 0

    with pytest.raises(ShortRead, match="liar"):
        ConcatSource([Liar(), MemorySource(b"x")]).read_at(0, 11)


# Extents


def test_extents_follow_slices_and_neighbours(file: Path) -> None:
    with FileSource(file) as source:
        assert source.extent() == Extent(file, 0, 10_000)
        assert source.slice(100, 50).slice(7, 5).extent() == Extent(file, 107, 5)
        joined = ConcatSource([source.slice(0, 10), source.slice(10, 5), MemorySource(b""), source.slice(15, 5)])
        assert joined.extent() == Extent(file, 0, 20)
        assert joined.extent().identity == source.identity  # type: ignore[union-attr]
        assert ConcatSource([source.slice(0, 10), source.slice(11, 5)]).extent() is None
        assert ConcatSource([source.slice(10, 10), source.slice(0, 10)]).extent() is None
        assert ConcatSource([source.slice(0, 10), MemorySource(b"x")]).extent() is None
    assert MemorySource(b"x").extent() is None
    assert MemorySource(b"x").slice(0, 1).extent() is None
    assert ConcatSource([]).extent() is None


def test_neighbours_of_two_files_under_one_name_are_not_one_run(file: Path) -> None:
    with FileSource(file) as old:
        file.rename(file.with_name("old"))
        file.write_bytes(DATA)
        with FileSource(file) as new:
            assert ConcatSource([old.slice(0, 10), new.slice(10, 10)]).extent() is None


# Files that are not what they should be


def test_folders_devices_and_links(tmp_path: Path) -> None:
    for path, kind, message in (
        (tmp_path, NotSupported, "a folder"),
        (Path("/dev/null"), NotSupported, "a device"),
        (tmp_path / "nothing", NotFound, "No such file"),
        (tmp_path / "nothing/below", NotFound, "No such file"),
        (tmp_path / ("x" * 300), NotSupported, "too long"),
        (tmp_path / "a\0b", NotFound, "no file can have this name"),
        (tmp_path / "a\ud800b", NotFound, "no file can have this name"),
    ):
        with pytest.raises(kind, match=message):
            FileSource(path)
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(Refused, match="symbolic links"):
        FileSource(loop)
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(NotFound):
        FileSource(tmp_path / "file" / "below")


def test_a_fifo_is_refused_at_once_and_its_writer_not_woken(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(NotSupported, match="FIFO"):
        FileSource(fifo)
    with pytest.raises(OSError, match="No such device"):  # ENXIO: there never was a reader
        os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)


def test_a_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path may have 104 bytes
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        with pytest.raises(NotSupported, match="a socket"):
            FileSource("socket")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(file: Path) -> None:
    file.chmod(0)
    with pytest.raises(Refused, match="Permission denied"):
        FileSource(file)


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/caf\xe9\n.mov"
    try:
        with open(name, "wb") as file:
            file.write(b"x")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    with FileSource(os.fsdecode(name)) as source:
        assert source.read_at(0, 1) == b"x"
        assert source.name.endswith("caf\\xe9\\n.mov")


def test_a_file_that_grows_is_read_at_its_first_size(file: Path) -> None:
    with FileSource(file) as source:
        with file.open("ab") as more:
            more.write(b"more")
        assert source.read_at(9_990, 100) == DATA[9_990:]
        with pytest.raises(SourceChanged, match="10000 bytes at first, 10004 now"):
            source.check_unchanged()
        with pytest.raises(SourceChanged):
            ConcatSource([MemorySource(b"x"), source.slice(0, 5)]).check_unchanged()


def test_a_file_that_shrinks_is_an_error(file: Path) -> None:
    with FileSource(file) as source:
        os.truncate(file, 5000)
        assert source.read_at(4990, 10) == DATA[4990:5000]
        with pytest.raises(ShortRead, match="byte 5000"):
            source.read_at(4990, 11)
        with pytest.raises(ShortRead):
            source.slice(6000, 10).read_at(0, 10)
        with pytest.raises(SourceChanged):
            source.check_unchanged()


def test_a_file_that_was_replaced_is_read_on(file: Path) -> None:
    with FileSource(file) as source:
        (file.parent / "new").write_bytes(b"other")
        (file.parent / "new").replace(file)
        assert source.read_at(0, 10_000) == DATA
        source.check_unchanged()


def test_reads_are_never_larger_than_the_system_takes(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    real = os.preadv

    def preadv(descriptor: int, buffers: list[memoryview], offset: int) -> int:
        asked.append(len(buffers[0]))
        return real(descriptor, [buffers[0][:7]], offset)  # and short reads are continued

    monkeypatch.setattr("film_archive.core.source._MOST_AT_ONCE", 1000)
    monkeypatch.setattr(os, "preadv", preadv)
    with FileSource(file) as source:
        assert source.read_at(3, 5000) == DATA[3:5003]
    assert max(asked) == 1000


def test_a_disk_that_fails_says_where(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def preadv(*arguments: object) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "preadv", preadv)
    with FileSource(file) as source, pytest.raises(StorageError, match=r"clip\.mov at byte 40: Input/output error"):
        source.read_at(40, 10)


def test_after_closing(file: Path) -> None:
    source = FileSource(file)
    source.close()
    source.close()
    for act in (lambda: source.read_at(0, 1), source.fileno, source.check_unchanged):
        with pytest.raises(StorageError, match="closed already"):
            act()


def test_nothing_stays_open(file: Path) -> None:
    if not Path("/dev/fd").is_dir():
        pytest.skip("no /dev/fd to count open files in")
    before = len(os.listdir("/dev/fd"))
    for _ in range(20):
        FileSource(file)
        with FileSource(file) as source:
            source.slice(0, 5)
        with pytest.raises(NotSupported):
            FileSource(file.parent)
    assert len(os.listdir("/dev/fd")) == before


def test_closing_in_mid_read_never_reads_another_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two parts of a read the source is closed and the next file is opened: it must not get the same number."""
    source = FileSource(file)
    other = file.with_name("other")
    other.write_bytes(b"!" * 10_000)
    opened: list[int] = []
    real = os.preadv

    def preadv(descriptor: int, buffers: list[memoryview], offset: int) -> int:
        if not opened:
            source.close()
            opened.append(os.open(other, os.O_RDONLY))
        return real(descriptor, [buffers[0][:100]], offset)

    monkeypatch.setattr(os, "preadv", preadv)
    try:
        assert source.read_at(0, 1000) == DATA[:1000]
    finally:
        os.close(opened[0])


# Streams and what else a caller may hand over


def test_a_stream_that_cannot_seek() -> None:
    reading, writing = os.pipe()
    with open(reading, "rb") as stream, pytest.raises(NotSupported, match="seekable"):
        StreamSource(stream)
    os.close(writing)


def test_streams_that_misbehave(file: Path) -> None:
    with file.open() as text, pytest.raises(UsageError, match="binary mode"):
        as_source(text)  # type: ignore[arg-type]
    with pytest.raises(NotSupported):
        as_source(object())  # type: ignore[arg-type]
    stream = io.BytesIO(DATA)
    source = StreamSource(stream, "bytes")
    stream.truncate(100)
    with pytest.raises(ShortRead, match="byte 100"):
        source.read_at(0, 200)
    stream.close()
    with pytest.raises(StorageError, match="closed file"):
        source.read_at(0, 10)

    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(StorageError, match="Input/output error"):
        StreamSource(Failing(DATA)).read_at(0, 10)

    class Dribbling(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(3)

    assert StreamSource(Dribbling(DATA)).read_at(5, 100) == DATA[5:105]


def test_as_source(file: Path) -> None:
    with file.open("rb") as stream:
        for what in (file, str(file), DATA, bytearray(DATA), memoryview(DATA), stream, MemorySource(DATA)):
            with as_source(what) as source:
                assert source.read_at(0, 20_000) == DATA


def test_the_names_of_kinds(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    assert kind_of((tmp_path / "link").lstat().st_mode) == "a symbolic link"
    assert kind_of(tmp_path.stat().st_mode) == "a folder"
    (tmp_path / "file").touch()
    assert kind_of((tmp_path / "file").stat().st_mode) == "a file"


@given(st.text(max_size=30) | st.binary(max_size=30).map(os.fsdecode))
def test_every_name_can_be_shown(name: str) -> None:
    shown = printable(name)
    assert shown.isprintable()
    shown.encode("utf-8")
    if name.isprintable():
        assert shown == name


@pytest.mark.parametrize("size", [0, 1, 100])
def test_memory_of_every_shape(size: int) -> None:
    data = bytes(range(size))
    for shape in (data, bytearray(data), memoryview(data), memoryview(bytearray(data))):
        assert MemorySource(shape).read_at(0, 200) == data
    assert MemorySource(memoryview(bytes(80)).cast("Q")).size == 80


# The file object against io.BytesIO


class FileTwins(RuleBasedStateMachine):
    """The same calls on both; BytesIO clamps seeks before the start, real files (and ours) refuse them."""

    @initialize(data=st.binary(max_size=100), cut=st.integers(0, 100))
    def begin(self, data: bytes, cut: int) -> None:
        self.size = len(data)
        source = ConcatSource([MemorySource(data[:cut]), MemorySource(data[cut:])])
        self.ours: Any = source.open()
        self.theirs: Any = io.BytesIO(data)

    @rule(size=st.none() | st.integers(-1, 150))
    def read(self, size: int | None) -> None:
        assert self.ours.read(size) == self.theirs.read(size)

    @rule(size=st.integers(0, 150))
    def readinto(self, size: int) -> None:
        ours, theirs = bytearray(size), bytearray(size)
        assert self.ours.readinto(ours) == self.theirs.readinto(theirs)
        assert ours == theirs

    @rule()
    def readall(self) -> None:
        assert self.ours.readall() == self.theirs.read()

    @rule(offset=st.integers(-150, 150), whence=st.sampled_from([os.SEEK_SET, os.SEEK_CUR, os.SEEK_END]))
    def seek(self, offset: int, whence: int) -> None:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self.theirs.tell(), os.SEEK_END: self.size}[whence]
        if base + offset < 0:
            with pytest.raises(ValueError, match="before the start"):
                self.ours.seek(offset, whence)
        else:
            assert self.ours.seek(offset, whence) == self.theirs.seek(offset, whence)

    @rule()
    def line(self) -> None:
        assert self.ours.readline() == self.theirs.readline()

    @rule()
    def tell(self) -> None:
        assert self.ours.tell() == self.theirs.tell()


FileTwins.TestCase.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
TestSourceFile = FileTwins.TestCase


def test_the_file_object_is_read_only_and_ends() -> None:
    file = SourceFile(MemorySource(DATA, "clip"))
    assert (file.readable(), file.seekable(), file.writable(), file.name) == (True, True, False, "clip")
    with pytest.raises(OSError, match="reading only"):
        file.write(b"x")
    with pytest.raises(ValueError, match="whence"):
        file.seek(0, 9)
    file.close()
    for act in (file.read, file.readall, file.tell, lambda: file.seek(0), lambda: file.readinto(bytearray(1))):
        with pytest.raises(ValueError, match="closed"):
            act()


def test_errors_of_sources_are_ours(file: Path) -> None:
    with pytest.raises(FilmArchiveError):
        SliceSource(MemorySource(b"abc"), 2, 2, "part")


def gathered(runs: list[OpenRun | bytes] | None) -> bytes:
    assert runs is not None
    return b"".join(run if isinstance(run, bytes) else os.pread(run.file.fileno(), run.length, run.offset) for run in runs)


@given(st.integers(0, 13_000), st.integers(0, 13_000))
def test_open_runs_are_the_same_bytes(tmp_path_factory: pytest.TempPathFactory, offset: int, length: int) -> None:
    path = tmp_path_factory.getbasetemp() / "runs.mov"
    path.write_bytes(DATA)
    with FileSource(path) as file:
        middle = file.slice(100, 5_000)
        parts = [MemorySource(b"head" * 10), middle, MemorySource(b""), file.slice(0, 10_000), MemorySource(b"tail")]
        mixed = ConcatSource(parts)
        for source in (file, middle, middle.slice(7, 4_000), mixed, MemorySource(DATA)):
            assert gathered(source.open_runs(offset, length)) == source.read_at(offset, length)
        with pytest.raises(UsageError):
            file.open_runs(-1, 5)


def test_runs_keep_their_file_open(file: Path) -> None:
    source = FileSource(file)
    runs = source.slice(5, 100).open_runs(10, 20)
    source.close()
    del source
    assert gathered(runs) == DATA[15:35]


def test_what_has_to_be_read_has_no_runs(file: Path) -> None:
    stream = StreamSource(io.BytesIO(DATA))
    assert stream.open_runs(0, 10) is None
    assert ConcatSource([MemorySource(b"x"), stream]).open_runs(0, 10) is None
    assert ConcatSource([MemorySource(b"x"), stream]).open_runs(0, 1) == [b"x"]

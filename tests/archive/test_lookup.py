"""Finding members in long manifests: as in a dict of them, in bounded memory."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("hypothesis")
from hypothesis import given
from hypothesis import strategies as st

from film_archive.archive import reader, sealing
from film_archive.archive.lookup import LineIndex
from film_archive.archive.reader import ZipArchive
from film_archive.archive.writer import ZipWriter
from film_archive.core.errors import NotFound
from film_archive.core.frame_table import SequenceName
from film_archive.core.manifest import Header, member_line
from film_archive.core.member import Member, Role
from film_archive.core.source import MemorySource
from tests.archive.making import MTIME_NS, make_archive, noise

PATHS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


@given(st.lists(PATHS, max_size=40), PATHS, st.integers(1, 1000))
def test_lookups_equal_those_in_a_dict(paths: list[str], other: str, chunk: int) -> None:
    members = {path: Member.make(path, Role.ORIGINAL, number, of='","role":') for number, path in enumerate(paths)}
    text = Header(archive_id="x").to_line() + b"".join(map(member_line, members.values()))
    index = LineIndex((text[at : at + chunk] for at in range(0, len(text), chunk)), MemorySource(text), 1)
    for path in (*paths, other):
        assert index.find(path) == members.get(path)


def test_a_long_archive_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = SequenceName("plates/a.", 4, ".dpx")
    path = tmp_path / "archive.zip"
    with ZipWriter.create(path) as archive:
        for number in range(50):
            archive.add(f"footage/{number}.mov", MemorySource(b"%d" % number), identity="1")
        for number in range(1001, 1011):
            source = MemorySource(noise(10, number))
            archive.add_frame(name.path(number), number, source, identity="1", mtime_ns=MTIME_NS, mode=0o644)
        archive.end_sequence(name)
        archive.finish()
    with ZipArchive(path) as short:
        expected = {member.path: member for member in short.members()}
        frame = short.member("plates/a.1005.dpx")
    monkeypatch.setattr(reader, "_CACHED_MEMBERS", 3)
    with ZipArchive(path) as long:
        for member_path, member in expected.items():
            assert long.member(member_path) == member
        assert long.member("plates/a.1005.dpx") == frame
        assert long.read("plates/a.1005.dpx") == noise(10, 1005)
        for missing in ("", "footage/50.mov", "plates/a.1011.dpx", "plates/a.%04d.dp"):
            with pytest.raises(NotFound):
                long.member(missing)
        assert long._by_path is None


def long_archive(path: Path, count: int) -> None:
    """An archive's end with that many members that have no bytes: what listing and lookup read."""

    def lines() -> Iterator[bytes]:
        yield Header(archive_id="long", members=count, bytes=0, offset=payload).to_line()
        for number in range(count):
            yield member_line(
                Member.make(
                    f"footage/reel_{number // 1000:04}/A001C{number:07}_240101_R1AB.mov",
                    Role.ORIGINAL,
                    0,
                    digests={"xxh128": noise(16, number).hex()},
                    crc32="00000000",
                    mtime_ns=MTIME_NS + number,
                    mode=0o644,
                )
            )

    make_archive(path, {})
    with path.open("r+b") as file:
        _, payload = sealing.manifest_place(4096)
        manifest, payload = sealing.write_manifest(file.fileno(), 4096, lines())
        sealing.write_directory(file.fileno(), [], manifest, payload)


@pytest.mark.nightly
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells a process's memory there")
def test_a_million_members_take_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "long.zip"
    long_archive(path, 1_000_000)
    script = (
        "import sys\n"
        "from film_archive.archive.reader import ZipArchive\n"
        "with ZipArchive(sys.argv[1]) as archive:\n"
        "    for number in (0, 1, 500_000, 999_999):\n"
        "        path = f'footage/reel_{number // 1000:04}/A001C{number:07}_240101_R1AB.mov'\n"
        "        assert archive.member(path).path == path\n"
        "    assert sum(1 for _ in archive.members()) == 1_000_000\n"
        # Not ru_maxrss: a process that was forked inherits its parent's.
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 200_000  # kB


def test_listing_does_not_hold_members(tmp_path: Path) -> None:
    path = tmp_path / "long.zip"
    long_archive(path, 20_000)
    with ZipArchive(path) as archive:
        tracemalloc.start()
        assert sum(1 for _ in archive.members()) == 20_000
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 12_000_000

"""Small archives for the tests: written by the real writer, from memory."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from film_archive.archive import layout, sealing
from film_archive.archive.check import CheckResult, check_archive
from film_archive.archive.reader import Archive, ZipArchive, open_archive
from film_archive.archive.writer import ZipWriter
from film_archive.core.manifest import Header
from film_archive.core.member import Role
from film_archive.core.source import MemorySource

MTIME_NS = 1_600_000_000_123_456_789


def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def put(archive: ZipWriter, members: Mapping[str, bytes]) -> None:
    for path, data in members.items():
        archive.add(path, MemorySource(data, path), identity=f"{path} {len(data)}", mtime_ns=MTIME_NS, mode=0o640)


def put_proxy(archive: ZipWriter, original: str, data: bytes) -> str:
    path = layout.proxy_path(original, "thumbnail")
    record = {"size": "thumbnail", "width": 320, "height": 180, "bit_rate": 500_000, "frames": 24}
    archive.add_bytes(path, data, identity=str(len(data)), role=Role.PROXY, of=original, proxy=record)
    return path


def make_archive(path: Path, members: Mapping[str, bytes]) -> Path:
    """An archive of one generation."""
    with ZipWriter.create(path) as archive:
        put(archive, members)
        archive.add_folder("empty folder", empty=True, mtime_ns=MTIME_NS, mode=0o750)
        archive.add_folder("footage", empty=False, mtime_ns=MTIME_NS, mode=0o755)
        archive.add_symlink("link", "footage/a.mov", mtime_ns=MTIME_NS)
        archive.finish()
    return path


FIRST = {"footage/a.mov": noise(300, 1), "footage/ü.wav": noise(600, 2), "zero": b""}
SECOND = {"day2/b.mov": noise(400, 3)}


def make_two_generations(path: Path) -> Path:
    """A first generation with a proxy, a second with another member and a new proxy in the place of the old one."""
    with ZipWriter.create(path) as archive:
        put(archive, FIRST)
        put_proxy(archive, "footage/a.mov", b"old proxy " * 20)
        archive.add_folder("empty folder", empty=True, mtime_ns=MTIME_NS, mode=0o750)
        archive.add_symlink("link", "footage/a.mov", mtime_ns=MTIME_NS)
        archive.finish()
    with ZipWriter.add_to(path) as archive:
        put(archive, SECOND)
        archive.drop(layout.proxy_path("footage/a.mov", "thumbnail"))
        put_proxy(archive, "footage/a.mov", b"new proxy " * 20)
        archive.finish()
    return path


def contents(path: Path) -> dict[str, bytes]:
    """All that can be read in an archive, by path."""
    with open_archive(path) as archive:
        return read_all(archive)


def read_all(archive: Archive) -> dict[str, bytes]:
    return {m.path: archive.read(m.path) for m in archive.members() if m.role not in (Role.FOLDER, Role.SYMLINK)}


def check(path: Path) -> CheckResult:
    with open_archive(path) as archive:
        return check_archive(archive)


def sealed_zip(path: Path, lines: list[bytes], header: dict[str, Any] | None = None) -> Path:
    """An archive whose manifest has these lines, and a seal that holds."""
    path.unlink(missing_ok=True)
    make_archive(path, FIRST)
    with ZipArchive(path) as archive:
        assert archive.manifest_entry is not None
        position = archive.manifest_entry.header_offset
    with path.open("r+b") as file:
        file.truncate(position)
        _, payload = sealing.manifest_place(position)
        first = json.loads(Header(archive_id="x", members=len(lines), offset=payload).to_line())
        first.update(header or {})
        manifest, payload = sealing.write_manifest(
            file.fileno(), position, [json.dumps(first).encode() + b"\n", *(line + b"\n" for line in lines)]
        )
        sealing.write_directory(file.fileno(), [], manifest, payload)
    return path


class Layout:
    """Which bytes of an archive are what."""

    def __init__(self, path: Path) -> None:
        self.data = path.read_bytes()
        with ZipArchive(path) as archive:
            header, manifest = archive.header, archive.manifest_entry
            assert header is not None
            assert header.offset is not None
            assert manifest is not None
            self.payloads = {
                at
                for member in archive.members()
                if member.offset is not None
                for at in range(member.offset, member.offset + member.packed_size)
            }
            self.manifest = set(range(header.offset, header.offset + manifest.packed_size))
            self.superseded = {
                at for region in header.superseded for at in range(region.offset, region.offset + region.length)
            }

    def flipped(self, at: int) -> bytes:
        """The archive with one byte changed, in one bit or in all."""
        changed = bytearray(self.data)
        changed[at] ^= (1 << at % 8) if at % 3 else 0xFF
        return bytes(changed)

    def worth_flipping(self, gap_step: int) -> list[int]:
        """All bytes, but of a gap only its ends and every so many of its zeros."""
        used = self.payloads | self.manifest | self.superseded

        def inside_gap(at: int) -> bool:
            around = self.data[max(0, at - 24) : at + 24]
            return at not in used and not any(around)

        return [at for at in range(len(self.data)) if at % gap_step == 0 or not inside_gap(at)]


def check_bytes(data: bytes) -> CheckResult:
    with ZipArchive("archive.zip", MemorySource(data, "archive.zip")) as archive:
        return check_archive(archive)


def leftovers(target: Path) -> set[str]:
    """Names beside an archive that are not its own."""
    return {place.name for place in target.parent.iterdir()} - {target.name}



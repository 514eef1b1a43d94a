"""docs/archive-format.md is enough to write an archive: done here by hand, with nothing of ours, and read by our reader.

What is written follows the page alone. It comes out as our own writer writes it, byte for byte.
"""

from __future__ import annotations

import base64
import json
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest

xxhash = pytest.importorskip("xxhash")

from film_archive.archive.folder import FolderWriter
from film_archive.archive.reader import ZipArchive, open_archive
from film_archive.archive.repair import repair_archive
from film_archive.archive.writer import ZipWriter
from film_archive.core.frame_table import SequenceName
from film_archive.core.member import Role
from film_archive.core.source import MemorySource
from tests.archive.making import check, leftovers, noise

MTIME_NS = 1_600_000_001_123_456_789
FORMAT = (
    b"film-archive 1\n"
    b"This is an archive of film media: a ZIP that any unzip program opens, or a folder.\n"
    b"Media are stored as they were. .film-archive/manifest.jsonl lists them with digests and facts,\n"
    b".film-archive/proxies holds small versions of them, .film-archive/frames where each frame lies.\n"
)
EPOCH_NS = 315_532_800 * 10**9
FILES = {"day/a.mov": noise(9000, 1), "day/ü.wav": noise(100, 2), "zero": b""}
FRAMES = {7: noise(50, 7), 8: noise(5000, 8), 10: noise(60, 10)}


def h128(data: bytes) -> str:
    return xxhash.xxh3_128_hexdigest(data)  # type: ignore[no-any-return]


def line(record: dict[str, Any]) -> bytes:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


class Hand:
    """A zip as the page says, piece by piece. `members` are the lines so far, `directory` the entries."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.directory = bytearray()
        self.lines: list[dict[str, Any]] = []
        self.count = 0

    def put(self, path: str, data: bytes, mtime_ns: int, mode: int, *, aligned: bool, method: int = 0) -> tuple[int, int]:
        """Gap, local header, payload; (payload's place, CRC-32)."""
        name, crc, packed = path.encode(), zlib.crc32(data), data
        if method == 8:
            packer = zlib.compressobj(6, zlib.DEFLATED, -15)
            packed = packer.compress(data) + packer.flush()
        seconds = mtime_ns // 10**9
        extra = struct.pack("<2HBl", 0x5455, 5, 1, seconds)
        payload = len(self.data) + 30 + len(name) + len(extra)
        if aligned:
            payload = (payload + 4095) // 4096 * 4096
        start = payload - 30 - len(name) - len(extra)
        flags = 0 if name.isascii() else 0x0800
        common = struct.pack("<2H2H", flags, method, *self.dos(seconds)) + struct.pack(
            "<3L2H", crc, len(packed), len(data), len(name), len(extra)
        )
        self.data += bytes(start - len(self.data)) + b"PK\3\4" + struct.pack("<H", 20) + common + name + extra + packed
        attributes = mode << 16 | (0x10 if path.endswith("/") else 0)
        self.directory += b"PK\1\2" + bytes([45, 3]) + struct.pack("<H", 20) + common
        self.directory += struct.pack("<3H2L", 0, 0, 0, attributes, start) + name + extra
        self.count += 1
        return payload, crc

    @staticmethod
    def dos(seconds: int) -> tuple[int, int]:
        import time

        at = time.gmtime(seconds)
        return at.tm_hour << 11 | at.tm_min << 5 | at.tm_sec // 2, (at.tm_year - 1980) << 9 | at.tm_mon << 5 | at.tm_mday

    def member(self, path: str, role: str, data: bytes, mtime_ns: int = MTIME_NS, mode: int = 0o640, **more: Any) -> None:
        aligned = len(data) > 0 and role != "structure"
        payload, crc = self.put(path, data, mtime_ns, 0o100000 | mode, aligned=aligned)
        self.lines.append(
            {"path": path, "role": role, "size": len(data), **more, "digests": {"xxh128": h128(data)}, "crc32": f"{crc:08x}",
             "mtime_ns": mtime_ns, "mode": mode, "offset": payload}
        )  # fmt: skip

    def end(self, tool: str) -> bytes:
        """Manifest, directory and sealed end."""
        name = ".film-archive/manifest.jsonl"
        start = len(self.data)
        header = {
            "film_archive": "manifest", "schema_version": 1, "archive_id": self.archive_id(), "generation": 1,
            "members": len(self.lines), "bytes": sum(member["size"] for member in self.lines),
            "offset": start + 30 + len(name) + 9, "tool": tool, "superseded": [],
        }  # fmt: skip
        text = b"".join(map(line, [header, *self.lines]))
        self.put(name, text, EPOCH_NS, 0o100644, aligned=False, method=8)
        directory_at = len(self.data)
        self.data += self.directory
        seal = h128(bytes(self.data[start:])).encode()
        comment = b"film-archive 1 " + seal
        self.data += b"PK\5\6" + struct.pack(
            "<4H2LH", 0, 0, self.count, self.count, len(self.directory), directory_at, len(comment)
        )
        return bytes(self.data) + comment

    def archive_id(self) -> str:
        originals = [member for member in self.lines if member["role"] == "original"]
        text = "".join(f"{member['path']}\0{member['digests']['xxh128']}\n" for member in originals)
        return h128(text.encode())


def column(numbers: list[int]) -> bytes:
    """Zigzag numbers, plane by plane."""
    zigzags = [((number << 1) ^ (number >> 63)) & (1 << 64) - 1 for number in numbers]
    return b"".join(bytes(zigzag >> 8 * plane & 0xFF for zigzag in zigzags) for plane in range(8))


def steps(numbers: list[int]) -> list[int]:
    return [number - before for number, before in zip(numbers, [0, *numbers], strict=False)]


def table(offsets: list[int]) -> str:
    columns = [
        list(FRAMES), [len(data) for data in FRAMES.values()], offsets, [zlib.crc32(data) for data in FRAMES.values()],
        [MTIME_NS] * len(FRAMES), [0o644] * len(FRAMES),
    ]  # fmt: skip
    body = b"".join(column(steps(numbers)) for numbers in columns)
    body += b"".join(bytes.fromhex(h128(data)) for data in FRAMES.values())
    return base64.b85encode(zlib.compress(body)).decode()


def sequence_line(offsets: list[int]) -> dict[str, Any]:
    digests = b"".join(bytes.fromhex(h128(data)) for data in FRAMES.values())
    return {
        "path": "take/f.%04d.dpx", "role": "original", "size": sum(map(len, FRAMES.values())),
        "sequence": {"prefix": "take/f.", "digits": 4, "suffix": ".dpx", "count": len(FRAMES)},
        "digests": {"xxh128": h128(digests)}, "mtime_ns": MTIME_NS, "table": table(offsets),
    }  # fmt: skip


LINK = {"path": "link", "role": "symlink", "size": 0, "mtime_ns": MTIME_NS, "target": "day/a.mov"}


def by_hand(tool: str) -> bytes:
    hand = Hand()
    hand.member(".film-archive/format", "structure", FORMAT, EPOCH_NS, 0o644)
    for path, data in FILES.items():
        hand.member(path, "original", data)
    offsets = [
        hand.put(f"take/f.{number:04d}.dpx", data, MTIME_NS, 0o100644, aligned=True)[0] for number, data in FRAMES.items()
    ]
    hand.lines.append(sequence_line(offsets))
    payload, _ = hand.put("empty/", b"", MTIME_NS, 0o40750, aligned=False)
    hand.lines.append(
        {"path": "empty", "role": "folder", "size": 0, "crc32": "00000000", "mtime_ns": MTIME_NS, "mode": 0o750,
         "offset": payload}
    )  # fmt: skip
    hand.lines.append(LINK)
    return hand.end(tool)


def put_all(archive: ZipWriter | FolderWriter) -> None:
    for path, data in FILES.items():
        archive.add(path, MemorySource(data, path), identity=path, mtime_ns=MTIME_NS, mode=0o640)
    for number, data in FRAMES.items():
        path = f"take/f.{number:04d}.dpx"
        archive.add_frame(path, number, MemorySource(data, path), identity=path, mtime_ns=MTIME_NS, mode=0o644)
    archive.end_sequence(SequenceName("take/f.", 4, ".dpx"))
    archive.add_folder("empty", empty=True, mtime_ns=MTIME_NS, mode=0o750)
    archive.add_symlink("link", "day/a.mov", mtime_ns=MTIME_NS)


def ours(path: Path) -> bytes:
    with ZipWriter.create(path) as archive:
        put_all(archive)
        archive.finish()
    return path.read_bytes()


def test_a_zip_written_by_the_document(tmp_path: Path) -> None:
    path = tmp_path / "hand.zip"
    path.write_bytes(by_hand("a second program 2.0"))
    assert check(path).ok, check(path).problems
    found = contents_of_all(path)
    assert found == {**FILES, **{f"take/f.{n:04d}.dpx": data for n, data in FRAMES.items()}, ".film-archive/format": FORMAT}
    with ZipArchive(path) as archive:
        assert archive.sealed
        assert archive.member("link").target == "day/a.mov"
        assert archive.member("empty").mode == 0o750
        assert archive.member("take/f.0008.dpx").size == 5000
    before = path.read_bytes()
    assert repair_archive(path).done == ()
    assert path.read_bytes() == before
    with ZipWriter.add_to(path) as archive:
        archive.add("more", MemorySource(b"more"), identity="1")
        archive.finish()
    assert check(path).ok
    assert contents_of_all(path) == {**found, "more": b"more"}


def contents_of_all(path: Path) -> dict[str, bytes]:
    with ZipArchive(path) as archive:
        parts = [part for member in archive.members() for part in (member.frame_members() if member.sequence else [member])]
        return {part.path: archive.read(part.path) for part in parts if part.role not in (Role.FOLDER, Role.SYMLINK)}


def test_it_is_what_our_writer_writes(tmp_path: Path) -> None:
    written = ours(tmp_path / "ours.zip")
    with ZipArchive(tmp_path / "ours.zip") as archive:
        assert archive.header is not None
        tool = archive.header.tool
        lines = [member.to_json() for member in archive.members()]
    hand = by_hand(tool)
    with ZipArchive("hand.zip", MemorySource(hand, "hand.zip")) as archive:
        assert [member.to_json() for member in archive.members()] == lines
    manifest = b".film-archive/manifest.jsonl"
    # Up to the manifest byte for byte; in it, keys may stand in another order, which changes seal and CRC.
    assert hand[: hand.index(manifest) - 30] == written[: written.index(manifest) - 30]


def test_a_damaged_copy_of_it_is_mended(tmp_path: Path) -> None:
    """The rules of repair hold for what others wrote, too."""
    path = tmp_path / "hand.zip"
    whole = by_hand("a second program 2.0")
    for damaged in (whole[:-60], whole[: whole.rindex(b"PK\5\6") - 500], whole[:-1] + b"x"):
        path.write_bytes(damaged)
        repair_archive(path)
        assert check(path).ok
        assert contents_of_all(path).items() >= FILES.items()


def test_a_journal_written_by_the_document(tmp_path: Path) -> None:
    """A killed create is continued from what the page says that it leaves."""
    whole = ours(tmp_path / "archive.zip")
    (tmp_path / "archive.zip").unlink()
    hand = Hand()
    hand.member(".film-archive/format", "structure", FORMAT, EPOCH_NS, 0o644)
    records: list[dict[str, Any]] = [{"head": "create", "generation": 0}]
    records.append({"member": hand.lines[-1], "identity": "format 1", "end": len(hand.data)})
    for path, data in FILES.items():
        hand.member(path, "original", data)
        records.append({"member": hand.lines[-1], "identity": path, "end": len(hand.data)})
    number, data = next(iter(FRAMES.items()))
    path = f"take/f.{number:04d}.dpx"
    payload, crc = hand.put(path, data, MTIME_NS, 0o100644, aligned=True)
    frame = [number, len(data), payload, crc, h128(data), MTIME_NS, 0o644]
    records.append({"frame": frame, "path": path, "identity": path, "end": len(hand.data)})
    records.append({"sync": len(hand.data)})
    journal = b""
    for record in records:
        body = line(record)[:-1]
        journal += b"%08x %s\n" % (zlib.crc32(body), body)
    (tmp_path / ".archive.zip.film-archive-work").write_bytes(bytes(hand.data))
    (tmp_path / ".archive.zip.film-archive-journal").write_bytes(journal)
    with ZipWriter.create(tmp_path / "archive.zip") as archive:
        put_all(archive)
        assert archive.reused == 5
        archive.finish()
    assert len((tmp_path / "archive.zip").read_bytes()) == len(whole)
    assert check(tmp_path / "archive.zip").ok
    assert not leftovers(tmp_path / "archive.zip")


def test_a_folder_written_by_the_document(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / ".film-archive").mkdir(parents=True)
    everything = {**FILES, **{f"take/f.{n:04d}.dpx": data for n, data in FRAMES.items()}, ".film-archive/format": FORMAT}
    lines: list[dict[str, Any]] = []
    for path, data in everything.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(data)
        if not path.startswith("take/"):
            role = "structure" if path.startswith(".film") else "original"
            lines.append({"path": path, "role": role, "size": len(data), "digests": {"xxh128": h128(data)}})
    os.symlink("day/a.mov", folder / "link")
    lines += [sequence_line([-1] * len(FRAMES)), LINK]
    header = {
        "film_archive": "manifest", "schema_version": 1, "archive_id": "0" * 32, "generation": 1, "members": len(lines),
        "bytes": sum(member["size"] for member in lines), "offset": None, "tool": "a second program", "superseded": [],
        "seal": "0" * 32,
    }  # fmt: skip
    rest = b"".join(map(line, lines))
    header["seal"] = h128(line(header) + rest)
    for name in ("manifest-copy.jsonl", "manifest.jsonl"):
        (folder / ".film-archive" / name).write_bytes(line(header) + rest)
    assert check(folder).ok, check(folder).problems
    with open_archive(folder) as archive:
        assert archive.read("take/f.0010.dpx") == FRAMES[10]
    assert repair_archive(folder).done == ()
    with FolderWriter.add_to(folder) as writer:
        writer.add("more", MemorySource(b"more"), identity="1")
        writer.finish()
    assert check(folder).ok


def test_names_that_are_too_long_for_a_file(tmp_path: Path) -> None:
    """The page's rule for what lies below `proxies/` and `frames/`."""
    from film_archive.archive import layout

    for part in ("a" * 252 + ".mov", "ü" * 200 + ".mov", "x" * 400, "n" * 300 + ".longer-than-eight"):
        cut = part.encode()
        suffix = "." + part.rpartition(".")[2] if "." in part else ""
        suffix = suffix if len(suffix) <= 8 else ""
        ending = f"~{h128(cut)}{suffix}"
        expected = cut[: 255 - len(ending)].decode("utf-8", "ignore") + ending
        assert layout.proxy_path(f"day/{part}", "thumbnail") == f".film-archive/proxies/day/{expected}/thumbnail.mp4"
        name = f"{part}.idx"
        ending = f"~{h128(name.encode())}.idx"
        expected = name.encode()[: 255 - len(ending)].decode("utf-8", "ignore") + ending
        assert layout.index_path(f"day/{part}") == f".film-archive/frames/day/{expected}"
    assert layout.proxy_path("day/a.mov", "preview") == ".film-archive/proxies/day/a.mov/preview.mp4"

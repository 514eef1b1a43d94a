"""Small readers as targets: frame indexes, tables, columns, manifest lines, edit lists, facts."""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from film_archive.core.columns import ColumnReader, pack
from film_archive.core.frame_index import FrameIndex
from film_archive.core.frame_table import FrameFile, FrameTable, SequenceName
from film_archive.core.manifest import member_line, parse_member
from film_archive.core.member import Member, Role
from film_archive.editorial.edl import read_edl
from film_archive.media.probe import index, probe
from film_archive.testing.fuzz.mutation import mutate
from film_archive.testing.fuzz.target import Broken, Sample, Target, answer
from film_archive.testing.media import AudioSpec, ClipSpec, make_clip

_EDL = b"""TITLE: CUT 12
FCM: NON-DROP FRAME

001  A001R1AB V     C        01:00:00:00 01:00:02:00 10:00:00:00 10:00:02:00
* FROM CLIP NAME: A001C003_240612_R1AB
002  BL       V     C        00:00:00:00 00:00:00:00 10:00:02:00 10:00:02:00
002  B002R2CD V     D    024 10:58:58;15 10:59:00;15 10:00:02:00 10:00:04:00
* TO CLIP NAME: B002C011
M2   B002R2CD       048.0                10:58:58;15
FCM: DROP FRAME
003  C003R3EF AA/V  W001 012 09:30:00:00 09:30:01:00 10:00:04:00 10:00:05:00
"""


def _clip(folder: Path) -> Path:
    spec = ClipSpec(name="a", width=64, height=48, frames=8, codec="h264", gop=4, b_frames=2, audio=(AudioSpec(),))
    return make_clip(spec, folder)


def _indexes(folder: Path) -> Sequence[Sample]:
    frames = index(_clip(folder))
    return [Sample("a.idx", frames.to_bytes(), frames)]


def _change_packed(data: bytes, dice: random.Random, others: Sequence[bytes]) -> bytes:
    """Half of them as bytes; half in what is packed, which is packed again."""
    head, newline, packed = data.rpartition(b"\n")
    if dice.random() < 0.5 or not newline:
        return mutate(data, dice, others)
    try:
        body = zlib.decompress(packed)
    except zlib.error:
        return mutate(data, dice, others)
    return head + newline + zlib.compress(mutate(body, dice))


def _examine_index(sample: Sample, data: bytes, folder: Path) -> None:
    frames = answer(lambda: FrameIndex.from_bytes(data))
    if frames is not None:
        if FrameIndex.from_bytes(frames.to_bytes()).to_bytes() != frames.to_bytes():
            raise Broken("an index that was read is another when it is written and read again")
        for number in {0, frames.frames // 2, frames.frames - 1}:
            answer(lambda number=number: frames.frame(number))  # type: ignore[misc]


def _tables(folder: Path) -> Sequence[Sample]:
    files = [FrameFile(number, 10**number, 4096 * number, number, f"{number:032x}", 10**18, 0o644) for number in range(1, 9)]
    return [Sample("table", FrameTable.of(files).to_text().encode())]


def _examine_table(sample: Sample, data: bytes, folder: Path) -> None:
    text = data.decode("latin-1")
    for count in (0, 8, 9, 1 << 40):
        table = answer(lambda count=count: FrameTable.from_text(text, count))  # type: ignore[misc]
        if table is not None and len(list(table)) != count:
            raise Broken(f"a table of {len(table)} files was read as one of {count}")


def _columns(folder: Path) -> Sequence[Sample]:
    numbers = np.array([0, 1, -1, 10**12, -(10**18), (1 << 63) - 1, -(1 << 63)], np.int64)
    return [Sample("column", pack(numbers), 7)]


def _examine_column(sample: Sample, data: bytes, folder: Path) -> None:
    for count in (0, 7, len(data) // 8, 1 << 40):
        try:
            numbers = ColumnReader(data).take(count)
        except ValueError:  # what it is promised to raise; its callers make it ours
            continue
        if len(numbers) != count or pack(numbers) != data[: 8 * count]:
            raise Broken("a column that was read is another when it is packed again")


def _lines(folder: Path) -> Sequence[Sample]:
    facts = probe(_clip(folder))
    clip = Member.make(
        "day/a.mov", Role.ORIGINAL, 1000, offset=4096, crc32="01234567", digests={"xxh128": "0" * 32}, mtime_ns=10**18,
        mode=0o644, raw_name="ff", media=facts,
        proxies=[{"size": "thumbnail", "path": "p", "width": 1, "height": 2, "bit_rate": 3, "frames": 4}],
    )  # fmt: skip
    table = FrameTable.of([FrameFile(number, 5, 4096, 7, "0" * 32, 10**18, 0o644) for number in range(3)])
    name = SequenceName("a.", 4, ".dpx")
    sequence = Member.make(
        name.pattern, Role.ORIGINAL, 15, sequence={**name.to_json(), "count": 3}, table=table.to_text(), media=facts
    )
    link = Member.make("l", Role.SYMLINK, 0, target="a", raw_target="ff")
    return [Sample("line", member_line(member)[:-1]) for member in (clip, sequence, link)]


def _examine_line(sample: Sample, data: bytes, folder: Path) -> None:
    member = answer(lambda: parse_member(data))
    if member is None:
        return
    for read in (
        lambda: member.media, lambda: member.proxies, lambda: list(member.frame_members()), lambda: member.raw_name,
        lambda: member.raw_target, lambda: member.crc32, lambda: member.packed_size, lambda: member.method,
        lambda: member.frame_member("a.0001.dpx"), lambda: member.frame_count,
    ):  # fmt: skip
        answer(read)
    written = answer(lambda: member_line(member))
    if written is not None and parse_member(written) != member:
        raise Broken("a line that was read is another when it is written and read again")


def _facts(folder: Path) -> Sequence[Sample]:
    return [Sample("facts", json.dumps(probe(_clip(folder)).to_json()).encode())]


def _examine_facts(sample: Sample, data: bytes, folder: Path) -> None:
    _examine_line(sample, b'{"path":"a","role":"original","size":1,"media":' + data + b"}", folder)


def _edls(folder: Path) -> Sequence[Sample]:
    return [Sample("a.edl", _EDL)]


def _examine_edl(sample: Sample, data: bytes, folder: Path) -> None:
    answer(lambda: read_edl(data.decode("utf-8", "replace")))


TARGETS = (
    Target("frame-index", _indexes, _examine_index, _change_packed),
    Target("frame-table", _tables, _examine_table),
    Target("columns", _columns, _examine_column),
    Target("manifest-line", _lines, _examine_line),
    Target("facts", _facts, _examine_facts),
    Target("edl", _edls, _examine_edl),
)

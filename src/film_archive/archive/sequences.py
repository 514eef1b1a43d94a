"""Image sequences while an archive is written: their files come one by one, and become one line of the manifest."""

from __future__ import annotations

from film_archive.archive.entries import EPOCH_NS
from film_archive.core.digest import KEY, MultiHasher
from film_archive.core.frame_table import FrameFile, FrameTable
from film_archive.core.member import Member, Role


def with_frames(member: Member, frames: list[FrameFile]) -> Member:
    """The line of a sequence, with its table, total size and the digest over its frames' digests."""
    table = FrameTable.of(sorted(frames, key=lambda frame: frame.number))
    hasher = MultiHasher()
    hasher.update(table.digests)
    return member.changed(
        size=int(table.sizes.sum()),
        sequence={**member.get("sequence"), "count": len(table)},
        digests=hasher.digests(),
        mtime_ns=int(table.times.max(initial=EPOCH_NS)),
        table=table.to_text(),
    )


def frame_as_member(path: str, frame: FrameFile) -> Member:
    """One file of a sequence as a member, to be compared with what is written."""
    return Member.make(
        path,
        Role.ORIGINAL,
        frame.size,
        offset=frame.offset,
        crc32=f"{frame.crc32:08x}",
        digests={KEY: frame.xxh128},
        mtime_ns=frame.mtime_ns,
        mode=frame.mode,
    )

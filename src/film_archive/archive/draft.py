"""The file that an archive in its zip form is written to: a new one, a clone of the archive, or the archive behind its end.

What goes in is a payload and then its local header; whatever goes wrong between the two leaves nothing of the member.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from film_archive.archive import zipformat
from film_archive.archive.entries import entry_of, is_zero
from film_archive.archive.reader import ZipArchive
from film_archive.archive.unfinished import manifest_region
from film_archive.core import files
from film_archive.core.digest import KEY, MultiHasher, read_ahead
from film_archive.core.member import Member
from film_archive.core.reflink import clone_whole
from film_archive.core.source import FileSource, SliceSource, printable


class Draft:
    """An open file of which all before `end` is whole. `start` is where the new bytes begin."""

    def __init__(self, path: Path, target: Path, descriptor: int, start: int) -> None:
        self.path = path
        self.target = target
        """The archive, as whose writing errors are explained."""
        self.descriptor = descriptor
        self.start = start
        self.end = start

    @property
    def appends(self) -> bool:
        """Whether it is the archive itself, and not a file beside it."""
        return self.path == self.target

    @classmethod
    def new(cls, work: Path, target: Path, *, keep: bool, start: int = 0) -> Draft:
        """A file beside the archive's place; what a killed run has put there is kept, or forgotten."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | (0 if keep else os.O_TRUNC)
        with files.explaining(f"write {printable(work)}"):
            return cls(work, target, os.open(work, flags, 0o666), start)

    @classmethod
    def behind(cls, target: Path, start: int) -> Draft:
        """The archive itself, to be appended to."""
        with files.explaining(f"write {printable(target)}"):
            return cls(target, target, os.open(target, os.O_RDWR | os.O_CLOEXEC), start)

    @classmethod
    def clone(cls, work: Path, base: ZipArchive) -> Draft | None:
        """A clone of an archive, cut off before its manifest; None where the file system can't share blocks."""
        draft = cls.new(work, base.path, keep=False)
        cloned = False
        try:
            with FileSource(base.path) as old:
                cloned = clone_whole(old.fileno(), draft.descriptor)
            if cloned:
                draft.start = draft.end = manifest_region(base).offset
                os.ftruncate(draft.descriptor, draft.start)
        except BaseException:
            cloned = False
            raise
        finally:
            if not cloned:
                draft.close()
                files.remove(work)
        return draft if cloned else None

    def truncate(self, position: int) -> None:
        with files.explaining(f"write {printable(self.target)}"):
            os.ftruncate(self.descriptor, position)

    def sync(self) -> None:
        files.sync(self.descriptor)

    def write_header(self, member: Member) -> None:
        """The local header of a member whose payload is there."""
        placed = entry_of(member)
        assert placed is not None
        entry, payload = placed
        files.write_at(self.descriptor, zipformat.local_header(entry, payload), entry.header_offset)

    @contextlib.contextmanager
    def undoing(self, path: str, end: int) -> Iterator[None]:
        """Whatever goes wrong in the block, no byte of the half member stays; `end` is where it was to end, and does if not."""

        def needed() -> int:
            return end - min(end, os.fstat(self.descriptor).st_size)

        try:
            with files.explaining(
                f"put {printable(path)} into {printable(self.target)}", needed=needed, folder=self.target.parent
            ):
                yield
        except BaseException:
            with contextlib.suppress(OSError):  # the next run cuts it off too
                os.ftruncate(self.descriptor, self.end)
            raise
        self.end = end

    def holds(self, member: Member) -> bool:
        """Whether a member's header, payload and the gap before it are there as its line says (read again)."""
        if member.offset is None:
            return True
        with FileSource(self.path) as written:
            if member.offset + member.size > written.size:
                return False
            placed = entry_of(member)
            assert placed is not None
            entry, payload = placed
            expected = zipformat.local_header(entry, payload)
            gap = written.read_at(self.end, entry.header_offset - self.end)
            if written.read_at(entry.header_offset, len(expected)) != expected or not is_zero(gap):
                return False
            hasher = MultiHasher(("crc32", KEY))
            for block in read_ahead(SliceSource(written, payload, member.size)):
                hasher.update(block)
        found = hasher.digests()
        return int(found["crc32"], 16) == (member.crc32 or 0) and found[KEY] == member.digests.get(KEY, found[KEY])

    def take_permissions(self) -> None:
        """Those of the archive that it will replace."""
        os.fchmod(self.descriptor, stat.S_IMODE(self.target.stat().st_mode))

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

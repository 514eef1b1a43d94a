"""`MountedVolume`: an LTFS volume through the system's own `mkltfs` and `ltfs`, for drives that have their software.

`ltfs` is run in the foreground and waited for: unmounting returns long before it has written its indexes, and a drive that
is touched, or a machine that is switched off, in that time loses them. Files are written one after the other in large
pieces; what LTFS tells and takes as extended attributes (`user.ltfs.…`) is used for digests, positions and commits.

Needs a system on which Python can set extended attributes (Linux), and FUSE.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

from film_archive.core import files, programs
from film_archive.core.errors import (
    FilmArchiveError,
    NotFound,
    NotSupported,
    ProgramFailed,
    Refused,
    StorageError,
    UsageError,
    from_os_error,
)
from film_archive.core.source import FileSource, printable
from film_archive.tape.ltfs.tree import TapeAttribute, TapeExtent, TapeFile, Times, tape_path
from film_archive.tape.planning import require_serial

_HINT = "install the LTFS software of the drive's maker, or the LTFS reference"
_DAY = 86_400.0
_MIB = 1 << 20
_WRITE = 1 << 20
"""Bytes of one write: LTFS gathers them into records, and larger ones are cut by FUSE anyway."""
_PREFIX = "user."
_NO_ATTRIBUTE = {errno.ENODATA, errno.EOPNOTSUPP, errno.ENOTSUP}


@dataclass(frozen=True, slots=True)
class LtfsPrograms:
    """How the system's LTFS is called. `backend` is its driver, where the usual one is not meant ("file", "sg", "lin_tape")."""

    backend: str | None = None
    mkltfs: str = "mkltfs"
    ltfs: str = "ltfs"
    unmount: tuple[str, ...] = ("fusermount", "-u")
    mounting: float = 1800.0
    """Seconds to wait for a cartridge to be mounted: loading, calibrating, a check of the whole medium."""
    unmounting: float = 3 * 3600.0
    """Seconds to wait for indexes to be written and the cartridge to be unloaded."""


def format_mounted(
    device: str,
    serial: str,
    name: str = "",
    *,
    erase: bool = False,
    block_size: int | None = None,
    software: LtfsPrograms = LtfsPrograms(),
) -> None:
    """Make an empty volume on the cartridge in a drive; what was on it is gone.

    Raises Refused where it is an LTFS volume already and `erase` is not given, ProgramFailed with what `mkltfs` said.
    """
    require_serial(serial)
    program = programs.require(software.mkltfs, _HINT)
    words: list[str | os.PathLike[str]] = [program, f"--device={device}", f"--tape-serial={serial}"]
    if software.backend is not None:
        words.append(f"--backend={software.backend}")
    if name:
        words.append(f"--volume-name={name}")
    if block_size is not None:
        words.append(f"--blocksize={block_size}")
    if erase:
        words.append("--force")
    done = programs.run(words, timeout=_DAY)
    said = (done.messages + done.output).decode("utf-8", "replace")
    if done.status and not erase and "already formatted" in said:
        raise Refused(f"The cartridge in {device} is an LTFS volume already; nothing was changed. Say that it is to be erased.")
    done.require_success()


class _Running:
    """`ltfs` in the foreground, waited for in a thread."""

    def __init__(self, words: Sequence[str | os.PathLike[str]]) -> None:
        self._words = words
        self._completed: programs.Completed | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="ltfs", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._completed = programs.run(self._words, timeout=365 * _DAY)
        except BaseException as error:  # noqa: BLE001  raised where it is waited for
            self._error = error

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    def wait(self, seconds: float) -> programs.Completed | None:
        """What it left, or None where it still runs after so many seconds."""
        self._thread.join(seconds)
        if not self.ended:
            return None
        if self._error is not None:
            raise self._error
        assert self._completed is not None
        return self._completed


class MountedVolume:
    """A volume that the system's `ltfs` has mounted. For one thread but for reading files."""

    def __init__(
        self,
        device: str,
        *,
        writable: bool = False,
        mount_point: Path | None = None,
        options: Sequence[str] = (),
        software: LtfsPrograms = LtfsPrograms(),
    ) -> None:
        """Mount the cartridge in a drive; `mount_point` is an empty folder (default: a temporary one).

        `options` are given to `ltfs` with `-o`. Raises ProgramFailed with what `ltfs` said where it can't be mounted.
        """
        if not hasattr(os, "setxattr"):
            raise NotSupported("Mounted LTFS volumes need extended attributes, which Python can't set on this system.")
        self.device = device
        self.writable = writable
        self.uncommitted = 0
        """Bytes of files that were written since the last commit."""
        self._software = software
        self._temporary: Path | None = None
        if mount_point is None:
            self._temporary = mount_point = Path(tempfile.mkdtemp(prefix="film-archive-ltfs-"))
        self.root = mount_point
        self._running: _Running | None = None
        try:
            self._mount(options)
        except BaseException:
            self._remove_temporary()
            raise

    # Mounting

    def _mount(self, options: Sequence[str]) -> None:
        program = programs.require(self._software.ltfs, _HINT)
        given = [f"devname={self.device}", "sync_type=unmount", "noatime", *options]
        if self._software.backend is not None:
            given.append(f"tape_backend={self._software.backend}")
        if not self.writable:
            given.append("ro")
        words: list[str | os.PathLike[str]] = [program, "-f"]
        for option in given:
            words += ["-o", option]
        self._running = running = _Running([*words, self.root])
        deadline = time.monotonic() + self._software.mounting
        while not self._is_mounted():
            if running.ended:
                self._say_not_mounted(running)
            if time.monotonic() > deadline:
                self._unmount_and_wait()
                raise ProgramFailed(f"ltfs did not mount the cartridge in {self.device} in {self._software.mounting:g} s.")
            time.sleep(0.05)

    def _say_not_mounted(self, running: _Running) -> NoReturn:
        done = running.wait(0)
        assert done is not None
        lines = (done.messages + done.output).decode("utf-8", "replace").splitlines()
        errors = [line.split(" ", 1)[-1] for line in lines if line.split(" ", 2)[1:2] and line.split(" ", 2)[1].endswith("E")]
        why = "; ".join(errors[-3:]) or done.last_message
        raise ProgramFailed(f"ltfs could not mount the cartridge in {self.device}: {why} (status {done.status}).")

    def _is_mounted(self) -> bool:
        try:
            return self._attribute(self.root, "ltfs.volumeUUID") is not None
        except FilmArchiveError:
            return False  # an ltfs that has died; it is told from what it left

    def _unmount_and_wait(self) -> programs.Completed | None:
        """Unmount, and wait until the program has written its indexes and ended."""
        running = self._running
        if running is None:
            return None
        deadline = time.monotonic() + self._software.unmounting
        while not running.ended:
            done = programs.run([*self._software.unmount, self.root], timeout=self._software.unmounting)
            if done.status == 0:
                break
            if running.wait(0.1) is not None:
                break  # it ended by itself meanwhile
            if time.monotonic() > deadline or "busy" not in done.last_message.lower():
                raise Refused(
                    f"{printable(self.root)} can't be unmounted ({done.last_message}); the cartridge in {self.device} is not "
                    "finished. Close what uses it and unmount it before it is taken out."
                )
            time.sleep(0.2)
        completed = running.wait(max(1.0, deadline - time.monotonic()))
        if completed is None:
            raise ProgramFailed(
                f"ltfs has not finished with the cartridge in {self.device} in {self._software.unmounting:g} s; it still runs. "
                "Do not take the cartridge out before it ends."
            )
        self._running = None
        return completed

    # What it is

    def _attribute(self, path: Path, key: str) -> str | None:
        value = self._raw_attribute(path, key)
        return None if value is None else value.decode("utf-8", "replace").rstrip("\0")

    def _raw_attribute(self, path: Path, key: str) -> bytes | None:
        try:
            return os.getxattr(path, _PREFIX + key, follow_symlinks=False)
        except OSError as error:
            if error.errno in _NO_ATTRIBUTE:
                return None
            raise from_os_error(error, f"read {key} of {printable(path)}") from error

    def fact(self, key: str) -> str:
        """What LTFS tells of the volume: `ltfs.volumeUUID`, for instance; "" where it does not know."""
        return self._attribute(self.root, key) or ""

    @property
    def serial(self) -> str:
        return self.fact("ltfs.volumeSerial").strip()

    @property
    def volume_uuid(self) -> str:
        return self.fact("ltfs.volumeUUID").strip().lower()

    @property
    def generation(self) -> int:
        return int(self.fact("ltfs.indexGeneration") or 0)

    @property
    def room(self) -> int:
        """Bytes of files that LTFS says still fit."""
        return files.free_space(self.root)

    # Reading

    def walk(self) -> Iterator[tuple[str, TapeFile]]:
        """(path, file) of all files and links, in the order of their names."""
        folders = [""]
        while folders:
            folder = folders.pop()
            with files.explaining(f"list {printable(folder or '/')} on {self.device}"):
                entries = sorted(os.scandir(self.root / folder), key=lambda entry: entry.name)
            for entry in reversed(entries):
                if entry.is_dir(follow_symlinks=False):
                    folders.append(f"{folder}/{entry.name}".lstrip("/"))
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    path = f"{folder}/{entry.name}".lstrip("/")
                    yield path, self.file(path)

    def file(self, path: str) -> TapeFile:
        """What LTFS tells of a file: its first extent only, as the mount does. Raises NotFound."""
        there = self.root / path
        with files.explaining(f"look at {printable(path)} on {self.device}"):
            status = there.lstat()
            target = os.readlink(there) if stat.S_ISLNK(status.st_mode) else None  # noqa: PTH115  the text as it stands
        if stat.S_ISDIR(status.st_mode):
            raise NotFound(f"{printable(path)} on {self.device} is a folder, not a file.")
        start, partition = self._attribute(there, "ltfs.startblock"), self._attribute(there, "ltfs.partition")
        extents: tuple[TapeExtent, ...] = ()
        if start is not None and partition is not None and status.st_size and target is None:
            extents = (TapeExtent(0, partition, int(start), 0, status.st_size),)
        return TapeFile(
            uid=int(self._attribute(there, "ltfs.fileUID") or 0),
            length=0 if target is not None else status.st_size,
            times=Times(*(status.st_mtime_ns if n != 3 else status.st_atime_ns for n in range(5))),
            extents=extents,
            attributes=() if target is not None else self._stored_attributes(there),
            readonly=not status.st_mode & 0o222,
            target=target,
        )

    def _stored_attributes(self, path: Path) -> tuple[TapeAttribute, ...]:
        """Those that are in the index: what users set, and digests; the rest LTFS computes."""
        with files.explaining(f"list the attributes of {printable(path)}"):
            listed = os.listxattr(path, follow_symlinks=False)
        keys = [name.removeprefix(_PREFIX) for name in listed if name.startswith(_PREFIX)]
        kept = [key for key in keys if not key.startswith("ltfs.") or key.startswith("ltfs.hash.")]
        found = ((key, self._raw_attribute(path, key)) for key in kept)
        return tuple(TapeAttribute(key, value) for key, value in found if value is not None)

    def attributes(self, path: str) -> tuple[TapeAttribute, ...]:
        """The extended attributes that a file, or the root (""), has in the index."""
        return self._stored_attributes(self.root / path)

    def open_file(self, path: str) -> FileSource:
        """The bytes of a file."""
        return FileSource(self.root / path, f"{self.serial or self.device}::{printable(path)}")

    # Writing

    def _require_writable(self) -> None:
        if not self.writable:
            raise Refused(f"The volume in {self.device} was mounted for reading; nothing was written.")

    def write_file(
        self,
        path: str,
        blocks: Iterable[bytes | bytearray | memoryview],
        times: Times,
        *,
        attributes: Callable[[], Iterable[TapeAttribute]] = tuple,
        readonly: bool = False,
    ) -> TapeFile:
        """Write a whole file; `attributes` is asked when all blocks are written.

        Raises Refused where the path is taken, NoSpace where it does not fit: what was written of it is removed again.
        """
        self._require_writable()
        path = "/".join(tape_path(path))
        if not path:
            raise UsageError("A file on tape needs a name.")
        there = self.root / path
        with files.explaining(f"write {printable(path)} to {self.device}", state="that file is not on the cartridge"):
            there.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(there, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            size = 0
            try:
                try:
                    for block in blocks:
                        size = files.write_at(descriptor, block, size)
                finally:
                    os.close(descriptor)
                for attribute in attributes():
                    os.setxattr(there, _PREFIX + attribute.key, attribute.value)
                if readonly:
                    there.chmod(0o444)
                os.utime(there, ns=(times.accessed, times.modified))
                if there.stat().st_size != size:
                    raise StorageError(f"{printable(path)} has other bytes on {self.device} than were written.")
            except BaseException:
                with contextlib.suppress(FilmArchiveError):  # a cartridge that is read-only by now keeps it; the error tells
                    files.remove(there)
                raise
        self.uncommitted += size
        return self.file(path)

    def make_folder(self, path: str, times: Times, attributes: Iterable[TapeAttribute] = ()) -> str:
        """Make a folder and those above it, where they are not there; returns its path on the volume."""
        self._require_writable()
        path = "/".join(tape_path(path))
        there = self.root / path
        with files.explaining(f"make the folder {printable(path)} on {self.device}"):
            there.mkdir(parents=True, exist_ok=True)
            for attribute in attributes:
                os.setxattr(there, _PREFIX + attribute.key, attribute.value)
            os.utime(there, ns=(times.accessed, times.modified))
        return path

    def make_link(self, path: str, target: str, times: Times) -> str:
        """Put a symbolic link on the volume."""
        self._require_writable()
        path = "/".join(tape_path(path))
        there = self.root / path
        with files.explaining(f"make the link {printable(path)} on {self.device}"):
            there.parent.mkdir(parents=True, exist_ok=True)
            there.symlink_to(target)
            os.utime(there, ns=(times.accessed, times.modified), follow_symlinks=False)
        return path

    def remove_file(self, path: str) -> None:
        """Take a file off the volume."""
        self._require_writable()
        files.remove(self.root / "/".join(tape_path(path)), missing_ok=False)

    def set_attributes(self, path: str, attributes: Iterable[TapeAttribute]) -> None:
        """Add extended attributes to a file, or to the root (""); LTFS takes at most 4096 bytes each."""
        self._require_writable()
        for attribute in attributes:
            with files.explaining(f"set {attribute.key} of {printable(path or '/')} on {self.device}"):
                os.setxattr(self.root / path, _PREFIX + attribute.key, attribute.value)

    def commit(self, comment: str = "") -> None:
        """Let LTFS write an index of everything, durably. Raises NoSpace or StorageError where it can't."""
        self._require_writable()
        with files.explaining(f"commit an index to {self.device}"):
            if comment:
                os.setxattr(self.root, _PREFIX + "ltfs.commitMessage", comment.encode())
            os.setxattr(self.root, _PREFIX + "ltfs.sync", b"1")
        self.uncommitted = 0

    # The end

    def close(self) -> None:
        """Unmount, and wait until everything is on the cartridge. May be called again.

        Raises ProgramFailed with what `ltfs` said where it could not finish.
        """
        try:
            done = self._unmount_and_wait()
        finally:
            if self._running is None:
                self._remove_temporary()
        if done is not None:
            done.require_success()

    def _remove_temporary(self) -> None:
        if self._temporary is not None:
            files.remove_empty_folders(self._temporary)
            self._temporary = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

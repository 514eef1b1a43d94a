"""What verbs of tapes plan and report: files, cartridges, plans and reports, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from film_archive.core.job import Failure, Plan, Report, Step, status_of
from film_archive.core.records import Record


class StepKind(StrEnum):
    """What is put on a tape."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"


class FileStatus(StrEnum):
    """What became of a file."""

    PLANNED = "planned"
    THERE = "there"
    """It had been done before."""
    WRITTEN = "written"
    RESTORED = "restored"
    OK = "ok"
    """Read, and what its digest says."""
    DIFFERS = "differs"
    UNREADABLE = "unreadable"
    UNPROVEN = "unproven"
    """Read, and nothing says what it should be."""
    NOT_READ = "not read"
    """Left for the next time: a sample, or the time was over."""
    MISSING = "missing"
    """On a cartridge that is not here."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeStep(Step):
    """One thing to put on tape. `size` is in bytes of the part that is written."""

    source: str
    """Where it is."""
    path: str
    """The path that it gets on tape."""
    kind: StepKind = StepKind.FILE
    """"file", "folder" or "link"."""
    mtime_ns: int = 0
    """Modification time, nanoseconds since 1970."""
    readonly: bool = False
    """Whether nobody may write to it."""
    target: str | None = None
    """Of a link: where it points."""
    cartridge: int = 0
    """The number in the set of the cartridge that it goes on, from 1."""
    offset: int | None = None
    """Of a part of a file that is split: where the part begins in the file."""
    whole: int | None = None
    """Of such a part: bytes of the whole file."""
    on_tape: tuple[str, ...] = ()
    """Serials of cartridges that have the same content already, as far as that is known without reading it."""

    @property
    def key(self) -> tuple[str, int, int]:
        """What tells whether a file on tape is this one."""
        return self.path, self.size, self.mtime_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeCartridge(Record):
    """A cartridge in a plan or report."""

    volser: str
    """Its volume serial: six of A-Z and 0-9."""
    barcode: str
    """The serial and the medium's code."""
    files: int
    """Files that a verb planned, wrote, read or restored on it."""
    bytes: int
    """Their bytes."""
    number: int = 0
    """Its number in its set, from 1; 0 where it is in none of ours."""
    copy: int = 1
    """Which copy of the set it belongs to."""
    seconds: float = 0.0
    """How long it takes, at the drive's speed; of a restore with loading and locating."""
    room: int | None = None
    """Bytes of files that still fit; null where that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeFileReport(Record):
    """A file of a plan or report."""

    path: str
    """Its path on tape."""
    cartridge: str | None
    """The serial of its cartridge."""
    status: FileStatus
    """What became of it, or is to."""
    digest: str | None = None
    """Its XXH3-128; null where it is not known."""
    size: int = 0
    """Bytes."""
    output: str | None = None
    """Of a restored file: where it is now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WritePlan(Plan):
    """All that is to be on a set of cartridges."""

    verb: ClassVar[str] = "tape write"
    steps: tuple[TapeStep, ...]
    """In the order of writing."""
    tape_id: str
    """The name of the set."""
    medium: str
    """The code of the cartridges: "L8", "L9" …"""
    capacity: int
    """Bytes of files that a cartridge takes: what LTFS leaves of it, less the reserve."""
    reserve: int
    """Bytes of each cartridge that are left free, for indexes."""
    copies: int = 1
    """How many sets of the same files are written at once."""
    cartridges: tuple[TapeCartridge, ...] = ()
    """In the order of writing, those of all copies."""
    there: tuple[str, ...] = ()
    """Files that the set has already."""
    failed: tuple[Failure, ...] = ()
    """What can't be on tape, and why."""
    junk: int = 0
    """Operating systems' leftovers that were skipped."""
    duplicates: int = 0
    """Files whose content is on tape already, as far as the catalog knows it."""
    duplicate_bytes: int = 0
    """Their bytes."""
    expected_seconds: float = 0.0
    """How long writing takes at the drive's speed."""
    cartridge_capacity: int | None = None
    """Of file-backed cartridges that are smaller than the medium: bytes in all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeWritten(Report):
    """What became of writing a set."""

    tape_id: str
    """The name of the set."""
    cartridges: tuple[TapeCartridge, ...]
    """Those that were written, in order; those of all copies."""
    files: tuple[TapeFileReport, ...]
    """What is on tape for good, and what is not; a file of two copies is there twice."""
    problems: tuple[str, ...] = ()
    """What went wrong, one sentence each."""
    failed: tuple[Failure, ...] = ()
    """Files that are not on tape, and why."""
    bytes: int = 0
    """Bytes of files that were written, once however many copies there are."""
    starved: int = 0
    """How often the drive found nothing to write while there was more to read."""
    starved_seconds: float = 0.0
    """How long it waited, in all."""
    verified: bool | None = None
    """Whether all was read back and is right; null where it was not read back."""
    waits_for_cartridge: bool = False
    """Whether the cartridge in the drive is full and another one is needed; the same command goes on."""

    @property
    def exit_status(self) -> int:
        if self.verified is False:
            return 11
        any_done = any(file.status is not FileStatus.FAILED for file in self.files)
        if self.waits_for_cartridge:
            return 12
        return status_of(self.failed, any_done=any_done)


def planned(plan: WritePlan) -> TapeWritten:
    """A plan under the keys of its report."""
    serials = {(one.copy, one.number): one.volser for one in plan.cartridges}
    files = (
        TapeFileReport(path=step.path, cartridge=serials.get((copy, step.cartridge)), status=FileStatus.PLANNED, size=step.size)
        for step in plan.steps
        if step.kind is StepKind.FILE
        for copy in range(1, plan.copies + 1)
    )
    return TapeWritten(tape_id=plan.tape_id, cartridges=plan.cartridges, files=tuple(files), failed=plan.failed)


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatStep(Step):
    """A cartridge that is to be formatted."""

    volser: str
    """Its volume serial."""
    barcode: str
    """Serial and medium: what its label says."""
    name: str
    """What the volume is to be called."""
    medium: str
    """The code of the cartridge."""
    place: str
    """The drive: "file:FOLDER" or "ltfs:DEVICE"."""
    capacity: int | None = None
    """Bytes in all of a new file-backed cartridge; null is as much as a real one."""
    erase: bool = False
    """Whether what is on it may go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatPlan(Plan):
    """The cartridge that is to be formatted."""

    verb: ClassVar[str] = "tape format"
    steps: tuple[FormatStep, ...]
    """One."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeVerified(Report):
    """What reading cartridges back has shown."""

    cartridges: tuple[TapeCartridge, ...]
    """The cartridges it is about."""
    files: tuple[TapeFileReport, ...]
    """All files of the cartridges."""
    problems: tuple[str, ...]
    """What is wrong with structure or files, one sentence each."""
    bytes: int = 0
    """Bytes that were read."""
    at: str = ""
    """When, ISO 8601."""

    @property
    def exit_status(self) -> int:
        return 11 if self.problems else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeFormatted(Report):
    """A cartridge that was made."""

    volser: str
    """Its volume serial: six of A-Z and 0-9."""
    barcode: str
    """Serial and medium: what its label says."""
    name: str
    """What the volume is called."""
    uuid: str
    """Its identity for life."""
    place: str
    """The drive, or the folder of a file-backed cartridge."""
    room: int
    """Bytes of files that fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreStep(Step):
    """One file to restore from one cartridge."""

    path: str
    """Its path on tape."""
    cartridge: str
    """The serial of the cartridge that it is read from."""
    uuid: str
    """The identity of that volume."""
    output: str
    """Where it goes."""
    digest: str | None = None
    """Its XXH3-128, as the cartridge has it."""
    partition: int = 1
    """0 or 1, where its first byte lies."""
    block: int = 0
    """The block of that partition."""
    blocks: int = 0
    """How many blocks it reaches over."""
    mtime_ns: int = 0
    """Modification time, nanoseconds since 1970."""
    whole: int | None = None
    """Of a part of a file that was split: bytes of the whole."""
    others: tuple[str, ...] = ()
    """Other cartridges that have it."""
    first_frame: int | None = None
    """Of a part of a clip: its first frame in the clip, from 0."""
    frames: int | None = None
    """Of a part of a clip: how many frames it has."""
    rate: str | None = None
    """Of a part of a clip: the frames a second that these are counted at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PickedCartridge(TapeCartridge):
    """A cartridge on a pick list."""

    uuid: str = ""
    """The identity of its volume."""
    here: bool = True
    """Whether it is in the shelf or in a drive."""
    location: str = ""
    """Where it was put last, as far as that was told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestorePlan(Plan):
    """All that is to be read from cartridges, in the order of reading."""

    verb: ClassVar[str] = "tape restore"
    steps: tuple[RestoreStep, ...]
    """In the order of reading."""
    folder: str
    """Where it goes."""
    cartridges: tuple[PickedCartridge, ...] = ()
    """The pick list: cartridges to fetch, in the order of use."""
    missing: tuple[TapeFileReport, ...] = ()
    """Files that lie only on cartridges that are not here, with the cartridge that would have them."""
    problems: tuple[str, ...] = ()
    """What is wrong, one sentence each."""
    failed: tuple[Failure, ...] = ()
    """What was asked for and is on no cartridge: events of a list without media, clips of which nothing is known."""
    expected_seconds: float = 0.0
    """Loading, locating and reading."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeRestored(Report):
    """What came back from tape."""

    folder: str
    """Where it is."""
    cartridges: tuple[PickedCartridge, ...]
    """Those that were read, and those that would be needed."""
    files: tuple[TapeFileReport, ...]
    """All that was asked for."""
    problems: tuple[str, ...] = ()
    """What is missing or damaged, one sentence each."""
    failed: tuple[Failure, ...] = ()
    """What was asked for and is on no cartridge."""
    bytes: int = 0
    """Bytes of restored files."""
    bytes_read: int = 0
    """Bytes that were read from cartridges for them."""

    @property
    def exit_status(self) -> int:
        statuses = {file.status for file in self.files}
        good = statuses & {FileStatus.RESTORED, FileStatus.THERE, FileStatus.PLANNED}
        bad = statuses - {FileStatus.RESTORED, FileStatus.THERE, FileStatus.PLANNED}
        if not bad:
            return 12 if self.failed else 0
        if bad & {FileStatus.DIFFERS, FileStatus.UNREADABLE}:
            return 11
        return 12 if good else 3 if bad == {FileStatus.MISSING} else 12


def planned_restore(plan: RestorePlan) -> TapeRestored:
    """A plan under the keys of its report."""
    files = (
        TapeFileReport(
            path=step.path, cartridge=step.cartridge, status=FileStatus.PLANNED, digest=step.digest, size=step.size,
            output=step.output,
        )
        for step in plan.steps
    )  # fmt: skip
    return TapeRestored(
        folder=plan.folder, cartridges=plan.cartridges, files=(*files, *plan.missing), problems=plan.problems, failed=plan.failed
    )

"""Reading cartridges back: every file in tape order against its digests, and the structure, stricter than `ltfsck`.

A routine scrub reads a sample, or as long as it may: what was verified longest ago (or never) comes first, so that each run
goes on where the last one ended.
"""

from __future__ import annotations

import datetime
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from film_archive.core.digest import ALGORITHMS, KEY, digest_source
from film_archive.core.errors import Damaged, FilmArchiveError, NotSupported
from film_archive.core.progress import Phase, Progress, quiet
from film_archive.core.source import printable
from film_archive.tape.drives.address import DriveAddress, DriveKind
from film_archive.tape.drives.file_backed import FileBackedDrive
from film_archive.tape.ltfs.check import check_structure
from film_archive.tape.ltfs.tree import TapeFile
from film_archive.tape.records import FileStatus, TapeCartridge, TapeFileReport, TapeVerified
from film_archive.tape.volumes import OpenTape, tape_order

Listed = tuple[str, TapeFile]


@dataclass(frozen=True, slots=True)
class Scrub:
    """How much is read: everything, a part of the files (`sample`, 0 to 1), or as much as fits in `budget` seconds."""

    sample: Fraction | None = None
    budget: float | None = None

    @property
    def is_whole(self) -> bool:
        return self.sample is None and self.budget is None


@dataclass(frozen=True, slots=True)
class CartridgeCheck:
    """What reading one cartridge back has shown."""

    cartridge: TapeCartridge
    uuid: str
    files: tuple[TapeFileReport, ...]
    problems: tuple[str, ...]
    bytes: int


LastVerified = Callable[[str], Mapping[str, int]]
"""Of a volume's UUID: path → when it was read back last, in seconds since 1970."""
OnChecked = Callable[[OpenTape, CartridgeCheck], None]


def verify_tapes(
    addresses: Sequence[DriveAddress],
    scrub: Scrub = Scrub(),
    *,
    last: LastVerified | None = None,
    on_checked: OnChecked | None = None,
    on_missing: Callable[[OpenTape], Iterable[str]] | None = None,
    progress: Progress | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> TapeVerified:
    """Read cartridges back, one after the other. `on_missing` tells what a cartridge should have and lacks, in sentences.

    Raises only where a drive itself fails or there is no cartridge: damage is what the report is for.
    """
    begun = clock()
    ends = None if scrub.budget is None else begun + scrub.budget
    checks = []
    for address in addresses:
        checks.append(_check(address, scrub, ends, last, on_checked, on_missing, progress or quiet(), clock))
    return TapeVerified(
        cartridges=tuple(check.cartridge for check in checks),
        files=tuple(file for check in checks for file in check.files),
        problems=tuple(problem for check in checks for problem in check.problems),
        bytes=sum(check.bytes for check in checks),
        at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        seconds=clock() - begun,
    )


def _check(
    address: DriveAddress,
    scrub: Scrub,
    ends: float | None,
    last: LastVerified | None,
    on_checked: OnChecked | None,
    on_missing: Callable[[OpenTape], Iterable[str]] | None,
    progress: Progress,
    clock: Callable[[], float],
) -> CartridgeCheck:
    problems = list(structure_problems(address))
    try:
        tape = OpenTape(address)
    except (Damaged, NotSupported) as error:
        problems = problems or [str(error)]
        nothing = TapeCartridge(volser="", barcode="", files=0, bytes=0)
        return CartridgeCheck(nothing, "", (), tuple(problems), 0)
    with tape:
        chosen, rest = _chosen(tape, scrub, {} if last is None else last(tape.uuid))
        progress.expect(Phase.VERIFYING, sum(file.length for _, file in chosen))
        found: list[TapeFileReport] = []
        for place, (path, file) in enumerate(chosen):
            if ends is not None and found and clock() >= ends:
                rest += chosen[place:]
                break
            progress.begin(Phase.VERIFYING, path)
            found.append(check_file(tape, path, file, progress))
        problems += [_sentence(one) for one in found if one.status in (FileStatus.DIFFERS, FileStatus.UNREADABLE)]
        if on_missing is not None:
            problems += on_missing(tape)
        read = sum(one.size for one in found)
        member = tape.membership
        cartridge = TapeCartridge(
            volser=tape.serial, barcode=tape.barcode, files=len(found), bytes=read, room=tape.room,
            number=0 if member is None else member.number, copy=1 if member is None else member.copy,
        )  # fmt: skip
        left = (_unread(tape, path, file) for path, file in rest)
        check = CartridgeCheck(cartridge, tape.uuid, (*found, *left), tuple(dict.fromkeys(problems)), read)
        if on_checked is not None:
            on_checked(tape, check)
    return check


def structure_problems(address: DriveAddress) -> Iterator[str]:
    """What is wrong with labels, indexes and memory; nothing is told of a cartridge that the system mounts."""
    if address.kind is not DriveKind.FILE:
        return
    with FileBackedDrive(address.folder, writable=False) as drive:
        for problem in check_structure(drive).problems:
            yield f"{problem.path}: {problem.what}" if problem.path else problem.what


def _chosen(tape: OpenTape, scrub: Scrub, last: Mapping[str, int]) -> tuple[list[Listed], list[Listed]]:
    """What is read, in the order of reading, and what is not."""
    listed = tape.in_order()
    if scrub.is_whole or not listed:
        return listed, []
    oldest = sorted(listed, key=lambda pair: last.get(pair[0], 0))
    if scrub.sample is not None:
        count = max(1, round(len(listed) * scrub.sample))
        never = [pair for pair in oldest if pair[0] not in last]
        random.shuffle(never)  # so that samples of cartridges which nothing is known of differ
        oldest = [*never, *(pair for pair in oldest if pair[0] in last)]
        taken = {path for path, _ in oldest[:count]}
        return [pair for pair in listed if pair[0] in taken], [pair for pair in listed if pair[0] not in taken]
    return sorted(oldest, key=lambda pair: (last.get(pair[0], 0), tape_order(pair[1].extents))), []


def check_files(tape: OpenTape, listed: Iterable[Listed], progress: Progress) -> Iterator[TapeFileReport]:
    """Read files in the order given and compare them with their digests; raises only where the drive itself fails."""
    for path, file in listed:
        progress.begin(Phase.VERIFYING, path)
        yield check_file(tape, path, file, progress)


def check_file(tape: OpenTape, path: str, file: TapeFile, progress: Progress) -> TapeFileReport:
    """Read one file; its XXH3-128 is compared, or where it has none its other digests."""
    said = {name: value for name, value in file.digests.items() if name in ALGORITHMS}
    algorithms = (KEY,) if KEY in said or not said else (KEY, *said)
    digest = None
    try:
        with tape.open_file(path) as source:
            found = digest_source(source, algorithms, on_bytes=progress.counting(Phase.VERIFYING))
    except FilmArchiveError:  # a record that can't be read, or is not there: the next file may be whole
        status = FileStatus.UNREADABLE
    else:
        digest = found[KEY]
        differs = any(found[name] != value for name, value in said.items() if name in found)
        status = FileStatus.DIFFERS if differs else FileStatus.OK if said else FileStatus.UNPROVEN
    return TapeFileReport(path=path, cartridge=tape.serial, status=status, digest=digest, size=file.length)


def _unread(tape: OpenTape, path: str, file: TapeFile) -> TapeFileReport:
    return TapeFileReport(
        path=path, cartridge=tape.serial, status=FileStatus.NOT_READ, digest=file.digests.get(KEY), size=file.length
    )


def _sentence(found: TapeFileReport) -> str:
    what = "is not what its digest says" if found.status is FileStatus.DIFFERS else "can't be read"
    return f"{printable(found.path)} on {found.cartridge} {what}."

"""Reading cartridges back: every file in tape order against its digests, and the structure, stricter than `ltfsck`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from film_archive.core.digest import KEY, digest_source
from film_archive.core.errors import Damaged, FilmArchiveError, StorageError
from film_archive.core.progress import Phase, Progress
from film_archive.tape.ltfs.tree import TapeFile
from film_archive.tape.records import FileStatus, TapeFileReport
from film_archive.tape.volumes import OpenTape


def check_files(tape: OpenTape, listed: Iterable[tuple[str, TapeFile]], progress: Progress) -> Iterator[TapeFileReport]:
    """Read files in the order given and compare them with their digests; raises only where the drive itself fails."""
    for path, file in listed:
        progress.begin(Phase.VERIFYING, path)
        yield check_file(tape, path, file, progress)


def check_file(tape: OpenTape, path: str, file: TapeFile, progress: Progress) -> TapeFileReport:
    """Read one file; its XXH3-128 is compared, or where it has none its other digests."""
    said = {name: value for name, value in file.digests.items() if name in _KNOWN}
    algorithms = (KEY,) if KEY in said or not said else (KEY, *said)
    try:
        with tape.open_file(path) as source:
            found = digest_source(source, algorithms, on_bytes=progress.counting(Phase.VERIFYING))
    except Damaged:
        status, digest = FileStatus.UNREADABLE, None
    except StorageError:
        raise
    except FilmArchiveError:
        status, digest = FileStatus.UNREADABLE, None
    else:
        digest = found[KEY]
        differs = any(found[name] != value for name, value in said.items() if name in found)
        status = FileStatus.DIFFERS if differs else FileStatus.OK if said else FileStatus.UNPROVEN
    return TapeFileReport(path=path, cartridge=tape.serial, status=status, digest=digest, size=file.length)


_KNOWN = frozenset(("xxh128", "sha256", "sha1", "sha512", "md5", "crc32", "xxh3", "xxh64", "blake3"))

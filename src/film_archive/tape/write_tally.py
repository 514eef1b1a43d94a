"""`Tally`: what a run of writing did, file by file and cartridge by cartridge, for its report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from film_archive.core.digest import KEY
from film_archive.core.errors import FilmArchiveError
from film_archive.core.job import Failure
from film_archive.tape.ltfs.feeding import Fed
from film_archive.tape.ltfs.tree import TapeFile
from film_archive.tape.records import FileStatus, TapeCartridge, TapeFileReport, TapeStep, TapeWritten, WritePlan
from film_archive.tape.volumes import OpenTape


class Tally:
    """Counts what was written. Only what an index on a tape names may be given to `written`."""

    def __init__(self, plan: WritePlan) -> None:
        self._plan = plan
        self._cartridges: dict[tuple[int, int], TapeCartridge] = {}
        """(copy, number) → the cartridge that was written."""
        self._totals: dict[str, tuple[int, int]] = {}
        """Serial → files and bytes."""
        self._reports: list[TapeFileReport] = []
        self._failed: list[Failure] = list(plan.failed)
        self.problems: list[str] = []
        """What went wrong, one sentence each."""
        self.feds: list[Fed] = []
        """What each cartridge was fed."""
        self.waits = False
        """Whether another cartridge is needed."""

    def failed(self, step: TapeStep, error: FilmArchiveError) -> None:
        """A file could not be put on tape."""
        self._failed.append(Failure.of(step.source, error))
        self._reports.append(TapeFileReport(path=step.path, cartridge=None, status=FileStatus.FAILED, size=step.size))

    def written(self, step: TapeStep, serial: str, digest: str) -> None:
        """A file is on a cartridge for good."""
        files, size = self._totals.get(serial, (0, 0))
        self._totals[serial] = files + 1, size + step.size
        self._reports.append(
            TapeFileReport(path=step.path, cartridge=serial, status=FileStatus.WRITTEN, digest=digest, size=step.size)
        )

    def used(self, tape: OpenTape, copy: int, number: int) -> None:
        """A cartridge is done with for now."""
        files, size = self._totals.get(tape.serial, (0, 0))
        self._cartridges[copy, number] = TapeCartridge(
            volser=tape.serial, barcode=tape.barcode, files=files, bytes=size, number=number, copy=copy, room=tape.room
        )

    def report(
        self, there: Sequence[Mapping[str, tuple[str, TapeFile]]], seconds: float, verified: bool | None
    ) -> TapeWritten:
        """The report; `there` is what each copy has, by path."""
        return TapeWritten(
            tape_id=self._plan.tape_id,
            cartridges=tuple(one for one in self._cartridges.values() if one.files),
            files=(*self._there(there), *self._reports),
            problems=tuple(self.problems),
            failed=tuple(self._failed),
            bytes=sum(fed.size for fed in self.feds),
            starved=sum(fed.starved for fed in self.feds),
            starved_seconds=sum(fed.starved_seconds for fed in self.feds),
            verified=verified,
            waits_for_cartridge=self.waits,
            seconds=seconds,
        )

    def _there(self, there: Sequence[Mapping[str, tuple[str, TapeFile]]]) -> Iterator[TapeFileReport]:
        for path in self._plan.there:
            for copy in there:
                serial, file = copy[path]
                yield TapeFileReport(
                    path=path, cartridge=serial, status=FileStatus.THERE, digest=file.digests.get(KEY), size=file.length
                )

"""The Kitsu stage: the plate that is in the shot tree is registered, or waits in the outbox until it can be.

Without KITSU_HOST there is no Kitsu, and the stage says so in one line. A Kitsu that is down, mute or refuses costs no plate
and fails no shot: what is to be registered was put into the outbox before, and `ded-io kitsu sync` registers it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from ded_io import config
from ded_io.kitsu import command
from ded_io.kitsu.account import Account
from ded_io.kitsu.outbox import Outbox
from ded_io.kitsu.publication import OutputFile, Publication, Published
from ded_io.models import Act, ImageSequence, ProcessingResult, ShotInfo
from ded_io.stages.base import PipelineStage
from film_archive.core.digest import KEY, digest_source
from film_archive.core.errors import FilmArchiveError, UsageError, from_os_error
from film_archive.core.source import FileSource, printable

SKIPPED = "KITSU_HOST is not set; nothing is registered in Kitsu."


class KitsuIntegrationStage(PipelineStage):
    """Registers the version in Kitsu: shot, task, output files, proxy.

    `result.data` has what was published (`ded_io.kitsu.publication.Published`), or `skipped`; `pending` is true where it
    waits in the outbox.
    """

    NEEDS: ClassVar[tuple[str, ...]] = ("frames", "version", "container", "plate")

    def __init__(self, name: str | None = None, *, outbox: Outbox | None = None, **base: Any) -> None:
        super().__init__(name, **base)
        self.outbox = outbox or command.outbox()

    def process(self, shot_info: ShotInfo, result: ProcessingResult, **kwargs: Any) -> None:
        account = config.kitsu_account()
        if account is None:
            self.logger.info("%s: %s", shot_info.code, SKIPPED)
            result.data["skipped"] = SKIPPED
            return
        if not self.validate_inputs(shot_info, result):
            return
        publication = publication_of(shot_info)
        self.outbox.put(publication, account.host)
        result.data["pending"] = True
        published, reason = self._register(publication, account)
        if reason is not None:
            result.add_warning(
                f"{reason.rstrip('.')}. The plate is in the shot tree, and `ded-io kitsu sync` registers it later."
            )
            return
        if published is None:  # another process that emptied the outbox has done it
            result.data["pending"] = False
            return
        result.data.update(published.to_json(), pending=not published.done)
        for warning in (*published.warnings, *filter(None, [published.problem])):
            result.add_warning(warning)

    def _register(self, publication: Publication, account: Account) -> tuple[Published | None, str | None]:
        """Publish what waits of the shot, this version last: what became of it, or why it waits on."""
        from ded_io.kitsu.connection import connect
        from ded_io.kitsu.syncing import sync

        try:
            report = sync(
                self.outbox,
                account.host,
                lambda: connect(account),
                only=publication,
                normalize=config.KITSU_NORMALIZE,
                patience=config.KITSU_PATIENCE,
            )
        except FilmArchiveError as error:
            return None, str(error)
        for published in report.published:
            if published.name == publication.name:
                return published, None
        ours = [failure.reason for failure in report.failures if failure.path == publication.name]
        others = [failure.sentence() for failure in report.failures]  # after which the server was given up
        return None, next(iter(ours + others), None)

    def plan(self, shot_info: ShotInfo, result: ProcessingResult, **kwargs: Any) -> Iterator[Act]:
        account = config.kitsu_account()
        if account is None:
            yield Act(self.name, "note", SKIPPED)
        else:
            where = f"{config.kitsu_project() or shot_info.project}, {shot_info.sequence}, {shot_info.code}"
            yield Act(self.name, "register", f"{shot_info.element} of {where} at {account.host}")


def publication_of(shot_info: ShotInfo) -> Publication:
    """What is to be registered of a shot whose plate is in the shot tree."""
    made = shot_info.outputs
    if made.frames is None or made.plate is None or made.version is None or made.container is None:
        raise UsageError(f"{shot_info.code} has no plate in the shot tree yet; nothing can be registered.")
    identity = shot_info.project_id or shot_info.settings.project_id
    return Publication(
        project=config.kitsu_project() or shot_info.project,
        project_id=identity,
        sequence=shot_info.sequence,
        shot=shot_info.code,
        task_type=config.KITSU_TASK_TYPES.get(shot_info.task, shot_info.task),
        task=shot_info.task,
        element=shot_info.element,
        version=made.version,
        name=made.container.name,
        fps=made.rate or shot_info.settings.source_fps,
        frame_in=made.frames.in_number,
        frame_out=made.frames.in_number + made.frames.cut_count - 1,
        head_handle=made.frames.head,
        tail_handle=made.frames.tail,
        output_files=tuple(_output_files(shot_info)),
        preview=None if made.movie is None else made.movie.absolute(),
        status=config.KITSU_STATUS,
        comment=shot_info.editorial_info.notes,
        metadata=dict(_metadata(shot_info)),
    )


def _output_files(shot_info: ShotInfo) -> Iterator[OutputFile]:
    made = shot_info.outputs
    assert made.plate is not None
    manifest = made.manifest
    yield OutputFile(
        output_type="Plate",
        short_name="plate",
        representation="main",
        path=made.plate.directory.absolute() / made.plate.pattern,
        first_frame=made.plate.first_frame,
        last_frame=made.plate.last_frame,
        size=_size(made.plate),
        digests={} if manifest is None else _digests(FileSource(manifest)),
        colorspace=shot_info.settings.target_colorspace,
    )
    if made.movie is not None:
        source = FileSource(made.movie)
        yield OutputFile(
            output_type="Proxy",
            short_name="proxy",
            representation="proxy",
            path=made.movie.absolute(),
            size=source.size,
            digests=_digests(source),
            colorspace=config.PROXY_COLORSPACE,
        )


def _digests(source: FileSource) -> dict[str, str]:
    with source:
        return {KEY: digest_source(source)[KEY]}


def _size(sequence: ImageSequence) -> int:
    try:
        return sum(path.stat().st_size for path in sequence.paths())
    except OSError as error:
        raise from_os_error(error, f"look at {printable(sequence.directory)}") from error


def _metadata(shot_info: ShotInfo) -> Iterator[tuple[str, str]]:
    """What people look for at a shot in Kitsu."""
    made, cut = shot_info.outputs, shot_info.editorial_info
    yield "source_file", printable(cut.source_file.name)
    if made.reel:
        yield "reel", made.reel
    if made.plate_timecode is not None:
        yield "source_timecode", str(made.plate_timecode)
    if made.ingest_id:
        yield "ingest_id", made.ingest_id

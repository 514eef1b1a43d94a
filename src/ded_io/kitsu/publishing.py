"""All of a publication, registered in an order that a kill can't hurt: each thing is found again by what it is.

The same publication twice changes nothing; one that says something else of the same version updates what differs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from ded_io.kitsu import entities, previews
from ded_io.kitsu.connection import Row, Session
from ded_io.kitsu.entities import Outcome, Standing
from ded_io.kitsu.output_files import output_file
from ded_io.kitsu.publication import PreviewState, Publication, Published
from film_archive.core.source import printable

PATIENCE = 300.0
"""Seconds to wait for a preview to be processed."""


@dataclass
class _Ledger:
    """What was done so far."""

    ids: dict[str, str] = field(default_factory=dict)
    done: dict[Outcome, list[str]] = field(default_factory=lambda: {outcome: [] for outcome in Outcome})

    def note(self, name: str, standing: Standing) -> Standing:
        self.ids[name] = standing.id
        self.done[standing.outcome].append(name)
        return standing


def publish(
    publication: Publication,
    session: Session,
    *,
    normalize: bool = False,
    patience: float = PATIENCE,
    alone: AbstractContextManager[object] | None = None,
) -> Published:
    """Register a version: find what is there, create what is not, update what differs.

    `normalize` lets Kitsu encode the movie again; left off, it serves the very bytes (Kitsu's own encoding freezes the first
    frames of silent H.264 with B-frames). A preview that Kitsu breaks, that is not done after `patience` seconds, or whose
    file is gone is the result's `problem`; all else is registered then. `alone` is held while things are made that shots
    share and that Kitsu would make twice (sequences, task types, statuses). Raises StorageError, Refused or NotFound where
    the server fails or refuses; publishing again goes on from there.
    """
    ledger = _Ledger()
    with alone or nullcontext():
        project = ledger.note(
            "project", entities.production(session, publication.project, publication.project_id, publication.fps)
        )
        sequence = ledger.note("sequence", entities.sequence(session, project.id, publication.sequence))
        kind = ledger.note("task_type", entities.task_type(session, publication.task_type, publication.task))
        status = ledger.note("status", entities.status(session, publication.status))
    shot, newest = entities.shot(session, project.id, sequence.id, publication)
    ledger.note("shot", shot)
    ledger.done[entities.use_task_type(session, project.row, kind.id)].append("task_type in project")
    ledger.done[entities.use_status(session, project.row, status.id)].append("status in project")
    task = ledger.note("task", entities.task(session, project.id, shot.id, kind.id, status.id))
    for file in publication.output_files:
        output_type = ledger.note(
            f"output_type {file.output_type}", entities.output_type(session, file.output_type, file.short_name)
        )
        row = output_file(session, shot.id, kind.id, output_type.id, publication, file)
        ledger.note(f"output_file {file.output_type} {file.representation}", row)
    comment = ledger.note("comment", previews.comment(session, task.id, status.id, publication))
    shown = previews.preview(session, task.id, comment.row, publication, normalize=normalize, patience=patience)
    if shown.row is not None:
        ledger.note("preview", Standing(shown.row, shown.outcome))
        if (
            shown.state is PreviewState.READY
            and newest
            and previews.show_as_poster(session, task.id, shot.row, shown.row)
        ):
            ledger.done[Outcome.UPDATED].append("poster")
    return Published(
        name=publication.name,
        url=shot_url(session.host, project.id, shot.id),
        ids=ledger.ids,
        created=tuple(ledger.done[Outcome.CREATED]),
        updated=tuple(ledger.done[Outcome.UPDATED]),
        unchanged=tuple(ledger.done[Outcome.UNCHANGED]),
        preview=shown.state,
        warnings=tuple(_warnings(publication, project.row, shot.row, newest)),
        problem=_problem(publication, shown.state, patience),
    )


def shot_url(host: str, project_id: str, shot_id: str) -> str:
    """A shot's page in Kitsu."""
    return f"{host.removesuffix('/api')}/productions/{project_id}/shots/{shot_id}"


def _warnings(publication: Publication, project: Row, shot: Row, newest: bool) -> Iterator[str]:
    fps = project.fields.get("fps")
    if not entities.same_fps(fps, publication.fps):
        yield (
            f"The production {publication.project} has {fps} fps in Kitsu and the plate {publication.fps.text}; "
            "Kitsu counts frames by its own, correct it in the production's settings."
        )
    if shot.fields.get("canceled") is True:
        yield f"The shot {publication.shot} is cancelled in Kitsu; the plate is registered all the same."
    if not newest:
        yield f"Kitsu has a later {publication.element} than {publication.name}; the shot's frames were left as that has them."


def _problem(publication: Publication, state: PreviewState, patience: float) -> str | None:
    path = printable(publication.preview or "")
    sentences: Mapping[PreviewState, str] = {
        PreviewState.BROKEN: f"Kitsu could not process the preview {path}; all else is registered. Make it anew.",
        PreviewState.PROCESSING: (
            f"Kitsu was not done with the preview {path} after {patience:g} s; all else is registered. "
            "`ded-io kitsu sync` looks again."
        ),
        PreviewState.MISSING: f"The preview {path} is not there; all else is registered. Put it back.",
    }
    return sentences.get(state)

"""Finding and creating what a plate hangs on in Kitsu: production, sequence, shot, task type, status, task, output type.

Each is looked for first. What another run makes in the same instant is found after the refusal to make it twice.
`gazu`'s own `new_…` functions find and never update, or fail where there is one; here what was found otherwise is
updated where it is ours to say (a shot's frames), and told where it is not (a production's rate).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ded_io.kitsu.connection import Row, Session, broke_inside
from ded_io.kitsu.publication import Publication
from film_archive.core.errors import NotFound, Refused, StorageError
from film_archive.core.timecode import FrameRate

_TEXT_FPS = 10
"""Characters that Kitsu has for a production's rate."""


class Outcome(StrEnum):
    """What became of one thing."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Standing:
    """A thing as it stands in Kitsu now, and what was done to it."""

    row: Row
    outcome: Outcome

    @property
    def id(self) -> str:
        return self.row.id


def found_or_created(find: Callable[[], Row | None], create: Callable[[], Row]) -> Standing:
    """Find it, or make it; raises what `create` raises where it is not there afterwards either.

    Kitsu refuses to make the second of two, and breaks where two runs need something that it makes on the way (the file
    status of the very first output files, which it keeps unique): then it is asked once more.
    """
    try:
        return _found_or_created(find, create)
    except StorageError as error:
        if not broke_inside(error):
            raise
        return _found_or_created(find, create)


def _found_or_created(find: Callable[[], Row | None], create: Callable[[], Row]) -> Standing:
    row = find()
    if row is not None:
        return Standing(row, Outcome.UNCHANGED)
    try:
        return Standing(create(), Outcome.CREATED)
    except Refused:
        row = find()  # another run may have made it meanwhile
        if row is None:
            raise
        return Standing(row, Outcome.UNCHANGED)


def updated(session: Session, standing: Standing, path: str, wanted: Mapping[str, Any], what: str) -> Standing:
    """Bring the fields that differ to what is wanted; the rest of the row, and of its `data`, is left as it is."""
    changes = standing.row.differing(wanted)
    if not changes:
        return standing
    row = session.update(f"{path}/{standing.id}", changes, what)
    return Standing(row, Outcome.UPDATED if standing.outcome is Outcome.UNCHANGED else standing.outcome)


# Productions


def production(session: Session, name: str, identity: str | None, rate: FrameRate) -> Standing:
    """A production by its id, or by its name; one that is not there is made, with its rate.

    Kitsu's own default is 25, at which a movie of 24 is served with frames doubled.
    """
    if identity is not None:
        try:
            return Standing(session.row("projects", identity), Outcome.UNCHANGED)
        except NotFound as error:
            raise NotFound(
                f"Kitsu at {session.host} has no production with the id {identity}; look at project_id."
            ) from error
    fields = {"name": name, "production_type": "featurefilm", "fps": fps_text(rate)}
    standing = found_or_created(
        lambda: session.first("projects", name=name),
        lambda: session.create("data/projects", fields, f"make the production {name}"),
    )
    return Standing(session.row("projects", standing.id), standing.outcome)  # lists do not tell which types it uses


def fps_text(rate: FrameRate) -> str:
    """A rate as Kitsu keeps it: "24", "23.976"."""
    text = rate.text
    return text if "/" not in text else f"{float(rate):.3f}"[:_TEXT_FPS]


def same_fps(text: object, rate: FrameRate) -> bool:
    """Whether a production's rate is this one, however it is written ("23.98" is 24000/1001)."""
    try:
        return abs(float(str(text)) - float(rate)) < 0.01
    except ValueError:
        return False


# Shots


def sequence(session: Session, project: str, name: str) -> Standing:
    """A sequence by its name. Asked twice in the same instant Kitsu makes two of one name; the older one is meant."""

    def find() -> Row | None:
        return min(session.rows("sequences", project_id=project, name=name), key=_age, default=None)

    return found_or_created(
        find, lambda: session.create(f"data/projects/{project}/sequences", {"name": name}, f"make the sequence {name}")
    )


def _age(row: Row) -> tuple[str, str]:
    return row.text("created_at"), row.id


def shot(session: Session, project: str, sequence_id: str, publication: Publication) -> tuple[Standing, bool]:
    """The shot with the publication's frames, and whether this version is the newest that Kitsu has of the element.

    A version that comes later than its successor, from an outbox, leaves the shot's frames as the successor put them.
    """
    name = publication.shot
    wanted = _shot_fields(publication)
    standing = found_or_created(
        lambda: session.first("shots/all", sequence_id=sequence_id, name=name),
        lambda: session.create(
            f"data/projects/{project}/shots",
            {"name": name, "sequence_id": sequence_id, **wanted},
            f"make the shot {name}",
        ),
    )
    known = standing.row.data.get(_version_key(publication))
    newest = not isinstance(known, int) or known <= publication.version
    if newest:
        standing = updated(session, standing, "data/entities", wanted, f"change the frames of the shot {name}")
    return standing, newest


def _version_key(publication: Publication) -> str:
    return f"plate_{publication.element}"


def _shot_fields(publication: Publication) -> dict[str, Any]:
    return {
        "nb_frames": publication.frames,
        "data": {
            **publication.metadata,
            "frame_in": publication.frame_in,
            "frame_out": publication.frame_out,
            "handle_in": publication.head_handle,
            "handle_out": publication.tail_handle,
            "fps": fps_text(publication.fps),
            _version_key(publication): publication.version,
        },
    }


# Types and statuses: a studio's, not a production's


def task_type(session: Session, name: str, short_name: str) -> Standing:
    """A task type for shots, found by its name or else by its short name."""
    fields = {"name": name, "short_name": short_name, "color": "#5D7A8C", "for_entity": "Shot"}
    return found_or_created(
        lambda: (
            session.first("task-types", name=name, for_entity="Shot")
            or session.first("task-types", short_name=short_name, for_entity="Shot")
        ),
        lambda: session.create("data/task-types", fields, f"make the task type {name}"),
    )


STATUS_NAMES = {"todo": "Todo", "wip": "Work In Progress", "wfa": "Waiting For Approval", "done": "Done"}
"""What statuses that are made here are called; Kitsu's own set has them under these short names."""


def status(session: Session, short_name: str) -> Standing:
    """A task status by its short name."""
    fields = {"name": STATUS_NAMES.get(short_name, short_name), "short_name": short_name, "color": "#AB26FF"}
    return found_or_created(
        lambda: session.first("task-status", short_name=short_name),
        lambda: session.create("data/task-status", fields, f"make the task status {short_name}"),
    )


def use_task_type(session: Session, production_row: Row, task_type_id: str) -> Outcome:
    """Let a production use a task type, so that its pages have a column for it."""
    fields = {"task_type_id": task_type_id, "priority": 1}
    return _use(session, production_row, "task_types", task_type_id, "task-types", fields)


def use_status(session: Session, production_row: Row, status_id: str) -> Outcome:
    """Let a production use a task status."""
    return _use(session, production_row, "task_statuses", status_id, "task-status", {"task_status_id": status_id})


def _use(
    session: Session, production_row: Row, key: str, identity: str, path: str, fields: Mapping[str, Any]
) -> Outcome:
    listed = production_row.fields.get(key)
    ids = [each.get("id") if isinstance(each, dict) else each for each in listed] if isinstance(listed, list) else []
    if identity in ids:
        return Outcome.UNCHANGED
    what = "let the production use the plates' task type and status"
    session.create(f"data/projects/{production_row.id}/settings/{path}", fields, what)
    return Outcome.UPDATED


def output_type(session: Session, name: str, short_name: str) -> Standing:
    return found_or_created(
        lambda: session.first("output-types", name=name),
        lambda: session.create(
            "data/output-types", {"name": name, "short_name": short_name}, f"make the output type {name}"
        ),
    )


# Tasks


def task(session: Session, project: str, shot_id: str, task_type_id: str, status_id: str) -> Standing:
    """The shot's task of a type; one that is made begins with the given status, for Kitsu may have no default."""
    fields = {
        "project_id": project,
        "entity_id": shot_id,
        "task_type_id": task_type_id,
        "task_status_id": status_id,
        "name": "main",
    }
    return found_or_created(
        lambda: session.first("tasks", entity_id=shot_id, task_type_id=task_type_id, name="main"),
        lambda: session.create("data/tasks", {**fields, "assignees": []}, "make the task"),
    )

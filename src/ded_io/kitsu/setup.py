"""A production made ready for plates: what only an administrator may make is made once, here.

Task types, statuses and output types belong to the whole studio, so a manager's bot can't make them. What is there already
is left as it is, but for the production's file tree where the caller says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ded_io.kitsu import entities
from ded_io.kitsu.connection import Session
from ded_io.kitsu.entities import Outcome, Standing
from film_archive.core.job import Report
from film_archive.core.timecode import FrameRate

TASK_TYPE = ("Plates", "pla")
OUTPUT_TYPES = (("Plate", "plate"), ("Proxy", "proxy"))
"""Name and short name of what a plate ingest registers."""
STATUSES = ("todo", "wfa")


@dataclass(frozen=True, slots=True, kw_only=True)
class SetUp(Report):
    """What a set-up did."""

    host: str
    """The server."""
    project: str
    """The production's name."""
    project_id: str
    """Its id, for `project_id` in the configuration."""
    created: tuple[str, ...]
    """What was made."""
    updated: tuple[str, ...]
    """What was changed."""
    unchanged: tuple[str, ...]
    """What was there."""
    warnings: tuple[str, ...]
    """What a person should look at."""


def set_up(
    session: Session,
    project: str,
    *,
    identity: str | None = None,
    rate: FrameRate,
    root: str,
    replace_tree: bool = False,
) -> SetUp:
    """Make a production, its task type, statuses, output types and file tree, as far as they are not there.

    `rate` is given to a production that is made; one that has another is warned of. `root` is the shot tree's folder.
    Raises Refused where the account may not, StorageError where the server fails.
    """
    done: dict[Outcome, list[str]] = {outcome: [] for outcome in Outcome}
    warnings: list[str] = []

    def note(name: str, standing: Standing) -> Standing:
        done[standing.outcome].append(name)
        return standing

    production = note("project", entities.production(session, project, identity, rate))
    if not entities.same_fps(production.row.fields.get("fps"), rate):
        warnings.append(
            f"The production has {production.row.fields.get('fps')} fps in Kitsu, and plates have {rate.text}."
        )
    kind = note(f"task_type {TASK_TYPE[0]}", entities.task_type(session, *TASK_TYPE))
    done[entities.use_task_type(session, production.row, kind.id)].append(f"task_type {TASK_TYPE[0]} in project")
    for short_name in STATUSES:
        status = note(f"status {short_name}", entities.status(session, short_name))
        done[entities.use_status(session, production.row, status.id)].append(f"status {short_name} in project")
    for name, short_name in OUTPUT_TYPES:
        note(f"output_type {name}", entities.output_type(session, name, short_name))
    done[_tree(session, production, file_tree(root), replace_tree, warnings)].append("file_tree")
    return SetUp(
        host=session.host,
        project=production.row.text("name") or project,
        project_id=production.id,
        created=tuple(done[Outcome.CREATED]),
        updated=tuple(done[Outcome.UPDATED]),
        unchanged=tuple(done[Outcome.UNCHANGED]),
        warnings=tuple(warnings),
    )


def _tree(
    session: Session, production: Standing, wanted: dict[str, Any], replace: bool, warnings: list[str]
) -> Outcome:
    there = production.row.fields.get("file_tree")
    if there == wanted:
        return Outcome.UNCHANGED
    if there and not replace:
        warnings.append(
            "The production has a file tree of its own, which was left as it is; --replace-tree sets that of plates."
        )
        return Outcome.UNCHANGED
    session.update(f"data/projects/{production.id}", {"file_tree": wanted}, "set the production's file tree")
    return Outcome.UPDATED if there else Outcome.CREATED


def file_tree(root: str) -> dict[str, Any]:
    """Kitsu's template for the paths of the shot tree.

    What Kitsu makes of it is in lower case, whatever its style says; so each output file is given its real path besides, and
    the template is for those who ask Kitsu where things would be.
    """
    container = "<Shot>_<TaskType.short_name>_<Name>_v<Version>"
    folders = {"shot": "<Shot>/<TaskType.short_name>", "style": ""}
    return {
        "working": {
            "mountpoint": root,
            "root": "",
            "folder_path": folders,
            "file_name": {"shot": container, "style": ""},
        },
        "output": {
            "mountpoint": root,
            "root": "",
            "folder_path": {"shot": f"<Shot>/<TaskType.short_name>/{container}/<Representation>", "style": ""},
            "file_name": {"shot": f"{container}_<Representation>", "style": ""},
        },
    }

"""A production made ready for plates on a real Kitsu server, once and again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ded_io.kitsu.account import Account
from ded_io.kitsu.connection import Session, connect
from ded_io.kitsu.setup import SetUp, file_tree, set_up
from film_archive.core.errors import NotFound, Refused
from film_archive.core.timecode import FrameRate


@pytest.fixture(scope="module")
def session(admin: Account) -> Iterator[Session]:
    with connect(admin) as made:
        yield made


def ready(
    session: Session, name: str, *, rate: FrameRate | None = None, replace_tree: bool = False, root: str = "/mnt/shots"
) -> SetUp:
    return set_up(session, name, rate=rate or FrameRate(24000, 1001), root=root, replace_tree=replace_tree)


def test_what_is_not_there_is_made_and_the_same_again_changes_nothing(session: Session) -> None:
    made = ready(session, "Ready")
    project = session.row("projects", made.project_id)
    assert (made.project, project.fields["fps"], project.fields["file_tree"]) == (
        "Ready",
        "23.976",
        file_tree("/mnt/shots"),
    )
    assert {"project", "file_tree"} <= set(made.created)
    kind = session.first("task-types", name="Plates", for_entity="Shot")
    assert kind is not None
    assert kind.text("short_name") == "pla"
    assert kind.id in project.fields["task_types"]
    assert len(project.fields["task_statuses"]) == 2
    again = ready(session, "Ready")
    assert (again.created, again.updated, again.warnings, again.project_id) == ((), (), (), made.project_id)


def test_another_file_tree_is_left_unless_it_is_to_be_replaced(session: Session) -> None:
    ready(session, "Trees")
    kept = ready(session, "Trees", root="/elsewhere")
    assert "file_tree" in kept.unchanged
    assert "--replace-tree" in kept.warnings[0]
    assert "file_tree" in ready(session, "Trees", root="/elsewhere", replace_tree=True).updated


def test_another_rate_is_told_and_left(session: Session) -> None:
    ready(session, "Rates")
    report = ready(session, "Rates", rate=FrameRate(25))
    assert "23.976 fps" in report.warnings[0]
    assert session.row("projects", report.project_id).fields["fps"] == "23.976"


def test_kitsu_takes_the_tree_and_makes_paths_of_it(session: Session) -> None:
    """In lower case, whatever the style says: which is why each output file is given its own path besides."""
    made = ready(session, "Paths", root="/mnt/Shots")
    sequence = session.create(f"data/projects/{made.project_id}/sequences", {"name": "sht"}, "make it")
    shot = session.create(
        f"data/projects/{made.project_id}/shots", {"name": "sht100", "sequence_id": sequence.id}, "make it"
    )
    kind, output = session.first("task-types", name="Plates"), session.first("output-types", name="Plate")
    assert kind is not None
    assert output is not None
    fields = {
        "output_type_id": output.id,
        "task_type_id": kind.id,
        "name": "rawPlate",
        "revision": 1,
        "representation": "main",
    }
    row = session.create(
        f"data/entities/{shot.id}/output-files/new", {**fields, "comment": "", "nb_elements": 1}, "make it"
    )
    assert row.text("path").startswith("/mnt/Shots/sht100/pla/sht100_pla_rawplate_")


def test_a_production_that_is_not_there_by_its_id(session: Session) -> None:
    with pytest.raises((NotFound, Refused)):
        set_up(session, "", identity="00000000-0000-0000-0000-000000000000", rate=FrameRate(24), root="/")

"""Publishing to a real Kitsu server: what it has afterwards, and that the same again changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ded_io.kitsu import entities
from ded_io.kitsu.account import Account
from ded_io.kitsu.connection import Row, Session, connect
from ded_io.kitsu.publication import PreviewState, Publication
from ded_io.kitsu.publishing import publish
from film_archive.core.errors import NotFound, Refused
from film_archive.core.timecode import FrameRate
from tests.ded_io.kitsu.plates import FRAMES, frames, holdings, movie, picture, plate, project_named, served

MOVIE_FILE = frames(
    output_type="Proxy",
    short_name="proxy",
    representation="proxy",
    path=Path("/x/a.mp4"),
    first_frame=None,
    last_frame=None,
    size=100,
    colorspace="sRGB",
)


@pytest.fixture(scope="module")
def session(admin: Account) -> Iterator[Session]:
    with connect(admin) as made:
        yield made


def only(rows: tuple[Row, ...]) -> Row:
    (row,) = rows
    return row


def shot_of(session: Session, publication: Publication) -> Row:
    project = project_named(session, publication.project)
    return next(row for row in session.rows(f"projects/{project.id}/shots") if row.text("name") == publication.shot)


def files_of(session: Session, publication: Publication) -> tuple[Row, ...]:
    return session.rows(f"entities/{shot_of(session, publication).id}/output-files")


# What is registered


def test_a_plate_and_its_movie(session: Session, admin: Account, tmp_path: Path) -> None:
    """Without `zou init-data` there is no default status, no task type, no file tree; all of it is made."""
    publication = plate(
        "Feature",
        preview=movie(tmp_path / "sht100_pla_rawPlate_v001_proxy_sRGB.mp4", count=67, options=()),  # with B-frames
        comment="Opening <b>shot</b> & 近藤\n\nsecond line  ",
        metadata={"reel": "A001", "source_timecode": "01:00:00:00"},
        output_files=(frames(), MOVIE_FILE),
    )
    done = publish(publication, session)
    assert (done.problem, done.warnings, done.preview, done.exit_status) == (None, (), PreviewState.READY, 0)
    assert {"project", "sequence", "shot", "task", "comment", "preview"} <= set(done.created)
    project = session.row("projects", done.ids["project"])
    assert project.fields["fps"] == "24"
    shot = session.row("shots", done.ids["shot"])
    assert (shot.fields["nb_frames"], shot.data["frame_in"], shot.data["frame_out"]) == (51, 1001, 1051)
    assert (shot.data["handle_in"], shot.data["handle_out"], shot.data["fps"], shot.data["reel"]) == (
        8,
        8,
        "24",
        "A001",
    )
    assert shot.fields["preview_file_id"] == done.ids["preview"]
    assert session.row("task-types", done.ids["task_type"]).text("short_name") == "pla"
    main, proxy = sorted(files_of(session, publication), key=lambda row: row.text("representation"))
    assert (main.text("path"), main.text("extension"), main.fields["nb_elements"]) == (str(FRAMES), "exr", 67)
    assert (main.fields["revision"], main.text("name"), main.text("checksum")) == (
        1,
        "rawPlate",
        "0123456789abcdef0123456789abcdef",
    )
    assert (main.fields["size"], main.data["size"]) == (None, 5_000_000_000)  # more than Kitsu's column holds
    assert (main.data["first_frame"], main.data["last_frame"], main.data["colorspace"]) == (993, 1059, "ACEScg")
    assert main.data["digests"]["sha256"] == "f" * 64
    assert (proxy.text("path"), proxy.fields["size"], proxy.fields["nb_elements"]) == ("/x/a.mp4", 100, 1)
    comment = only(session.rows(f"tasks/{done.ids['task']}/comments"))
    assert comment.text("text").splitlines()[:2] == [
        "sht100_pla_rawPlate_v001",
        "Frames 993-1059, cut 1001-1051 (51), 24 fps",
    ]
    assert comment.text("text").endswith("Opening <b>shot</b> & 近藤\n\nsecond line")
    assert (
        session.row("task-status", session.row("tasks", done.ids["task"]).text("task_status_id")).text("short_name")
        == "wfa"
    )
    preview = session.row("preview-files", done.ids["preview"])
    assert (preview.fields["revision"], preview.text("status")) == (1, "ready")
    assert publication.preview is not None
    assert served(session, done.ids["preview"]) == publication.preview.read_bytes()

    before = holdings(session, "Feature")
    again = publish(publication, session)
    assert (again.created, again.updated, again.problem) == ((), (), None)
    assert again.ids == done.ids
    assert holdings(session, "Feature") == before


@pytest.mark.nightly
def test_encoded_again_it_has_all_frames(session: Session, tmp_path: Path) -> None:
    """Without B-frames Kitsu's own encoding keeps every frame, at the production's rate."""
    path = movie(tmp_path / "a.mp4", count=67)
    done = publish(plate("Encoded again", preview=path), session, normalize=True)
    assert done.preview is PreviewState.READY
    (tmp_path / "served.mp4").write_bytes(served(session, done.ids["preview"]))
    from film_archive.media.probe import probe

    facts = probe(tmp_path / "served.mp4")
    assert (facts.frames, facts.frame_rate) == (67, FrameRate(24))


def test_what_changed_is_updated_and_what_others_wrote_stays(session: Session) -> None:
    first = plate("Changed", comment="first", metadata={"reel": "A001"})
    done = publish(first, session)
    session.update(
        f"data/entities/{done.ids['shot']}", {"data": {**shot_of(session, first).data, "weather": "rain"}}, "add"
    )
    second = replace(
        first, comment="second", frame_out=1099, tail_handle=4, output_files=(frames(last_frame=1103, size=7),)
    )
    again = publish(second, session)
    assert (again.created, set(again.updated)) == ((), {"shot", "output_file Plate main", "comment"})
    assert again.ids == done.ids
    shot = shot_of(session, first)
    assert (shot.fields["nb_frames"], shot.data["frame_out"], shot.data["handle_out"]) == (99, 1099, 4)
    assert (shot.data["weather"], shot.data["reel"]) == ("rain", "A001")
    main = only(files_of(session, first))
    assert (main.fields["nb_elements"], main.fields["size"], main.data["last_frame"], main.text("comment")) == (
        111,
        7,
        1103,
        "second",
    )
    assert "second" in only(session.rows(f"tasks/{done.ids['task']}/comments")).text("text")
    assert publish(second, session).updated == ()


def test_an_earlier_version_that_comes_late_leaves_the_shot_as_it_is(session: Session) -> None:
    publish(plate("Late", version=2, frame_out=1080), session)
    late = publish(plate("Late", version=1), session)
    assert "v001" in late.warnings[0]
    assert shot_of(session, plate("Late")).fields["nb_frames"] == 80
    assert sorted(row.fields["revision"] for row in files_of(session, plate("Late"))) == [1, 2]
    publish(
        plate("Late", version=1, element="cleanPlate", frame_out=1080), session
    )  # another element counts for itself
    assert shot_of(session, plate("Late")).data["plate_rawPlate"] == 2


def test_two_elements_of_one_version_each_have_their_preview(session: Session, tmp_path: Path) -> None:
    preview = picture(tmp_path / "a.png")
    done = [
        publish(plate("Elements", element=element, preview=preview), session) for element in ("rawPlate", "cleanPlate")
    ]
    assert [each.preview for each in done] == [PreviewState.READY] * 2
    assert done[0].ids["task"] == done[1].ids["task"]
    revisions = [session.row("preview-files", each.ids["preview"]).fields["revision"] for each in done]
    assert revisions == [1, 2]
    assert shot_of(session, plate("Elements")).fields["preview_file_id"] == done[1].ids["preview"]
    assert len(session.rows(f"tasks/{done[0].ids['task']}/comments")) == 2
    assert publish(plate("Elements", element="cleanPlate", preview=preview), session).created == ()


def test_a_new_preview_of_a_version_comes_beside_the_one_people_have_seen(session: Session, tmp_path: Path) -> None:
    first, second = picture(tmp_path / "a.png"), movie(tmp_path / "b.mp4", count=2)
    done = publish(plate("Again", preview=first), session)
    again = publish(plate("Again", preview=second), session)
    assert (again.created, again.preview) == (("preview",), PreviewState.READY)
    assert {row.id for row in session.rows("preview-files", task_id=done.ids["task"])} == {
        done.ids["preview"],
        again.ids["preview"],
    }
    assert len(session.rows(f"tasks/{done.ids['task']}/comments")) == 1
    assert publish(plate("Again", preview=first), session).created == ()


@pytest.mark.nightly
def test_what_another_task_shows_stays_the_shots_poster(session: Session, tmp_path: Path) -> None:
    preview = picture(tmp_path / "a.png")
    comp = publish(plate("Poster", task="cmp", task_type="Compositing", preview=preview), session)
    done = publish(plate("Poster", preview=preview), session)
    assert done.preview is PreviewState.READY
    assert shot_of(session, plate("Poster")).fields["preview_file_id"] == comp.ids["preview"]


# Previews that go wrong


def test_a_preview_that_kitsu_breaks_is_told_and_replaced(session: Session, tmp_path: Path) -> None:
    path = movie(tmp_path / "a.mp4", count=2)
    good = path.read_bytes()
    path.write_bytes(b"no movie at all" * 100)
    for _ in range(2):
        done = publish(plate("Broken", preview=path), session)
        assert (done.preview, done.exit_status) == (PreviewState.BROKEN, 12)
        assert done.problem is not None
        assert str(path) in done.problem
    path.write_bytes(good)
    mended = publish(plate("Broken", preview=path), session)
    assert (mended.preview, mended.problem) == (PreviewState.READY, None)
    states = [row.text("status") for row in session.rows("preview-files", task_id=mended.ids["task"])]
    assert states.count("ready") == 1
    assert len(session.rows(f"tasks/{mended.ids['task']}/comments")) == 1


def test_a_preview_that_is_gone_costs_nothing_else(session: Session, tmp_path: Path) -> None:
    done = publish(plate("Gone", preview=tmp_path / "gone.mp4"), session)
    assert done.preview is PreviewState.MISSING
    assert done.problem is not None
    assert "gone.mp4" in done.problem
    assert only(files_of(session, plate("Gone"))).text("path") == str(FRAMES)


def test_a_preview_that_takes_too_long_is_told(session: Session, tmp_path: Path) -> None:
    done = publish(plate("Slow", preview=picture(tmp_path / "a.png")), session)
    session.update(f"data/preview-files/{done.ids['preview']}", {"status": "processing"}, "set it back")
    slow = publish(plate("Slow", preview=tmp_path / "a.png"), session, patience=0.1)
    assert (slow.preview, slow.exit_status, slow.created) == (PreviewState.PROCESSING, 12, ())
    session.update(f"data/preview-files/{done.ids['preview']}", {"status": "ready"}, "finish it")
    assert publish(plate("Slow", preview=tmp_path / "a.png"), session).done


# Productions, shots and types that are there


def test_a_production_with_another_rate_is_warned_of_and_left(session: Session) -> None:
    made = session.create("data/projects", {"name": "PAL", "production_type": "short"}, "make it")
    assert made.fields["fps"] == "25"  # Kitsu's default
    done = publish(plate("PAL"), session)
    assert "25 fps" in only_text(done.warnings)
    assert session.row("projects", made.id).fields["fps"] == "25"
    by_id = publish(plate("another name", project_id=made.id), session)
    assert by_id.ids == done.ids


def only_text(texts: tuple[str, ...]) -> str:
    (text,) = texts
    return text


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (FrameRate(24), "24"),
        (FrameRate(24000, 1001), "23.976"),
        (FrameRate(30000, 1001), "29.97"),
        (FrameRate(100, 3), "33.333"),
    ],
)
def test_rates_as_kitsu_writes_them(rate: FrameRate, text: str) -> None:
    assert entities.fps_text(rate) == text
    assert entities.same_fps(text, rate)
    assert not entities.same_fps("25", rate)
    assert not entities.same_fps(None, rate)


def test_a_production_that_is_not_there_by_its_id(session: Session) -> None:
    for identity in ("00000000-0000-0000-0000-000000000000", "kitsu_project_abc123"):
        with pytest.raises((NotFound, Refused)):
            publish(plate("x", project_id=identity), session)


def test_a_cancelled_shot_is_told(session: Session) -> None:
    done = publish(plate("Cancelled"), session)
    session.remove(f"data/shots/{done.ids['shot']}", "cancel it")
    again = publish(plate("Cancelled"), session)
    assert again.ids["shot"] == done.ids["shot"]
    assert "cancelled" in only_text(again.warnings)


def test_a_task_type_is_known_by_its_short_name_too(session: Session) -> None:
    session.create("data/task-types", {"name": "Paint And Roto", "short_name": "pnt", "for_entity": "Shot"}, "make it")
    done = publish(plate("Types", task="pnt", task_type="Paint"), session)
    assert "task_type" in done.unchanged
    assert session.row("task-types", done.ids["task_type"]).text("name") == "Paint And Roto"


def test_an_output_file_that_kitsu_left_without_a_path_is_completed(session: Session) -> None:
    """Kitsu makes the row, then finds no file tree and answers that it failed; so does one that was killed there."""
    done = publish(plate("Treeless", output_files=()), session)
    kind = entities.output_type(session, "Plate", "plate")
    body = {
        "output_type_id": kind.id,
        "task_type_id": done.ids["task_type"],
        "name": "rawPlate",
        "revision": 1,
        "representation": "main",
    }
    with pytest.raises(Refused):
        session.create(
            f"data/entities/{done.ids['shot']}/output-files/new", {**body, "comment": "", "nb_elements": 1}, "make it"
        )
    assert publish(plate("Treeless"), session).done
    assert only(files_of(session, plate("Treeless"))).text("path") == str(FRAMES)


def test_paths_keep_their_case_where_there_is_a_file_tree(session: Session) -> None:
    from ded_io.kitsu.setup import set_up

    set_up(session, "Tree", rate=FrameRate(24), root="/mnt/Shots")
    assert publish(plate("Tree"), session).done
    assert only(files_of(session, plate("Tree"))).text("path") == str(FRAMES)


@pytest.mark.nightly
def test_a_path_that_is_too_long_for_kitsu_stands_in_the_data(session: Session) -> None:
    path = Path("/", *("f" * 200 for _ in range(3)), "a.%04d.exr")
    publish(plate("Long", output_files=(frames(path=path),)), session)
    row = only(files_of(session, plate("Long")))
    assert (row.text("path"), row.data["path"]) == ("", str(path))
    assert publish(plate("Long", output_files=(frames(path=path),)), session).updated == ()


# Several at once


def test_eight_at_once_make_one_of_each(admin: Account, session: Session) -> None:
    publish(plate("Race", shot="first", output_files=()), session)  # production, sequence and types are there

    def make(_: int) -> tuple[str, ...]:
        with connect(admin) as own:
            done = publish(plate("Race"), own)
            return tuple(done.ids[name] for name in ("shot", "task", "output_file Plate main"))

    with ThreadPoolExecutor(8) as threads:
        made = set(threads.map(make, range(8)))
    assert len(made) == 1
    assert len(holdings(session, "Race")["shots"]) == 2


def test_of_two_sequences_of_one_name_the_older_is_meant(session: Session) -> None:
    done = publish(plate("Twins"), session)
    first = session.row("entities", done.ids["sequence"])
    fields = {"name": "sht", "project_id": done.ids["project"], "entity_type_id": first.fields["entity_type_id"]}
    for _ in range(3):
        assert (
            session.create("data/entities", fields, "make another").id != first.id
        )  # its database has nothing against it
    twins = session.rows("sequences", project_id=done.ids["project"], name="sht")
    assert len(twins) == 4
    oldest = min(twins, key=lambda row: (row.text("created_at"), row.id))  # Kitsu's times have whole seconds
    assert {publish(plate("Twins"), session).ids["sequence"] for _ in range(2)} == {oldest.id}


# Roles


def bot(session: Session, name: str, role: str, project: str | None) -> str:
    fields = {
        "first_name": name,
        "last_name": "",
        "email": f"{name}@example.com",
        "role": role,
        "is_bot": True,
        "active": True,
    }
    made = session.create("data/persons", {**fields, "departments": [], "expiration_date": None}, "make a bot")
    if project is not None:
        session.create(f"data/projects/{project}/team", {"person_id": made.id}, "put it into the team")
    return made.text("access_token")


def test_a_managers_bot_publishes_where_an_administrator_has_set_up(
    admin: Account, session: Session, tmp_path: Path
) -> None:
    from ded_io.kitsu.setup import set_up

    made = set_up(session, "Bots", rate=FrameRate(24), root="/mnt/shots")
    token = bot(session, "manager", "manager", made.project_id)
    with connect(Account(admin.host, token=token)) as own:
        assert own.role == "manager"
        publication = plate("Bots", preview=picture(tmp_path / "a.png"))
        done = publish(publication, own)
        assert (done.problem, done.preview) == (None, PreviewState.READY)
        assert publish(publication, own).created == ()
        assert only(files_of(own, publication)).data["size"] == 5_000_000_000


@pytest.mark.parametrize(("role", "in_team"), [("user", True), ("manager", False), ("vendor", True), ("client", True)])
def test_roles_that_may_not_are_told_what_they_lack(admin: Account, session: Session, role: str, in_team: bool) -> None:
    made: dict[str, Any] = {"name": f"Closed to {role}s", "production_type": "short", "fps": "24"}
    project = session.create("data/projects", made, "make it")
    token = bot(session, f"{role}-of-none", role, project.id if in_team else None)
    with connect(Account(admin.host, token=token)) as own, pytest.raises(Refused, match="manager"):
        publish(plate(made["name"]), own)
    assert session.rows(f"projects/{project.id}/shots") == ()

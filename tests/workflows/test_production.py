"""Creating and adding, with real sources: what changes meanwhile, what is odd, what is there already."""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from film_archive.archive import layout
from film_archive.archive.reader import open_archive
from film_archive.archive.unpack import unpack
from film_archive.core import copying, files
from film_archive.core.errors import Damaged, FilmArchiveError, NoSpace, NotFound, Refused, SourceChanged, UsageError
from film_archive.core.ladder import parse_sizes
from film_archive.core.progress import Count, Phase, Progress
from film_archive.testing.stills import SequenceSpec, make_sequence
from film_archive.workflows.production import (
    abandon_unfinished,
    add_to_archive,
    apply_create,
    create_archive,
    plan_add,
    plan_archive,
)
from tests.archive.making import noise
from tests.core.mounts import image
from tests.media import making
from tests.workflows.making import add, check, contents, create, create_in_place, sources, tree, write_tree

BIG = 9 << 20
"""More than one block that is read at once, so that something can happen in between."""


def unpacked(target: Path, folder: Path) -> Path:
    with open_archive(target) as archive:
        assert not unpack(archive, folder).failed
    return folder


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    media = sources(tmp_path / "media", size=2000)
    (media / "card").chmod(0o750)
    (media / "zero").chmod(0o400)
    made = create(tmp_path / "archive.zip", media)
    assert (made.generation, made.reused, made.junk_skipped) == (1, 0, 0)
    assert check(tmp_path / "archive.zip").ok
    out = unpacked(tmp_path / "archive.zip", tmp_path / "out") / "media"
    assert tree(out) == tree(media)
    for place in [media, *media.rglob("*")]:
        other = out / place.relative_to(media)
        assert other.lstat().st_mtime_ns == place.lstat().st_mtime_ns, place
        if not place.is_symlink():
            assert stat.S_IMODE(other.lstat().st_mode) == stat.S_IMODE(place.lstat().st_mode), place


def test_odd_names_come_out_as_they_were(tmp_path: Path) -> None:
    media = tmp_path / "media"
    media.mkdir()
    raw = [b"new\nline", b"\x01\x1b[31m", "🎬 ünï".encode(), b"%41", b" lead", b"a" * 255]
    raw += [b"\xff\xfe%", b"\xe4/\xff", "ü".encode() * 127]
    for name in raw:
        if b"/" in name:
            os.mkdir(os.fsencode(media) + b"/" + name.split(b"/")[0])
        with open(os.fsencode(media) + b"/" + name, "wb") as file:
            file.write(name)
    (media / "raw link").symlink_to(os.fsdecode(b"\xff\xfe%"))
    create(tmp_path / "archive.zip", media)
    out = unpacked(tmp_path / "archive.zip", tmp_path / "out") / "media"

    def walked(folder: Path) -> dict[bytes, bytes]:
        top = os.fsencode(folder)
        found = {}
        for below, _, names in os.walk(top):
            for name in names:
                with open(below + b"/" + name, "rb") as file:
                    found[(below + b"/" + name).removeprefix(top)] = file.read()
        return found

    assert walked(out) == walked(media)
    assert os.readlink(os.fsencode(out / "raw link")) == b"\xff\xfe%"
    with zipfile.ZipFile(tmp_path / "archive.zip") as other:
        assert other.testzip() is None


def test_the_same_names_in_place(tmp_path: Path) -> None:
    """Own data of a name of 255 bytes would have a name that no file can have: it is shortened."""
    long = "a" * 251 + ".mov"
    raw = os.fsdecode(b"\xff" * 200)
    write_tree(tmp_path / "media", {long: b"1", raw: b"2"})
    create_in_place(tmp_path / "media")
    with open_archive(tmp_path / "media") as archive:
        assert archive.read(long) == b"1"
        assert archive.read("%FF" * 200) == b"2"
    for path in (layout.index_path(long), layout.index_path("%FF" * 200 + "/" + long), layout.proxy_path(long * 2, "x")):
        assert all(len(part.encode()) <= 255 for part in path.split("/"))
        assert path == layout.index_path(long) or path != layout.index_path(long[1:])
    assert layout.index_path(long).endswith(".idx")
    assert layout.index_path(long) != layout.sums_path(long)
    assert layout.index_path("short.mov") == ".film-archive/frames/short.mov.idx"


# Sources that change


class Meanwhile:
    """Something that happens once, when the first bytes have been archived."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.act: Callable[[], object] | None = act

    def __call__(self, phase: Phase, count: Count) -> None:
        if count.done and self.act is not None:
            act, self.act = self.act, None
            act()


def meanwhile(act: Callable[[], object]) -> Progress:
    return Progress(Meanwhile(act))


def growing(path: Path) -> Callable[[], object]:
    def grow() -> None:
        with path.open("ab") as file:
            file.write(b"more")

    return grow


@pytest.mark.parametrize("change", ["grows", "shrinks", "is overwritten"])
def test_a_file_that_changes_while_it_is_read(tmp_path: Path, change: str) -> None:
    media = write_tree(tmp_path / "media", {"a.bin": noise(BIG), "b.bin": b"b"})
    path = media / "a.bin"

    def act() -> None:
        if change == "grows":
            growing(path)()
        elif change == "shrinks":
            os.truncate(path, 5 << 20)
        else:
            with path.open("r+b") as file:
                file.write(b"other")

    target = tmp_path / "archive.zip"
    with pytest.raises(SourceChanged, match="changed while it was read") as raised:
        create_archive(target, [media], proxies=(), progress=meanwhile(act))
    assert raised.value.exit_status == 11
    assert not target.exists()
    create(target, media)
    assert contents(target)["media/a.bin"] == path.read_bytes()
    assert [place.name for place in tmp_path.iterdir() if "archive" in place.name] == ["archive.zip"]


def test_a_file_that_changes_while_it_is_added(tmp_path: Path) -> None:
    target = tmp_path / "archive.zip"
    create(target, write_tree(tmp_path / "first", {"a": b"a"}))
    before = contents(target)
    path = write_tree(tmp_path / "second", {"b.bin": noise(BIG)}) / "b.bin"
    with pytest.raises(SourceChanged):
        add_to_archive(target, [path], proxies=(), progress=meanwhile(growing(path)))
    assert contents(target) == before
    assert check(target).ok
    add(target, path)
    assert contents(target) == {**before, "b.bin": path.read_bytes()}


def test_a_file_that_changes_between_looking_and_reading(tmp_path: Path) -> None:
    media = write_tree(tmp_path / "media", {"a": b"a", "b": b"b"})
    plan = plan_archive(tmp_path / "archive.zip", [media], proxies=())
    growing(media / "b")()
    with pytest.raises(SourceChanged, match="since it was looked at"):
        apply_create(plan)
    (media / "b").unlink()
    with pytest.raises(NotFound):
        apply_create(plan)
    assert not (tmp_path / "archive.zip").exists()


def test_a_listed_file_that_changes_in_place(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "folder", {"a.bin": noise(BIG)})
    with pytest.raises(SourceChanged):
        create_archive(folder, in_place=True, proxies=(), progress=meanwhile(growing(folder / "a.bin")))
    assert not (folder / layout.MANIFEST).exists()
    create_in_place(folder)
    growing(folder / "a.bin")()
    assert [problem.path for problem in check(folder).problems] == ["a.bin"]
    with pytest.raises(Refused, match="has changed since it was archived"):
        add(folder, folder)


# What is there already


def test_a_target_that_exists(tmp_path: Path) -> None:
    media = write_tree(tmp_path / "media", {"a": b"a"})
    target = tmp_path / "archive.zip"
    target.write_bytes(b"precious")
    for act in (lambda: create(target, media), lambda: plan_archive(target, [media])):
        with pytest.raises(Refused, match="exists already") as raised:
            act()
        assert raised.value.exit_status == 4
    assert target.read_bytes() == b"precious"


def test_adding_what_is_there(tmp_path: Path) -> None:
    media = write_tree(tmp_path / "media", {"a": b"a"})
    target = tmp_path / "archive.zip"
    create(target, media)
    before = target.read_bytes()
    for name in ("media", "MEDIA"):
        other = write_tree(tmp_path / "other" / name, {"A": b"b"})
        with pytest.raises(Refused, match=r"already; nothing was changed"):
            add(target, other)
        assert target.read_bytes() == before
        assert not [place for place in tmp_path.iterdir() if "film-archive" in place.name]


def test_a_folder_grows_by_another_day(tmp_path: Path) -> None:
    first = write_tree(tmp_path / "1" / "media", {"day1/a": b"1"})
    second = write_tree(tmp_path / "2" / "media", {"day2/a": b"2", "day1/b": b"3"})
    target = tmp_path / "archive.zip"
    create(target, first)
    add(target, second)
    assert check(target).ok
    assert contents(target).items() >= {"media/day1/a": b"1", "media/day2/a": b"2", "media/day1/b": b"3"}.items()


def test_more_frames_of_a_sequence(tmp_path: Path) -> None:
    def frames(folder: str, numbers: range) -> Path:
        return write_tree(tmp_path / folder / "plates", {f"a.{number}.bmp": noise(50, number) for number in numbers})

    target = tmp_path / "archive.zip"
    create(target, frames("first", range(1001, 1004)))
    with pytest.raises(Refused, match="already"):
        add(target, frames("overlapping", range(1003, 1006)))
    add(target, frames("second", range(1004, 1007)))
    assert check(target).ok
    found = contents(target)
    assert {f"plates/a.{number}.bmp" for number in range(1001, 1007)} <= found.keys()


def test_the_target_inside_a_source(tmp_path: Path) -> None:
    media = write_tree(tmp_path / "media", {"a": b"a"})
    target = media / "archive.zip"
    create(target, media)
    assert contents(target).keys() == {layout.FORMAT, "media/a"}
    write_tree(media, {"b": b"b"})
    with pytest.raises(Refused):
        add(target, media)  # media/a is there already
    add(target, media / "b")
    assert contents(target).keys() == {layout.FORMAT, "media/a", "b"}


def test_nothing_to_archive(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        create(tmp_path / "archive.zip")
    with pytest.raises(NotFound):
        create(tmp_path / "archive.zip", tmp_path / "nothing")
    with pytest.raises(NotFound):
        add(tmp_path / "archive.zip", tmp_path)
    with pytest.raises(NotFound):
        create_in_place(tmp_path / "nothing")
    with pytest.raises(NotFound, match="no folder"):
        create(tmp_path / "nowhere" / "archive.zip", write_tree(tmp_path / "media", {"a": b"a"}))
    empty = tmp_path / "empty"
    empty.mkdir()
    create(tmp_path / "archive.zip", empty)
    assert check(tmp_path / "archive.zip").ok
    assert unpacked(tmp_path / "archive.zip", tmp_path / "out").joinpath("empty").is_dir()


def test_more_members_than_a_zip_is_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    media = write_tree(tmp_path / "media", {f"{number}": b"" for number in range(12)})
    monkeypatch.setattr(layout, "MOST_MEMBERS", 10)
    with pytest.raises(Refused, match="create --in-place"):
        create(tmp_path / "archive.zip", media)
    create_in_place(media)


def test_an_archive_in_an_archive(tmp_path: Path) -> None:
    media = write_tree(tmp_path / "media", {"a": b"a"})
    inner, outer = tmp_path / "inner.zip", tmp_path / "outer.zip"
    create(inner, media)
    create(outer, media, inner)
    create_in_place(media)
    add(outer, write_tree(tmp_path / "more", {"b": b"b"}))
    assert contents(outer)["inner.zip"] == inner.read_bytes()
    other = tmp_path / "of a folder archive.zip"
    made = create(other, media)
    assert contents(other).keys() == {layout.FORMAT, "media/a"}
    assert [left.reason for left in made.left_out] == ["is another archive's own data, made anew for this one"]


def test_digests_on_request(tmp_path: Path) -> None:
    media = write_tree(tmp_path / "media", {"a": b"a"})
    create_archive(tmp_path / "archive.zip", [media], proxies=(), digests=["md5", "c4"])
    with open_archive(tmp_path / "archive.zip") as archive:
        assert archive.member("media/a").digests["md5"] == "0cc175b9c0f1b6a831c399e269772661"
        assert archive.member("media/a").digests.keys() == {"xxh128", "md5", "c4"}
    with pytest.raises(UsageError, match="no digest"):
        create_archive(tmp_path / "other.zip", [media], proxies=(), digests=["md6"])
    assert not [place for place in tmp_path.iterdir() if "other" in place.name]


def test_abandoning(tmp_path: Path) -> None:
    media = write_tree(tmp_path / "media", {"a.bin": b"a", "b.bin": noise(BIG)})
    target = tmp_path / "archive.zip"
    assert not abandon_unfinished(target)
    with pytest.raises(SourceChanged):
        create_archive(target, [media], proxies=(), progress=meanwhile(growing(media / "b.bin")))
    assert abandon_unfinished(target)
    assert [place.name for place in tmp_path.iterdir()] == ["media"]
    create(target, media)
    before = target.read_bytes()
    assert not abandon_unfinished(target)
    path = write_tree(tmp_path / "more", {"c.bin": b"c", "d.bin": noise(BIG)})
    with pytest.raises(SourceChanged):
        add_to_archive(target, [path], proxies=(), progress=meanwhile(growing(path / "d.bin")))
    assert abandon_unfinished(target)
    assert target.read_bytes() == before


def test_abandoning_in_place(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "folder", {"a.bin": b"a", "b.bin": noise(BIG)})
    before = tree(folder)
    with pytest.raises(SourceChanged):
        create_archive(folder, in_place=True, proxies=(), progress=meanwhile(growing(folder / "b.bin")))
    before["b.bin"] = (folder / "b.bin").read_bytes()
    assert (folder / layout.WORK).exists()
    assert abandon_unfinished(folder)
    assert tree(folder) == before
    create_in_place(folder)
    whole = tree(folder)
    write_tree(folder, {"c.bin": b"c", "d.bin": noise(BIG, 1)})
    with pytest.raises(SourceChanged):
        add_to_archive(folder, [folder], proxies=(), progress=meanwhile(growing(folder / "d.bin")))
    assert abandon_unfinished(folder)
    (folder / "c.bin").unlink()
    (folder / "d.bin").unlink()
    assert tree(folder) == whole
    assert not abandon_unfinished(folder)


# The folder form


def test_in_place_media_are_not_touched(tmp_path: Path) -> None:
    folder = sources(tmp_path / "folder", size=2000)

    def statuses() -> dict[str, tuple[int, int, int, int]]:
        return {
            str(place): (status.st_ino, status.st_size, status.st_mtime_ns, status.st_mode)
            for place in folder.rglob("*")
            if layout.OWN not in place.parts and (status := place.lstat())
        }

    before = statuses()
    create_in_place(folder)
    assert statuses() == before
    assert check(folder).ok
    assert {place.name for place in (folder / layout.OWN).iterdir()} == {
        "format", "manifest.jsonl", "manifest-copy.jsonl",
    }  # fmt: skip
    with pytest.raises(Refused, match="use `add`"):
        create_in_place(folder)


def test_adding_to_a_folder_lists_what_is_new(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "folder", {"a": b"a", "day1/b": b"b"})
    create_in_place(folder)
    write_tree(folder, {"day2/c": b"c", "day1/d": b"d"})
    (folder / "link").symlink_to("a")
    assert add(folder, folder).generation == 2
    assert contents(folder).keys() - {layout.FORMAT} == {"a", "day1/b", "day2/c", "day1/d"}
    assert check(folder).ok
    assert add(folder, folder).generation == 3  # nothing new, and nothing wrong with that
    assert check(folder).ok
    write_tree(folder, {"day3/e": b"e"})
    add(folder, folder / "day3" / "e")
    assert contents(folder)["day3/e"] == b"e"


def test_adding_to_a_folder_copies_what_is_elsewhere(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "folder", {"a": b"a"})
    create_in_place(folder)
    elsewhere = sources(tmp_path / "elsewhere", size=2000)
    add(folder, elsewhere)
    assert check(folder).ok
    assert tree(folder / "elsewhere") == tree(elsewhere)
    for place in elsewhere.rglob("*"):
        other = folder / place.relative_to(tmp_path)
        assert other.lstat().st_mtime_ns == place.lstat().st_mtime_ns, place


def test_adding_to_a_folder_never_overwrites(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "folder", {"a": b"a"})
    create_in_place(folder)
    write_tree(folder, {"b": b"not listed yet"})
    other = write_tree(tmp_path / "other", {"b": b"another"}) / "b"
    with pytest.raises(Refused, match="something else"):
        add(folder, other)
    assert (folder / "b").read_bytes() == b"not listed yet"
    (folder / "b").write_bytes(b"another")
    add(folder, other)  # the same bytes are there: it is listed
    assert check(folder).ok


def test_a_damaged_folder_archive_is_not_added_to(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "folder", {"a": b"a"})
    create_in_place(folder)
    text = (folder / layout.MANIFEST).read_bytes()
    (folder / layout.MANIFEST).write_bytes(text.replace(b"original", b"origimal"))
    for act in (lambda: add(folder, folder), lambda: create_in_place(folder)):
        with pytest.raises((Damaged, Refused)):
            act()
    assert (folder / layout.MANIFEST).read_bytes() == text.replace(b"original", b"origimal")


# Two at once, and space


def test_a_second_process_is_told(tmp_path: Path) -> None:
    media = write_tree(tmp_path / "media", {"a.bin": noise(BIG)})
    target = tmp_path / "archive.zip"
    told: list[str] = []

    def second_process() -> None:
        for act in (
            lambda: create(target, media),
            lambda: abandon_unfinished(target),
            lambda: plan_archive(target, [media]) and create(target, media),
        ):
            with pytest.raises(Refused) as raised:
                act()
            told.append(str(raised.value))

    create_archive(target, [media], proxies=(), progress=meanwhile(second_process))
    assert len(told) == 3
    assert all("Another process is writing this archive" in sentence for sentence in told)
    assert check(target).ok
    told.clear()
    more = write_tree(tmp_path / "more", {"b.bin": noise(BIG)})

    def second_process_adding() -> None:
        with pytest.raises(Refused) as raised:
            add(target, write_tree(tmp_path / "third", {"c": b"c"}))
        told.append(str(raised.value))
        assert "more/b.bin" not in contents(target)

    add_to_archive(target, [more], proxies=(), progress=meanwhile(second_process_adding))
    assert len(told) == 1
    assert "c" not in contents(target)
    assert check(target).ok


def test_a_second_process_in_a_folder_is_told(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "folder", {"a.bin": noise(BIG)})
    told: list[str] = []

    def second_process() -> None:
        for act in (lambda: create_in_place(folder), lambda: abandon_unfinished(folder)):
            with pytest.raises(Refused) as raised:
                act()
            told.append(str(raised.value))

    create_archive(folder, in_place=True, proxies=(), progress=meanwhile(second_process))
    assert len(told) == 2
    assert check(folder).ok


def test_space_is_asked_for_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    media = write_tree(tmp_path / "media", {"a": bytes(10_000)})
    monkeypatch.setattr(files, "free_space", lambda folder: 4000)
    monkeypatch.setattr(copying, "can_share", lambda source, folder: False)
    with pytest.raises(NoSpace, match="11120 bytes are missing"):
        create(tmp_path / "archive.zip", media)
    assert [place.name for place in tmp_path.iterdir()] == ["media"]


def test_blocks_are_shared_where_they_can_be(tmp_path: Path) -> None:
    with image(tmp_path / "xfs", "mkfs.xfs", "-q", "-m", "reflink=1") as mount:
        media = write_tree(mount / "media", {"a.bin": noise(20 << 20)})
        before = files.free_space(mount)
        create(mount / "archive.zip", media)
        os.sync()
        assert before - files.free_space(mount) < 4 << 20
        add(mount / "archive.zip", write_tree(mount / "more", {"b.bin": b"b"}))
        assert before - files.free_space(mount) < 5 << 20
        assert check(mount / "archive.zip").ok
        assert contents(mount / "archive.zip")["media/a.bin"] == noise(20 << 20)


def test_a_plan_changes_nothing(tmp_path: Path) -> None:
    media = sources(tmp_path / "media", size=500)
    target = tmp_path / "archive.zip"
    plan = plan_archive(target, [media])
    assert plan.size > 0
    assert [place.name for place in tmp_path.iterdir()] == ["media"]
    create(target, media)
    before = target.read_bytes()
    plan_add(target, [media / "zero"])
    assert target.read_bytes() == before


def test_permission_problems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an ordinary user would meet them."""
    media = write_tree(tmp_path / "media", {"a": b"a"})
    target = tmp_path / "archive.zip"
    real = os.open

    def denied(path: object, flags: int, *rest: object, **more: object) -> int:
        if flags & (os.O_RDWR | os.O_CREAT):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, flags, *rest, **more)  # type: ignore[arg-type]

    create(target, media)
    before = target.read_bytes()
    monkeypatch.setattr(os, "open", denied)
    for act in (
        lambda: create(tmp_path / "other.zip", media),
        lambda: add(target, write_tree(tmp_path / "more", {"b": b"b"})),
        lambda: create_in_place(media),
    ):
        with pytest.raises(FilmArchiveError, match="Permission denied") as raised:
            act()
        assert raised.value.exit_status == 4
    monkeypatch.undo()
    assert target.read_bytes() == before
    assert {place.name for place in tmp_path.iterdir()} == {"media", "more", "archive.zip"}


def test_a_frame_that_changes_between_archive_and_proxies(tmp_path: Path) -> None:
    media = tmp_path / "media"
    media.mkdir()
    frames = make_sequence(SequenceSpec(name="plate", width=96, height=54, frames=6), media)

    def change(phase: Phase, count: Count) -> None:
        if phase is Phase.ENCODING and count.done == 1:
            frames[4].write_bytes(frames[5].read_bytes())

    with pytest.raises(SourceChanged, match=frames[4].name):
        create_archive(tmp_path / "a.zip", [media], proxies=parse_sizes("64x36"), progress=Progress(change), workers=1)
    assert not (tmp_path / "a.zip").exists()


def test_clips_are_what_is_known_to_be_media(tmp_path: Path) -> None:
    """Also those that can't be decoded; `ls` counts the same."""
    (tmp_path / "card").mkdir()
    (tmp_path / "card/A001_C001_0101AB_001.R3D").write_bytes(making.r3d())
    (tmp_path / "card/notes.txt").write_bytes(b"no clip")
    made = create_archive(tmp_path / "a.zip", [tmp_path / "card"])
    with open_archive(tmp_path / "a.zip") as archive:
        assert made.clips == sum(member.media is not None for member in archive.originals()) == 1
    assert len(made.warnings) == 1, "why there are no proxies is said once"

"""`proxy`: what is made, what is not and why, what is left behind, and what continues."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from film_archive.archive.journal import MemberJournal
from film_archive.archive.reader import open_archive
from film_archive.core import files
from film_archive.core.errors import FilmArchiveError, NoSpace, NotFound, Refused, UsageError
from film_archive.core.ladder import parse_sizes
from film_archive.core.progress import Count, Phase, Progress
from film_archive.core.timecode import Timecode
from film_archive.proxy import making
from film_archive.testing.media import ClipSpec, make_clip
from film_archive.testing.stills import SequenceSpec, make_sequence
from film_archive.testing.wave import WaveSpec, make_wave
from film_archive.workflows.leftovers import proxy_folder
from film_archive.workflows.production import create_archive
from film_archive.workflows.proxies import ProxiesMade, abandon_proxies, make_proxies, plan_proxies
from tests.core.mounts import tmpfs
from tests.workflows.making import check, create_in_place, tree

TWO = parse_sizes("64x36,96x54")
SPEC = ClipSpec(name="a", width=96, height=54, frames=30, start=Timecode.from_string("01:00:00:00", 24))
FRAMES = SPEC.frames


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    make_clip(SPEC, folder)
    make_clip(ClipSpec(name="b", width=96, height=54, frames=12), folder)
    make_wave(WaveSpec(name="c", samples=480), folder)
    return folder


@pytest.fixture
def archive(clips: Path, tmp_path: Path) -> Path:
    path = tmp_path / "job" / "archive.zip"
    path.parent.mkdir()
    create_archive(path, [clips], proxies=())
    return path


@pytest.fixture
def in_place(clips: Path, tmp_path: Path) -> Path:
    path = tmp_path / "job" / "folder"
    shutil.copytree(clips, path)
    create_in_place(path)
    return path


@pytest.fixture(params=["archive", "in_place", "files"])
def made(request: pytest.FixtureRequest, clips: Path, tmp_path: Path) -> Callable[..., ProxiesMade]:
    """A function that makes proxies of the same two clips, for each thing that can be named."""
    if request.param == "files":
        (tmp_path / "job").mkdir()
        named, output = [clips / "a.mov", clips / "b.mov"], tmp_path / "job" / "out"
    else:
        named, output = [request.getfixturevalue(request.param)], None
    return lambda **more: make_proxies(named, TWO, output=output, **more)


def hidden(folder: Path) -> list[str]:
    """What is unfinished below a folder."""
    return [name for name in tree(folder) if ".film-archive-" in name or name.endswith(".film-archive/work")]


def test_what_is_made(made: Callable[..., ProxiesMade], tmp_path: Path) -> None:
    heard: list[tuple[Phase, Count]] = []
    done = made(progress=Progress(lambda phase, count: heard.append((phase, count))))
    assert done.exit_status == 0
    assert [(Path(proxy.source).name, proxy.size, proxy.frames) for proxy in done.proxies] == [
        ("a.mov", "64x36", FRAMES), ("a.mov", "96x54", FRAMES), ("b.mov", "64x36", 12), ("b.mov", "96x54", 12),
    ]  # fmt: skip
    assert [proxy.start_timecode for proxy in done.proxies] == ["01:00:00:00", "01:00:00:00", None, None]
    assert all(proxy.verified and proxy.chunks == 1 for proxy in done.proxies)
    assert (done.frames, done.workers) == (FRAMES + 12, making.workers_used(None))
    assert hidden(tmp_path / "job") == []
    assert {phase for phase, _ in heard} == {Phase.ENCODING}
    assert (heard[-1][1].done, heard[-1][1].total) == (FRAMES + 12, FRAMES + 12)
    assert Path(heard[-1][1].subject).name == "b.mov"


def test_it_is_made_once(archive: Path) -> None:
    make_proxies([archive], TWO)
    before = archive.read_bytes()
    plan = plan_proxies([archive], TWO)
    assert (plan.steps, plan.current) == ((), 4)
    again = make_proxies([archive], TWO)
    assert (again.proxies, again.current, again.fps, again.exit_status) == ((), 4, None, 0)
    assert archive.read_bytes() == before
    more = plan_proxies([archive], (*TWO, *parse_sizes("48x26")))
    assert [[wanted.size for wanted in step.proxies] for step in more.steps] == [["48x26@100000"]] * 2


def test_files_are_never_overwritten(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    make_proxies([clips / "a.mov"], TWO, output=out)
    before = tree(out)
    again = make_proxies([clips / "a.mov", clips / "b.mov"], TWO[:1], output=out)
    assert again.exit_status == 12
    assert [failure.status for failure in again.failed] == [4]
    assert tree(out).items() > before.items()
    other = tmp_path / "other" / "b.mov"
    other.parent.mkdir()
    shutil.copy(clips / "b.mov", other)
    both = plan_proxies([clips / "b.mov", other], TWO, output=tmp_path / "new")
    assert "would both become" in both.failed[0].reason


def test_a_name_that_is_taken_meanwhile(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def take(phase: Phase, count: Count) -> None:
        if count.done == 5:
            (out / "a_64x36.mp4").write_bytes(b"mine")

    done = make_proxies([clips / "a.mov"], TWO, output=out, progress=Progress(take))
    assert done.exit_status == 4
    assert (out / "a_64x36.mp4").read_bytes() == b"mine"
    assert hidden(out) == []


def test_what_can_have_none(clips: Path, tmp_path: Path) -> None:
    (tmp_path / "text.mov").write_text("no film")
    out = tmp_path / "out"
    done = make_proxies([clips / "c.wav", tmp_path / "text.mov", tmp_path / "none.mov"], TWO, output=out)
    assert [failure.status for failure in done.failed] == [5, 5, 3]
    assert done.exit_status == 12
    assert "has no proxies: it has no picture" in done.failed[0].reason
    assert not out.exists()
    assert all(failure.sentence().count(failure.path) == 1 for failure in done.failed)


def test_what_is_meant_by_a_folder(clips: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"no archive; make it one with `create --in-place`, or say with -o"):
        make_proxies([clips], TWO)
    with pytest.raises(UsageError, match="-o DIR"):
        make_proxies([clips / "a.mov"], TWO)
    with pytest.raises(UsageError, match="No proxy size"):
        make_proxies([clips / "a.mov"], (), output=tmp_path)


def test_sequences_have_proxies_and_stills_are_told(tmp_path: Path) -> None:
    media = tmp_path / "media"
    media.mkdir()
    make_sequence(SequenceSpec(name="single", format="tiff", width=96, height=54, frames=1), media)
    make_sequence(SequenceSpec(name="plate", width=96, height=54, frames=5, missing=(2,)), media)
    made = create_archive(tmp_path / "archive.zip", [media], proxies=TWO)
    assert made.warnings == (
        "media/plate.%07d.dpx: 1 frame has no file (the first is 86402)",
        "no proxies of media/single.0086400.tif: single images have none",
    )
    assert made.proxies == 2
    with open_archive(tmp_path / "archive.zip") as archive:
        (plate,) = [member for member in archive.originals() if member.sequence is not None]
        assert [(proxy.width, proxy.frames) for proxy in plate.proxies] == [(64, 5), (96, 5)]
    plan = plan_proxies([tmp_path / "archive.zip"], TWO)
    assert (plan.steps, plan.current) == ((), 2)
    assert plan.notes == tuple(warning for warning in made.warnings if warning.startswith("no proxies of"))


def test_a_sequence_in_an_archive_gets_its_proxies_later(tmp_path: Path) -> None:
    """The very ones that it would have got when the archive was made."""
    media = tmp_path / "media"
    media.mkdir()
    make_sequence(SequenceSpec(name="plate", width=96, height=54, frames=4, missing=(1,)), media)
    for name, rungs in (("now.zip", TWO), ("later.zip", ())):
        create_archive(tmp_path / name, [media], proxies=rungs)
    done = make_proxies([tmp_path / "later.zip"], TWO)
    assert (done.exit_status, len(done.proxies), done.failed) == (0, 2, ())
    found = []
    for name in ("now.zip", "later.zip"):
        with open_archive(tmp_path / name) as archive:
            found.append({member.path: member.digests["xxh128"] for member in archive.members() if member.get("proxy")})
    assert found[0] == found[1]
    assert len(found[0]) == 2


def test_no_proxies_asked_for_is_no_warning(tmp_path: Path) -> None:
    media = tmp_path / "media"
    media.mkdir()
    make_sequence(SequenceSpec(name="plate", width=96, height=54, frames=3), media)
    assert create_archive(tmp_path / "none.zip", [media], proxies=()).warnings == ()


# What is left, and what continues


def stopped(after: int, error: type[BaseException]) -> Progress:
    def stop(phase: Phase, count: Count) -> None:
        if count.done >= after:
            raise error

    return Progress(stop)


def test_a_stopped_run_is_continued(made: Callable[..., ProxiesMade], tmp_path: Path) -> None:
    """The first clip is whole; of the second nothing is."""
    with pytest.raises(KeyboardInterrupt):
        made(progress=stopped(FRAMES + 3, KeyboardInterrupt))
    assert hidden(tmp_path / "job") or (tmp_path / "job" / "out" / "a_64x36.mp4").exists()
    if (tmp_path / "job" / "out").exists():
        for name in ("a_64x36.mp4", "a_96x54.mp4"):
            (tmp_path / "job" / "out" / name).unlink()  # or else they would be refused
    done = made()
    assert (done.exit_status, len(done.proxies)) == (0, 4)
    assert hidden(tmp_path / "job") == []


def test_what_was_made_before_is_not_made_again(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyboardInterrupt):
        make_proxies([archive], TWO, progress=stopped(FRAMES + 3, KeyboardInterrupt))
    pieces = {path.name: path.stat().st_mtime_ns for path in proxy_folder(archive).rglob("*.mp4")}
    assert len(pieces) == 2
    kept: list[str] = []
    real = files.remove_tree

    def remove_tree(folder: Path) -> None:
        kept.extend(path.name for path in folder.rglob("*.mp4") if pieces.get(path.name) == path.stat().st_mtime_ns)
        real(folder)

    monkeypatch.setattr(files, "remove_tree", remove_tree)
    assert make_proxies([archive], TWO).exit_status == 0
    assert sorted(kept) == sorted(pieces)
    assert check(archive).ok


def test_a_killed_run_is_abandoned(made: Callable[..., ProxiesMade], clips: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        made(progress=stopped(FRAMES + 3, KeyboardInterrupt))
    assert hidden(tmp_path / "job")
    named = [clips / "a.mov", clips / "b.mov"]
    output: Path | None = tmp_path / "job" / "out"
    for path in (tmp_path / "job" / "archive.zip", tmp_path / "job" / "folder"):
        if path.exists():
            named, output = [path], None
    assert abandon_proxies(named, output=output)
    assert hidden(tmp_path / "job") == []
    assert not abandon_proxies(named, output=output)


@pytest.mark.parametrize("error", [Refused, NotFound])
def test_nothing_stays_of_a_refused_run(
    made: Callable[..., ProxiesMade], tmp_path: Path, error: type[FilmArchiveError]
) -> None:
    class Stopping(error):  # type: ignore[misc,valid-type]
        pass

    with contextlib.suppress(Stopping):  # of an archive; a file among others is reported
        assert made(progress=stopped(3, Stopping)).exit_status == error.exit_status
    assert hidden(tmp_path / "job") == []


@pytest.mark.parametrize("kind", ["archive", "in_place"])
def test_two_at_once(kind: str, request: pytest.FixtureRequest) -> None:
    """While one makes proxies, another is told at once and disturbs nothing."""
    path: Path = request.getfixturevalue(kind)
    told: list[str] = []

    def second(phase: Phase, count: Count) -> None:
        if count.done == 5:
            with pytest.raises(Refused, match="Another process") as raised:
                make_proxies([path], TWO)
            told.append(str(raised.value))

    assert make_proxies([path], TWO, progress=Progress(second)).exit_status == 0
    assert len(told) == 1
    assert check(path).ok


def test_an_archive_that_another_process_writes(archive: Path) -> None:
    journal = MemberJournal(files.temporary_name(archive, "journal"))
    try:
        with pytest.raises(Refused, match="Another process"):
            make_proxies([archive], TWO)
    finally:
        journal.remove()
    assert not proxy_folder(archive).exists()


# Room


def test_room_is_asked_for_first(made: Callable[..., ProxiesMade], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "free_space", lambda folder: 1000)
    with pytest.raises(NoSpace, match=r"Making proxies of .* \d+ bytes are missing; nothing was written"):
        made()
    assert hidden(tmp_path / "job") == []


def test_a_disk_that_fills_up(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with tmpfs(tmp_path / "small", "size=400k") as disk:
        path = disk / "archive.zip"
        create_archive(path, [clips / "b.mov"], proxies=())
        before = path.read_bytes()
        filling = disk / "filling"
        with monkeypatch.context() as patch:
            patch.setattr(files, "require_space", lambda *arguments: None)
            filling.write_bytes(bytes(max(0, files.free_space(disk) - 4096)))
            with pytest.raises(NoSpace) as raised:
                make_proxies([path], TWO)
        assert "bytes are missing" in str(raised.value)
        assert "run the same command again when there is room, or with --abandon" in str(raised.value)
        assert "Could not write 5" not in str(raised.value)
        assert path.read_bytes() == before
        filling.unlink()
        assert make_proxies([path], TWO).exit_status == 0
        assert [place.name for place in disk.iterdir()] == ["archive.zip"]
        with open_archive(path) as archive:
            assert [len(member.proxies) for member in archive.originals()] == [2]


def test_create_counts_proxies(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("film_archive.core.copying.can_share", lambda source, folder: False)
    size = sum(path.stat().st_size for path in clips.iterdir())
    free = size + 20_000  # for the files, and not for ten seconds at 5 Mb/s
    monkeypatch.setattr(files, "free_space", lambda folder: free)
    large = make_clip(ClipSpec(name="long", width=96, height=54, frames=240), tmp_path)
    monkeypatch.setattr(files, "free_space", lambda folder: large.stat().st_size + 20_000)
    with pytest.raises(NoSpace, match="bytes are missing; nothing was written"):
        create_archive(tmp_path / "new.zip", [large], proxies=parse_sizes("editorial"))
    assert not os.path.lexists(tmp_path / "new.zip")
    assert create_archive(tmp_path / "new.zip", [large], proxies=()).clips == 1


@pytest.mark.parametrize("output", [None, "out"])
def test_a_member_is_not_named_by_itself(archive: Path, tmp_path: Path, output: str | None) -> None:
    named = Path(f"{archive}::clips/a.mov")
    with pytest.raises(UsageError, match=r"is a member of an archive.* name .*archive\.zip alone"):
        plan_proxies([named], TWO, output=None if output is None else tmp_path / output)

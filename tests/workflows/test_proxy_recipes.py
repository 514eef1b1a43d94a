"""`proxy` with a recipe: what is stale and what not, stills, editing programs, image sequences that are plain files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from film_archive.archive.reader import open_archive
from film_archive.core.errors import NoSpace, SourceChanged, UsageError
from film_archive.core.ladder import parse_sizes
from film_archive.core.progress import Count, Phase, Progress
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.media.probe import probe
from film_archive.proxy import avid
from film_archive.proxy.companions import Program
from film_archive.proxy.recipe import Recipe, Still
from film_archive.testing.media import AudioSpec, ClipSpec, make_clip
from film_archive.testing.stills import SequenceSpec, make_sequence
from film_archive.workflows.clip_logs import LogFile
from film_archive.workflows.production import add_to_archive, create_archive
from film_archive.workflows.proxies import abandon_proxies, apply_proxies, make_proxies, plan_proxies
from film_archive.workflows.proxy_plans import ProxyPlan
from tests.proxy.test_recipe import cube
from tests.reading import codes_of
from tests.workflows.making import check, create_in_place, tree

TWO = parse_sizes("64x36,192x108")
ONE = parse_sizes("192x108")
START = Timecode.from_string("01:00:00:00", 24)
SPEC = ClipSpec(name="a", width=320, height=180, frames=26, start=START, reel="A001", audio=(AudioSpec(channels=2),))
SHOT = SequenceSpec(name="shot", width=320, height=180, frames=14, first_number=1001, digits=4, missing=(3,))
STILLS = Recipe(stills=tuple(Still))


@pytest.fixture(scope="module")
def footage_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    make_clip(SPEC, folder)
    (folder / "shot").mkdir()
    make_sequence(SHOT, folder / "shot")
    return folder


@pytest.fixture
def media(footage_folder: Path, tmp_path: Path) -> Path:
    """A folder of one's own with a clip and a sequence."""
    return Path(shutil.copytree(footage_folder, tmp_path / "media"))


def members(archive: Path) -> dict[str, str]:
    """Our own proxies and stills: path below the proxies → digest."""
    with open_archive(archive) as opened:
        return {
            member.path.removeprefix(".film-archive/proxies/"): member.digests["xxh128"]
            for member in opened.members()
            if member.get("proxy") or member.get("still")
        }


# What is stale


def test_another_recipe_makes_it_stale_and_the_same_does_not(media: Path, tmp_path: Path) -> None:
    pytest.importorskip("PyOpenColorIO")
    path = tmp_path / "a.zip"
    create_archive(path, [media / "a.mov"], proxies=TWO)
    look = Recipe(lut=cube(tmp_path, black=0.5), burn_in=("timecode@bottom-left",))
    assert [len(step.proxies) for step in plan_proxies([path], TWO, recipe=look).steps] == [2]
    assert make_proxies([path], TWO, recipe=look).exit_status == 0
    assert plan_proxies([path], TWO, recipe=look).current == 2
    with open_archive(path) as archive:
        lines = [member.get("proxy") for member in archive.members() if member.get("proxy")]
    assert {line["treatment"]["lut"]["file"] for line in lines} == {"look.cube"}
    assert {line["treatment"]["burn_in"][0]["position"] for line in lines} == {"bottom left"}
    cube(tmp_path, black=0.25)
    assert plan_proxies([path], TWO, recipe=look).current == 0, "the file of the look is another one"
    assert plan_proxies([path], TWO).current == 0
    assert check(path).ok


def test_codecs_stand_side_by_side(media: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    create_archive(path, [media / "a.mov"], proxies=ONE)
    for codec in ("prores_proxy", "dnxhr_lb"):
        assert make_proxies([path], parse_sizes("editorial"), recipe=Recipe(codec=codec)).exit_status == 0
        again = plan_proxies([path], parse_sizes("editorial"), recipe=Recipe(codec=codec))
        assert (again.steps, again.current) == ((), 1)
    assert set(members(path)) == {
        "a.mov/192x108.mp4", "a.mov/editorial.prores_proxy.mov", "a.mov/editorial.dnxhr_lb.mov"
    }  # fmt: skip
    with open_archive(path) as archive:
        (original,) = archive.originals()
        assert [proxy.codec for proxy in original.proxies] == ["h264", "dnxhr_lb", "prores_proxy"]
    assert plan_proxies([path], ONE).current == 1


def test_a_size_that_was_scaled_from_others_says_so_and_is_not_stale(media: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    create_archive(path, [media / "a.mov"], proxies=TWO)
    with open_archive(path) as archive:
        told = {line["size"]: line.get("scaled_from") for member in archive.members() if (line := member.get("proxy"))}
    assert told == {"64x36": ["192x108"], "192x108": None}
    assert plan_proxies([path], TWO[:1]).current == 1
    assert plan_proxies([path], (*TWO, *parse_sizes("320x180"))).current == 2


# Stills


def test_stills_go_in_with_the_proxies_or_later(media: Path, tmp_path: Path) -> None:
    now, later = tmp_path / "now.zip", tmp_path / "later.zip"
    create_archive(now, [media], proxies=TWO, recipe=STILLS)
    create_archive(later, [media], proxies=TWO)
    plan = plan_proxies([later], TWO, recipe=STILLS)
    assert (plan.current, [len(step.stills) for step in plan.steps], [step.frames for step in plan.steps]) == (4, [3, 3], [0, 0])
    done = apply_proxies(ProxyPlan.from_json(plan.to_json()))
    assert (done.exit_status, len(done.proxies), len(done.stills)) == (0, 0, 6)
    assert members(now) == members(later)
    assert len(members(now)) == 2 * (2 + 4)
    assert plan_proxies([later], TWO, recipe=STILLS).steps == ()
    with open_archive(now) as archive:
        assert {member.role for member in archive.members() if member.get("still")} == {"poster", "strip", "sheet"}
    assert check(later).ok


def test_stills_of_another_look_are_made_again(media: Path, tmp_path: Path) -> None:
    pytest.importorskip("PyOpenColorIO")
    path = tmp_path / "a.zip"
    create_archive(path, [media / "a.mov"], proxies=ONE, recipe=STILLS)
    before = members(path)
    look = Recipe(lut=cube(tmp_path, black=0.5), stills=tuple(Still))
    assert len(make_proxies([path], ONE, recipe=look).stills) == 3
    after = members(path)
    assert after.keys() == before.keys()
    assert [name for name in after if after[name] == before[name]] == ["a.mov/strip.vtt"]
    assert check(path).ok


def test_a_killed_create_with_stills_is_continued(media: Path, tmp_path: Path) -> None:
    whole, path = tmp_path / "whole.zip", tmp_path / "a.zip"
    create_archive(whole, [media], proxies=TWO, recipe=STILLS)
    for after in (3, 20, 30):

        def stop(phase: Phase, count: Count, after: int = after) -> None:
            if phase is Phase.ENCODING and count.done >= after:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            create_archive(path, [media], proxies=TWO, recipe=STILLS, progress=Progress(stop))
        create_archive(path, [media], proxies=TWO, recipe=STILLS)
        assert members(path) == members(whole)
        assert check(path).ok
        path.unlink()


def test_stills_need_a_proxy(media: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name a size of proxy too"):
        create_archive(tmp_path / "a.zip", [media], proxies=(), recipe=STILLS)
    assert not (tmp_path / "a.zip").exists()


def test_stills_as_files(media: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = make_proxies([media / "a.mov"], ONE, output=out, recipe=STILLS)
    assert sorted(tree(out)) == ["a_192x108.mp4", "a_poster.jpg", "a_sheet.jpg", "a_strip.jpg", "a_strip.vtt"]
    assert "a_strip.jpg#xywh=0,0" in (out / "a_strip.vtt").read_text()
    assert sum(len(still.outputs) for still in done.stills) == 4


def test_add_has_the_same_options(media: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    create_archive(path, [media / "shot"], proxies=())
    add_to_archive(path, [media / "a.mov"], proxies=ONE, recipe=Recipe(codec="prores_proxy", stills=(Still.POSTER,)))
    assert set(members(path)) == {"a.mov/192x108.prores_proxy.mov", "a.mov/poster.jpg"}


# One clip's fault is not the others'


def test_a_clip_that_a_recipe_does_not_fit(media: Path, tmp_path: Path) -> None:
    make_clip(ClipSpec(name="b", width=192, height=108, frames=3), media)
    wish = Recipe(burn_in=("timecode@top-left",))
    done = make_proxies([media / "a.mov", media / "b.mov"], ONE, output=tmp_path / "out", recipe=wish)
    assert [failure.status for failure in done.failed] == [2]
    assert "b has no start timecode" in done.failed[0].reason
    assert sorted(tree(tmp_path / "out")) == ["a_192x108.mp4"]
    made = create_archive(tmp_path / "a.zip", [media / "a.mov", media / "b.mov"], proxies=ONE, recipe=wish)
    assert (made.proxies, len(made.warnings)) == (1, 1)
    assert "no start timecode" in made.warnings[0]
    create_archive(tmp_path / "c.zip", [media / "a.mov", media / "b.mov"], proxies=())
    assert make_proxies([tmp_path / "c.zip"], ONE, recipe=Recipe(audio_map=(2,))).exit_status == 0, "b has no sound"
    done = make_proxies([tmp_path / "c.zip"], ONE, recipe=Recipe(audio_map=(3,)))
    assert (done.exit_status, len(done.failed)) == (12, 1)
    assert "channels 1 to 2" in done.failed[0].reason


def test_a_look_that_changes_on_the_way_stops_it(media: Path, tmp_path: Path) -> None:
    pytest.importorskip("PyOpenColorIO")
    path = tmp_path / "a.zip"
    create_archive(path, [media / "a.mov"], proxies=())
    before = path.read_bytes()
    plan = plan_proxies([path], ONE, recipe=Recipe(lut=cube(tmp_path, black=0.5)))
    cube(tmp_path, black=0.1)
    with pytest.raises(SourceChanged):
        apply_proxies(plan)
    assert path.read_bytes() == before


# Image sequences


@pytest.mark.parametrize("named", ["", "/shot.1005.dpx", "/shot.####.dpx", "/shot.%04d.dpx", "/shot.@@@@.dpx"])
def test_a_sequence_is_a_clip_however_it_is_named(named: str, media: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = make_proxies([Path(f"{media}/shot{named}")], parse_sizes("320x180@2M"), output=out)
    (made,) = done.proxies
    assert (made.source, made.output, made.frames) == (str(media / "shot/shot.####.dpx"), str(out / "shot_320x180.mp4"), 14)
    numbers = [None if code is None else code.number for code in codes_of(Path(made.output))]
    assert numbers == [0, 1, 2, 2, *range(4, 14)]
    assert "1 frame has no file (the first is 1004)" in done.notes[0]
    assert sorted(tree(out)) == ["shot_320x180.mp4"]


def test_a_range_of_a_sequence(media: Path, tmp_path: Path) -> None:
    done = make_proxies([media / "shot/shot.1006-1009####.dpx"], parse_sizes("320x180@2M"), output=tmp_path / "out")
    (made,) = done.proxies
    assert [code.number for code in codes_of(Path(made.output)) if code is not None] == [5, 6, 7, 8]


def test_a_sequence_named_by_all_its_files_is_one(media: Path, tmp_path: Path) -> None:
    plan = plan_proxies(sorted((media / "shot").iterdir()), TWO, output=tmp_path)
    assert (len(plan.steps), plan.failed) == (1, ())


def test_the_rate_and_the_log_of_images(tmp_path: Path) -> None:
    folder = tmp_path / "plates"
    folder.mkdir()
    make_sequence(SequenceSpec(name="plate", format="jpeg", frames=50, width=192, height=108), folder)
    done = make_proxies([folder], ONE, output=tmp_path / "out", rate="25")
    facts = probe(done.proxies[0].output)
    assert (facts.frame_rate, facts.seconds, facts.start_timecode) == (FrameRate(25, 1), 2, None)
    ale = tmp_path / "log.ale"
    ale.write_text("Heading\nFIELD_DELIM\tTABS\nFPS\t25\n\nColumn\nName\tTracks\tStart\tEnd\n\nData\n"
                   "plate.#######.jpg\tV\t10:00:00:00\t10:00:02:00\n")  # fmt: skip
    done = make_proxies([folder], ONE, output=tmp_path / "logged", rate="25", log=LogFile.at(ale))
    assert [proxy.start_timecode for proxy in done.proxies] == ["10:00:00:00"]


def test_a_frame_that_changes_meanwhile(media: Path, tmp_path: Path) -> None:
    plan = plan_proxies([media / "shot"], TWO, output=tmp_path / "out")
    os.utime(media / "shot" / "shot.1009.dpx", ns=(1, 1))
    done = apply_proxies(plan)
    assert (done.exit_status, "changed since" in done.failed[0].reason) == (11, True)
    assert not (tmp_path / "out").exists() or tree(tmp_path / "out") == {}


def test_all_clips_of_a_folder(media: Path, tmp_path: Path) -> None:
    (media / "bad.mov").write_text("no film")
    (media / "notes.txt").write_text("text")
    out = tmp_path / "out"
    done = make_proxies([media], ONE, output=out)
    assert sorted(tree(out)) == ["a_192x108.mp4", "shot_192x108.mp4"]
    assert [Path(failure.path).name for failure in done.failed] == ["bad.mov"]
    assert done.exit_status == 12
    create_in_place(media)
    with pytest.raises(UsageError, match="leave out -o"):
        make_proxies([media], ONE, output=tmp_path / "other")


# Editing programs


def test_proxies_where_programs_look(media: Path) -> None:
    (edit,) = make_proxies([media / "a.mov"], parse_sizes("editorial"), program=Program.RESOLVE,
                           recipe=Recipe(codec="prores_proxy")).proxies  # fmt: skip
    (other,) = make_proxies([media / "a.mov"], parse_sizes("editorial"), program=Program.PREMIERE,
                            recipe=Recipe(codec="dnxhr_lb")).proxies  # fmt: skip
    assert edit.output == str(media / "Proxy" / "a.mov")
    assert other.output == str(media / "Proxies" / "a_Proxy.mov")
    for made in (edit, other):
        facts = probe(made.output)
        assert (facts.start_timecode, facts.reel, facts.frames) == (START, "A001", 26)
        assert [track.channels for track in facts.audio] == [2]
        assert codes_of(Path(made.output)) == [SPEC.code(number) for number in range(26)]


def test_what_avid_gets(media: Path, tmp_path: Path) -> None:
    edit = Recipe(codec="dnxhr_lb")
    done = make_proxies([media / "a.mov"], parse_sizes("editorial"), program=Program.AVID, recipe=edit, output=tmp_path / "out")
    (made,) = done.proxies
    assert sorted(tree(tmp_path / "out")) == ["a.ale", "a_A01.mxf", "a_A02.mxf", "a_V01.mxf"]
    assert [Path(path).name for path in (made.output, *made.beside)] == ["a_V01.mxf", "a_A01.mxf", "a_A02.mxf", "a.ale"]
    again = make_proxies([media / "a.mov"], parse_sizes("editorial"), program=Program.AVID, recipe=edit, output=tmp_path / "out")
    assert again.exit_status == 4


@pytest.mark.parametrize("error", [KeyboardInterrupt(), NoSpace("The disk is full.")], ids=["stopped", "full"])
def test_no_track_for_avid_is_left_where_one_fails(
    error: BaseException, media: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    edit = Recipe(codec="dnxhr_lb")

    def stop(*given: object) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(avid, "_check_joined", stop)
        with pytest.raises(type(error)):
            make_proxies([media / "a.mov"], parse_sizes("editorial"), program=Program.AVID, recipe=edit, output=out)
    assert all(name.startswith(".film-archive") for name in tree(out))
    assert abandon_proxies([media / "a.mov"], output=out, program=Program.AVID)
    assert tree(out) == {}
    done = make_proxies([media / "a.mov"], parse_sizes("editorial"), program=Program.AVID, recipe=edit, output=out)
    assert (done.exit_status, len(tree(out))) == (0, 4)


def test_what_programs_do_not_take(media: Path, tmp_path: Path) -> None:
    edit = Recipe(codec="prores_proxy")
    for program, rungs, recipe, output, why in (
        (Program.RESOLVE, TWO, edit, None, "one proxy to a clip"),
        (Program.RESOLVE, ONE, Recipe(), None, "prores_proxy or dnxhr_lb, not h264"),
        (Program.AVID, ONE, edit, None, "dnxhr_lb, not prores_proxy"),
        (Program.PREMIERE, ONE, edit, tmp_path, "leave out -o"),
        (Program.RESOLVE, ONE, Recipe(codec="prores_proxy", stills=(Still.STRIP,)), None, "Stills are not made"),
    ):
        with pytest.raises(UsageError, match=why):
            plan_proxies([media / "a.mov"], rungs, program=program, recipe=recipe, output=output)
    create_archive(tmp_path / "a.zip", [media / "a.mov"], proxies=())
    with pytest.raises(UsageError, match="is an archive"):
        plan_proxies([tmp_path / "a.zip"], ONE, program=Program.RESOLVE, recipe=edit)

"""`proxy attach`: what proves to be the original's goes in, with its proof; what does not leaves all as it was."""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from film_archive.archive.reader import open_archive
from film_archive.core.errors import NotFound, Refused, SourceChanged, UsageError
from film_archive.core.ladder import parse_sizes
from film_archive.core.source import FileSource
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.media.av.decoding import decode_frames
from film_archive.media.av.encoders import encoder_for
from film_archive.media.av.encoding import ContainerWriter, VideoSettings
from film_archive.media.av.frames import rgb_of
from film_archive.media.probe import index, probe
from film_archive.proxy.recipe import PLAIN, Recipe
from film_archive.testing.media import ClipSpec, make_clip
from film_archive.testing.stills import SequenceSpec, make_sequence
from film_archive.workflows.attaching import AttachPlan, apply_attach, attach, attach_as_planned, plan_attach
from film_archive.workflows.clip_logs import LogFile
from film_archive.workflows.production import create_archive
from film_archive.workflows.proxies import make_proxies, plan_proxies
from tests.media.mxf_building import PICTURE_KEY, UL, Packages, assemble, frame_wrap, picture_track
from tests.media.mxf_building import Part as Partition
from tests.proxy.test_recipe import cube
from tests.workflows.making import check, create_in_place, tree

RATE = FrameRate(25, 1)
START = Timecode.from_string("10:00:00:00", RATE)
SPEC = ClipSpec(name="A001C001", rate=RATE, start=START, frames=150, width=192, height=108)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(SPEC, tmp_path_factory.mktemp("clip"))


@pytest.fixture
def archive(clip: Path, tmp_path: Path) -> Path:
    path = tmp_path / "job" / "day.zip"
    path.parent.mkdir()
    create_archive(path, [clip], proxies=())
    return path


def daily(clip: Path, target: Path, *, order: dict[int, int] | None = None, gamma: float = 1, start: Timecode | None = START,
          frames: int = 150, rate: FrameRate = RATE) -> Path:  # fmt: skip
    """A lab's daily of a clip: H.264 in QuickTime; `order` shows other frames in some places."""
    with FileSource(clip) as source:
        pictures = [rgb_of(each.frame) for each in decode_frames(source, index=index(source)) if each.frame is not None]
    settings = VideoSettings(encoder=encoder_for("h264"), width=192, height=108, rate=rate, bit_rate=800_000, gop=25)
    with ContainerWriter(target, "mov", timecode=start) as writer:
        track = writer.add_video(settings)
        for number in range(frames):
            picture = pictures[(order or {}).get(number, number) % len(pictures)]
            track.write(np.asarray((picture / 255) ** gamma * 255, np.uint8))
    return target


def lines_of(archive: Path) -> dict[str, dict[str, object]]:
    with open_archive(archive) as opened:
        return {member.path: member.get("proxy") for member in opened.members() if member.get("proxy")}


def test_a_daily_goes_in_with_its_proof(clip: Path, archive: Path, tmp_path: Path) -> None:
    lab = daily(clip, tmp_path / "lab.mov")
    done = attach(f"{archive}::A001C001.mov", [lab])
    assert (done.exit_status, done.failed) == (0, ())
    (found,) = done.attached
    assert (found.size, found.codec, found.frames, found.start_timecode) == ("thumbnail", "h264", 150, "10:00:00:00")
    assert found.pictures_compared >= 3
    assert check(archive).ok
    ((path, line),) = lines_of(archive).items()
    assert path == ".film-archive/proxies/A001C001.mov/thumbnail.mov"
    assert (line["made"], line["file"]) == ("given", "lab.mov")
    proof = line["proof"]
    assert isinstance(proof, dict)
    assert (proof["frames"], proof["last_timecode"]) == (150, "10:00:05:24")
    assert "not_compared" not in proof
    with open_archive(archive) as opened:
        assert opened.read(path) == lab.read_bytes()
        (original,) = opened.originals()
        assert [(proxy.size, proxy.width) for proxy in original.proxies] == [("thumbnail", 192)]
    assert [place.name for place in archive.parent.iterdir()] == ["day.zip"]


def test_it_counts_as_made_and_is_replaced_by_the_next(clip: Path, archive: Path, tmp_path: Path) -> None:
    attach(str(archive), [daily(clip, tmp_path / "lab.mov")])
    plan = plan_proxies([archive], parse_sizes("thumbnail"))
    assert (plan.steps, plan.current) == ((), 1)
    better = daily(clip, tmp_path / "better.mov", gamma=1.02)
    assert attach(str(archive), [better]).attached[0].replaced
    with open_archive(archive) as opened:
        assert opened.read(".film-archive/proxies/A001C001.mov/thumbnail.mov") == better.read_bytes()
    lifted = Recipe(burn_in=("frame@top-left",))
    made = make_proxies([archive], parse_sizes("thumbnail"), recipe=lifted)
    assert [proxy.output.rpartition("/")[2] for proxy in made.proxies] == ["thumbnail.mp4"]
    assert list(lines_of(archive)) == [".film-archive/proxies/A001C001.mov/thumbnail.mp4"]


WRONG = {
    "short": ({"frames": 149}, "has 149 frames and .* has 150"),
    "long": ({"frames": 151}, "has 151 frames"),
    "another start": ({"start": START + 1}, "starts at 10:00:00:01 and .* starts at 10:00:00:00"),
    "no start": ({"start": None}, "has no start timecode"),
    "another rate": ({"rate": FrameRate(24, 1), "start": Timecode.from_string("10:00:00:00", 24)}, "frame rate of 24 "),
    "a frame late": ({"order": {number: max(0, number - 1) for number in range(150)}}, "is that of frame"),
    "a frame early": ({"order": {number: min(149, number + 1) for number in range(150)}}, "is that of frame"),
    "another take": ({"order": {number: number + 75 for number in range(150)}}, r"not .*A001C001\.mov: its picture at frame"),
    "graded": ({"gamma": 0.5}, "differs from the original's by"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_not_the_originals_is_refused(name: str, clip: Path, archive: Path, tmp_path: Path) -> None:
    more, why = WRONG[name]
    before = tree(archive.parent)
    done = attach(str(archive), [daily(clip, tmp_path / "lab.mov", **more)])  # type: ignore[arg-type]
    assert (done.exit_status, done.attached) == (4, ())
    (failure,) = done.failed
    with pytest.raises(Refused, match=why):
        raise Refused(failure.reason)
    assert failure.reason.count(".mov") >= 2, "both are named"
    assert tree(archive.parent) == before


def test_colours_that_were_changed(clip: Path, archive: Path, tmp_path: Path) -> None:
    """Told how, or that nobody knows: a shift is found all the same."""
    graded = daily(clip, tmp_path / "graded.mov", gamma=0.5)
    late = daily(clip, tmp_path / "late.mov", gamma=0.5, order={number: max(0, number - 1) for number in range(150)})
    refused = attach(str(archive), [late], graded=True)
    assert (refused.exit_status, refused.attached) == (4, ())
    assert "is that of frame" in refused.failed[0].reason
    assert attach(str(archive), [graded], graded=True).exit_status == 0
    (line,) = lines_of(archive).values()
    assert line["treatment"] == {"colours": "changed elsewhere"}


def test_a_look_that_is_known_is_compared_through(clip: Path, archive: Path, tmp_path: Path) -> None:
    pytest.importorskip("PyOpenColorIO")
    look = Recipe(lut=cube(tmp_path, black=0.5))
    (made,) = make_proxies([clip], parse_sizes("preview"), output=tmp_path / "lab", recipe=look).proxies
    assert attach(str(archive), [Path(made.output)]).exit_status == 4
    assert attach(str(archive), [Path(made.output)], recipe=look).exit_status == 0
    (line,) = lines_of(archive).values()
    treatment = line["treatment"]
    assert isinstance(treatment, dict)
    assert treatment["lut"]["file"] == "look.cube"


def test_several_sizes_and_codecs_at_once(clip: Path, archive: Path, tmp_path: Path) -> None:
    small, large = make_proxies([clip], parse_sizes("64x36,192x108"), output=tmp_path).proxies
    (edit,) = make_proxies([clip], parse_sizes("editorial"), output=tmp_path, recipe=Recipe(codec="prores_proxy")).proxies
    named = [Path(proxy.output) for proxy in (small, large, edit)]
    done = attach(f"{archive}::A001C001.mov", [*named, named[0]])
    assert [(proxy.size, proxy.codec) for proxy in done.attached] == [
        ("64x36", "h264"), ("thumbnail", "h264"), ("thumbnail", "prores_proxy")
    ]  # fmt: skip
    assert "has size and codec of another one" in done.failed[0].reason
    with open_archive(archive) as opened:
        (original,) = opened.originals()
        assert len(original.proxies) == 3


def test_a_sequence_has_its_dailies(tmp_path: Path) -> None:
    media = tmp_path / "shot"
    media.mkdir()
    make_sequence(SequenceSpec(name="shot", frames=30, width=192, height=108, missing=(7,)), media)
    (made, _) = make_proxies([media], parse_sizes("192x108,64x36"), output=tmp_path / "lab", rate="24").proxies
    create_archive(tmp_path / "a.zip", [media], proxies=())
    done = attach(f"{tmp_path / 'a.zip'}::shot/shot.%07d.dpx", [Path(made.output)])
    assert (done.exit_status, len(done.attached)) == (0, 1)
    assert done.attached[0].pictures_compared >= 2


# Originals that can't be decoded


def xocn(target: Path, frames: int = 48) -> Path:
    """X-OCN in MXF, as far as anybody but Sony can make it."""
    label = bytes.fromhex(UL + "0401010d0e060d0302020100")
    track = picture_track(items={0x3004: label, 0x3201: bytes.fromhex(UL + "0401010d0e06040102060601")})
    units = frame_wrap([[(PICTURE_KEY, bytes(100))]] * frames)
    parts = [
        Partition(2, Packages([track]).header(), containers=(label,)),
        Partition(3, essence=units.data, body_sid=1, containers=(label,)),
        Partition(4, containers=(label,)),
    ]
    target.write_bytes(assemble(parts))
    return target



def test_of_what_can_not_be_decoded_frames_and_timecode_are_proven(tmp_path: Path, clip: Path) -> None:
    raw = xocn(tmp_path / "B001C001.mxf")
    facts = probe(raw)
    assert (facts.codec, facts.decodable, facts.frames) == ("xocn", False, 48)
    assert facts.frame_rate is not None
    path = tmp_path / "day.zip"
    warnings = create_archive(path, [raw]).warnings
    assert "`proxy attach` adopts dailies" in warnings[0]
    rate = facts.frame_rate
    lab = daily(clip, tmp_path / "lab.mov", frames=48, rate=rate, start=Timecode.from_string("10:00:00:00", rate))
    late = daily(clip, tmp_path / "late.mov", frames=48, rate=rate, start=Timecode.from_string("10:00:00:01", rate))
    ale = tmp_path / "day.ale"
    ale.write_text(
        f"Heading\nFIELD_DELIM\tTABS\nFPS\t{rate.text}\n\nColumn\nName\tTracks\tStart\tEnd\n\nData\n"
        f"B001C001\tV\t10:00:00:00\t{Timecode.from_string('10:00:00:00', rate) + 48}\n"
    )
    done = attach(f"{path}::B001C001.mxf", [late, lab], log=LogFile.at(ale))
    assert [proxy.file for proxy in done.attached] == [str(lab)]
    assert "starts at 10:00:00:01" in done.failed[0].reason
    (found,) = done.attached
    assert found.pictures_compared == 0
    assert found.not_compared is not None
    (line,) = lines_of(path).values()
    proof = line["proof"]
    assert isinstance(proof, dict)
    assert (proof["pictures_compared"], proof["first_timecode"]) == (0, "10:00:00:00")
    assert "exporter" in str(proof["not_compared"])
    assert check(path).ok
    assert plan_proxies([path], parse_sizes("thumbnail")).notes == (), "it has one now"


def test_a_clip_of_unknown_length_needs_a_log(tmp_path: Path, clip: Path) -> None:
    (tmp_path / "A.braw").write_bytes(bytes(100))
    done = plan_attach(str(tmp_path / "A.braw"), [clip], output=tmp_path / "out")
    assert "give a list that tells it (--log)" in done.failed[0].reason


# Where it goes


def test_a_file_of_a_folder_archive_is_its_member(clip: Path, tmp_path: Path) -> None:
    folder = tmp_path / "shoot"
    (folder / "card").mkdir(parents=True)
    shutil.copy(clip, folder / "card")
    create_in_place(folder)
    done = attach(str(folder / "card" / clip.name), [daily(clip, tmp_path / "lab.mov")])
    assert done.exit_status == 0
    assert list(lines_of(folder)) == [".film-archive/proxies/card/A001C001.mov/thumbnail.mov"]
    assert check(folder).ok


def test_of_a_file_without_archive_they_go_to_a_folder(clip: Path, tmp_path: Path) -> None:
    lab = daily(clip, tmp_path / "lab.mov")
    with pytest.raises(UsageError, match="lies in no archive; say with -o DIR"):
        attach(str(clip), [lab])
    done = attach(str(clip), [lab], output=tmp_path / "out")
    assert [proxy.output for proxy in done.attached] == [str(tmp_path / "out" / "A001C001_thumbnail.mov")]
    assert (tmp_path / "out" / "A001C001_thumbnail.mov").read_bytes() == lab.read_bytes()
    assert attach(str(clip), [lab], output=tmp_path / "out").exit_status == 4


def test_what_is_asked_wrongly(clip: Path, archive: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="leave out -o"):
        attach(str(archive), [clip], output=tmp_path)
    with pytest.raises(UsageError, match="Name the proxies"):
        attach(str(archive), [])
    with pytest.raises(NotFound):
        attach(f"{archive}::none.mov", [clip])
    with pytest.raises(UsageError, match="--lut, --cdl, --view"):
        attach(str(archive), [clip], recipe=Recipe(burn_in=("frame@top-left",)))
    (tmp_path / "text.mov").write_text("nothing")
    done = attach(str(archive), [tmp_path / "text.mov", tmp_path / "none.mov"])
    assert [failure.status for failure in done.failed] == [5, 3]


def test_a_plan_is_plain_data_and_what_changed_since_is_refused(clip: Path, archive: Path, tmp_path: Path) -> None:
    before = tree(archive.parent)
    lab = daily(clip, tmp_path / "lab.mov")
    plan = AttachPlan.from_json(plan_attach(str(archive), [lab]).to_json())
    assert plan.recipe == PLAIN.looked_at()
    assert tree(archive.parent) == before
    assert attach_as_planned(plan).attached == ()
    daily(clip, lab, gamma=1.05)
    done = apply_attach(plan)
    assert done.exit_status == 11
    assert "changed since" in done.failed[0].reason
    assert tree(archive.parent) == before
    plan = plan_attach(str(archive), [lab])
    other = ClipSpec(name="A001C001", rate=RATE, start=START, frames=150, width=192, height=108, codec="h264")
    archive.unlink()
    (tmp_path / "other").mkdir()
    create_archive(archive, [make_clip(other, tmp_path / "other")], proxies=())
    with pytest.raises(SourceChanged):
        apply_attach(plan)


def test_stopped_while_it_is_put_in(clip: Path, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from film_archive.archive.writer import ZipWriter

    lab = daily(clip, tmp_path / "lab.mov")
    before = lines_of(archive)

    def stopped(writer: ZipWriter) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(ZipWriter, "finish", stopped)
        with pytest.raises(KeyboardInterrupt):
            attach(str(archive), [lab])
    assert lines_of(archive) == before
    assert attach(str(archive), [lab]).exit_status == 0
    assert check(archive).ok
    assert [place.name for place in archive.parent.iterdir()] == ["day.zip"]


def test_the_proof_tells_how_long_it_is(clip: Path, archive: Path, tmp_path: Path) -> None:
    attach(str(archive), [daily(clip, tmp_path / "lab.mov")])
    (line,) = lines_of(archive).values()
    proof = line["proof"]
    assert isinstance(proof, dict)
    assert Fraction(proof["seconds"]) == 6
    assert proof["cadence"] == "constant"

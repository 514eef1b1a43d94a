"""`proxy`, `proxy attach` and the options of proxies on the command line: each has its effect, and each mistake its sentence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from film_archive.archive.reader import open_archive
from film_archive.core.timecode import Timecode
from film_archive.media.probe import probe
from film_archive.testing.media import AudioSpec, ClipSpec, make_clip
from tests.cli.running import film_archive
from tests.proxy.test_recipe import cube
from tests.workflows.making import tree

Capture = pytest.CaptureFixture[str]
SPEC = ClipSpec(
    name="a", width=192, height=108, frames=14, start=Timecode.from_string("01:00:00:00", 24), audio=(AudioSpec(channels=1),) * 4
)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(SPEC, tmp_path_factory.mktemp("clip"))


def lines_of(archive: Path) -> list[dict[str, object]]:
    with open_archive(archive) as opened:
        return [member.get("proxy") for member in opened.members() if member.get("proxy")]


def test_all_options_at_once(clip: Path, tmp_path: Path, capfd: Capture) -> None:
    pytest.importorskip("PyOpenColorIO")
    correction = tmp_path / "a.cdl"
    correction.write_text(
        '<ColorDecisionList xmlns="urn:ASC:CDL:v1.01"><ColorDecision><ColorCorrection id="a"><SOPNode><Slope>0.9 1 1</Slope>'
        "<Offset>0 0 0</Offset><Power>1 1 1</Power></SOPNode><SatNode><Saturation>1</Saturation></SatNode></ColorCorrection>"
        "</ColorDecision></ColorDecisionList>"
    )
    options = (
        "--lut", cube(tmp_path, black=0.2), "--cdl", correction, "--view", "Un-tone-mapped", "--source-colorspace", "ACEScct",
        "--audio-map", "3,4", "--burn-in", "timecode@bottom-left", "--burn-in", "Dailies {clip}@top-right",
        "--preset", "ultrafast", "--hardware", "--poster", "--strip", "--sheet",
    )  # fmt: skip
    path = tmp_path / "a.zip"
    done = film_archive(capfd, "create", path, clip, "--proxies", "192x108", *options, "--json")
    assert (done.status, done.document["proxies"], done.document["warnings"]) == (0, 1, [])
    (line,) = lines_of(path)
    treatment = line["treatment"]
    assert isinstance(treatment, dict)
    assert treatment["cdl"]["file"] == "a.cdl"
    assert treatment["lut"]["file"] == "look.cube"
    assert (treatment["view"]["view"], treatment["view"]["space"]) == ("Un-tone-mapped", "ACEScct")
    assert [said["text"] for said in treatment["burn_in"]] == ["{timecode}", "Dailies {clip}"]
    assert line["audio_map"] == [3, 4]
    again = film_archive(capfd, "proxy", path, "--sizes", "192x108", *options, "--json")
    assert (again.status, again.document["current"], again.document["proxies"]) == (0, 1, [])
    plain = film_archive(capfd, "proxy", path, "--sizes", "192x108", "--dry-run")
    assert "Would make 1 proxy of 1 clip." in plain.output


def test_the_options_are_those_of_all_verbs(capfd: Capture) -> None:
    shown = [film_archive(capfd, verb, "--help").output for verb in ("create", "add", "proxy")]
    for option in ("--codec", "--preset", "--hardware", "--lut", "--cdl", "--view", "--source-colorspace", "--config",
                   "--audio-map", "--burn-in", "--first-number", "--poster", "--strip", "--sheet"):  # fmt: skip
        assert all(f"  {option} " in text or f"  {option}\n" in text for text in shown), option


def test_for_an_editing_program(clip: Path, tmp_path: Path, capfd: Capture) -> None:
    own = tmp_path / "card" / "a.mov"
    own.parent.mkdir()
    own.write_bytes(clip.read_bytes())
    planned = film_archive(capfd, "proxy", own, "--for", "avid", "--dry-run")
    assert planned.output.count("would make") == 1 + 4 + 1
    done = film_archive(capfd, "proxy", own, "--for", "resolve", "--json")
    (made,) = done.document["proxies"]
    assert (made["size"], made["codec"], made["output"]) == ("editorial", "prores_proxy", str(own.parent / "Proxy" / "a.mov"))
    assert probe(made["output"]).profile == "422 Proxy"
    done = film_archive(capfd, "proxy", own, "--for", "premiere", "--codec", "dnxhr_lb")
    assert done.status in (0, 5)
    assert "smallest is 256×120" in done.output or (own.parent / "Proxies" / "a_Proxy.mov").exists()
    assert film_archive(capfd, "proxy", own, "--for", "flame").status == 2
    assert film_archive(capfd, "proxy", own, "--for", "resolve", "-o", tmp_path / "out").status == 2


MISTAKES = [
    (("--codec", "vp9"), 2, "no codec of proxies"),
    (("--preset", "quick"), 2, "no preset of x264"),
    (("--lut", "none.cube"), 3, "none.cube"),
    (("--audio-map", "left"), 2, "names no channels"),
    (("--burn-in", "timecode"), 2, "TEXT@POSITION"),
    (("--view", "Nothing"), 2, "has no view"),
    (("--source-colorspace", "ACEScg"), 2, "belong to a view"),
]


@pytest.mark.parametrize(("options", "status", "why"), MISTAKES, ids=lambda value: value[0] if isinstance(value, tuple) else None)
def test_a_mistake_is_said_before_anything_is_made(
    options: tuple[str, ...], status: int, why: str, clip: Path, tmp_path: Path, capfd: Capture
) -> None:
    pytest.importorskip("PyOpenColorIO")
    path = tmp_path / "a.zip"
    film_archive(capfd, "create", path, clip, "--proxies", "none")
    before = tree(tmp_path)
    for arguments in (("create", tmp_path / "b.zip", clip), ("add", path, tmp_path), ("proxy", path)):
        done = film_archive(capfd, *arguments, *options)
        assert (done.status, why in done.errors) == (status, True), (arguments, done.errors)
        assert done.errors.count("\n") == 1
    assert tree(tmp_path) == before


def test_attaching(clip: Path, tmp_path: Path, capfd: Capture) -> None:
    path = tmp_path / "a.zip"
    film_archive(capfd, "create", path, clip, "--proxies", "none")
    film_archive(capfd, "proxy", clip, "--sizes", "192x108@2M", "-o", tmp_path / "lab")
    lab = tmp_path / "lab" / "a_192x108.mp4"
    planned = film_archive(capfd, "proxy", "attach", f"{path}::a.mov", lab, "--dry-run", "--json").document
    assert (planned["attached"], planned["plan"]["verb"]) == ([], "proxy attach")
    assert f"{lab}: would become {path}::" in film_archive(capfd, "proxy", "attach", path, lab, "--dry-run").output
    done = film_archive(capfd, "proxy", "attach", f"{path}::a.mov", lab, "--json")
    (attached,) = done.document["attached"]
    assert (attached["size"], attached["frames"], attached["not_compared"]) == ("thumbnail", 14, None)
    assert "14 frames from 01:00:00:00" in film_archive(capfd, "proxy", "attach", path, lab).output
    other = make_clip(ClipSpec(name="other", width=192, height=108, frames=13, start=SPEC.start), tmp_path)
    done = film_archive(capfd, "proxy", "attach", path, other)
    assert (done.status, "has 13 frames and" in done.output) == (4, True)


def test_a_file_that_is_called_attach(clip: Path, tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("attach").write_bytes(clip.read_bytes())
    assert film_archive(capfd, "proxy", "./attach", "--sizes", "64x36", "-o", "out").status == 0
    assert film_archive(capfd, "proxy", "--sizes", "64x36", "-o", "out2", "attach").status == 0
    assert film_archive(capfd, "proxy", "attach").status == 2


def test_a_clip_that_ends_in_mid_frame_is_declared_short(tmp_path: Path, capfd: Capture) -> None:
    from film_archive.media.probe import index

    whole = make_clip(ClipSpec(name="cut", width=192, height=108, frames=40, muxer_options=(("moov_size", "65536"),)), tmp_path)
    frame = index(whole).frame(30)
    short = tmp_path / "short.mov"
    short.write_bytes(whole.read_bytes()[: frame.offset + frame.size // 3])
    done = film_archive(capfd, "proxy", short, "--sizes", "192x108", "-o", tmp_path / "out", "--json")
    (made,) = done.document["proxies"]
    assert (done.status, made["frames"], made["verified"], made["cut_short"]) == (12, 30, False, True)
    assert "is cut short: its proxies have the 30 frames that are there" in done.document["notes"][0]
    made_now = film_archive(capfd, "create", tmp_path / "a.zip", short, "--json").document
    assert any("is cut short" in warning for warning in made_now["warnings"])
    assert all(line["cut_short"] for line in lines_of(tmp_path / "a.zip"))


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_destination_that_is_a_file_is_refused(clip: Path, tmp_path: Path, capfd: Capture, dry_run: bool) -> None:
    """As with every other verb: it is there, and would have to be overwritten."""
    place = tmp_path / "file"
    place.write_bytes(b"mine")
    ran = film_archive(capfd, "proxy", clip, "-o", place, *(["--dry-run"] if dry_run else []))
    assert ran.status == 4
    assert f"{place} exists and is not a folder; nothing was written." in ran.errors
    assert tree(tmp_path) == {"file": b"mine"}


def test_a_name_that_is_no_text_is_printed_with_its_bytes_as_escapes(clip: Path, tmp_path: Path, capfd: Capture) -> None:
    named = tmp_path / os.fsdecode(b"n\xff.mov")
    named.write_bytes(clip.read_bytes())
    for more in (["--dry-run"], []):
        ran = film_archive(capfd, "proxy", named, "-o", tmp_path / "out", "--sizes", "64x36", *more)
        assert ran.status == 0
        assert r"n\xff_64x36.mp4" in ran.output
        assert "udcff" not in ran.output


@pytest.mark.parametrize(("count", "said"), [(1, "note: 1 frame of a clip could"), (3, "note: up to 3 frames of a clip could")])
def test_frames_that_could_not_be_decoded_are_counted_in_words(count: int, said: str, capfd: Capture) -> None:
    from film_archive.cli.proxy import _show
    from film_archive.workflows.proxy_reports import MadeProxy, ProxiesMade

    proxy = MadeProxy(
        source="a.mov", size="thumbnail", output="a.mp4", codec="h264", width=320, height=180, frames=9, start_timecode=None,
        verified=False, chunks=1, corrupt=tuple(range(count)), beside=(), cut_short=False,
    )  # fmt: skip
    done = ProxiesMade(proxies=(proxy,), stills=(), current=0, failed=(), notes=(), frames=9, workers=1, fps=None)
    _show(done, None, False)  # type: ignore[arg-type]
    assert said in capfd.readouterr().out

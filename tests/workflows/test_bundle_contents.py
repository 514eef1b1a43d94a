"""What bundles hold, and whether that is what it should be."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest

from film_archive.core.errors import Refused
from film_archive.core.timecode import Timecode
from film_archive.testing.media import ClipSpec, cached_clip
from film_archive.workflows.bundle_checking import check_bundle
from film_archive.workflows.bundle_contents import bundle_info
from film_archive.workflows.bundle_reading import read_bundle
from film_archive.workflows.bundling import write_bundle
from film_archive.workflows.timelines import Cut
from tests.archive.making import noise
from tests.cli.running import film_archive
from tests.workflows.making import write_tree
from tests.workflows.test_timelines import external, images, span

FORMS = pytest.mark.parametrize("form", ["otioz", "otiod"])


@pytest.fixture
def cut(tmp_path: Path) -> Cut:
    """Two clips and a sequence: all of it there."""
    media = {"a.mov": noise(9000, 1), "b.mov": noise(5000, 2), **{f"p.{n}.bmp": noise(100, n) for n in range(1001, 1007)}}
    folder = write_tree(tmp_path / "media", media)
    shown = [
        (external(folder / "a.mov"), span(86401, 10)),
        (external(folder / "a.mov"), span(86401, 10)),
        (images(folder, "p.", ".bmp", 1001, 6), span(1001, 6)),
        (external(folder / "b.mov"), span(86400, 24)),
    ]
    track = otio.schema.Track("V1", children=[otio.schema.Clip(f"c{n}", *each) for n, each in enumerate(shown)])
    otio.adapters.write_to_file(otio.schema.Timeline("cut", tracks=[track]), str(tmp_path / "cut.otio"))
    return Cut(tmp_path / "cut.otio")


def of_a_zip(path: Path, urls: list[str], members: dict[str, bytes]) -> Path:
    clips = [otio.schema.Clip(url[-9:], otio.schema.ExternalReference(url, span(0, 10)), span(0, 10)) for url in urls]
    timeline = otio.schema.Timeline("foreign", tracks=[otio.schema.Track(children=clips)])
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("content.otio", otio.adapters.write_to_string(timeline, "otio_json"))
        for name, data in members.items():
            made.writestr(name, data)
    return path


@FORMS
def test_info_of_a_whole_bundle(tmp_path: Path, cut: Cut, form: str) -> None:
    write_bundle(cut, tmp_path / f"b.{form}")
    found = bundle_info(tmp_path / f"b.{form}")
    assert (found.form, found.version, found.name) == (form, "1.0.0", "cut")
    assert (found.tracks, found.clips, round(found.duration * 24), found.frame_rate) == (1, 4, 50, "24/1")
    assert found.duration_timecode == "00:00:02:02"
    assert [(each.name, each.size, each.status, each.references, each.files) for each in found.media] == [
        ("media/a.mov", 9000, "present", 2, 1),
        ("media/p.%d.bmp", 600, "present", 1, 6),
        ("media/b.mov", 5000, "present", 1, 1),
    ]
    assert [(track.name, track.clips, track.missing) for track in found.track_list] == [("V1", 4, 0)]
    assert check_bundle(tmp_path / f"b.{form}").ok


def test_every_status(tmp_path: Path) -> None:
    urls = ["media/a.mov", "media/gone.mov", "file:///x/y.mov", "http://x/y.mov", "media/sp%20ace.mov"]
    urls += ["media\\B.mov", "../up.mov"]
    media = {"media/a.mov": b"1", "media/sp ace.mov": b"2", "media/b.mov": b"3", "media/extra.mov": b"4", "notes": b"5"}
    path = of_a_zip(tmp_path / "b.otioz", urls, media)
    found = bundle_info(path)
    assert found.version is None
    assert [(each.name, each.status) for each in found.media] == [
        ("media/a.mov", "present"),
        ("media/gone.mov", "missing"),
        ("file:///x/y.mov", "elsewhere"),
        ("http://x/y.mov", "elsewhere"),
        ("media/sp ace.mov", "present"),
        ("media/b.mov", "present"),
        ("../up.mov", "elsewhere"),
        ("media/extra.mov", "unused"),
    ]
    checked = check_bundle(path)
    assert {problem.path for problem in checked.problems} == {"media/gone.mov", "file:///x/y.mov", "http://x/y.mov", "../up.mov"}
    assert ({problem.kind for problem in checked.problems}, checked.exit_status) == ({"lacking"}, 3)


def test_images_that_are_lacking(tmp_path: Path) -> None:
    sequence = images("media/", "p.", ".bmp", 1001, 6, frame_zero_padding=4, frame_step=1)
    document = otio.adapters.write_to_string(otio.schema.Clip("c", sequence, span(1001, 6)), "otio_json")
    with zipfile.ZipFile(tmp_path / "b.otioz", "w") as made:
        made.writestr("content.otio", document)
        for number in (1001, 1002, 1005):
            made.writestr(f"media/p.{number}.bmp", b"12")
    (medium,) = bundle_info(tmp_path / "b.otioz").media
    assert (medium.name, medium.status, medium.files, medium.lacking, medium.size) == ("media/p.%04d.bmp", "missing", 3, 3, 6)
    (problem,) = check_bundle(tmp_path / "b.otioz").problems
    assert problem.what == "lacks 3 images, which 'c' references"


def test_a_timeline_alone_and_its_picture(tmp_path: Path, cut: Cut) -> None:
    (tmp_path / "media/b.mov").unlink()
    found = bundle_info(cut.path, svg=tmp_path / "t.svg")
    assert (found.form, found.version) == ("otio", None)
    assert [each.status for each in found.media] == ["present", "present", "missing"]
    assert (tmp_path / "t.svg").read_text().count('fill="#c62828"') == 2  # the clip, and the legend
    with pytest.raises(Refused):
        bundle_info(cut.path, svg=tmp_path / "t.svg")


def test_a_document_too_deep_to_lay_out_still_lists_its_media(tmp_path: Path) -> None:
    reference = json.dumps({"OTIO_SCHEMA": "ExternalReference.1", "target_url": "media/a.mov"})
    depth = 1200
    deep = '{"OTIO_SCHEMA":"Stack.1","children":[' * depth + reference + "]}" * depth
    with zipfile.ZipFile(tmp_path / "b.otioz", "w") as made:
        made.writestr("content.otio", deep)
        made.writestr("media/a.mov", b"1")
    found = bundle_info(tmp_path / "b.otioz")
    assert [(each.name, each.status) for each in found.media] == [("media/a.mov", "present")]


# Checking


@FORMS
def test_a_flipped_byte_is_found(tmp_path: Path, cut: Cut, form: str) -> None:
    bundle = tmp_path / f"b.{form}"
    write_bundle(cut, bundle)
    file = bundle / "media/a.mov" if form == "otiod" else bundle
    data = bytearray(file.read_bytes())
    data[data.index(noise(9000, 1)[:50]) + 7] ^= 1
    file.write_bytes(data)
    checked = check_bundle(bundle)
    assert [problem.path for problem in checked.problems] == ["media/a.mov"]
    assert checked.exit_status == 11


def test_a_folder_of_released_otio_has_no_digests_and_that_is_said(tmp_path: Path, cut: Cut) -> None:
    track = otio.schema.Track(children=[otio.schema.Clip("a", external(tmp_path / "media/a.mov"), span(86401, 5))])
    timeline = otio.schema.Timeline("t", tracks=[track])
    otio.adapters.write_to_file(timeline, str(tmp_path / "b.otiod"))
    checked = check_bundle(tmp_path / "b.otiod")
    assert (checked.ok, checked.digests) == (True, False)
    assert "no digests" in checked.verdict
    (tmp_path / "b.otiod/media/a.mov").unlink()
    assert [problem.path for problem in check_bundle(tmp_path / "b.otiod").problems] == ["media/a.mov"]


def test_what_was_extracted_is_proven_by_its_hash_list(tmp_path: Path, cut: Cut) -> None:
    """A folder of another program's has no digests, but a list of the ASC's has them."""
    write_bundle(cut, tmp_path / "b.otioz", mhl=True)
    read_bundle(tmp_path / "b.otioz", tmp_path / "out")
    checked = check_bundle(tmp_path / "out")
    assert (checked.ok, checked.digests) == (True, True)
    with (tmp_path / "out/media/b.mov").open("r+b") as file:
        file.write(b"!")
    (tmp_path / "out/media/p.1006.bmp").unlink()
    checked = check_bundle(tmp_path / "out")
    assert {problem.path for problem in checked.problems} == {"media/b.mov", "media/p.1006.bmp", "media/p.%d.bmp"}
    assert "ASC MHL says" in next(problem.what for problem in checked.problems if problem.path == "media/b.mov")
    mhl = next((tmp_path / "out/ascmhl").glob("*.mhl"))
    mhl.write_bytes(b"<hashlist><broken")
    assert not check_bundle(tmp_path / "out").ok


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 frames from 01:00:00:00 on, at 24."""
    spec = ClipSpec(name="c", width=96, height=54, frames=48, start=Timecode.from_string("01:00:00:00", 24))
    return cached_clip(spec, tmp_path_factory.mktemp("clip"))


HOUR = 86400


@pytest.mark.parametrize(
    ("available", "shown", "wrong"),
    [
        ((HOUR, 48), (HOUR + 10, 20), None),
        ((0, 48), (10, 20), None),
        (None, (HOUR + 10, 38), None),
        ((HOUR, 48), (HOUR + 40, 20), "12 frames behind its media's available range"),
        ((HOUR, 48), (HOUR - 3, 20), "3 frames before its media's available range"),
        ((HOUR, 60), (HOUR, 20), "is said to have frames 86400 to 86460"),
        (None, (HOUR + 10, 39), "for frames 86410 to 86449"),
        ((5, 48), (10, 5), None),
        ((5, 47), (10, 5), "is said to have frames 5 to 52, and it has 0 to 48 or 86400 to 86448"),
    ],
)
def test_ranges_are_held_against_the_media(
    tmp_path: Path, clip: Path, available: Any, shown: tuple[int, int], wrong: str | None
) -> None:
    reference = otio.schema.ExternalReference(clip.as_uri(), None if available is None else span(*available))
    track = otio.schema.Track(children=[otio.schema.Clip("shot", reference, span(*shown))])
    otio.adapters.write_to_file(otio.schema.Timeline("t", tracks=[track]), str(tmp_path / "t.otio"))
    write_bundle(Cut(tmp_path / "t.otio"), tmp_path / "b.otioz")
    checked = check_bundle(tmp_path / "b.otioz")
    assert checked.clips_checked == 1
    if wrong is None:
        assert checked.ok, checked.problems
    else:
        (problem,) = checked.problems
        assert wrong in problem.what
        assert (problem.kind, checked.exit_status) == ("outside", 7)  # every byte is what it was


# The command line


def test_the_verbs_on_the_command_line(tmp_path: Path, cut: Cut, capfd: pytest.CaptureFixture[str]) -> None:
    bundle = tmp_path / "b.otioz"
    dry = film_archive(capfd, "bundle", "write", cut.path, bundle, "--dry-run", "--json")
    assert (dry.document["media_bytes"], dry.document["plan"]["verb"]) == (14_600, "bundle write")
    assert not bundle.exists()
    assert film_archive(capfd, "bundle", "write", cut.path, bundle, "--json").document["media"] == 8
    assert film_archive(capfd, "bundle", "write", cut.path, bundle).status == 4
    info = film_archive(capfd, "bundle", "info", bundle, "--json").document
    assert {"media", "tracks", "clips", "duration"} <= info.keys()
    assert {"name", "size", "status"} <= info["media"][0].keys()
    assert "media/a.mov" in film_archive(capfd, "bundle", "info", bundle).output
    assert film_archive(capfd, "bundle", "check", bundle, "--json").document["ok"] is True
    assert film_archive(capfd, "bundle", "read", bundle, tmp_path / "out", "--relink", "--json").document["relinked"] == 4
    assert film_archive(capfd, "bundle", "read", bundle, tmp_path / "out").status == 4
    assert film_archive(capfd, "bundle", "info", tmp_path / "nothing.otioz").status == 3
    assert film_archive(capfd, "bundle", "write", cut.path, tmp_path / "c.otioz", "--media-policy", "odd").status == 2
    (tmp_path / "media/b.mov").unlink()
    assert film_archive(capfd, "bundle", "write", cut.path, tmp_path / "c.otiod").status == 3
    assert film_archive(capfd, "bundle", "write", cut.path, tmp_path / "c.otiod", "--policy", "missing").status == 0

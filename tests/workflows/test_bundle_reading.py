"""Extracting bundles, whoever wrote them."""

from __future__ import annotations

import json
import os
import stat
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import opentimelineio as otio
import pytest

from film_archive.core import files
from film_archive.core.errors import Damaged, FilmArchiveError, NotFound, Refused
from film_archive.core.ladder import parse_sizes
from film_archive.core.timecode import Timecode
from film_archive.testing import crash, faults
from film_archive.testing.media import ClipSpec, cached_clip
from film_archive.workflows.bundle_reading import (
    BundleReadPlan,
    apply_bundle_read,
    plan_bundle_read,
    read_bundle,
    read_timeline,
)
from film_archive.workflows.bundling import write_bundle
from film_archive.workflows.extraction import extract
from film_archive.workflows.timelines import Cut
from tests.archive.making import noise
from tests.reading import codes_of
from tests.shared import shared
from tests.workflows.making import tree, write_tree
from tests.workflows.test_timelines import external, images, references, write_cut

FORMS = pytest.mark.parametrize("form", ["otioz", "otiod"])
CONTENT = json.dumps({"OTIO_SCHEMA": "Timeline.1", "tracks": None}).encode()


@pytest.fixture
def media(tmp_path: Path) -> Path:
    wanted = {"a.mov": noise(9000, 1), "sp ace %41#.mov": noise(5000, 2)}
    return write_tree(tmp_path / "media", wanted | {f"p.{number}.bmp": noise(1000, number) for number in range(1001, 1007)})


def written(folder: Path, media: Path, form: str) -> Path:
    """A bundle with two clips and a sequence, one of the clips referenced twice."""
    clips = [external(media / name) for name in ("a.mov", "sp ace %41#.mov", "a.mov")]
    cut = write_cut(folder / "cut.otio", *clips, images(media, "p.", ".bmp", 1001, 6))
    write_bundle(cut, folder / f"b.{form}")
    return folder / f"b.{form}"


def a_zip(path: Path, members: dict[str, bytes], content: bytes = CONTENT) -> Path:
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("version.txt", "1.0.0")
        if content:
            made.writestr("content.otio", content)
        for name, data in members.items():
            made.writestr(name, data)
    return path


@FORMS
def test_what_was_written_comes_out(tmp_path: Path, media: Path, form: str) -> None:
    bundle = written(tmp_path, media, form)
    out = tmp_path / "new" / "out"
    done = read_bundle(bundle, out)
    found = tree(out)
    assert found.pop("version.txt") == b"1.0.0"
    assert found.pop("content.otio") == read_timeline(bundle)
    assert {name: data for name, data in found.items() if data is not None} == {
        f"media/{name}": data for name, data in tree(media).items()
    }
    assert (out / "media/a.mov").stat().st_mtime_ns == (media / "a.mov").stat().st_mtime_ns
    assert (done.exit_status, done.failed, done.skipped) == (0, (), ())
    assert otio.adapters.read_from_file(str(done.timeline)).name == "cut"


@FORMS
def test_relinked_to_what_was_extracted(tmp_path: Path, media: Path, form: str) -> None:
    """Released OTIO finds every file, and another bundle can be written of it."""
    bundle = written(tmp_path, media, form)
    done = read_bundle(bundle, tmp_path / "out put", relink=True)
    assert done.relinked == 4
    one, two, three, four = references(otio.adapters.read_from_file(str(done.timeline)))
    folder = (tmp_path / "out put/media").absolute()
    assert [unquote(urlsplit(each.target_url).path) for each in (one, two, three)] == [
        str(folder / name) for name in ("a.mov", "sp ace %41#.mov", "a.mov")
    ]
    assert otio.url_utils.filepath_from_url(four.target_url_for_image_number(5)) == str(folder / "p.1006.bmp")
    assert write_bundle(Cut(done.timeline), tmp_path / "again.otioz").media == 8


@FORMS
def test_a_folder_that_holds_something_is_refused(tmp_path: Path, media: Path, form: str) -> None:
    bundle = written(tmp_path, media, form)
    out = tmp_path / "out"
    out.mkdir()
    read_bundle(bundle, out)
    before = tree(out)
    with pytest.raises(Refused, match="not empty"):
        read_bundle(bundle, out)
    assert tree(out) == before
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Refused, match="not a folder"):
        read_bundle(bundle, tmp_path / "file")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="killing needs fork")
@pytest.mark.parametrize("step", [31, pytest.param(1, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("relink", [False, True])
@FORMS
def test_a_killed_run_is_continued(tmp_path: Path, media: Path, form: str, relink: bool, step: int) -> None:
    bundle, out = written(tmp_path, media, form), tmp_path / "out"
    with faults.counting() as calls:
        read_bundle(bundle, out, relink=relink)
    expected = tree(out)
    for number in range(0, len(calls), step):
        files.remove_tree(out)

        def work(number: int = number) -> None:
            with faults.failing(number, faults.Kill.AFTER):
                read_bundle(bundle, out, relink=relink)

        assert not crash.run(work).finished
        if out.exists() and tree(out) == expected:
            continue
        read_bundle(bundle, out, relink=relink)
        assert tree(out) == expected, (number, calls[number])


def test_a_plan_that_was_read_back_does_the_same(tmp_path: Path, media: Path) -> None:
    plan = plan_bundle_read(written(tmp_path, media, "otioz"), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    again = BundleReadPlan.from_json(json.loads(json.dumps(plan.to_json())))
    assert again == plan
    assert len(apply_bundle_read(again).written) == len(plan.steps)


def test_proxies_that_the_timeline_references_come_too(tmp_path: Path) -> None:
    clip = cached_clip(ClipSpec(name="p", width=320, height=180, frames=24), tmp_path)
    write_bundle(write_cut(tmp_path / "c.otio", external(clip)), tmp_path / "b.otioz", proxies=parse_sizes("thumbnail"))
    done = read_bundle(tmp_path / "b.otioz", tmp_path / "out", relink=True)
    (found,) = otio.adapters.read_from_file(str(done.timeline)).find_clips()
    for reference in found.media_references().values():
        assert Path(otio.url_utils.filepath_from_url(reference.target_url)).is_file()
    assert len(found.media_references()) == 2


# What others wrote


@FORMS
def test_what_released_otio_wrote(tmp_path: Path, media: Path, form: str) -> None:
    """Its folders have no version.txt, which its next release asks for: it is there when they are extracted."""
    cut = write_cut(tmp_path / "cut.otio", external(media / "a.mov"))
    bundle = tmp_path / f"b.{form}"
    otio.adapters.write_to_file(otio.adapters.read_from_file(str(cut.path)), str(bundle), form)
    done = read_bundle(bundle, tmp_path / "out", relink=True)
    assert (done.relinked, done.exit_status) == (1, 0)
    assert (tmp_path / "out/media/a.mov").read_bytes() == (media / "a.mov").read_bytes()
    assert (tmp_path / "out/version.txt").read_bytes() == b"1.0.0"


def test_a_document_of_the_next_release_in_a_zip(tmp_path: Path) -> None:
    reference = {"OTIO_SCHEMA": "ExternalReference.7", "target_url": "media/a%20b.mov"}
    clip = {"OTIO_SCHEMA": "Clip.9", "media_references": {"DEFAULT_MEDIA": reference}, "markers": [{"OTIO_SCHEMA": "Marker.3"}]}
    content = json.dumps({"OTIO_SCHEMA": "Stack.3", "children": [clip]}).encode()
    read_bundle(a_zip(tmp_path / "b.otioz", {"media/a b.mov": b"1"}, content), tmp_path / "out", relink=True)
    found = json.loads((tmp_path / "out/content.otio").read_bytes())
    url = found["children"][0]["media_references"]["DEFAULT_MEDIA"]["target_url"]
    assert url == (tmp_path / "out/media/a b.mov").absolute().as_uri()


def test_content_in_other_case_and_in_any_packing(tmp_path: Path) -> None:
    for number, method in enumerate((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)):
        path = tmp_path / f"{number}.otioz"
        with zipfile.ZipFile(path, "w", method) as made:
            made.writestr("Content.OTIO", CONTENT)
            made.writestr("media/x", b"x" * 1000)
        read_bundle(path, tmp_path / str(number))
        assert (tmp_path / str(number) / "content.otio").read_bytes() == CONTENT
        assert (tmp_path / str(number) / "media/x").read_bytes() == b"x" * 1000


def test_prefix_comment_and_folders_are_no_matter(tmp_path: Path) -> None:
    path = a_zip(tmp_path / "b.otioz", {"media/": b"", "media/x": b"1", "notes/readme.txt": b"2"})
    with zipfile.ZipFile(path, "a") as made:
        made.comment = b"made elsewhere"
    path.write_bytes(b"#!/bin/sh\n" + path.read_bytes())
    read_bundle(path, tmp_path / "out")
    assert (tmp_path / "out/media/x").read_bytes() == b"1"
    assert (tmp_path / "out/notes/readme.txt").read_bytes() == b"2"


def link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("media/link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


HOSTILE: dict[str, list[tuple[Any, bytes]]] = {
    "traversal": [("../out.txt", b"x")],
    "deep traversal": [("media/../../out.txt", b"x")],
    "absolute": [("/tmp/out.txt", b"x")],
    "backslash": [("media\\..\\..\\out.txt", b"x")],
    "drive": [("C:/out.txt", b"x")],
    "twice": [("media/a.mov", b"1"), ("media/a.mov", b"2")],
    "case": [("media/a.mov", b"1"), ("media/A.mov", b"2")],
    "two timelines": [("content.otio", CONTENT), ("content.otio", CONTENT + b" ")],
    "file and folder": [("media", b"1"), ("media/a.mov", b"2")],
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("relink", [False, True])
@pytest.mark.parametrize("members", HOSTILE.values(), ids=HOSTILE)
def test_hostile_names_are_refused_before_the_first_byte(
    tmp_path: Path, members: list[tuple[Any, bytes]], relink: bool
) -> None:
    path = a_zip(tmp_path / "b.otioz", {})
    with zipfile.ZipFile(path, "a") as made:
        for name, data in members:
            info = zipfile.ZipInfo("x")
            info.filename = name
            made.writestr(info, data)
    with pytest.raises(Refused):
        read_bundle(path, tmp_path / "out", relink=relink)
    assert not (tmp_path / "out").exists()
    assert [place.name for place in tmp_path.iterdir()] == ["b.otioz"]


def test_links_lead_nowhere(tmp_path: Path) -> None:
    path = a_zip(tmp_path / "b.otioz", {})
    with zipfile.ZipFile(path, "a") as made:
        made.writestr(link(), "../../..")
    done = read_bundle(path, tmp_path / "out")
    assert [skipped.path for skipped in done.skipped] == ["media/link"]
    assert not (tmp_path / "out/media/link").exists()
    folder = write_tree(tmp_path / "b.otiod", {"content.otio": CONTENT, "media/a.mov": b"1"})
    (folder / "media/out.mov").symlink_to("/etc/hostname")
    assert [each.path for each in read_bundle(folder, tmp_path / "out2").skipped] == ["media/out.mov"]


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "b.otioz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as made:
        made.writestr("content.otio", CONTENT)
        with made.open("media/zero", "w", force_zip64=True) as member:
            for _ in range(1040):
                member.write(bytes(1 << 20))
    with pytest.raises(Refused, match="bomb"):
        read_bundle(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_size_that_lies_is_found(tmp_path: Path) -> None:
    path = a_zip(tmp_path / "b.otioz", {"media/a.mov": b"12345678"})
    data = path.read_bytes()
    at = data.rindex(b"PK\1\2")
    path.write_bytes(data[: at + 20] + (7).to_bytes(4, "little") * 2 + data[at + 28 :])
    done = read_bundle(path, tmp_path / "out")
    assert [failed.path for failed in done.failed] == ["media/a.mov"]
    assert done.exit_status == Damaged.exit_status
    assert not (tmp_path / "out/media/a.mov").exists()


def test_a_flipped_byte_is_left_out_and_said(tmp_path: Path, media: Path) -> None:
    bundle = written(tmp_path, media, "otioz")
    data = bytearray(bundle.read_bytes())
    data[data.index((media / "a.mov").read_bytes()[:64]) + 5] ^= 1
    bundle.write_bytes(data)
    done = read_bundle(bundle, tmp_path / "out")
    assert [failed.path for failed in done.failed] == ["media/a.mov"]
    assert not (tmp_path / "out/media/a.mov").exists()


NO_BUNDLES = {
    "no timeline": lambda folder: a_zip(folder / "b.otioz", {"media/a.mov": b"1"}, b""),
    "an empty folder": lambda folder: write_tree(folder / "b.otiod", {"x": b""}),
    "broken json": lambda folder: a_zip(folder / "b.otioz", {}, b'{"OTIO_SCHEMA": '),
    "too deep": lambda folder: a_zip(folder / "b.otioz", {}, b'{"OTIO_SCHEMA":"Stack.1","children":[' * 9000),
    "no zip": lambda folder: write_tree(folder, {"b.otioz": b"nothing"}) / "b.otioz",
    "half a zip": lambda folder: write_tree(folder, {"b.otioz": b"PK\3\4" + bytes(90)}) / "b.otioz",
    "nothing": lambda folder: folder / "b.otioz",
}


@pytest.mark.parametrize("make", NO_BUNDLES.values(), ids=NO_BUNDLES)
def test_what_is_no_bundle_is_said_in_one_sentence(tmp_path: Path, make: Any) -> None:
    with pytest.raises((NotFound, Damaged)) as caught:
        read_bundle(make(tmp_path), tmp_path / "out")
    assert str(caught.value).endswith(".")
    assert not (tmp_path / "out").exists()


SHARED = shared("corpus")


@pytest.mark.skipif(not (SHARED / "otioz").is_dir(), reason="../shared/corpus is not there")
def test_real_bundles_come_out(tmp_path: Path) -> None:
    bundles = sorted((SHARED / "otioz").rglob("*.otioz"))
    assert bundles
    for number, path in enumerate(bundles):
        done = read_bundle(path, tmp_path / str(number), relink=True)
        assert done.failed == ()
        for reference in references(otio.adapters.read_from_file(str(done.timeline))):
            url = reference.target_url_for_image_number(0) if hasattr(reference, "target_url_base") else reference.target_url
            assert Path(otio.url_utils.filepath_from_url(url)).is_file()


def test_errors_are_ours_whatever_byte_is_changed(tmp_path: Path, media: Path) -> None:
    bundle = written(tmp_path, media, "otioz")
    data, said = bundle.read_bytes(), []
    for number, at in enumerate(range(len(data) - 1, 0, -(len(data) // 120))):
        changed = bytearray(data)
        changed[at] ^= 0x55
        (tmp_path / "x.otioz").write_bytes(changed)
        try:
            read_bundle(tmp_path / "x.otioz", tmp_path / f"out{number}")
        except FilmArchiveError as error:
            said.append(str(error))
    assert said
    assert all(sentence.endswith(".") for sentence in said)


@pytest.mark.parametrize("version", [None, b"9.9.9", b"", b"\xff" * 40])
def test_whatever_version_is_said(tmp_path: Path, version: bytes | None) -> None:
    with zipfile.ZipFile(tmp_path / "b.otioz", "w") as made:
        made.writestr("content.otio", CONTENT)
        if version is not None:
            made.writestr("version.txt", version)
    read_bundle(tmp_path / "b.otioz", tmp_path / "out")
    assert (tmp_path / "out/version.txt").read_bytes() == (b"1.0.0" if version is None else version)


def test_any_bundle_is_an_archive(tmp_path: Path) -> None:
    """Frames are cut out of a bundle that released OTIO wrote, where they lie."""
    start = Timecode.from_string("01:00:00:00", 24)
    spec = ClipSpec(name="p", width=320, height=180, frames=24, start=start)
    clip = cached_clip(spec, tmp_path)
    cut = write_cut(tmp_path / "c.otio", external(clip))
    otio.adapters.write_to_file(otio.adapters.read_from_file(str(cut.path)), str(tmp_path / "b.otioz"), "otioz")
    member = f"{tmp_path / 'b.otioz'}::media/{clip.name}"
    extract(member, tmp_path / "out.mov", in_point="01:00:00:05", duration="00:00:00:06")
    assert codes_of(tmp_path / "out.mov") == [spec.code(number) for number in range(5, 11)]

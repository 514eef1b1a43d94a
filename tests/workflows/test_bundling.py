"""Writing bundles, as released OTIO reads them."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest

from film_archive.archive.reader import open_archive
from film_archive.bundles.policy import MediaReferencePolicy
from film_archive.core import files
from film_archive.core.errors import Damaged, FilmArchiveError, NoSpace, NotFound, Refused, SourceChanged, UsageError
from film_archive.core.ladder import parse_sizes
from film_archive.testing import crash, faults
from film_archive.testing.media import ClipSpec, cached_clip
from film_archive.workflows.bundle_reading import read_bundle
from film_archive.workflows.bundling import (
    BundlePlan,
    Form,
    abandon_bundle,
    apply_bundle,
    as_planned,
    plan_bundle,
    write_bundle,
)
from film_archive.workflows.timelines import Cut
from tests.archive.making import noise
from tests.core.mounts import tmpfs
from tests.shared import shared
from tests.workflows.making import check, contents, tree, write_tree
from tests.workflows.test_timelines import external, images, references, span, write_cut

FORMS = pytest.mark.parametrize("form", ["otioz", "otiod"])
MISSING = MediaReferencePolicy.MISSING_IF_NOT_FILE


@pytest.fixture
def media(tmp_path: Path) -> Path:
    wanted = {"a.mov": noise(9000, 1), "b.mov": noise(5000, 2), "other/a.mov": noise(4000, 3)}
    wanted |= {f"plates/p.{number}.bmp": noise(1000, number) for number in range(1001, 1007)}
    wanted |= {f"other/p.{number}.bmp": noise(700, number) for number in range(1001, 1007)}
    return write_tree(tmp_path / "media", wanted)


def read(path: Path) -> Any:
    """What released OTIO reads."""
    return otio.adapters.read_from_file(str(path))


def expected_of(cut: Cut) -> Any:
    return otio.adapters.read_from_file(str(cut.path), "otio_json")


def names(bundle: Path) -> set[str]:
    """What another program sees of it, our own data apart."""
    if bundle.is_dir():
        found = {place.relative_to(bundle).as_posix() for place in bundle.rglob("*") if place.is_file()}
    else:
        found = set(zipfile.ZipFile(bundle).namelist())
    return {name for name in found if not name.startswith(".film-archive/")}


@FORMS
def test_released_otio_reads_what_is_written(tmp_path: Path, media: Path, form: str) -> None:
    sequence = images(media / "plates", "p.", ".bmp", 1001, 6, frame_step=2)
    cut = write_cut(tmp_path / "cut.otio", external(media / "a.mov"), sequence, {"hi": external(media / "b.mov")})
    bundle = tmp_path / f"b.{form}"
    done = write_bundle(cut, bundle)
    assert (done.media, done.media_bytes, done.references) == (5, 17_000, 3)
    stored = {"a.mov", "b.mov", "p.1001.bmp", "p.1003.bmp", "p.1005.bmp"}
    assert names(bundle) == {"version.txt", "content.otio", *(f"media/{name}" for name in stored)}
    timeline, wanted = read(bundle), expected_of(cut)
    for before, after in zip(references(wanted), references(timeline), strict=True):
        if isinstance(after, otio.schema.ImageSequenceReference):
            assert after.target_url_base == "media/"
            for number in range(after.number_of_images_in_sequence()):
                assert contents(bundle)[after.target_url_for_image_number(number)]
            before.target_url_base = after.target_url_base
        else:
            assert contents(bundle)[after.target_url] == Path(before.target_url.removeprefix("file://")).read_bytes()
            before.target_url = after.target_url
    assert timeline.is_equivalent_to(wanted)  # markers, metadata, names: all else is as it was
    assert check(bundle).ok


def test_extras_of_ours_do_not_keep_otio_from_extracting(tmp_path: Path, media: Path) -> None:
    write_bundle(write_cut(tmp_path / "cut.otio", external(media / "a.mov")), tmp_path / "b.otioz")
    (tmp_path / "out").mkdir()
    otio.adapters.read_from_file(str(tmp_path / "b.otioz"), extract_to_directory=str(tmp_path / "out"))
    assert (tmp_path / "out/media/a.mov").read_bytes() == (media / "a.mov").read_bytes()
    assert (tmp_path / "out/version.txt").read_bytes() == b"1.0.0"


@FORMS
def test_nested_timelines_and_collections(tmp_path: Path, media: Path, form: str) -> None:
    inner = otio.schema.Stack("inner", children=[otio.schema.Track(children=[otio.schema.Clip("i", external(media / "b.mov"))])])
    track = otio.schema.Track("V1", children=[otio.schema.Clip("o", external(media / "a.mov")), inner])
    collection = otio.schema.SerializableCollection("bin", [otio.schema.Timeline("t", tracks=[track])])
    otio.adapters.write_to_file(collection, str(tmp_path / "c.otio"), "otio_json")
    write_bundle(Cut(tmp_path / "c.otio"), tmp_path / f"c.{form}")
    assert names(tmp_path / f"c.{form}") == {"version.txt", "content.otio", "media/a.mov", "media/b.mov"}


@FORMS
def test_equal_names_are_refused_or_renamed(tmp_path: Path, media: Path, form: str) -> None:
    clips = (external(media / "a.mov"), external(media / "other/a.mov"))
    plates = (images(media / "plates", "p.", ".bmp", 1001, 6), images(media / "other", "p.", ".bmp", 1001, 4))
    cut = write_cut(tmp_path / "cut.otio", *clips, *plates, images(media / "other", "p.", ".bmp", 1003, 4))
    bundle = tmp_path / f"b.{form}"
    with pytest.raises(Refused, match="one name"):
        plan_bundle(cut, bundle)
    done = write_bundle(Cut(cut.path, rename=True), bundle)
    assert {each.name for each in done.renamed} == {"a_2.mov", *(f"p_2.{number}.bmp" for number in range(1001, 1007))}
    found = contents(bundle)
    assert found["media/a_2.mov"] == (media / "other/a.mov").read_bytes()
    one, two, three, four, five = references(read(bundle))
    assert (one.target_url, two.target_url) == ("media/a.mov", "media/a_2.mov")
    assert found[three.target_url_for_image_number(2)] == (media / "plates/p.1003.bmp").read_bytes()
    assert found[four.target_url_for_image_number(2)] == (media / "other/p.1003.bmp").read_bytes()
    assert found[five.target_url_for_image_number(3)] == (media / "other/p.1006.bmp").read_bytes()
    assert check(bundle).ok


def test_names_that_differ_in_case_clash(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "m", {"x/A.mov": b"1", "y/a.MOV": b"2"})
    cut = write_cut(tmp_path / "cut.otio", external(folder / "x/A.mov"), external(folder / "y/a.MOV"))
    with pytest.raises(Refused, match="one name"):
        write_bundle(cut, tmp_path / "b.otioz")
    write_bundle(Cut(cut.path, rename=True), tmp_path / "b.otioz")
    assert names(tmp_path / "b.otioz") >= {"media/A.mov", "media/a_2.MOV"}


def test_parts_of_a_spanned_clip_are_renamed_together(tmp_path: Path) -> None:
    parts = ("A001_C001_0101AB_001.R3D", "A001_C001_0101AB_002.R3D")
    folder = write_tree(tmp_path / "m", {f"{card}/{part}": card.encode() + part.encode() for card in "xy" for part in parts})
    cut = write_cut(tmp_path / "cut.otio", *(external(folder / card / parts[0]) for card in "xy"))
    write_bundle(Cut(cut.path, rename=True), tmp_path / "b.otioz")
    assert names(tmp_path / "b.otioz") >= {f"media/{part}" for part in parts} | {f"media/2_{part}" for part in parts}


def test_one_file_is_stored_once_however_it_is_referenced(tmp_path: Path, media: Path) -> None:
    (tmp_path / "link").symlink_to(media)
    cut = write_cut(
        tmp_path / "cut.otio",
        *(external(each) for each in (media / "a.mov", tmp_path / "link/a.mov", str(media / "a.mov"))),
    )
    done = write_bundle(cut, tmp_path / "b.otioz")
    assert done.media == 1
    assert {each.target_url for each in references(read(tmp_path / "b.otioz"))} == {"media/a.mov"}


@FORMS
def test_policies(tmp_path: Path, media: Path, form: str) -> None:
    lost = external("file:///nowhere/gone.mov", "gone")
    cut = write_cut(tmp_path / "cut.otio", external(media / "a.mov"), lost, external("http://example.com/x.mov"))
    bundle = tmp_path / f"b.{form}"
    with pytest.raises(NotFound, match=r"gone\.mov.*not there"):
        write_bundle(cut, bundle)
    assert sorted(tmp_path.iterdir()) == [tmp_path / "cut.otio", media]
    done = write_bundle(Cut(cut.path, MISSING), bundle)
    assert len(done.missing) == 2
    kept = [each for each in references(read(bundle)) if isinstance(each, otio.schema.MissingReference)]
    assert [each.metadata["original_target_url"] for each in kept] == ["file:///nowhere/gone.mov", "http://example.com/x.mov"]
    assert kept[0].name == "gone"
    assert kept[0].available_range == lost.available_range
    assert kept[0].metadata["camera"]["roll"] == "A001"
    none = tmp_path / f"none.{form}"
    assert write_bundle(Cut(cut.path, MediaReferencePolicy.ALL_MISSING), none).media == 0
    assert names(none) == {"version.txt", "content.otio"}


def test_a_dry_run_tells_sizes_and_changes_nothing(tmp_path: Path, media: Path) -> None:
    cut = write_cut(tmp_path / "cut.otio", external(media / "a.mov"), external(media / "b.mov"))
    before = tree(tmp_path)
    plan = plan_bundle(cut, tmp_path / "b.otioz")
    planned = as_planned(plan)
    assert tree(tmp_path) == before
    assert planned.media_bytes == 14_000
    assert planned.bytes == 14_000 + 5 + len(plan.content.data)
    again = BundlePlan.from_json(json.loads(json.dumps(plan.to_json())))
    assert again == plan
    assert apply_bundle(again).media_bytes == 14_000


def test_relative_references(tmp_path: Path, media: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut = write_cut(tmp_path / "elsewhere/cut.otio", external("other/a.mov"))
    with pytest.raises(NotFound):
        write_bundle(cut, tmp_path / "b.otioz")
    write_bundle(Cut(cut.path, base=media), tmp_path / "base.otioz")
    monkeypatch.chdir(media)
    write_bundle(cut, tmp_path / "cwd.otioz")
    assert names(tmp_path / "base.otioz") == names(tmp_path / "cwd.otioz") == {"version.txt", "content.otio", "media/a.mov"}


ODD = ["per%20cent.mov", "ha#sh.mov", "what?.mov", "ünïcødé_近藤.mov", "🎬.mov", "e\u0301.mov", "n" * 246 + ".mov"]


@FORMS
def test_odd_names_come_through(tmp_path: Path, form: str) -> None:
    folder = write_tree(tmp_path / "m", {name: name.encode() for name in ODD})
    encoded = [external(folder / name) for name in ODD]
    cut = write_cut(tmp_path / "cut.otio", *encoded, *(external(str(folder / name)) for name in ODD))
    write_bundle(cut, tmp_path / f"b.{form}")
    assert {f"media/{name}" for name in ODD} <= names(tmp_path / f"b.{form}")
    assert [each.target_url for each in references(read(tmp_path / f"b.{form}"))] == [f"media/{name}" for name in ODD] * 2


def test_a_name_of_300_characters_is_no_file_and_said(tmp_path: Path) -> None:
    cut = write_cut(tmp_path / "cut.otio", external(f"file:///x/{'n' * 300}.mov"))
    with pytest.raises(NotFound, match="not there"):
        write_bundle(cut, tmp_path / "b.otioz")


@FORMS
def test_an_existing_target_is_refused(tmp_path: Path, media: Path, form: str) -> None:
    cut = write_cut(tmp_path / "cut.otio", external(media / "a.mov"))
    target = tmp_path / f"b.{form}"
    target.write_bytes(b"mine")
    with pytest.raises(Refused, match="never overwritten"):
        write_bundle(cut, target)
    assert target.read_bytes() == b"mine"
    target.unlink()
    plan = plan_bundle(cut, target)
    target.symlink_to("nowhere")
    with pytest.raises(Refused):
        apply_bundle(plan)
    assert not files.temporary_name(target, "work").exists()


def test_the_ending_says_the_form(tmp_path: Path, media: Path) -> None:
    cut = write_cut(tmp_path / "cut.otio", external(media / "a.mov"))
    with pytest.raises(UsageError, match=r"\.otioz"):
        plan_bundle(cut, tmp_path / "b.zip")
    assert plan_bundle(cut, tmp_path / "b.zip", form=Form.OTIOZ).form is Form.OTIOZ
    with pytest.raises(NotFound, match="no folder"):
        plan_bundle(cut, tmp_path / "no" / "b.otioz")


BROKEN = {
    "empty": b"",
    "no json": b"not json",
    "half": b'{"OTIO_SCHEMA": "Timeline.1", "tracks": ',
    "no schema": b"{}",
    "latin": '{"OTIO_SCHEMA": "Timeline.1", "name": "é"}'.encode("latin-1"),
    "deep": b'{"OTIO_SCHEMA":"Stack.1","children":[' * 5000 + b"]}" * 5000,
    "a bundle": b"PK\3\4" + bytes(40),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
@FORMS
def test_broken_timelines_are_one_sentence(tmp_path: Path, data: bytes, form: str) -> None:
    (tmp_path / "cut.otio").write_bytes(data)
    with pytest.raises((Damaged, UsageError)):
        write_bundle(Cut(tmp_path / "cut.otio"), tmp_path / f"b.{form}")
    assert [place.name for place in tmp_path.iterdir()] == ["cut.otio"]


def test_a_cyclic_reference_id_is_text_like_any_other(tmp_path: Path, media: Path) -> None:
    """Objects of one id within each other can't be built into a timeline; that is no business of who bundles its media."""
    url = (media / "a.mov").as_uri()
    clip = {"OTIO_SCHEMA": "Clip.2", "OTIO_REF_ID": "Clip-1", "media_references": {"DEFAULT_MEDIA": {
        "OTIO_SCHEMA": "ExternalReference.1", "target_url": url, "metadata": {"self": {"OTIO_SCHEMA": "SerializableObjectRef.1", "id": "Clip-1"}}}}}  # fmt: skip  # noqa: E501
    (tmp_path / "cut.otio").write_text(json.dumps({"OTIO_SCHEMA": "Stack.1", "children": [clip]}))
    assert write_bundle(Cut(tmp_path / "cut.otio"), tmp_path / "b.otioz").media == 1


def test_schemas_of_the_next_release_are_bundled_as_they_are(tmp_path: Path, media: Path) -> None:
    url = (media / "a.mov").as_uri()
    marker = {"OTIO_SCHEMA": "Marker.3", "color": {"OTIO_SCHEMA": "Color.1", "r": 1.0}, "name": "m"}
    reference = {"OTIO_SCHEMA": "ExternalReference.9", "target_url": url, "new": [1, {"OTIO_SCHEMA": "Never.7"}]}
    clip = {"OTIO_SCHEMA": "Clip.5", "markers": [marker], "media_references": {"DEFAULT_MEDIA": reference}}
    before = {"OTIO_SCHEMA": "Timeline.4", "tracks": {"OTIO_SCHEMA": "Stack.2", "children": [clip]}}
    (tmp_path / "cut.otio").write_text(json.dumps(before))
    write_bundle(Cut(tmp_path / "cut.otio"), tmp_path / "b.otioz")
    reference["target_url"] = "media/a.mov"
    assert json.loads(contents(tmp_path / "b.otioz")["content.otio"]) == before


@FORMS
def test_media_that_goes_between_planning_and_writing(tmp_path: Path, media: Path, form: str) -> None:
    cut = write_cut(tmp_path / "cut.otio", external(media / "a.mov"), external(media / "b.mov"))
    target = tmp_path / f"b.{form}"
    plan = plan_bundle(cut, target)
    (media / "b.mov").unlink()
    with pytest.raises(NotFound):
        apply_bundle(plan)
    assert sorted(place.name for place in tmp_path.iterdir()) == ["cut.otio", "media"]
    (media / "b.mov").write_bytes(b"another")
    with pytest.raises(SourceChanged):
        apply_bundle(plan)
    assert sorted(place.name for place in tmp_path.iterdir()) == ["cut.otio", "media"]


@pytest.mark.parametrize("how", [errno.ENOSPC, errno.EIO])
@FORMS
def test_a_write_that_fails_leaves_nothing(tmp_path: Path, media: Path, form: str, how: int) -> None:
    cut = write_cut(tmp_path / "cut.otio", external(media / "a.mov"), images(media / "plates", "p.", ".bmp", 1001, 6))
    (tmp_path / "job").mkdir()
    target = tmp_path / "job" / f"b.{form}"
    with faults.counting() as calls:
        write_bundle(cut, tmp_path / f"counted.{form}")
    statuses = set()
    for number in range(0, len(calls), 7):
        try:
            with faults.failing(number, how):
                write_bundle(cut, target)
        except FilmArchiveError as error:
            statuses.add(error.exit_status)
        if not target.exists():  # what fails behind the name is the journal's removal and the folder's fsync
            assert list(target.parent.iterdir()) == [], (number, calls[number])
        if target.exists():
            assert check(target).ok
        files.remove_tree(target.parent)
        target.parent.mkdir()
    assert statuses
    assert statuses <= {4, 6}


@FORMS
def test_a_full_disk_leaves_nothing_and_says_how_much_is_missing(tmp_path: Path, form: str) -> None:
    source = tmp_path / "a.mov"
    source.write_bytes(noise(3 << 20, 1))
    cut = write_cut(tmp_path / "cut.otio", external(source))
    with tmpfs(tmp_path / "small", "size=4m") as small:
        (small / "ballast").write_bytes(bytes(2 << 20))
        plan = plan_bundle(cut, small / f"b.{form}")
        with pytest.raises(NoSpace, match="bytes are missing"):
            apply_bundle(plan)
        assert [place.name for place in small.iterdir()] == ["ballast"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="killing needs fork")
@pytest.mark.parametrize("step", [23, pytest.param(3, marks=pytest.mark.nightly)])
@FORMS
def test_killed_at_any_call_it_is_whole_or_not_there(tmp_path: Path, media: Path, form: str, step: int) -> None:
    """The same command completes it, and nothing else stays."""
    cut = write_cut(tmp_path / "cut.otio", external(media / "a.mov"), images(media / "plates", "p.", ".bmp", 1001, 6))
    folder = tmp_path / "job"
    target = folder / f"b.{form}"

    def prepare() -> None:
        files.remove_tree(folder)
        folder.mkdir()

    prepare()
    with faults.counting() as calls:
        write_bundle(cut, target)
    expected = tree(folder)
    for number in range(0, len(calls), step if form == "otioz" else 3 * step):
        for when in faults.Kill:
            prepare()

            def work(number: int = number, when: faults.Kill = when) -> None:
                with faults.failing(number, when):
                    write_bundle(cut, target)

            assert not crash.run(work).finished
            if target.exists():
                assert check(target).ok
                assert contents(target)["media/a.mov"] == (media / "a.mov").read_bytes()
            try:
                write_bundle(cut, target)
            except Refused:
                assert target.exists()
            assert tree(folder) == expected, (number, calls[number], when)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="killing needs fork")
@FORMS
def test_nothing_of_what_another_job_has_left_gets_in(tmp_path: Path, media: Path, form: str) -> None:
    one = write_cut(tmp_path / "one.otio", external(media / "a.mov"), external(media / "b.mov"))
    other = write_cut(tmp_path / "other.otio", external(media / "other/a.mov"))
    target = tmp_path / f"b.{form}"
    with faults.counting() as calls:
        write_bundle(one, tmp_path / f"count.{form}")

    def work() -> None:
        with faults.failing(len(calls) * 2 // 3, faults.Kill.BEFORE):
            write_bundle(one, target)

    assert not crash.run(work).finished
    assert files.temporary_name(target, "work").exists()
    write_bundle(other, target)
    assert contents(target)["media/a.mov"] == (media / "other/a.mov").read_bytes()
    assert names(target) == {"version.txt", "content.otio", "media/a.mov"}
    assert not any(files.is_temporary_name(place.name) for place in tmp_path.iterdir())
    assert check(target).ok


@pytest.mark.skipif(not hasattr(os, "fork"), reason="killing needs fork")
@FORMS
def test_what_a_killed_run_has_left_is_removed_on_request(tmp_path: Path, media: Path, form: str) -> None:
    cut = write_cut(tmp_path / "one.otio", external(media / "a.mov"))
    target = tmp_path / f"b.{form}"

    def work() -> None:
        with faults.failing(12, faults.Kill.BEFORE):
            write_bundle(cut, target)

    assert not crash.run(work).finished
    assert abandon_bundle(target)
    assert not abandon_bundle(target)
    assert sorted(place.name for place in tmp_path.iterdir()) == ["media", "one.otio"]


def test_proxies_become_further_references(tmp_path: Path) -> None:
    clip = cached_clip(ClipSpec(name="p", width=320, height=180, frames=24), tmp_path)
    cut = write_cut(tmp_path / "cut.otio", {"DEFAULT_MEDIA": external(clip), "preview": external(clip)}, external(clip))
    done = write_bundle(cut, tmp_path / "b.otioz", proxies=parse_sizes("thumbnail"))
    assert done.proxies == 1
    first, second = read(tmp_path / "b.otioz").find_clips()
    assert first.active_media_reference_key == "DEFAULT_MEDIA"
    assert set(first.media_references()) == {"DEFAULT_MEDIA", "preview", "thumbnail", "preview thumbnail"}
    proxy = second.media_references()["thumbnail"]
    assert contents(tmp_path / "b.otioz")[proxy.target_url].startswith(b"\0\0\0")
    assert proxy.available_range == second.media_reference.available_range
    assert check(tmp_path / "b.otioz").ok


@FORMS
def test_the_hash_list_proves_what_is_extracted(tmp_path: Path, media: Path, form: str) -> None:
    """Told by the ASC's own program: all is there and as listed; then a byte is changed, and it says so."""
    program = Path(sys.executable).with_name("ascmhl")
    if not program.exists():
        pytest.skip("the ascmhl program is not installed beside Python")
    cut = write_cut(tmp_path / "cut.otio", external(media / "a.mov"), images(media / "plates", "p.", ".bmp", 1001, 6))
    write_bundle(cut, tmp_path / f"b.{form}", mhl=True)
    assert check(tmp_path / f"b.{form}").ok
    assert read_bundle(tmp_path / f"b.{form}", tmp_path / "out").exit_status == 0

    def ended(*arguments: str | Path) -> int:
        return subprocess.run([program, *arguments], capture_output=True, timeout=60, check=False).returncode

    assert ended("diff", tmp_path / "out") == 0  # nothing is missing, and nothing is not listed
    assert ended("create", "-h", "xxh128", tmp_path / "out") == 0
    if form == "otiod":
        assert ended("diff", tmp_path / "b.otiod") == 0
    with (tmp_path / "out/media/p.1003.bmp").open("r+b") as file:
        file.write(b"!")
    assert ended("create", "-h", "xxh128", tmp_path / "out") != 0


def test_offsets_follow_from_the_directory_alone(tmp_path: Path, media: Path) -> None:
    """As players compute them that map the zip: header + 30 + name + the *central* extra field."""
    write_bundle(write_cut(tmp_path / "cut.otio", external(media / "a.mov"), external(media / "b.mov")), tmp_path / "b.otioz")
    data = (tmp_path / "b.otioz").read_bytes()
    for info in zipfile.ZipFile(tmp_path / "b.otioz").infolist():
        if info.filename.startswith("media/"):
            start = info.header_offset + 30 + len(info.filename.encode()) + len(info.extra)
            assert data[start : start + info.file_size] == (media / Path(info.filename).name).read_bytes()
            assert start % 4096 == 0


@pytest.mark.nightly
def test_more_members_than_a_plain_zip_can_count(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    count = 66_000
    for number in range(count):
        (folder / f"i.{number:06}.dpx").touch()
    sequence = otio.schema.ImageSequenceReference(
        folder.as_uri(), "i.", ".dpx", 0, 1, 24, 6, available_range=span(0, count)
    )
    cut = write_cut(tmp_path / "cut.otio", sequence)
    assert write_bundle(cut, tmp_path / "b.otioz").media == count
    assert read(tmp_path / "b.otioz").name == "cut"
    with zipfile.ZipFile(tmp_path / "b.otioz") as seen:
        assert len(seen.namelist()) == count + 4


@pytest.mark.nightly
def test_a_member_beyond_4_gib(tmp_path: Path) -> None:
    """Sparse: of zeros, which the disk need not hold on the way in."""
    big = tmp_path / "big.mov"
    with big.open("wb") as file:
        file.truncate((4 << 30) + 5)
        file.seek(1 << 32)
        file.write(b"tail!")
    free = files.free_space(tmp_path)
    if free < 12 << 30:
        pytest.skip(f"needs 12 GiB of room, and {free} bytes are free")
    write_bundle(write_cut(tmp_path / "cut.otio", external(big)), tmp_path / "b.otioz")
    big.unlink()
    assert references(read(tmp_path / "b.otioz"))[0].target_url == "media/big.mov"
    with open_archive(tmp_path / "b.otioz") as archive, archive.source("media/big.mov") as source:
        assert source.size == (4 << 30) + 5
        assert source.read_at(1 << 32, 5) == b"tail!"


CORPUS = shared("corpus")


@pytest.mark.skipif(not (CORPUS / "otio").is_dir(), reason="../shared/corpus is not there")
@FORMS
def test_the_corpus_makes_the_round_trip(tmp_path: Path, form: str) -> None:
    """Every real timeline is bundled without its media, reads in OTIO where it did before, and is otherwise as it was."""
    timelines = sorted((CORPUS / "otio").rglob("*.otio"))
    assert len(timelines) > 10
    for number, path in enumerate(timelines):
        bundle = tmp_path / f"{number}.{form}"
        write_bundle(Cut(path, MISSING), bundle)
        try:
            wanted = otio.adapters.read_from_file(str(path), "otio_json")
        except otio.exceptions.OTIOError:  # of a release that is not out yet
            continue
        found = read(bundle)
        assert found.to_json_string().count('"Clip.') == wanted.to_json_string().count('"Clip.')


# What released OTIO does case by case, and what is done here


ROOTS = {
    "timeline": lambda clip: otio.schema.Timeline("t", tracks=[otio.schema.Track(children=[clip])]),
    "clip": lambda clip: clip,
    "stack": lambda clip: otio.schema.Stack("s", children=[clip]),
    "track": lambda clip: otio.schema.Track("v", children=[clip]),
    "collection": lambda clip: otio.schema.SerializableCollection("c", [clip]),
}


@pytest.mark.parametrize("root", ROOTS.values(), ids=ROOTS)
def test_every_root(tmp_path: Path, media: Path, root: Any) -> None:
    document = root(otio.schema.Clip("a", external(media / "a.mov")))
    otio.adapters.write_to_file(document, str(tmp_path / "t.otio"), "otio_json")
    assert write_bundle(Cut(tmp_path / "t.otio"), tmp_path / "b.otioz").media == 1
    assert type(read(tmp_path / "b.otioz")) is type(document)


def test_every_kind_of_reference_may_be_missing(tmp_path: Path, media: Path) -> None:
    """Released OTIO fails on three of these under AllMissing."""
    kinds = (
        otio.schema.MissingReference("m"),
        otio.schema.GeneratorReference("g", "SMPTEBars"),
        images(media / "plates", "p.", ".bmp", 1001, 6),
        external(media / "a.mov"),
    )
    cut = write_cut(tmp_path / "cut.otio", *kinds)
    write_bundle(Cut(cut.path, MediaReferencePolicy.ALL_MISSING), tmp_path / "b.otioz")
    found = references(read(tmp_path / "b.otioz"))
    assert [type(each).__name__ for each in found] == ["MissingReference", "GeneratorReference", *["MissingReference"] * 2]
    assert found[1].generator_kind == "SMPTEBars"
    kept = json.loads(found[2].to_json_string())["metadata"]["original_media_reference"]
    assert (kept["name_prefix"], kept["start_frame"]) == ("p.", 1001)


@pytest.mark.parametrize("before", ["file://", "FILE://", "file://localhost", ""])
def test_urls_that_programs_write(tmp_path: Path, media: Path, before: str) -> None:
    cut = write_cut(tmp_path / "cut.otio", external(f"{before}{media / 'a.mov'}"))
    assert write_bundle(cut, tmp_path / "b.otioz").media == 1


FOREIGN = ["C:\\media\\a.mov", "file:///C:/media/a.mov", "file://server/share/a.mov", "\\\\server\\share\\a.mov"]


@pytest.mark.parametrize("url", FOREIGN)
def test_other_systems_paths_are_files_that_are_not_here(tmp_path: Path, url: str) -> None:
    cut = write_cut(tmp_path / "cut.otio", external(url))
    with pytest.raises(NotFound, match="not there"):
        write_bundle(cut, tmp_path / "b.otioz")
    assert [each.url for each in write_bundle(Cut(cut.path, MISSING), tmp_path / "b.otioz").missing] == [url]


def test_a_folder_is_no_medium(tmp_path: Path, media: Path) -> None:
    cut = write_cut(tmp_path / "cut.otio", external(media))
    with pytest.raises(NotFound, match="folder"):
        write_bundle(cut, tmp_path / "b.otioz")


def test_links_of_other_names_are_stored_under_both(tmp_path: Path, media: Path) -> None:
    (media / "soft.mov").symlink_to("a.mov")
    os.link(media / "a.mov", media / "hard.mov")
    cut = write_cut(tmp_path / "cut.otio", *(external(media / name) for name in ("a.mov", "soft.mov", "hard.mov")))
    write_bundle(cut, tmp_path / "b.otioz")
    assert {contents(tmp_path / "b.otioz")[f"media/{name}.mov"] for name in ("a", "soft", "hard")} == {
        (media / "a.mov").read_bytes()
    }


@FORMS
def test_a_bare_relative_name(tmp_path: Path, media: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cut = write_cut(tmp_path / "cut.otio", external(media / "a.mov"))
    monkeypatch.chdir(tmp_path)
    write_bundle(Cut(Path("cut.otio")), Path(f"b.{form}"))
    assert names(tmp_path / f"b.{form}") == names(Path(f"b.{form}"))
    assert cut.path.exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="killing needs fork")
@pytest.mark.parametrize("times", [pytest.param(20, marks=pytest.mark.ci), pytest.param(100, marks=pytest.mark.nightly)])
@FORMS
def test_killed_at_random_instants(tmp_path: Path, media: Path, form: str, times: int) -> None:
    cut = write_cut(tmp_path / "cut.otio", external(media / "a.mov"), images(media / "plates", "p.", ".bmp", 1001, 6))
    folder = tmp_path / "job"
    target = folder / f"b.{form}"

    def prepare() -> None:
        files.remove_tree(folder)
        folder.mkdir()

    def whole() -> None:
        assert not target.exists() or check(target).ok

    def again() -> None:
        try:
            write_bundle(cut, target)
        except Refused:
            assert target.exists()

    def completed() -> None:
        assert tree(folder) == expected

    prepare()
    write_bundle(cut, target)
    expected = tree(folder)
    killed = crash.kill_often(
        lambda: write_bundle(cut, target),
        times,
        again=again,
        prepare=prepare,
        after_kill=whole,
        after_rerun=completed,
        seed=3,
    )
    assert killed >= times // 4

"""Archives that are OTIO bundles too, as released OTIO reads them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import opentimelineio as otio
import pytest

from film_archive.archive.check import check_archive
from film_archive.archive.reader import open_archive
from film_archive.archive.repair import repair_archive
from film_archive.archive.unpack import unpack
from film_archive.bundles.policy import MediaReferencePolicy
from film_archive.core.errors import Damaged, NotFound, Refused, UsageError
from film_archive.core.member import Member, Role
from film_archive.core.progress import Count, Phase, Progress
from film_archive.core.timecode import Timecode
from film_archive.editorial.otio_library import summary
from film_archive.testing.media import ClipSpec, cached_clip
from film_archive.versioning.branching import ArchiveBranchManager
from film_archive.workflows.extraction import extract
from film_archive.workflows.production import (
    CreatePlan,
    abandon_unfinished,
    add_to_archive,
    apply_create,
    create_archive,
    plan_archive,
)
from film_archive.workflows.timelines import Cut
from tests.archive.making import noise
from tests.cli.running import film_archive
from tests.reading import codes_of
from tests.shared import shared
from tests.workflows.making import check, contents, write_tree

RationalTime, TimeRange = otio.opentime.RationalTime, otio.opentime.TimeRange
MISSING, ALL_MISSING = MediaReferencePolicy.MISSING_IF_NOT_FILE, MediaReferencePolicy.ALL_MISSING
METADATA = {"camera": {"roll": "A001", "iso": 800}, "π": [1, 2.5, None]}


def span(start: float, count: float, rate: float = 24) -> Any:
    return TimeRange(RationalTime(start, rate), RationalTime(count, rate))


def external(url: str | Path, name: str = "") -> Any:
    """A reference with a range and metadata; a path becomes a file:// URL."""
    text = url if isinstance(url, str) else url.absolute().as_uri()
    reference = otio.schema.ExternalReference(text, span(86400, 24), METADATA)
    reference.name = name
    return reference


def images(folder: str | Path, prefix: str, suffix: str, first: int, count: int | None, **more: Any) -> Any:
    return otio.schema.ImageSequenceReference(
        folder if isinstance(folder, str) else folder.absolute().as_uri(),
        prefix,
        suffix,
        start_frame=first,
        rate=24,
        available_range=None if count is None else span(first, count),
        metadata=METADATA,
        **more,
    )


def write_cut(path: Path, *references: Any) -> Cut:
    """A timeline with a clip for each reference, named c0, c1, …; a dict gives a clip several."""
    track = otio.schema.Track("V1")
    for number, reference in enumerate(references):
        clip = otio.schema.Clip(f"c{number}", None, span(86401, 10), metadata=METADATA)
        if isinstance(reference, dict):
            clip.set_media_references(reference, next(iter(reference)))
        else:
            clip.media_reference = reference
        track.append(clip)
    path.parent.mkdir(parents=True, exist_ok=True)
    otio.adapters.write_to_file(otio.schema.Timeline("cut", tracks=[track]), str(path), "otio_json")
    return Cut(path)


def create(target: Path, sources: Iterable[Path], cut: Cut) -> Any:
    return create_archive(target, list(sources), timeline=cut, proxies=())


def references(timeline: Any) -> list[Any]:
    return [reference for clip in timeline.find_clips() for reference in clip.media_references().values()]


def urls(path: Path) -> list[str]:
    """Where the references of an archive's timeline lead, as OTIO reads it."""
    timeline = otio.adapters.read_from_file(str(path), "otioz")
    return [getattr(each, "target_url", None) or getattr(each, "target_url_base", "") for each in references(timeline)]


def members(path: Path) -> dict[str, Member]:
    with open_archive(path) as archive:
        return {member.path: member for member in archive.members()}


def moved(path: Path) -> dict[str, str]:
    """Member path → original path, of what has one."""
    return {name: found for name, each in members(path).items() if (found := each.get("original_path")) is not None}


@pytest.fixture
def media(tmp_path: Path) -> Path:
    """A card with two clips, notes, an image sequence of six frames; noise, for what is not about pictures."""
    files = {"a.mov": noise(9000, 1), "b.mov": noise(5000, 2), "notes.txt": b"gate checked\n"}
    files |= {f"plates/p.{number}.bmp": noise(1000, number) for number in range(1001, 1007)}
    return write_tree(tmp_path / "card", files)


def assert_media_follow(target: Path, expected: Any, folder: Path, contents_of: dict[str, bytes]) -> None:
    """OTIO reads the archive, alone and unpacking it; but for URLs it is the timeline expected, and its media are there."""
    read = otio.adapters.read_from_file(str(target))
    expected = expected.clone()
    folder.mkdir()
    unpacked = otio.adapters.read_from_file(str(target), extract_to_directory=str(folder))
    assert read.is_equivalent_to(unpacked)
    assert read.is_equivalent_to(otio.adapters.read_from_file(str(folder / "content.otio")))
    assert (folder / "version.txt").read_bytes() == b"1.0.0"
    found = set()
    for before, after in zip(references(expected), references(read), strict=True):
        if isinstance(after, otio.schema.ExternalReference):
            assert os.path.basename(before.target_url) == quote(os.path.basename(after.target_url))
            before.target_url = after.target_url
            found.add(after.target_url)
        elif isinstance(after, otio.schema.ImageSequenceReference):
            before.target_url_base = after.target_url_base
            count = after.number_of_images_in_sequence()
            found.update(after.target_url_for_image_number(number) for number in range(count))
    assert read.is_equivalent_to(expected)  # ranges, metadata, names, everything else
    assert {url: (folder / url).read_bytes() for url in found} == contents_of


def test_released_otio_reads_it_also_after_an_add(tmp_path: Path, footage: Path) -> None:
    spec = ClipSpec(name="shot one", frames=6, start=Timecode.from_string("01:00:00:00", 24))
    card = write_tree(tmp_path / "card", {"notes.txt": b"x"})
    other = write_tree(tmp_path / "stage", {f"plates/p.{n}.bmp": noise(1000, n) for n in range(1001, 1007)})
    shutil.copy(cached_clip(spec, footage), card / "shot one.mov")
    cut = write_cut(
        tmp_path / "cut.otio",
        {"DEFAULT_MEDIA": external(card / "shot one.mov"), "plate": images(other / "plates", "p.", ".bmp", 1001, 6)},
        otio.schema.MissingReference(name="lost", metadata=METADATA),
        otio.schema.GeneratorReference("bars", "SMPTEBars", span(0, 24)),
        external(card / "shot one.mov"),
    )
    expected = otio.adapters.read_from_file(str(cut.path))
    target = tmp_path / "cut.otioz"
    create_archive(target, [card], timeline=cut)
    plates = {f"media/p.{n}.bmp": (other / f"plates/p.{n}.bmp").read_bytes() for n in range(1001, 1007)}
    contained = {"media/shot one.mov": (card / "shot one.mov").read_bytes(), **plates}
    assert_media_follow(target, expected, tmp_path / "out", contained)
    assert check(target).ok
    with open_archive(target) as archive:  # a clip as any other: facts, frame index, proxies
        clip = archive.member("media/shot one.mov")
        assert clip.media is not None
        assert clip.media.frames == 6
        assert {proxy.size for proxy in clip.proxies} == {"thumbnail", "preview"}
        assert archive.read(clip.proxies[0].path)
        assert archive.read(".film-archive/frames/media/shot one.mov.idx")
        assert archive.read(".film-archive/timelines/cut.otio") == cut.path.read_bytes()
    add_to_archive(target, [write_tree(tmp_path / "more", {"c.bin": noise(9000, 3)})], proxies=())
    assert_media_follow(target, expected, tmp_path / "again", contained)
    assert check(target).ok
    assert summary(target).clips == 4
    with open_archive(target) as archive:  # unpacked it is an .otiod
        unpack(archive, tmp_path / "unpacked.otiod")
    unpacked = otio.adapters.read_from_file(str(tmp_path / "unpacked.otiod"))
    assert unpacked.is_equivalent_to(otio.adapters.read_from_file(str(target)))
    output = tmp_path / "frames.mov"
    extract(f"{target}::media/shot one.mov", output, in_point=str(spec.timecode(1)), out_point=str(spec.timecode(3)))
    assert codes_of(output) == [spec.code(1), spec.code(2)]


def test_where_everything_goes(tmp_path: Path, media: Path) -> None:
    elsewhere = write_tree(tmp_path / "nas", {"music.wav": noise(500, 9)})
    cut = write_cut(tmp_path / "CUT one.otio", external(media / "a.mov"), external(elsewhere / "music.wav"))
    target = tmp_path / "day.zip"
    create(target, [media, elsewhere / "music.wav"], cut)
    found = members(target)
    roles = {path: (member.role, member.of) for path, member in found.items()}
    assert list(roles.items())[1:4] == [
        ("version.txt", (Role.STRUCTURE, None)),
        ("content.otio", (Role.TIMELINE, ".film-archive/timelines/CUT one.otio")),
        (".film-archive/timelines/CUT one.otio", (Role.TIMELINE, None)),
    ]
    assert moved(target) == {"media/a.mov": "card/a.mov", "media/music.wav": "music.wav"}
    originals = [path for path, member in found.items() if member.role == Role.ORIGINAL]
    assert originals == ["media/a.mov", "card/b.mov", "card/notes.txt", "card/plates/p.%04d.bmp", "media/music.wav"]
    there = contents(target)
    assert there["version.txt"] == b"1.0.0"
    assert there["media/a.mov"] == (media / "a.mov").read_bytes()
    assert found["media/a.mov"].mtime_ns == (media / "a.mov").stat().st_mtime_ns


def test_without_sources_it_is_the_timeline_and_its_media(tmp_path: Path, media: Path) -> None:
    cut = write_cut(tmp_path / "cut.otio", external(media / "b.mov"), external(media / "a.mov"))
    create(tmp_path / "cut.otioz", [], cut)
    assert urls(tmp_path / "cut.otioz") == ["media/b.mov", "media/a.mov"]
    assert moved(tmp_path / "cut.otioz") == {"media/b.mov": str(media / "b.mov"), "media/a.mov": str(media / "a.mov")}
    with pytest.raises(UsageError):
        create_archive(tmp_path / "other.zip", [], proxies=())


# Image sequences


def test_a_sequence_that_was_named_goes_as_a_whole(tmp_path: Path, media: Path) -> None:
    cut = write_cut(tmp_path / "cut.otio", images(media / "plates", "p.", ".bmp", 1003, 2))
    create(tmp_path / "cut.otioz", [media], cut)
    assert moved(tmp_path / "cut.otioz") == {"media/p.%04d.bmp": "card/plates/p.%04d.bmp"}
    assert members(tmp_path / "cut.otioz")["media/p.%04d.bmp"].frame_count == 6


def test_of_a_sequence_from_elsewhere_only_what_is_meant_comes_in(tmp_path: Path, media: Path) -> None:
    cut = write_cut(
        tmp_path / "cut.otio",
        images(media / "plates", "p.", ".bmp", 1003, 2),
        images(media / "plates", "p.", ".bmp", 1001, 6, frame_step=2),
    )
    create(tmp_path / "cut.otioz", [], cut)
    with open_archive(tmp_path / "cut.otioz") as archive:
        frames = [frame.path for frame in archive.member("media/p.%04d.bmp").frame_members()]
    assert frames == [f"media/p.{number}.bmp" for number in (1001, 1003, 1004, 1005)]
    assert moved(tmp_path / "cut.otioz") == {"media/p.%04d.bmp": str(media / "plates/p.%04d.bmp")}
    assert check(tmp_path / "cut.otioz").ok


def test_a_sequence_partly_named(tmp_path: Path, media: Path) -> None:
    """Frames that were named and are not meant stay where they stand; they are no longer one member with the others."""
    plates = media / "plates"
    cut = write_cut(tmp_path / "cut.otio", images(plates, "p.", ".bmp", 1003, 4))
    create(tmp_path / "cut.otioz", [plates / "p.1001.bmp", plates / "p.1002.bmp"], cut)
    found = members(tmp_path / "cut.otioz")
    assert {path: found[path].frame_count for path in ("p.%04d.bmp", "media/p.%04d.bmp")} == {
        "p.%04d.bmp": 2,
        "media/p.%04d.bmp": 4,
    }
    assert contents(tmp_path / "cut.otioz")["media/p.1003.bmp"] == (plates / "p.1003.bmp").read_bytes()
    assert check(tmp_path / "cut.otioz").ok


def test_a_sequence_without_a_range_means_all_its_files(tmp_path: Path, media: Path) -> None:
    cut = write_cut(tmp_path / "cut.otio", images(media / "plates", "p.", ".bmp", 1001, None))
    create(tmp_path / "cut.otioz", [], cut)
    assert members(tmp_path / "cut.otioz")["media/p.%04d.bmp"].frame_count == 6


def test_names_of_images_are_decoded_with_their_folder(tmp_path: Path) -> None:
    write_tree(tmp_path / "my show", {f"sub/é p.{n:04}.bmp": noise(100, n) for n in range(3)})
    base = (tmp_path / "my show").as_uri()
    for number, (prefix, suffix) in enumerate((("sub/é p.", ".bmp"), ("sub/%C3%A9%20p.", "%2Ebmp"))):
        reference = images(base, prefix, suffix, 0, 3, frame_zero_padding=4)
        target = tmp_path / f"{number}.otioz"
        create(target, [], write_cut(tmp_path / "cut.otio", reference))
        (read,) = references(otio.adapters.read_from_file(str(target)))
        assert [read.target_url_for_image_number(n) for n in range(3)] == [f"media/é p.{n:04}.bmp" for n in range(3)]


@pytest.mark.parametrize("policy", ["error", "hold", "black"])
def test_holes(tmp_path: Path, media: Path, policy: str) -> None:
    (media / "plates" / "p.1003.bmp").unlink()
    tolerant = otio.schema.ImageSequenceReference.MissingFramePolicy.__members__[policy]
    cut = write_cut(tmp_path / "cut.otio", images(media / "plates", "p.", ".bmp", 1001, 6, missing_frame_policy=tolerant))
    if policy == "error":
        with pytest.raises(NotFound, match="1 of its 6 images are not there, number 1003 is the first"):
            create(tmp_path / "cut.otioz", [], cut)
    else:
        create(tmp_path / "cut.otioz", [], cut)
        assert members(tmp_path / "cut.otioz")["media/p.%04d.bmp"].frame_count == 5


def test_parts_of_a_spanned_clip_stay_together(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "A001.RDM", {f"A001_C002_0101AB_00{n}.R3D": noise(900, n) for n in (1, 2, 3)})
    cut = write_cut(tmp_path / "cut.otio", external(folder / "A001_C002_0101AB_001.R3D"))
    for number, sources in enumerate(([], [folder])):
        create(tmp_path / f"{number}.otioz", sources, cut)
        assert moved(tmp_path / f"{number}.otioz").keys() == {f"media/A001_C002_0101AB_00{n}.R3D" for n in (1, 2, 3)}


# URLs


def test_forms_of_urls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tree(tmp_path / "x", {name: name.encode() for name in ("sp ace.mov", "per%20cent.mov", "take#1.mov", "ü.mov", "p.mov")})
    monkeypatch.chdir(tmp_path)
    where = tmp_path.as_posix()
    cut = write_cut(
        tmp_path / "cut.otio",
        *map(
            external,
            (
                f"file://localhost{where}/x/sp%20ace.mov",
                f"FILE://{where}/x/sp ace.mov",
                "x/sp ace.mov",
                "x/per%20cent.mov",
                f"file://{where}/x/per%2520cent.mov",
                f"file://{where}/x/take#1.mov",
                f"file://{where}/x/take%231.mov",
                "file:x/%C3%BC.mov",
                f"{where}/x/../x/p.mov",
            ),
        ),
    )
    made = create(tmp_path / "cut.otioz", [tmp_path / "x"], cut)
    names = ["sp ace", "sp ace", "sp ace", "per%20cent", "per%20cent", "take#1", "take#1", "ü", "p"]
    assert urls(tmp_path / "cut.otioz") == [f"media/{name}.mov" for name in names]
    assert moved(tmp_path / "cut.otioz") == {f"media/{name}.mov": f"x/{name}.mov" for name in names}
    assert [re.findall(r"media/\S+mov", warning) for warning in of_timeline(made.warnings)] == [
        ["media/per%20cent.mov"],
        ["media/take#1.mov"],
    ]


def test_relative_urls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against the working directory; what is not there against the timeline's folder; a given base replaces both."""
    write_tree(tmp_path, {"cwd/a.mov": b"cwd", "edit/a.mov": b"edit", "edit/b.mov": b"edit b", "base/a.mov": b"base"})
    monkeypatch.chdir(tmp_path / "cwd")
    cut = write_cut(tmp_path / "edit" / "cut.otio", external("a.mov"), external("b.mov"))
    create(tmp_path / "1.otioz", [], cut)
    there = contents(tmp_path / "1.otioz")
    assert (there["media/a.mov"], there["media/b.mov"]) == (b"cwd", b"edit b")
    with pytest.raises(NotFound, match=r"references 1 media .* b\.mov \(of c1\): it is not there"):
        create(tmp_path / "2.otioz", [], Cut(cut.path, base=tmp_path / "base"))
    create(tmp_path / "2.otioz", [], Cut(cut.path, MISSING, tmp_path / "base"))
    assert contents(tmp_path / "2.otioz")["media/a.mov"] == b"base"


def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xe4.mov")
    write_tree(tmp_path / "x", {name: b"1"})
    create(tmp_path / "cut.otioz", [], write_cut(tmp_path / "cut.otio", external(f"file://{tmp_path}/x/%E4.mov")))
    assert urls(tmp_path / "cut.otioz") == ["media/%E4.mov"]
    assert contents(tmp_path / "cut.otioz")["media/%E4.mov"] == b"1"
    with open_archive(tmp_path / "cut.otioz") as archive:
        assert archive.member("media/%E4.mov").raw_name == b"media/\xe4.mov"


# References that lead nowhere


def test_what_is_not_there_is_listed_and_refused(tmp_path: Path, media: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mov")
    (tmp_path / "folder.mov").mkdir()
    cut = write_cut(
        tmp_path / "cut.otio",
        external(media / "a.mov"),
        external(tmp_path / "gone.mov"),
        {"a": external("http://example.org/x.mov"), "b": external(tmp_path / "pipe.mov")},
        external(tmp_path / "folder.mov"),
        external(""),
        images(tmp_path, "q.", ".bmp", 1, 3),
        external(tmp_path / "gone.mov"),
        external("nul\0.mov"),
    )
    with pytest.raises(NotFound) as raised:
        create(tmp_path / "cut.otioz", [media], cut)
    said = str(raised.value)
    assert "references 8 media that are not there" in said
    for words in ("gone.mov (of c1): it is not there", "(of c2): it is not the URL of a file", "pipe.mov (of c2): it is a",
                  "folder.mov (of c3): it is a", "without URL (of c4): it names no file", "none of its images"):  # fmt: skip
        assert words in said, said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["card", "cut.otio", "folder.mov", "pipe.mov"]


def of_timeline(warnings: Iterable[str]) -> list[str]:
    """Without what is said of these tests' media, which are none but by their names."""
    return [warning for warning in warnings if "called like media" not in warning]


def test_missing_if_not_file(tmp_path: Path, media: Path) -> None:
    cut = write_cut(tmp_path / "cut.otio", external(media / "a.mov"), external("gone.mov", name="g"))
    made = create(tmp_path / "cut.otioz", [media], Cut(cut.path, MISSING))
    here, gone = references(otio.adapters.read_from_file(str(tmp_path / "cut.otioz")))
    assert here.target_url == "media/a.mov"
    assert isinstance(gone, otio.schema.MissingReference)
    assert (gone.name, gone.available_range) == ("g", span(86400, 24))
    assert gone.metadata["original_target_url"] == "gone.mov"
    assert gone.metadata["missing_reference_because"] == "it is not there"
    assert gone.metadata["camera"]["roll"] == "A001"
    assert of_timeline(made.warnings) == ["gone.mov became a missing reference: it is not there"]


def test_all_missing(tmp_path: Path, media: Path) -> None:
    cut = write_cut(
        tmp_path / "cut.otio",
        external(media / "a.mov"),
        otio.schema.MissingReference(),
        otio.schema.GeneratorReference("bars", "SMPTEBars"),
        images(media / "plates", "p.", ".bmp", 1001, 6),
    )
    create(tmp_path / "cut.otioz", [], Cut(cut.path, ALL_MISSING))
    read = references(otio.adapters.read_from_file(str(tmp_path / "cut.otioz")))
    assert [type(each).__name__ for each in read] == [*["MissingReference"] * 2, "GeneratorReference", "MissingReference"]
    assert moved(tmp_path / "cut.otioz") == {}
    assert check(tmp_path / "cut.otioz").ok


# Names


@pytest.mark.parametrize(("one", "other"), [("a/x.mov", "b/x.mov"), ("a/x.mov", "b/X.MOV"), ("a/é.mov", "b/e\u0301.mov")])
def test_equal_names_are_refused(tmp_path: Path, one: str, other: str) -> None:
    write_tree(tmp_path / "m", {one: b"1", other: b"2"})
    cut = write_cut(tmp_path / "cut.otio", external(tmp_path / "m" / one), external(tmp_path / "m" / other))
    for sources in ([], [tmp_path / "m"]):
        with pytest.raises(Refused, match="would have one name in the bundle"):
            create(tmp_path / "cut.otioz", sources, cut)
    write_tree(tmp_path / "m", {f"{folder}/p.{n}.bmp": b"1" for folder in "ab" for n in (1, 2)})
    plates = write_cut(tmp_path / "cut.otio", *(images(tmp_path / "m" / folder, "p.", ".bmp", 1, 2) for folder in "ab"))
    with pytest.raises(Refused, match="would have one name"):  # frames count too
        create(tmp_path / "cut.otioz", [], plates)


def test_one_file_by_several_names_is_stored_once(tmp_path: Path, media: Path) -> None:
    (tmp_path / "link").symlink_to("card")
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "a.mov").symlink_to(media / "a.mov")
    cut = write_cut(
        tmp_path / "cut.otio",
        external(tmp_path / "link" / "a.mov"),
        external(tmp_path / "far" / "a.mov"),
        external(media / "a.mov"),
    )
    for number, sources in enumerate(([], [media], [tmp_path / "link"])):
        target = tmp_path / f"{number}.otioz"
        create(target, sources, cut)
        assert urls(target) == ["media/a.mov"] * 3
        assert list(moved(target)) == ["media/a.mov"]
        assert check(target).ok


@pytest.mark.parametrize("name", ["content.otio", "Version.TXT", "media"])
def test_names_that_a_bundle_needs(tmp_path: Path, media: Path, name: str) -> None:
    taken = write_tree(tmp_path / "x", {name: b"1"}) / name
    cut = write_cut(tmp_path / "cut.otio", external(media / "a.mov"))
    with pytest.raises(Refused, match="a name that a bundle needs for itself"):
        create(tmp_path / "cut.otioz", [taken], cut)


def test_a_folder_called_media(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "media", {"a.mov": b"1", "sub/b.mov": b"2", "x.txt": b"3"})
    other = write_tree(tmp_path / "o", {"x.txt": b"4", "y.txt": b"5"})
    cut = write_cut(tmp_path / "cut.otio", external(folder / "a.mov"), external(other / "y.txt"))
    create(tmp_path / "1.otioz", [folder], cut)
    assert moved(tmp_path / "1.otioz") == {"media/a.mov": "media/a.mov", "media/y.txt": str(other / "y.txt")}
    with pytest.raises(Refused):
        create(tmp_path / "2.otioz", [folder], write_cut(tmp_path / "cut.otio", external(other / "x.txt")))


# The timeline itself


def test_what_is_no_timeline(tmp_path: Path, media: Path) -> None:
    with pytest.raises(NotFound, match=r"gone\.otio"):
        create(tmp_path / "x.otioz", [media], Cut(tmp_path / "gone.otio"))
    with pytest.raises(Refused, match="is a folder and not a timeline"):
        create(tmp_path / "x.otioz", [media], Cut(media))
    with pytest.raises(Damaged, match="is not an OTIO document"):
        create(tmp_path / "x.otioz", [media], Cut(media / "notes.txt"))
    assert not (tmp_path / "x.otioz").exists()


def test_not_in_place(tmp_path: Path, media: Path) -> None:
    cut = write_cut(tmp_path / "cut.otio", external(media / "a.mov"))
    with pytest.raises(UsageError, match="no bundle: its media stay where they are"):
        create_archive(media, in_place=True, timeline=cut)
    assert not (media / ".film-archive").exists()


@pytest.mark.skipif(not shared("corpus").is_dir(), reason="../shared/corpus is not there")
def test_a_document_of_the_next_otio(tmp_path: Path) -> None:
    """OTIO 0.18.1 can't read its markers; its media are listed and bundled all the same, the original letter for letter."""
    path = shared("corpus") / "otio/AcademySoftwareFoundation__OpenTimelineIO/premiere_example.otio"
    names = set(re.findall(r"%3a/media/([^\"]+)\"", path.read_text("utf-8")))
    base = write_tree(tmp_path / "D:" / "media", {name.replace("%20", " "): name.encode() for name in names})
    text = path.read_text("utf-8").replace("file://localhost/D%3a/", f"file://localhost{tmp_path.as_posix()}/D%3a/")
    (tmp_path / "cut.otio").write_text(text)
    create(tmp_path / "cut.otioz", [], Cut(tmp_path / "cut.otio"))
    assert len(moved(tmp_path / "cut.otioz")) == len(names) == len(list(base.iterdir()))
    there = contents(tmp_path / "cut.otioz")
    assert there["content.otio"].decode() == re.sub(
        r"file://localhost[^\"]+/media/([^\"]+)", lambda match: "media/" + match[1].replace("%20", " "), text
    )


# An archive as any other


def test_killed_and_continued(tmp_path: Path, media: Path) -> None:
    cut = write_cut(tmp_path / "cut.otio", external(media / "a.mov"))
    create(tmp_path / "whole.otioz", [media], cut)
    target = tmp_path / "killed.otioz"

    def stop_at(limit: int) -> Progress:
        def heard(phase: Phase, count: Count) -> None:
            if count.done > limit:
                raise KeyboardInterrupt

        return Progress(heard)

    for limit in (0, 9000, 14_000):
        with pytest.raises(KeyboardInterrupt):
            create_archive(target, [media], timeline=cut, proxies=(), progress=stop_at(limit))
    made = create_archive(target, [media], timeline=cut, proxies=())
    assert made.reused > 3
    assert target.read_bytes() == (tmp_path / "whole.otioz").read_bytes()
    again = tmp_path / "edited.otioz"  # the timeline is edited before the run is repeated
    with pytest.raises(KeyboardInterrupt):
        create_archive(again, [media], timeline=cut, proxies=(), progress=stop_at(9000))
    cut = write_cut(tmp_path / "cut.otio", external(media / "b.mov"))
    create_archive(again, [media], timeline=cut, proxies=())
    assert urls(again) == ["media/b.mov"]
    assert moved(again) == {"media/b.mov": "card/b.mov"}
    assert check(again).ok
    with pytest.raises(KeyboardInterrupt):
        create_archive(tmp_path / "x.zip", [media], timeline=cut, proxies=(), progress=stop_at(0))
    assert abandon_unfinished(tmp_path / "x.zip")


@pytest.mark.parametrize("lost", ["directory", "manifests", "behind the media"])
def test_repair_keeps_the_timeline(tmp_path: Path, media: Path, lost: str) -> None:
    cut = write_cut(tmp_path / "cut.otio", external(media / "a.mov"))
    target = tmp_path / "cut.otioz"
    create(target, [media], cut)
    before = contents(target)
    with open_archive(target) as archive:
        manifest = archive.header.offset  # type: ignore[union-attr]
    os.truncate(target, {"directory": target.stat().st_size - 30, "manifests": manifest - 10, "behind the media": manifest}[lost])
    assert repair_archive(target).done
    after = contents(target)
    kept = {path: data for path, data in before.items() if not path.startswith(".film-archive/manifest")}
    missing = {"card/plates/p.1006.bmp"} if lost == "manifests" else set()
    assert {path for path in kept if after.get(path) != kept[path]} <= missing
    assert members(target)["content.otio"].role == Role.TIMELINE
    assert urls(target) == ["media/a.mov"]
    with open_archive(target) as archive:
        assert check_archive(archive).ok


def test_a_bundle_of_others_shows_its_timeline(tmp_path: Path, media: Path) -> None:
    cut = write_cut(tmp_path / "cut.otio", external(media / "a.mov"))
    otio.adapters.write_to_file(otio.adapters.read_from_file(str(cut.path)), str(tmp_path / "theirs.otioz"))
    assert members(tmp_path / "theirs.otioz")["content.otio"].role == Role.TIMELINE


def test_a_branch_of_it_is_a_bundle_too(tmp_path: Path, media: Path) -> None:
    cut = write_cut(tmp_path / "cut.otio", external(media / "a.mov"), images(media / "plates", "p.", ".bmp", 1001, 6))
    create(tmp_path / "cut.otioz", [media], cut)
    manager = ArchiveBranchManager(tmp_path / "repository")

    async def branch_and_export() -> None:
        branch = await manager.create_branch(tmp_path / "cut.otioz", "grade", "")
        await manager.export_branch_as_archive(branch.branch_id, tmp_path / "grade.otioz")

    asyncio.run(branch_and_export())
    assert urls(tmp_path / "grade.otioz") == ["media/a.mov", "media/"]
    there = contents(tmp_path / "grade.otioz")
    assert there["version.txt"] == b"1.0.0"
    assert there["media/p.1003.bmp"] == (media / "plates" / "p.1003.bmp").read_bytes()


def test_the_verbs(tmp_path: Path, media: Path, capfd: pytest.CaptureFixture[str]) -> None:
    cut = write_cut(tmp_path / "cut.otio", external(media / "a.mov"), external("gone.mov"))
    target = tmp_path / "cut.otioz"
    arguments = ("create", target, media, "--timeline", cut.path, "--proxies", "none")
    refused = film_archive(capfd, *arguments, "--json")
    assert refused.status == refused.document["error"]["status"] == 3
    planned = film_archive(capfd, *arguments, "--media-policy", "missing", "--dry-run", "--json")
    assert planned.status == 0
    assert planned.document["plan"]["timeline"] == {
        "path": str(cut.path),
        "references": 2,
        "media": [{"path": str(media / "a.mov"), "member": "media/a.mov", "size": 9000, "named": True}],
        "missing": [{"url": "gone.mov", "reason": "it is not there"}],
    }
    assert {step["member"] for step in planned.document["plan"]["steps"]} >= {"media/a.mov", "card/b.mov"}
    shown = film_archive(capfd, *arguments, "--media-policy", "missing", "--dry-run").output
    assert "media/a.mov  (card/a.mov)" in shown
    assert "gone.mov became a missing reference" in shown
    assert not target.exists()
    made = film_archive(capfd, *arguments, "--media-policy", "MissingIfNotFile", "--json")
    assert (made.status, len(of_timeline(made.document["warnings"]))) == (0, 1)
    listed = film_archive(capfd, "ls", target, "--json").document["members"]
    assert [each["path"] for each in listed if each["role"] == "timeline"] == ["content.otio", ".film-archive/timelines/cut.otio"]
    assert re.search(r"timeline .* content\.otio", film_archive(capfd, "ls", target).output)
    assert film_archive(capfd, "check", target).status == 0
    for wrong, status in (
        (("--in-place", media, "--timeline", cut.path), 2),
        (("create2.zip", media, "--media-policy", "missing"), 2),
        ((tmp_path / "y.zip", media, "--timeline", cut.path, "--media-policy", "some"), 2),
        ((tmp_path / "y.zip", media, "--timeline", tmp_path / "none.otio"), 3),
    ):
        assert film_archive(capfd, "create", *wrong).status == status


def test_a_plan_reads_and_changes_nothing(tmp_path: Path, media: Path) -> None:
    cut = write_cut(tmp_path / "cut.otio", external(media / "a.mov"))
    before = sorted(tmp_path.rglob("*"))
    plan = plan_archive(tmp_path / "cut.otioz", [media], timeline=cut)
    assert plan.timeline is not None
    assert sorted(tmp_path.rglob("*")) == before
    again = CreatePlan.from_json(json.loads(json.dumps(plan.to_json())))
    assert again == plan
    apply_create(again)
    assert urls(tmp_path / "cut.otioz") == ["media/a.mov"]

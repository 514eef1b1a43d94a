"""The probe: what it says of wrong input, of a caller's rate, of sidecars, of folders and of patterns."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from film_archive.core.errors import Damaged, FilmArchiveError, NotFound, NotMedia, NotSupported, Refused, UsageError
from film_archive.core.source import FileSource, MemorySource
from film_archive.core.timecode import FrameRange
from film_archive.media.clips import find_clips
from film_archive.media.probe import index, probe, probe_clip, probe_path
from film_archive.testing.media import ClipSpec, cached_clip
from tests.media import making


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """A folder with clips of several kinds, notes, leftovers and a file that is broken."""
    shots, red = tmp_path / "shots", tmp_path / "A001.RDM" / "A001_C003_1204R5.RDC"
    shots.mkdir()
    red.mkdir(parents=True)
    for number in (1001, 1002, 1004):
        data = making.timed_dpx(0x01000000 + number - 1001, 24.0)
        shots.joinpath(f"plate.{number}.dpx").write_bytes(data)
    shots.joinpath("sound.wav").write_bytes(making.wave())
    shots.joinpath("C0001.MP4").write_bytes(making.film("mp4", "mpeg4", "yuv420p"))
    shots.joinpath("C0001M01.XML").write_text(making.SONY_XML)
    shots.joinpath("broken.mov").write_bytes(making.film("mov")[:200])
    shots.joinpath("empty.mov").touch()
    shots.joinpath("notes.txt").write_text("notes")
    shots.joinpath("empty.xyz").touch()
    shots.joinpath(".DS_Store").write_bytes(b"leftover")
    shots.joinpath("._sound.wav").write_bytes(making.wave())
    tmp_path.joinpath(".film-archive").mkdir()
    tmp_path.joinpath(".film-archive", "a.wav").write_bytes(making.wave())
    for part in (1, 3):
        name = f"A001_C003_1204R5_{part:03d}.R3D"
        red.joinpath(name).write_bytes(making.r3d(name))
    tmp_path.joinpath("again").symlink_to(shots)
    return tmp_path


def test_wrong_input_is_one_sentence(tmp_path: Path) -> None:
    tmp_path.joinpath("empty.mov").touch()
    tmp_path.joinpath("text.mov").write_text("this is no film, whatever it is called")
    tmp_path.joinpath("text.txt").write_text("#EXTM3U\nfile:///etc/passwd")
    tmp_path.joinpath("concat.ffconcat").write_text("ffconcat version 1.0\nfile '/etc/passwd'\n")
    tmp_path.joinpath("folder").mkdir()
    os.mkfifo(tmp_path / "pipe.mov")
    tmp_path.joinpath("loop").symlink_to(tmp_path / "loop")
    expected: dict[str, tuple[type[FilmArchiveError], str]] = {
        "empty.mov": (NotMedia, "is empty"),
        "text.mov": (NotMedia, "is called like media, but its content is none"),
        "text.txt": (NotMedia, "is no media of a kind that is known"),
        "concat.ffconcat": (NotMedia, "is no media of a kind that is known"),
        "folder": (NotSupported, "is a folder, not a file"),
        "pipe.mov": (NotSupported, r"is a pipe \(FIFO\), not a file"),
        "loop": (Refused, "symbolic links"),
        "none.mov": (NotFound, "No such file"),
    }
    for name, (kind, why) in expected.items():
        for attempt in (probe, index):
            with pytest.raises(kind, match=why) as raised:
                attempt(tmp_path / name)
            assert str(raised.value).endswith(".")
            assert name in str(raised.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(making.wave())
    path.chmod(0)
    with pytest.raises(Refused, match="Permission denied"):
        probe(path)


@pytest.mark.parametrize("container", ["mov", "mp4"])
def test_films_without_their_index(container: str) -> None:
    data = making.film(container, "mpeg4", "yuv420p")
    with pytest.raises((Damaged, NotMedia)) as raised:
        probe(MemorySource(data[: len(data) // 3], f"a.{container}"))
    assert "\n" not in str(raised.value)


def test_a_wrong_extension_is_a_diagnostic() -> None:
    facts = probe(MemorySource(making.wave(), "take 3.mov"))
    assert facts.container == "wav"
    assert facts.diagnostics == ("its name ends in .mov, but its content is wav",)
    assert "its content is jpeg" in probe(MemorySource(making.image("jpg"), "a.png")).diagnostics[0]
    assert probe(MemorySource(making.wave(), "take 3")).diagnostics == ()
    assert probe(MemorySource(making.wave(), "take.3")).diagnostics == ()


def test_the_caller_s_rate() -> None:
    sound = making.riff(making.bext(172_800_000), making.fmt(), making.chunk(b"data", bytes(600)))
    source = MemorySource(sound, "a.wav")
    assert probe(source).start_timecode is None
    assert str(probe(source, rate=25).start_timecode) == "01:00:00:00"
    drop = probe(source, rate="29.97df").start_timecode
    assert (str(drop), drop and drop.drop_frame) == ("01:00:00;00", True)
    with pytest.raises(UsageError, match="not a frame rate"):
        probe(source, rate="fast")


def test_the_reel_by_the_name() -> None:
    facts = probe(MemorySource(making.film("mov"), "A001C001_170101_R1AB.mov"))
    assert (facts.reel, facts.reel_source) == ("A001R1AB", "file name")


def test_a_sidecar_completes_a_clip(tmp_path: Path) -> None:
    path = tmp_path / "A001_C003_1204R5_001.R3D"
    path.write_bytes(making.r3d())
    assert probe(path).frames is None
    tmp_path.joinpath("A001_C003_1204R5_001M01.XML").write_text(making.SONY_XML)
    facts = probe(path)
    assert (facts.frames, facts.start_source, facts.width) == (4380, "sidecar", 6144)
    assert "gives frame rate 25/1, the file itself 24000/1001" in " ".join(facts.diagnostics)
    given = MemorySource(making.SONY_XML.encode(), "M01.XML")
    assert probe(MemorySource(making.r3d(), "a.r3d"), sidecars=[given]).frames == 4380
    assert probe(path, sidecars=[]).frames is None


def test_sidecars_that_say_nothing_or_are_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(making.wave())
    plain = probe(path)
    tmp_path.joinpath("a.xml").write_text("<!DOCTYPE xmeml><xmeml/>")
    assert probe(path) == plain
    tmp_path.joinpath("aM01.XML").write_text("<NonRealTimeMeta>")
    assert probe(path).diagnostics == (
        f"a sidecar was left unread: {tmp_path}/aM01.XML is not readable as XML: no element found: line 1, column 17.",
    )


def test_a_folder_s_clips(card: Path) -> None:
    found = {Path(each.clip.name).name: each for each in probe_path(card)}
    assert list(found) == [
        "A001_C003_1204R5.R3D",
        "C0001.MP4",
        "broken.mov",
        "empty.mov",
        "plate.####.dpx",
        "sound.wav",
    ]
    plate = found["plate.####.dpx"].facts
    assert plate is not None
    assert (plate.frames, plate.first_frame, plate.missing) == (4, 1001, (FrameRange(1003, 1004),))
    assert str(plate.start_timecode) == "01:00:00:00"
    film = found["C0001.MP4"].facts
    assert film is not None
    assert (film.container, film.frames, film.start_source) == ("mp4", 12, "sidecar")
    red = found["A001_C003_1204R5.R3D"].facts
    assert red is not None
    assert red.diagnostics[-2:] == (
        "part 2 of this spanned clip is missing",
        "it is spanned over 2 files; these are the facts of the first",
    )
    for name in ("broken.mov", "empty.mov"):
        assert found[name].facts is None
        assert str(found[name].problem).endswith(".")


def test_a_path_is_a_file_or_a_pattern(card: Path) -> None:
    (single,) = probe_path(card / "shots" / "plate.1001.dpx")
    assert single.facts is not None
    assert (single.facts.frames, single.clip.sequence) == (1, None)
    for pattern in ("plate.####.dpx", "plate.%04d.dpx"):
        (clip,) = probe_path(card / "shots" / pattern)
        assert clip.facts is not None
        assert clip.facts.frames == 4
    (part,) = probe_path(f"{card}/shots/plate.1002-1004####.dpx")
    assert part.facts is not None
    assert (part.facts.first_frame, str(part.facts.start_timecode)) == (1002, "01:00:00:01")
    for missing, kind in (("none.mov", NotFound), ("none.####.dpx", NotFound), ("shots/notes.txt", NotMedia)):
        with pytest.raises(kind):
            probe_path(card / missing)
    os.mkfifo(card / "pipe")
    with pytest.raises(NotSupported, match="pipe"):
        probe_path(card / "pipe")


def test_empty_frames_are_told(card: Path) -> None:
    (card / "shots/plate.1002.dpx").write_bytes(b"")
    (clip,) = probe_path(card / "shots/plate.####.dpx")
    assert clip.facts is not None
    assert clip.facts.diagnostics == ("1 file has no bytes (the first is plate.1002.dpx)",)
    (card / "shots/plate.1001.dpx").write_bytes(b"")
    (clip,) = probe_path(card / "shots/plate.####.dpx")
    assert clip.facts is not None
    assert (clip.facts.first_frame, str(clip.facts.start_timecode)) == (1001, "01:00:00:00")
    assert "the facts are those of plate.1004.dpx" in clip.facts.diagnostics[0]
    assert "2 files have no bytes" in clip.facts.diagnostics[1]


def test_members_of_an_archive_are_probed_through_their_opener(card: Path) -> None:
    """Names that exist nowhere as files, opened by the caller."""
    members = {f"shots/{path.name}": path.read_bytes() for path in card.joinpath("shots").iterdir() if path.is_file()}
    asked = []

    def open_member(name: str) -> MemorySource:
        asked.append(name)
        return MemorySource(members[name], f"a.zip::{name}")

    found = {clip.name: clip for clip in find_clips(members).clips}
    sizes = {name: len(data) for name, data in members.items()}
    plate = probe_clip(found["shots/plate.####.dpx"], open_path=open_member, size_of=sizes.__getitem__)
    assert (plate.frames, plate.missing) == (4, (FrameRange(1003, 1004),))
    assert asked == ["shots/plate.1001.dpx", "shots/plate.1004.dpx"]
    film = probe_clip(found["shots/C0001.MP4"], open_path=open_member)
    assert film.start_source == "sidecar"


def test_arriraw_sequences() -> None:
    names = [f"A001C001_170101_R1AB.{number:07d}.ari" for number in (123, 124, 126)]
    (clip,) = find_clips(names).clips
    facts = probe_clip(
        clip, rate=24, open_path=lambda name: MemorySource(making.arriraw(), name), size_of=lambda _: len(making.arriraw())
    )
    assert (facts.frames, facts.first_frame, facts.missing) == (4, 123, (FrameRange(125, 126),))
    assert (facts.reel, facts.frame_rate, facts.decodable) == ("A001R1AB", 24, False)


def test_an_image_s_index_has_one_frame_and_r3d_has_none(tmp_path: Path) -> None:
    for data, name in ((making.arriraw(), "a.ari"), (making.dng(), "a.dng"), (making.image("png"), "a.png")):
        assert index(MemorySource(data, name)).frames == 1
    with pytest.raises(NotSupported, match="has no frame index: REDCODE"):
        index(MemorySource(making.r3d(), "a.r3d"))


def test_a_path_and_a_source_say_the_same(card: Path) -> None:
    for name in ("sound.wav", "plate.1001.dpx", "C0001.MP4"):
        path = card / "shots" / name
        with FileSource(path) as source:
            assert probe(source) == probe(path) == probe(str(path))


@pytest.mark.parametrize("scan", ["tff", "bff", "progressive"])
@pytest.mark.parametrize("container", ["mp4", "mov"])
def test_fields_that_only_the_pictures_tell(scan: str, container: str, footage: Path) -> None:
    small = {"width": 96, "height": 64, "frames": 6}
    spec = ClipSpec(name=f"fields {scan}", codec="h264", profile="High", container=container, scan=scan, audio=(), **small)
    assert probe(cached_clip(spec, footage)).scan == scan

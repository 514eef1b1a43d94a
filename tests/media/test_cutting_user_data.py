"""What a clip says about itself goes into its cuts, and so does where they come from."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest

from film_archive.core.source import FileSource, MemorySource
from film_archive.core.timecode import FrameRange, Timecode
from film_archive.media.cutting.opening import open_clip
from film_archive.media.cutting.user_data import KEY, UserData
from film_archive.media.mov import MovFile
from film_archive.media.mov.atoms import Atom
from film_archive.media.probe import probe
from film_archive.testing.media import ClipSpec, cached_clip

TAGS = (("com.apple.quicktime.make", "ARRI"), ("com.apple.quicktime.model", "ALEXA 35"), ("com.example.lens", "50 mm ü"))
START = Timecode.from_string("01:00:00:00", 24)
APPLE = ClipSpec(
    name="apple", width=96, height=54, frames=12, start=START, metadata=TAGS, muxer_options=(("movflags", "use_metadata_tags"),)
)
PLAIN = ClipSpec(name="plain", width=96, height=54, frames=12)
TITLE = (("title", "T"),)
MP4 = ClipSpec(
    name="mp4", codec="h264", container="mp4", width=96, height=54, frames=12, start=START, reel="A001", metadata=TITLE
)


def cut(path: Path, target: Path, first: int = 2, end: int = 6, digest: str | None = None) -> Path:
    with FileSource(path) as source:
        return open_clip(source).identified(digest).cut(FrameRange(first, end), target).path


def said_by(path: Path) -> dict[str, Any]:
    with FileSource(path) as source:
        movie = MovFile.open(source).movie
        texts = [tag.text for tag in movie.tags if tag.key == KEY]
    assert len(texts) == 1
    found = json.loads(texts[0])
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("spec", [APPLE, PLAIN], ids=lambda spec: spec.name)
def test_cuts_say_what_they_were_made_from(spec: ClipSpec, footage: Path, tmp_path: Path) -> None:
    path = cached_clip(spec, footage)
    said = said_by(cut(path, tmp_path / "cut.mov", digest="ab" * 16))
    assert said.pop("tool").startswith("film-archive ")
    assert said == {"source": spec.file_name, "xxh128": "ab" * 16, "first_frame": 2, "frames": 4}
    again = said_by(cut(tmp_path / "cut.mov", tmp_path / "again.mov", 1, 3))
    assert (again["source"], again["first_frame"], again["xxh128"]) == ("cut.mov", 1, None)
    assert again["of"]["source"] == spec.file_name


@pytest.mark.parametrize("spec", [APPLE, MP4], ids=lambda spec: spec.name)
def test_what_the_clip_said_is_kept(spec: ClipSpec, footage: Path, tmp_path: Path) -> None:
    path = cached_clip(spec, footage)
    before, after = probe(path), probe(cut(path, tmp_path / "cut.mov"))
    assert dict(after.camera) == dict(before.camera)
    assert (after.created, after.reel) == (before.created, before.reel)
    with FileSource(path) as old, FileSource(tmp_path / "cut.mov") as new:
        tags = [tag for tag in MovFile.open(new).movie.tags if tag.key != KEY]
        assert tags == [tag for tag in MovFile.open(old).movie.tags if tag.key != "timecode"]
        assert tags


def test_other_programs_read_them(footage: Path, tmp_path: Path) -> None:
    ffprobe = shutil.which("ffprobe")
    if ffprobe is None:
        pytest.skip("ffprobe is not installed")
    made = cut(cached_clip(APPLE, footage), tmp_path / "cut.mov")
    done = subprocess.run([ffprobe, "-v", "error", "-show_entries", "format_tags", "-of", "json", made], capture_output=True)
    tags = json.loads(done.stdout)["format"]["tags"]
    assert tags["com.example.lens"] == "50 mm ü"
    assert tags["com.apple.quicktime.make"] == "ARRI"
    assert json.loads(tags[KEY])["source"] == "apple.mov"
    assert "timecode" not in tags  # which would be the clip's; the cut's is that of its timecode track


def test_what_names_the_clip_s_timecode_is_left_out(footage: Path, tmp_path: Path) -> None:
    def text(kind: bytes, value: bytes) -> bytes:
        return struct.pack(">I4sHH", 12 + len(value), kind, len(value), 0) + value

    xmp = b"<xmpDM:timeValue>01:00:00:00</xmpDM:timeValue><xmpDM:startTimecode/>"
    kept, dropped = text(b"\xa9mak", b"ARRI"), text(b"\xa9TIM", b"01:00:00:00") + text(b"\xa9TSC", b"24")
    xmp_atom = struct.pack(">I4s", 8 + len(xmp), b"XMP_") + xmp
    body = dropped + kept + xmp_atom
    data = UserData.of(moov(struct.pack(">I4s", 8 + len(body), b"udta") + body), 0)
    assert (data.texts, data.without_xmp) == (kept, True)


def moov(*children: bytes) -> Atom:
    body = b"".join(children)
    data = struct.pack(">I4s", 8 + len(body), b"moov") + body
    return Atom(b"moov", 0, 8, memoryview(data), "test")


def test_metadata_of_another_form_is_carried_as_it_is() -> None:
    for meta in (
        b"\0\0\0\x0cmeta\0\0\0\0",
        b"\0\0\0\x2cmeta\0\0\0\x24hdlr" + bytes(8) + b"ID32" + bytes(16),
        b"\0\0\0\x09meta\1",
    ):
        data = UserData.of(moov(meta), 5)
        assert data.with_provenance("{}") == meta
        assert (data.provenance, data.created) == (None, 5)


def test_broken_metadata_is_carried_or_left(footage: Path) -> None:
    """Every way of cutting keys and values short gives a movie that opens."""
    whole = UserData().with_provenance('{"a": 1}')
    for place in range(8, len(whole)):
        broken = bytearray(whole)
        broken[place] ^= 0xFF
        data = UserData.of(moov(bytes(broken)), 0)
        made = data.with_provenance("text")
        assert made == bytes(broken) or b"text" in made
        Atom(b"meta", 0, 8, memoryview(made), "test").children(lenient=True)
    assert MemorySource(whole).size

"""`proxy` of what is broken, and where something breaks meanwhile: said in one sentence, and nothing half is left."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from film_archive.core.errors import StorageError
from film_archive.core.ladder import parse_sizes
from film_archive.core.source import FileSource
from film_archive.media.av import piece
from film_archive.media.probe import index, probe
from film_archive.proxy.recipe import Recipe, Still
from film_archive.testing.media import ClipSpec, make_clip
from film_archive.workflows.production import create_archive
from film_archive.workflows.proxies import ProxiesMade, make_proxies, plan_proxies
from tests.cli.running import film_archive
from tests.workflows.making import check, tree
from tests.workflows.test_attaching import xocn

TWO = parse_sizes("64x36,192x108")
GOOD = ClipSpec(name="good", width=192, height=108, frames=14)
SPEC = ClipSpec(name="bad", width=192, height=108, frames=30)


@pytest.fixture
def media(tmp_path: Path) -> Path:
    folder = tmp_path / "media"
    folder.mkdir()
    make_clip(SPEC, folder)
    make_clip(GOOD, folder)
    return folder


def corrupt(path: Path, *numbers: int) -> None:
    data, table = bytearray(path.read_bytes()), index(path)
    for number in numbers:
        frame = table.frame(number)
        data[frame.offset : frame.offset + frame.size] = np.random.default_rng(number).bytes(frame.size)
    path.write_bytes(data)


def test_one_corrupt_frame_is_marked_and_the_status_says_so(
    media: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    corrupt(media / "bad.mov", 17)
    named = media / "bad.mov", media / "good.mov"
    ran = film_archive(capfd, "proxy", *named, "--sizes", "64x36", "-o", tmp_path / "out", "--json")
    bad, good = ran.document["proxies"]
    assert (ran.status, bad["frames"], bad["corrupt"], bad["verified"]) == (12, 30, [17], False)
    assert (good["corrupt"], good["verified"]) == ([], True)
    assert "1 frame could not be decoded (the first is 17)" in ran.document["notes"][0]
    create_archive(tmp_path / "a.zip", [media], proxies=())
    assert make_proxies([tmp_path / "a.zip"], TWO).exit_status == 12
    assert check(tmp_path / "a.zip").ok


def _no_frames(folder: Path) -> Path:
    """A movie that was begun: its index tells of tracks, and there is not one frame."""
    spec = ClipSpec(
        name="begun", codec="h264", container="mp4", width=192, height=108, frames=4,
        muxer_options=(("movflags", "frag_keyframe+empty_moov+default_base_moof"),), encoder_options=(("preset", "ultrafast"),),
    )  # fmt: skip
    path = make_clip(spec, folder)
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"moof") - 4])
    return path


def _first_frame_cut(folder: Path) -> Path:
    """An MXF that ends within its first frame."""
    path = make_clip(ClipSpec(name="first", container="mxf", width=192, height=108, frames=4), folder)
    frame = index(path).frame(0)
    path.write_bytes(path.read_bytes()[: frame.offset + frame.size // 2])
    return path


def _raw(folder: Path) -> Path:
    return xocn(folder / "raw.mxf")


def _text(folder: Path) -> Path:
    path = folder / "text.mov"
    path.write_text("no film")
    return path


def _nothing_left(folder: Path) -> Path:
    path = make_clip(ClipSpec(name="all", width=192, height=108, frames=5), folder)
    corrupt(path, *range(5))
    return path


NONE: dict[str, tuple[Callable[[Path], Path], int, str]] = {
    "zero frames": (_no_frames, 5, "has no proxies: It ends before its first fragment"),
    "zero whole frames": (_first_frame_cut, 5, "There is no complete frame in the file"),
    "X-OCN": (_raw, 5, "`proxy attach` adopts dailies that were made elsewhere"),
    "no media": (_text, 5, "is called like media"),
    "nothing that can be decoded": (_nothing_left, 11, "none of its pictures can be decoded"),
}


@pytest.mark.parametrize("name", NONE)
def test_what_can_have_no_proxies(name: str, media: Path, tmp_path: Path) -> None:
    """It is named with its reason, the others have theirs, and an archive of it is whole."""
    make, status, why = NONE[name]
    path = make(media)
    out = tmp_path / "out"
    recipe = Recipe(stills=tuple(Still))
    done = make_proxies([path, media / "good.mov"], TWO, output=out, recipe=recipe)
    (failure,) = done.failed
    assert (done.exit_status, failure.status, len(done.proxies)) == (12, status, 2)
    assert why in failure.reason
    assert failure.sentence().count("\n") == 0
    assert {place.partition("_")[0] for place in tree(out)} == {"good"}
    alone = make_proxies([path], TWO, output=tmp_path / "alone", recipe=recipe)
    assert (alone.exit_status, alone.proxies) == (status, ())
    assert not (tmp_path / "alone").exists() or tree(tmp_path / "alone") == {}
    create_archive(tmp_path / "a.zip", [media], proxies=TWO, recipe=recipe)
    assert check(tmp_path / "a.zip").ok


def test_a_clip_without_a_frame_to_stand_for_it_keeps_its_proxies(media: Path, tmp_path: Path) -> None:
    """Every frame that could be its poster is damaged."""
    corrupt(media / "bad.mov", *range(4, 30))
    recipe = Recipe(stills=tuple(Still))
    done = make_proxies([media / "bad.mov", media / "good.mov"], TWO, output=tmp_path / "out", recipe=recipe)
    assert (done.exit_status, len(done.proxies), len(done.stills)) == (12, 4, 3)
    assert "no stills were made" in done.failed[0].reason
    path = tmp_path / "a.zip"
    warnings = create_archive(path, [media / "bad.mov"], proxies=TWO, recipe=recipe).warnings
    assert any("no stills: " in warning for warning in warnings)
    assert plan_proxies([path], TWO).current == 2
    later = make_proxies([path], TWO, recipe=recipe)
    assert (later.exit_status, later.current, later.stills) == (12, 2, ())
    assert check(path).ok


class FailingEncoder:
    """An encoder that fails at its tenth picture."""

    def __init__(self, encoder: Any) -> None:
        self._encoder, self._count = encoder, 0

    def encode(self, picture: Any) -> Any:
        self._count += 1
        if self._count == 10:
            raise av.error.ExternalError(-542398533, "Generic error in an external library")
        return self._encoder.encode(picture)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_encoder_that_fails_midway(workers: int, media: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, out = tmp_path / "job" / "a.zip", tmp_path / "out"
    path.parent.mkdir()
    create_archive(path, [media / "bad.mov"], proxies=())
    before = tree(path.parent)
    real = piece.video_encoder
    with monkeypatch.context() as patched:
        patched.setattr(piece, "video_encoder", lambda settings: FailingEncoder(real(settings)))
        for named, output in (([path], None), ([media / "bad.mov"], out)):
            done = make_proxies(named, TWO, output=output, workers=workers)
            assert done.exit_status == 11
            assert "Could not encode the " in done.failed[0].reason
        assert tree(path.parent) == before
        assert tree(out) == {}
    assert make_proxies([path], TWO).exit_status == 0
    assert make_proxies([media / "bad.mov"], TWO, output=out).exit_status == 0


def test_a_file_that_can_not_be_read_on(media: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bad sector: the run stops with status 6, what it had made waits, and the next one goes on."""
    path = tmp_path / "job" / "a.zip"
    path.parent.mkdir()
    create_archive(path, [media], proxies=())
    before = path.read_bytes()
    real = FileSource.read_into
    bad = index(media / "bad.mov").frame(20)
    whole = (media / "bad.mov").read_bytes()
    at = before.index(whole[:4096]) + bad.offset

    def failing(source: FileSource, offset: int, buffer: memoryview) -> int:
        if source.path == path and offset <= at < offset + len(buffer) and len(buffer) < 1 << 20:
            raise StorageError(f"Could not read {source.name} at byte {offset}: {os.strerror(errno.EIO)}.")
        return real(source, offset, buffer)

    with monkeypatch.context() as patched:
        patched.setattr(FileSource, "read_into", failing)
        with pytest.raises(StorageError, match="Could not read"):
            make_proxies([path], TWO, workers=1)
    assert path.read_bytes() == before
    done: ProxiesMade = make_proxies([path], TWO)
    assert (done.exit_status, len(done.proxies)) == (0, 4)
    assert check(path).ok
    assert [place.name for place in path.parent.iterdir()] == ["a.zip"]


def test_a_sequence_without_a_rate_has_the_usual_one(tmp_path: Path) -> None:
    from film_archive.testing.stills import SequenceSpec, make_sequence

    folder = tmp_path / "plates"
    folder.mkdir()
    make_sequence(SequenceSpec(name="p", format="tiff", frames=3, width=96, height=54), folder)
    (made,) = make_proxies([folder], parse_sizes("64x36"), output=tmp_path / "out").proxies
    assert str(probe(made.output).frame_rate) == "24/1"

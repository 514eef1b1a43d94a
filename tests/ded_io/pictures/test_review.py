"""The review movie: as many pictures, through the display, the shot's numbers on them."""

from __future__ import annotations

import wave
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from ded_io.pictures.colour import open_config
from ded_io.pictures.exr import write_exr
from ded_io.pictures.review import BurnIn, ReviewAudio, ReviewLook, Slate, shown_picture, slate_picture, write_review
from film_archive.core.errors import Damaged, NotFound, Refused, UsageError
from film_archive.core.source import FileSource
from film_archive.core.timecode import Timecode
from film_archive.media.av.decoding import decode_frames
from film_archive.media.av.frames import rgb_of
from film_archive.media.av.sound import decode_audio
from film_archive.media.glyphs import text_mask
from film_archive.media.probe import index, probe
from film_archive.testing.media import ClipSpec, cached_clip
from tests.ded_io.pictures.plates import CONFIG

LOOK = ReviewLook(192, 108, ocio_config=CONFIG, preset="veryfast")
START = Timecode.from_string("10:00:00:02", 24)
RATE = Fraction(24)


@pytest.fixture
def plates(tmp_path: Path) -> list[Path]:
    """Five plates of ACEScg, each of one gray, the fourth brighter than any display."""
    made = []
    for place, light in enumerate((0.05, 0.18, 0.4, 20.0, 0.9)):
        path = tmp_path / f"p.{993 + place:04d}.exr"
        write_exr(path, np.full((54, 96, 3), light, np.float16), compression="zip")
        made.append(path)
    return made


def pictures(path: Path) -> list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    with FileSource(path) as source:
        return [rgb_of(each.frame) for each in decode_frames(source, index=index(source)) if each.frame is not None]


def test_pictures_are_those_of_the_display_transform(tmp_path: Path, plates: list[Path]) -> None:
    told: list[int] = []
    write_review(plates, tmp_path / "r.mp4", rate=RATE, first_number=993, look=LOOK, start_timecode=START, on_frame=told.append)
    assert told == [993, 994, 995, 996, 997]
    facts = probe(tmp_path / "r.mp4")
    assert (facts.container, facts.codec, facts.frames, facts.width, facts.height) == ("mp4", "h264", 5, 192, 108)
    assert facts.start_timecode == START
    assert (facts.color.primaries, facts.color.transfer) == ("bt709", "iec61966-2-1")
    view = open_config(CONFIG).getProcessor("ACEScg", LOOK.display, LOOK.view, _forward())
    lights = np.array([[0.05] * 3, [0.18] * 3, [0.4] * 3, [20.0] * 3, [0.9] * 3], np.float16).astype(np.float32)
    view.getDefaultCPUProcessor().applyRGB(lights)
    for picture, light in zip(pictures(tmp_path / "r.mp4"), np.clip(lights, 0, 1), strict=True):
        assert np.abs(picture.astype(float).mean(axis=(0, 1)) - light * 255).max() < 2.5


def _forward() -> object:
    import PyOpenColorIO

    return PyOpenColorIO.TRANSFORM_DIR_FORWARD


def test_no_b_frames_and_the_index_comes_first(tmp_path: Path, plates: list[Path]) -> None:
    """B-frames are what a review server's remuxing breaks; with the index first a browser begins at once."""
    write_review(plates * 8, tmp_path / "r.mp4", rate=Fraction(24000, 1001), first_number=1, look=LOOK)
    data = (tmp_path / "r.mp4").read_bytes()
    assert 0 < data.find(b"moov") < data.find(b"mdat")
    assert data.count(b"ctts") == 0
    assert data.count(b"tmcd") == 0
    with FileSource(tmp_path / "r.mp4") as source:
        frames = index(source)
    assert frames.frames == 40
    assert frames.video is not None
    assert (np.diff(frames.video.times) > 0).all()
    assert list(np.flatnonzero(frames.keys)) == [0, 12, 24, 36]


def test_burn_in_shows_the_shots_number(tmp_path: Path, plates: list[Path]) -> None:
    look = replace(LOOK, width=480, height=270, burn_in=BurnIn("sht100"))
    write_review(plates, tmp_path / "r.mp4", rate=RATE, first_number=993, look=look, start_timecode=START)
    corners = {"0994": slice(0, 200), "10:00:00:03": slice(280, 480)}
    picture = pictures(tmp_path / "r.mp4")[1][..., 1].astype(float)
    for text, columns in corners.items():
        assert _shows(picture[200:, columns], text), text
        assert not _shows(picture[200:, columns], text.replace("3", "8").replace("4", "9"))
    assert _shows(picture[:60, :200], "SHT100")


def test_after_a_hole_the_burnt_in_numbers_are_still_the_frames(tmp_path: Path, plates: list[Path]) -> None:
    look = replace(LOOK, width=480, height=270, burn_in=BurnIn("sht100"))
    told: list[int] = []
    numbers = [993, 998]
    write_review(
        plates[:2], tmp_path / "r.mp4", rate=RATE, first_number=993, numbers=numbers, look=look, start_timecode=START,
        on_frame=told.append,
    )  # fmt: skip
    assert told == numbers
    picture = pictures(tmp_path / "r.mp4")[1][..., 1].astype(float)
    assert _shows(picture[200:, :200], "0998")
    assert _shows(picture[200:, 280:480], "10:00:00:07")


def _shows(picture: np.ndarray[tuple[int, ...], np.dtype[np.float64]], text: str) -> bool:
    """Whether the text stands somewhere in white on black."""
    mask = text_mask(text, 1)
    rows, columns = mask.shape
    for top in range(picture.shape[0] - rows):
        for left in range(picture.shape[1] - columns):
            box = picture[top : top + rows, left : left + columns]
            if np.abs((box > 128) ^ mask).mean() < 0.01:
                return True
    return False


def test_a_slate_comes_before_the_first_frame(tmp_path: Path, plates: list[Path]) -> None:
    look = replace(LOOK, slate=Slate("sht100", (("source", "A001C002"), ("frames", "993-997"))), burn_in=BurnIn("sht100"))
    write_review(plates, tmp_path / "r.mp4", rate=RATE, first_number=993, look=look, start_timecode=START)
    facts = probe(tmp_path / "r.mp4")
    assert facts.frames == 6
    assert facts.start_timecode == START - 1
    card = pictures(tmp_path / "r.mp4")[0]
    assert np.abs(card.astype(int) - slate_picture(look.slate, 192, 108)).mean() < 6  # type: ignore[arg-type]


def test_sound_is_that_of_the_frames(tmp_path: Path, plates: list[Path], footage: Path) -> None:
    """A second of silence and then a tone: half a second in, half a second of silence is left."""
    tone = np.zeros((96_000, 2), np.int16)
    tone[48_000:] = (np.sin(np.arange(48_000) / 10) * 20_000).astype(np.int16)[:, None]
    with wave.open(str(tmp_path / "a.wav"), "wb") as recording:
        recording.setparams((2, 2, 48_000, 0, "NONE", ""))
        recording.writeframes(tone.tobytes())
    for slate, onset in ((None, 24_000), (Slate("s"), 26_000)):
        look = replace(LOOK, slate=slate)
        movie = tmp_path / f"r{onset}.mp4"
        write_review(plates * 4, movie, rate=RATE, first_number=1, look=look, audio=ReviewAudio(tmp_path / "a.wav", 12))
        facts = probe(movie)
        assert [(track.codec, track.channels, track.sample_rate) for track in facts.audio] == [("aac", 2, 48_000)]
        with FileSource(movie) as source:
            heard = np.concatenate([block.samples for block in decode_audio(source)]).astype(np.float64)
        assert abs(len(heard) - (20 + bool(slate)) * 2000) <= 3 * 1024
        loud = np.abs(heard[:, 0]) > np.abs(heard).max() / 4
        assert abs(int(np.flatnonzero(loud)[0]) - onset) < 200
    silent = cached_clip(ClipSpec(name="silent", frames=4), footage)
    write_review(plates, tmp_path / "s.mp4", rate=RATE, first_number=1, look=LOOK, audio=ReviewAudio(silent, 0))
    assert probe(tmp_path / "s.mp4").audio == ()


@pytest.mark.parametrize("ending", ["cc", "ccc", "cdl"])
def test_a_cdl_is_seen_in_the_movie_only(tmp_path: Path, plates: list[Path], ending: str) -> None:
    sop = "<SOPNode><Slope>1 1 1</Slope><Offset>0.1 0 0</Offset><Power>1 1 1</Power></SOPNode>"
    correction = f'<ColorCorrection id="sht100">{sop}<SatNode><Saturation>1</Saturation></SatNode></ColorCorrection>'
    wrapped = {
        "cc": correction,
        "ccc": f"<ColorCorrectionCollection>{correction}</ColorCorrectionCollection>",
        "cdl": f"<ColorDecisionList><ColorDecision>{correction}</ColorDecision></ColorDecisionList>",
    }[ending]
    cdl = tmp_path / f"sht100.{ending}"
    cdl.write_text(wrapped.replace(">", ' xmlns="urn:ASC:CDL:v1.01">', 1) if ending != "cc" else wrapped)
    before = plates[1].read_bytes()
    plain = shown_picture(plates[1], LOOK)
    graded = shown_picture(plates[1], replace(LOOK, look_file=cdl, look_id="sht100"))
    assert (graded[54, 96, 0] - plain[54, 96, 0].astype(int)) > 20
    assert graded[54, 96, 1] <= plain[54, 96, 1]
    assert plates[1].read_bytes() == before


def test_a_lut_may_be_the_display(tmp_path: Path, plates: list[Path]) -> None:
    lut = tmp_path / "show.cube"
    rows = [f"{1 - r} {g} {b}" for b in (0, 1) for g in (0, 1) for r in (0, 1)]
    lut.write_text("LUT_3D_SIZE 2\n" + "\n".join(rows) + "\n")
    made = shown_picture(plates[1], replace(LOOK, look_file=lut, look_to_display=True))[54, 96]
    middle = 0.4135884  # 18 % gray in ACEScct
    assert np.abs(made / 255.0 - [1 - middle, middle, middle]).max() < 0.004


def test_what_is_not_possible_is_said_before_the_movie_begins(tmp_path: Path, plates: list[Path]) -> None:
    for wrong in (
        {"width": 191}, {"height": 0}, {"crf": 52}, {"display": "x"}, {"view": "x"}, {"colorspace": "x"},
        {"look_file": plates[0]}, {"ocio_config": "x"},
    ):  # fmt: skip
        with pytest.raises(UsageError):
            write_review(plates, tmp_path / "r.mp4", rate=RATE, first_number=1, look=replace(LOOK, **wrong))
    with pytest.raises(NotFound, match="look"):
        write_review(plates, tmp_path / "r.mp4", rate=RATE, first_number=1, look=replace(LOOK, look_file=tmp_path / "no.cc"))
    with pytest.raises(UsageError, match="no frames"):
        write_review([], tmp_path / "r.mp4", rate=RATE, first_number=1, look=LOOK)
    assert not list(tmp_path.glob("*.mp4*"))


def test_a_movie_that_can_not_be_finished_is_not_there(tmp_path: Path, plates: list[Path]) -> None:
    plates[3].write_bytes(plates[3].read_bytes()[:400])
    with pytest.raises(Damaged):
        write_review(plates, tmp_path / "r.mp4", rate=RATE, first_number=1, look=LOOK)
    assert {path.suffix for path in tmp_path.iterdir()} == {".exr"}
    write_review(plates[:2], tmp_path / "r.mp4", rate=RATE, first_number=1, look=LOOK)
    with pytest.raises(Refused):
        write_review(plates[:2], tmp_path / "r.mp4", rate=RATE, first_number=1, look=LOOK)
    write_review(plates[:1], tmp_path / "r.mp4", rate=RATE, first_number=1, look=LOOK, replace=True)
    assert probe(tmp_path / "r.mp4").frames == 1


def test_squeezed_plates_are_shown_in_shape(tmp_path: Path) -> None:
    path = tmp_path / "p.0001.exr"
    write_exr(path, np.ones((54, 96, 3), np.float16), compression="zip", pixel_aspect=Fraction(2))
    write_review([path], tmp_path / "r.mp4", rate=RATE, first_number=1, look=LOOK)
    lit = np.flatnonzero(pictures(tmp_path / "r.mp4")[0].max(axis=(1, 2)) > 60)
    assert len(lit) == 54

"""What is asked for besides sizes: what can't be is refused before anything is made, and different wishes are told apart."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from film_archive.core.errors import NotFound, SourceChanged, UsageError
from film_archive.core.facts import AudioFacts, ColorFacts, MediaFacts
from film_archive.core.ladder import LADDER, parse_sizes
from film_archive.core.timecode import FrameRate
from film_archive.proxy.recipe import CODECS, PLAIN, Recipe, Still, burn_in_of, channels_of, default_sizes

PREVIEW = LADDER["preview"]
CLIP = MediaFacts(container="mov", width=1920, height=1080, frame_rate=FrameRate(24, 1), frames=24)


def cube(folder: Path, name: str = "look.cube", *, black: float = 0) -> Path:
    """A look-up table that lifts black."""
    path = folder / name
    path.write_text(f"LUT_3D_SIZE 2\n{black} {black} {black}\n" + "".join(
        f"{max(r, black)} {max(g, black)} {max(b, black)}\n" for b in (0, 1) for g in (0, 1) for r in (0, 1) if r + g + b
    ))  # fmt: skip
    return path


def test_plain_is_as_it_ever_was() -> None:
    made = [PLAIN.settings(rung) for rung in parse_sizes("preview,1280x720@3M")]
    assert made == ["proxy 2 preview", "proxy 2 1280x720@3000000"]
    assert PLAIN.looked_at().settings(PREVIEW) == "proxy 2 preview"
    assert PLAIN.treatment(CLIP) is None


def test_every_wish_makes_another_proxy(tmp_path: Path) -> None:
    pytest.importorskip("PyOpenColorIO")
    one, other = cube(tmp_path), cube(tmp_path, "other.cube", black=0.1)
    wishes = [
        PLAIN,
        Recipe(preset="fast"),
        Recipe(audio_map=(3, 4)),
        Recipe(audio_map=(4, 3)),
        Recipe(lut=one),
        Recipe(lut=other),
        Recipe(lut=one, burn_in=("timecode@top-left",)),
        Recipe(burn_in=("timecode@top-left",)),
        Recipe(burn_in=("timecode@top-right",)),
        Recipe(burn_in=("timecode@top-right",), first_number=1001),
        Recipe(view="ACES 1.0 - SDR Video", space="ACEScg"),
        Recipe(view="ACES 1.0 - SDR Video", space="ACES2065-1"),
        *(Recipe(codec=codec) for codec in CODECS[1:]),
    ]
    assert len({wish.looked_at().settings(PREVIEW) for wish in wishes}) == len(wishes)


def test_what_makes_no_other_proxy() -> None:
    for wish in (Recipe(hardware=True), Recipe(stills=(Still.POSTER,))):
        assert wish.looked_at().settings(PREVIEW) == PLAIN.settings(PREVIEW)
    edit = Recipe(codec="prores_proxy")
    assert edit.settings(replace(PREVIEW, bit_rate=9_000_000)) == edit.settings(PREVIEW), "its bit rate is the codec's own"


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        (Recipe(codec="vp9"), "h264, prores_proxy, dnxhr_lb"),
        (Recipe(preset="placebo"), "no preset"),
        (Recipe(codec="dnxhr_lb", audio_map=(1, 2)), "every channel"),
        (Recipe(codec="dnxhr_lb", hardware=True), "not coded by hardware"),
        (Recipe(audio_map=(1, 2, 3)), "1, 2 or 6"),
        (Recipe(audio_map=(0,)), "counted from 1"),
        (Recipe(space="ACEScg"), "belong to a view"),
        (Recipe(burn_in=("timecode",)), "TEXT@POSITION"),
        (Recipe(burn_in=("timecode@middle",)), "no place"),
        (Recipe(burn_in=("{scene}@top-left",)), "has no"),
    ],
)
def test_what_can_not_be(wish: Recipe, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        wish.looked_at()


def test_files_of_colours_are_looked_at_first(tmp_path: Path) -> None:
    pytest.importorskip("PyOpenColorIO")
    with pytest.raises(NotFound, match=r"none\.cube"):
        Recipe(lut=tmp_path / "none.cube").looked_at()
    (tmp_path / "text.cube").write_text("no table")
    with pytest.raises(UsageError, match="can't be made"):
        Recipe(lut=tmp_path / "text.cube").looked_at()
    (tmp_path / "text.cdl").write_text("<ColorCorrection id='a'><SOPNode><Slope>1 1</Slope></SOPNode></ColorCorrection>")
    with pytest.raises(UsageError, match="can't be made"):
        Recipe(cdl=tmp_path / "text.cdl").looked_at()
    with pytest.raises(UsageError, match="has no view"):
        Recipe(view="Nothing").looked_at()
    with pytest.raises(UsageError, match="no colour space"):
        Recipe(view="ACES 1.0 - SDR Video", space="Nothing").looked_at()
    with pytest.raises(UsageError):
        Recipe(view="ACES 1.0 - SDR Video", config="none.ocio").looked_at()


def test_a_file_of_colours_that_changed(tmp_path: Path) -> None:
    pytest.importorskip("PyOpenColorIO")
    wish = Recipe(lut=cube(tmp_path)).looked_at()
    assert wish.treatment(CLIP) is not None
    cube(tmp_path, black=0.2)
    with pytest.raises(SourceChanged):
        wish.treatment(CLIP)


def test_what_a_clip_says_of_itself_is_taken() -> None:
    pytest.importorskip("PyOpenColorIO")
    wish = Recipe(view="ACES 1.0 - SDR Video", burn_in=("frame@top-left",)).looked_at()
    treatment = wish.treatment(replace(CLIP, color=ColorFacts(space="ACEScg"), first_frame=1001))
    assert treatment is not None
    assert (treatment.grade.space, treatment.first_number) == ("ACEScg", 1001)
    treatment = replace(wish, first_number=7, look=None).treatment(CLIP)
    assert treatment is not None
    assert (treatment.grade.space, treatment.first_number) == (None, 7)


def test_a_recipe_is_plain_data(tmp_path: Path) -> None:
    wish = Recipe(
        codec="dnxhr_lb", lut=tmp_path / "a.cube", burn_in=("a@top-left",), audio_map=(1, 2), stills=(Still.STRIP,), look="x"
    )
    assert Recipe.from_json(wish.to_json()) == wish


def test_how_it_is_written() -> None:
    line = burn_in_of("Dailies {clip} a@b@bottom-center")
    assert (line.position, line.text) == ("bottom center", "Dailies {clip} a@b")
    assert [burn_in_of(f"{word}@top-left").text for word in ("timecode", "frame", "clip", "Take 3")] == [
        "{timecode}", "{frame}", "{clip}", "Take 3"
    ]  # fmt: skip
    assert channels_of("3,4") == (3, 4)
    for text in ("", "3,", "a", "-1", "1 2"):
        with pytest.raises(UsageError, match="names no channels"):
            channels_of(text)
    assert [rung.name for rung in default_sizes("h264")] == ["thumbnail", "preview"]
    assert [rung.name for rung in default_sizes("prores_proxy")] == ["editorial"]


def test_what_room_it_needs() -> None:
    facts = replace(CLIP, audio=(AudioFacts(codec="pcm_s24le", channels=16, sample_rate=48_000),), pixel_aspect=Fraction(1))
    assert Recipe().bit_rate(LADDER["editorial"], facts) == 5_000_000
    assert 50_000_000 < Recipe(codec="prores_proxy").bit_rate(LADDER["editorial"], facts) < 60_000_000

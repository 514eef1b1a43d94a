"""The review page in a browser: every frame is the one that is claimed, by the pixels; and what people do with it."""

from __future__ import annotations

import random
from typing import Any

import pytest

pytest.importorskip("playwright", reason="Playwright is not installed")
pytest.importorskip("httpx")

from film_archive.testing.media import ClipSpec
from tests.server.reviewing import ARCHIVE, CLIPS, Review
from tests.server.serving import Served

each_rate = pytest.mark.parametrize("spec", CLIPS.values(), ids=lambda spec: f"{spec.rate.text} {spec.name}")


def random_seeks(review: Review, spec: ClipSpec, count: int) -> None:
    chance = random.Random(count)
    for _ in range(count):
        number = chance.randrange(spec.frames)
        review.go(chance.choice([f"f{number}", str(spec.timecode(number))]))
        review.check(spec, number)


def steps(review: Review, spec: ClipSpec, count: int, key: str, by: int) -> None:
    at = review.frame
    for _ in range(count):
        at += by
        review.press(key)
        review.check(spec, at)


@each_rate
def test_frames_are_the_ones_that_are_claimed(review: Review, spec: ClipSpec) -> None:
    review.open(spec.name)
    review.check(spec, 0)
    random_seeks(review, spec, 3)
    review.go("f106")
    review.check(spec, 106)
    steps(review, spec, 2, "ArrowRight", 1)
    steps(review, spec, 2, "ArrowLeft", -1)
    steps(review, spec, 1, "Shift+ArrowRight", spec.rate.nominal)
    steps(review, spec, 1, "Shift+ArrowLeft", -spec.rate.nominal)
    review.press("End")
    review.check(spec, spec.frames - 1)
    review.press("Home")
    review.check(spec, 0)


@pytest.mark.nightly
@each_rate
def test_two_hundred_seeks_and_steps_are_exact(review: Review, spec: ClipSpec) -> None:
    review.open(spec.name)
    random_seeks(review, spec, 200)
    review.go("f20")
    review.check(spec, 20)
    steps(review, spec, 200, "ArrowRight", 1)
    steps(review, spec, 200, "ArrowLeft", -1)


def test_keys_in_quick_succession_end_at_the_right_frame(review: Review) -> None:
    spec = CLIPS["B001C002"]
    review.open(spec.name)
    review.press(*["ArrowRight"] * 20, *["ArrowLeft"] * 7, "Shift+ArrowRight")
    review.check(spec, 43)


def test_play_shows_frames_as_they_are_claimed(review: Review) -> None:
    spec = CLIPS["A001C001"]
    review.open(spec.name)
    review.press("Space")
    review.until(lambda: review.frame > 30)
    review.press("Space")
    review.check(spec, review.stands())


def test_j_k_l(review: Review) -> None:
    spec = CLIPS["B001C001"]
    review.open(spec.name, frame=100)
    review.press("l", "l")
    review.until(lambda: "2×" in review.text("moving"))
    review.until(lambda: review.frame > 110)
    review.press("k")
    review.until(lambda: review.text("moving") == "")
    at = review.stands()
    review.press("j")
    review.until(lambda: review.frame < at - 12)
    review.press("k")
    at = review.stands()
    review.check(spec, at)
    review.page.keyboard.down("k")
    for key, step in (("l", 1), ("l", 2), ("j", 1)):
        review.press(key)
        review.check(spec, at + step)
    review.page.keyboard.up("k")


def test_backwards_shows_every_frame_on_its_way_or_leaves_it_out(review: Review) -> None:
    """Never one out of order, and it ends at the first."""
    review.open("A001C002", frame=30)
    review.page.evaluate(
        """() => {
          window.seen = [];
          const look = (_, { mediaTime }) => (seen.push(Math.round(mediaTime * 24)), video.requestVideoFrameCallback(look));
          video.requestVideoFrameCallback(look);
        }"""
    )
    review.press("j")
    review.until(lambda: review.frame == 0)
    seen = review.page.evaluate("() => seen")
    assert seen == sorted(seen, reverse=True)
    assert seen[-1] == 0


def test_in_to_out_repeats(review: Review) -> None:
    spec = CLIPS["C001C001"]
    review.open(spec.name, frame=50)
    review.press("i")
    review.go("f64")
    review.check(spec, 64)
    review.press("o", "r")
    assert review.text("marks") == "00:59:59:20 – 01:00:00:04 · 15 f"
    review.page.evaluate(
        """() => {
          window.seen = [];
          const look = (_, { mediaTime }) => (seen.push(Math.round(mediaTime * 30)), video.requestVideoFrameCallback(look));
          video.requestVideoFrameCallback(look);
        }"""
    )
    review.press("Space")
    review.until(lambda: review.page.evaluate("() => seen.filter((frame, place) => frame < seen[place - 1]).length") >= 3)
    review.press("Space")
    seen = review.page.evaluate("() => seen")
    assert min(seen) == 50
    assert max(seen) < spec.frames - 1, "a busy machine may turn back late, but not at the clip's end"


@pytest.mark.parametrize(
    ("typed", "number"),
    [("00:01:00;02", 60), ("10002", 60), ("1:00:02", 60), ("+30", 130), ("-1:00", 70), ("f7", 7), ("59.29", 59)],
)
def test_going_to_a_timecode(review: Review, typed: str, number: int) -> None:
    spec = CLIPS["B001C002"]
    review.open(spec.name, frame=100)
    review.go(typed)
    review.check(spec, number)


@pytest.mark.parametrize(("typed", "said"), [("00:01:00;00", "is no timecode"), ("2:00:00:00", "is not in this clip")])
def test_what_is_nowhere_is_said_and_nothing_moves(review: Review, typed: str, said: str) -> None:
    spec = CLIPS["B001C002"]
    review.open(spec.name, frame=10)
    review.go(typed)
    review.until(lambda: said in review.text("message"))
    review.check(spec, 10)


def test_a_key_right_after_a_timecode_is_not_lost(review: Review) -> None:
    """The field gives the keyboard back at once, not when the page is drawn the next time."""
    review.open("B001C002", frame=10)
    review.press("g", "f", "4", "0")
    holder = "() => (document.getElementById('jump-form').requestSubmit(), document.activeElement.tagName)"
    assert review.page.evaluate(holder) == "BODY"
    review.press("i")
    review.until(lambda: review.text("marks").startswith("00:00:59;10"))


def test_every_size_can_be_asked_for(review: Review) -> None:
    spec = CLIPS["A001C001"]
    review.open(spec.name, frame=40)
    for size, width in (("0", 160), ("1", 320), ("0", 160)):
        review.page.select_option("#quality", size)
        review.until(lambda width=width: review.shown()[1] == width and str(width) in review.text("shown"))  # type: ignore[misc]
        review.check(spec, 40)


def test_the_size_that_is_of_use_is_shown(review: Review) -> None:
    review.page.set_viewport_size({"width": 1280, "height": 800})
    review.open("A001C001")
    review.until(lambda: review.shown()[1] == 320)
    review.page.set_viewport_size({"width": 180, "height": 800})
    review.open("B001C001", frame=3)
    review.until(lambda: review.shown()[1] == 160)
    review.page.wait_for_timeout(600)
    assert review.shown()[1] == 160


def mark(review: Review, spec: ClipSpec, first: int, last: int) -> None:
    for number, key in ((first, "i"), (last, "o")):
        review.go(f"f{number}")
        review.check(spec, number)
        review.press(key)
    review.press("s")


def test_selects_are_kept_and_exported(review: Review) -> None:
    spec = CLIPS["B001C002"]
    review.open(spec.name)
    mark(review, spec, 58, 61)
    mark(review, spec, 100, 100)
    assert review.text("selects-count") == "2"
    review.page.fill(".note-of >> nth=1", "the look")
    review.press("Tab")
    review.page.reload()
    review.until(lambda: review.text("selects-count") == "2")
    review.page.click("#tab-selects")
    with review.page.expect_download() as download:
        review.page.click("#export-edl")
    assert download.value.suggested_filename == "Selects.edl"
    lines = download.value.path().read_text("utf-8").splitlines()
    assert lines[2] == "001  B001     V     C        00:00:59;28 00:01:00;04 01:00:00;00 01:00:00;04"
    assert lines[5] == "002  B001     V     C        00:01:01;12 00:01:01;13 01:00:00;04 01:00:00;05"
    assert lines[-1] == "* the look"
    with review.page.expect_download() as download:
        review.page.click("#export-otio")
    assert '"Timeline.1"' in download.value.path().read_text("utf-8")
    review.page.click("#clear-selects")
    review.until(lambda: review.text("selects-count") == "")
    review.page.click("#message button")
    review.until(lambda: review.text("selects-count") == "2")


def test_the_picture_may_be_there_before_the_page_knows_its_clip(review: Review) -> None:
    """The list of selects asks for the clip first; what the viewer asks then comes late."""
    spec = CLIPS["B001C002"]
    review.open(spec.name)
    mark(review, spec, 58, 61)
    asked: list[Any] = []

    def pass_the_first(route: Any) -> None:
        asked.append(route)
        if len(asked) == 1:
            route.continue_()

    review.page.route("**/member?*", pass_the_first)
    review.page.reload()
    review.until(lambda: len(asked) == 2 and review.page.evaluate("() => document.getElementById('video').readyState >= 2"))
    review.until(lambda: review.shown()[0] == spec.code(0))
    assert review.text("frame") == ""
    asked[1].continue_()
    review.check(spec, 0)


def test_a_select_is_extracted_with_its_handles(review: Review, server: Served) -> None:
    spec = CLIPS["A001C001"]
    review.open(spec.name)
    mark(review, spec, 100, 119)
    review.page.fill("#handles", "8")
    review.press("Tab")
    review.page.click("#extract-all")
    review.page.wait_for_selector("#jobs li.done a", timeout=20_000)
    assert "36 frames, handles 8 + 8" in review.text("jobs")
    with review.page.expect_download() as download:
        review.page.click("#jobs li.done a")
    path = f"/media/{ARCHIVE}/{spec.name}.mov?in=01:00:04:04&out=01:00:05:00&handles=8".replace(" ", "%20")
    assert download.value.path().read_bytes() == server.get(path)[2]
    review.page.click("#jobs li button")
    review.until(lambda: review.text("jobs") == "")


def test_browsing_and_searching(review: Review) -> None:
    review.page.goto(review.address)
    review.until(lambda: review.text("clip-count") == "5 clips")
    review.until(lambda: review.page.locator("#clips canvas").count() == 5)
    review.page.fill("#search", "b001 00:00:58")
    review.until(lambda: review.text("clip-count") == "1 clip")
    review.page.click("#clips a")
    review.check(CLIPS["B001C002"], 0)
    review.page.fill("#search", "nothing of this name")
    review.until(lambda: review.text("no-clips") == "No clip matches.")


def test_the_pointer_on_the_time_line_has_a_picture(review: Review) -> None:
    spec = CLIPS["B001C001"]
    review.open(spec.name)
    box = review.page.locator("#timeline").bounding_box()
    review.page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 5)
    review.page.wait_for_selector(".hover canvas.drawn")
    assert review.page.inner_text(".hover span") == str(spec.timecode(120))
    review.page.mouse.down()
    review.check(spec, 120)
    review.page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 5)
    review.check(spec, 60)
    review.page.mouse.up()


def test_everything_that_can_be_used_has_a_name(review: Review) -> None:
    review.open("A001C001")
    mark(review, CLIPS["A001C001"], 3, 5)
    used = {"button", "link", "slider", "textbox", "searchbox", "combobox", "tab", "spinbutton", "dialog", "listitem"}
    session: Any = review.page.context.new_cdp_session(review.page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    named = {(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node.get("ignored")}
    assert {role for role, _ in named} >= used - {"dialog", "listitem"}
    assert [role for role, name in named if role in used - {"listitem"} and not name.strip()] == []


def test_keys_are_explained(review: Review) -> None:
    review.page.goto(review.address)
    review.press("?")
    review.page.wait_for_selector("#help[open]")
    assert "One frame back" in review.page.inner_text("#keys")
    review.press("?")
    review.until(lambda: review.page.locator("#help[open]").count() == 0)


def test_dark_and_light(review: Review) -> None:
    review.page.goto(review.address)
    ground = "() => getComputedStyle(document.body).backgroundColor"
    review.page.emulate_media(color_scheme="light")
    light = review.page.evaluate(ground)
    review.page.emulate_media(color_scheme="dark")
    dark = review.page.evaluate(ground)
    assert light != dark
    review.page.click("#theme")
    review.page.click("#theme")
    assert review.page.evaluate(ground) == light
    review.page.reload()
    assert review.page.evaluate(ground) == light

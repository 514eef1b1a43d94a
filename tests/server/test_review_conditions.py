"""The review page where things are not as they should be: slow and broken networks, odd clips, servers that want a token."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("playwright", reason="Playwright is not installed")
pytest.importorskip("httpx")

from film_archive.core.ladder import parse_sizes
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.media.av.posters import jpeg
from film_archive.proxy.recipe import Recipe, Still
from film_archive.testing.media import AudioSpec, ClipSpec, FrameCode, cached_clip, frame_picture, read_frame_code
from film_archive.workflows.production import create_archive
from tests.server.reviewing import ARCHIVE, CLIPS, Review
from tests.server.serving import Served

VARIABLE = replace(CLIPS["B001C001"], name="V001C001", frames=90, holds=(1, 2, 1, 5), codec="h264", audio=())
WATCH = """() => {
  const video = document.getElementById("video");
  window.waits = 0;
  window.shown = [];
  video.addEventListener("waiting", () => (window.waits += !video.seeking));
  const look = (now, { width }) => (window.shown.push([now, width]), video.requestVideoFrameCallback(look));
  video.requestVideoFrameCallback(look);
}"""


@contextmanager
def elsewhere(review: Review, root: Path, token: str | None = None) -> Iterator[Review]:
    """The same page over another server."""
    server = Served(root, "h11_impl", token=token)
    address = f"http://127.0.0.1:{server.port}/"
    try:
        yield Review(review.page, address, review.wrong)
        review.page.goto("about:blank")
        review.wrong[:] = [each for each in review.wrong if not each.startswith(address)]
    finally:
        server.stop()


def test_frames_that_last_differently(review: Review, footage: Path, tmp_path: Path) -> None:
    create_archive(tmp_path / "odd.zip", [cached_clip(VARIABLE, footage)], proxies=parse_sizes("160x90,320x180"))
    with elsewhere(review, tmp_path) as odd:
        odd.open(VARIABLE.name, archive="odd.zip")
        odd.check(VARIABLE, 0)
        for number in (50, 3, 89, 11, 12, 13, 14, 15, 16, 70):
            odd.go(f"f{number}")
            odd.check(VARIABLE, number)
        odd.press("ArrowLeft", "ArrowLeft")
        odd.check(VARIABLE, 68)


def test_a_token_is_asked_for(review: Review, dailies: Path) -> None:
    with elsewhere(review, dailies, token="open-sesame") as guarded:
        guarded.page.goto(f"{guarded.address}#archive=day+1.zip&clip=A001C001.mov")
        guarded.page.wait_for_selector("#sign-in[open]")
        guarded.page.fill("#token", "open-barley")
        guarded.press("Enter")
        guarded.until(lambda: guarded.text("sign-in-note") == "That is not the token.")
        guarded.page.fill("#token", "open-sesame")
        guarded.press("Enter")
        guarded.check(CLIPS["A001C001"], 0)
        # A browser writes 401s into its console, whatever the page makes of them.
        review.wrong[:] = [each for each in review.wrong if "401" not in each]


def test_an_address_that_leads_nowhere(review: Review) -> None:
    review.page.goto(f"{review.address}#archive=day+1.zip&clip=gone.mov")
    review.until(lambda: "gone.mov" in review.text("message"))
    review.until(lambda: ARCHIVE in review.text("archives"))
    review.page.click("#archives a")
    review.until(lambda: review.text("clip-count") == "5 clips")
    review.page.click("#clips a")
    review.check(CLIPS["A001C001"], 0)
    review.page.click("h1 a")
    review.until(lambda: not review.page.locator("#video").is_visible())
    review.wrong[:] = [each for each in review.wrong if "404" not in each]


def test_a_network_that_is_gone_for_a_moment(review: Review) -> None:
    spec = CLIPS["B001C001"]
    review.open(spec.name)
    review.check(spec, 0)
    assert review.stands() == 0
    review.page.context.set_offline(True)
    review.go("f230")
    review.until(lambda: review.frame == 0 and any("ERR_INTERNET_DISCONNECTED" in each for each in review.wrong))
    assert review.stands() == 0
    review.check(spec, 0)
    review.page.context.set_offline(False)
    review.check(spec, 230)
    review.wrong.clear()


def test_a_size_that_can_not_be_had_is_left_out(review: Review) -> None:
    spec = CLIPS["A001C001"]
    review.page.route("**/320x180.mp4", lambda route: route.fulfill(status=404))
    review.open(spec.name)
    review.until(lambda: "320x180.mp4 can't be read: the server answered 404" in review.text("message"))
    review.go("f200")
    review.check(spec, 200)
    assert review.shown()[1] == 160
    review.page.route("**/320x180.mp4", lambda route: route.fulfill(status=206, body=b"nothing of the kind"))
    review.page.reload()
    review.check(spec, 0)
    review.go("f100")
    review.check(spec, 100)
    review.wrong[:] = [each for each in review.wrong if "404" not in each]


def test_a_proxy_without_fragments_is_played_by_the_browser_itself(review: Review, footage: Path, tmp_path: Path) -> None:
    spec = replace(CLIPS["A001C001"], name="P001C001", codec="h264", container="mp4", audio=(), frames=120)
    plain = cached_clip(spec, footage)
    (tmp_path / "plain.mp4").write_bytes(plain.read_bytes())
    create_archive(tmp_path / "day.zip", [plain], proxies=parse_sizes("320x180"))
    with elsewhere(review, tmp_path) as other:
        review.page.route("**/320x180.mp4", lambda route: route.continue_(url=f"{other.address}media/plain.mp4"))
        review.page.route("**/fragments?*", lambda route: route.fulfill(status=422, json={"error": {"message": "none"}}))
        review.page.goto(f"{other.address}#archive=day.zip&clip=P001C001.mp4&frame=30")
        other.check(spec, 30)
        for number in (7, 119, 60):
            other.go(f"f{number}")
            other.check(spec, number)
        other.press("ArrowRight")
        other.check(spec, 61)
        review.wrong[:] = [each for each in review.wrong if "422" not in each]


def test_poster_and_strip_of_the_archive_are_shown(review: Review, footage: Path, tmp_path: Path) -> None:
    spec = CLIPS["A001C001"]
    recipe = Recipe(stills=(Still.POSTER, Still.STRIP)).looked_at()
    create_archive(tmp_path / "day.zip", [cached_clip(spec, footage)], proxies=parse_sizes("320x180"), recipe=recipe)
    hover = """() => {
      const { width, height } = document.querySelector(".hover canvas");
      const { data } = document.querySelector(".hover canvas").getContext("2d").getImageData(0, 0, width, height);
      return [width, height, Array.from(data).filter((_, place) => place % 4 === 1)];
    }"""
    with elsewhere(review, tmp_path) as other:
        review.page.goto(other.address)
        other.until(lambda: review.page.evaluate("() => document.querySelector('#clips img')?.naturalWidth") == 320)
        other.open(spec.name, archive="day.zip")
        box = review.page.locator("#timeline").bounding_box()

        def pointed() -> FrameCode | None:
            for place in (0.1, 125.5 / 240):  # from elsewhere, so that it is drawn anew
                review.page.mouse.move(box["x"] + box["width"] * place, box["y"] + 5)
            review.page.wait_for_selector(".hover canvas.drawn")
            width, height, gray = review.page.evaluate(hover)
            return read_frame_code(np.array(gray, np.uint8).reshape(height, width))

        other.until(lambda: pointed() == spec.code(120))  # the strip's picture; the proxy would show 125


def test_a_clip_without_proxies_says_what_to_do(review: Review, footage: Path, tmp_path: Path) -> None:
    """And what lies in a zip of another program shows the poster that lies beside it."""
    clip = cached_clip(CLIPS["A001C002"], footage)
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as other:
        other.write(clip, clip.name)
        other.writestr(f".film-archive/proxies/{clip.name}/poster.jpg", jpeg(frame_picture(7, None, 320, 180)))
    create_archive(tmp_path / "plain.zip", [clip], proxies=())
    with elsewhere(review, tmp_path) as plain:
        plain.page.goto(f"{plain.address}#archive=plain.zip&clip={clip.name}")
        plain.until(lambda: "film-archive proxy" in plain.text("screen-note"))
        plain.press("Space", "i", "s", "ArrowRight")
        assert plain.text("timecode") == "--:--:--:--"
        plain.page.goto(f"{plain.address}#archive=other.zip")
        plain.until(lambda: plain.page.evaluate("() => document.querySelector('#clips img')?.naturalWidth") == 320)


def throttle(session: Any, rate: float) -> None:
    conditions = {"offline": False, "latency": 20, "downloadThroughput": rate / 8, "uploadThroughput": rate / 8}
    session.send("Network.emulateNetworkConditions", conditions)


@pytest.mark.nightly
@pytest.mark.parametrize(
    "trace",
    [
        [(20e6, 10), (0.7e6, 15), (20e6, 12)],
        [(20e6, 2), (0.7e6, 20), (20e6, 12)],
        [(6e6, 4), (0.7e6, 6), (6e6, 6), (0.7e6, 8), (8e6, 12)],
    ],
    ids=["after a while", "early", "twice"],
)
def test_a_slow_patch_stalls_nothing(review: Review, footage: Path, tmp_path: Path, trace: list[tuple[float, int]]) -> None:
    rate = FrameRate(24)
    start = Timecode(1, 0, 0, 0, rate)
    spec = ClipSpec(name="L001C001", width=640, height=360, rate=rate, frames=50 * 24, start=start, audio=(AudioSpec(),),
                    codec="h264", bit_rate=6_000_000, gop=24)  # fmt: skip
    sizes = parse_sizes("160x90@300k,320x180@1M,640x360@4M")
    create_archive(tmp_path / "long.zip", [cached_clip(spec, footage)], proxies=sizes)
    with elsewhere(review, tmp_path) as long:
        session = review.page.context.new_cdp_session(review.page)
        session.send("Network.enable")
        throttle(session, trace[0][0])
        long.open(spec.name, archive="long.zip")
        review.page.evaluate(WATCH)
        review.press("Space")
        for carried, seconds in trace:
            throttle(session, carried)
            since = review.page.evaluate("() => performance.now()")
            review.page.wait_for_timeout(1000 * seconds)
        assert review.page.evaluate("() => waits") == 0
        widths = [width for moment, width in review.page.evaluate("() => shown") if since < moment < since + 10_000]
        assert len(widths) > 200
        assert 640 in widths

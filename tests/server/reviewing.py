"""The review page in Debian's Chromium, driven by Playwright: a browser, a production, and a page whose pixels are read.

What the page claims is read from its text; what it shows is read from the pixels of its video by the barcode of the test footage.
"""

from __future__ import annotations

import base64
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import numpy as np
import pytest

from film_archive.core.ladder import parse_sizes
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.testing.media import AudioSpec, ClipSpec, FrameCode, cached_clip, read_frame_code
from film_archive.workflows.production import create_archive

if TYPE_CHECKING:
    from tests.server.serving import Served

ARCHIVE = "day 1.zip"
PATIENCE = 60.0
"""Seconds after which what was waited for does not come any more, on any machine."""
_GRAB = """() => {
  const video = document.getElementById("video");
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  const context = canvas.getContext("2d");
  context.drawImage(video, 0, 0);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  let gray = "";
  for (let at = 1; at < data.length; at += 4) gray += String.fromCharCode(data[at]);
  return [canvas.width, canvas.height, btoa(gray)];
}"""
_TWO_FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


def label(text: str, rate: FrameRate) -> Timecode:
    return Timecode.from_string(text, rate)


NTSC, FILM = FrameRate(30000, 1001), FrameRate(24000, 1001)
CLIPS = {
    spec.name: spec
    for spec in (
        ClipSpec(
            name=name,
            rate=rate,
            frames=240,
            start=label(start, rate),
            reel=name[:4],
            audio=(AudioSpec(),),
            encoder_options=(("flags", "+qscale"), ("global_quality", str(4 * 118))),  # a third of the work
        )
        for name, rate, start in (
            ("A001C001", FILM, "01:00:00:00"),
            ("A001C002", FrameRate(24), "23:59:56:00"),
            ("B001C001", FrameRate(25), "10:00:00:00"),
            ("B001C002", NTSC, "00:00:58;00"),
            ("C001C001", FrameRate(30), "00:59:58:00"),
        )
    )
}
"""Five rates; over midnight, over a minute in which drop-frame leaves labels out, over an hour."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser. It goes with the module, since other tests have event loops of their own."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=program, args=["--autoplay-policy=no-user-gesture-required"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def dailies(footage: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with "day 1.zip", in which are the clips of five rates with proxies of two sizes."""
    root = tmp_path_factory.mktemp("dailies")
    files = [cached_clip(spec, footage) for spec in CLIPS.values()]
    create_archive(root / ARCHIVE, files, proxies=parse_sizes("160x90@250k,320x180@800k"))
    return root


@pytest.fixture(scope="module")
def server(dailies: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    from tests.server.serving import Served

    served = Served(dailies, "h11_impl", work=tmp_path_factory.mktemp("work"))
    yield served
    served.stop()


@dataclass
class Review:
    """A page of the server."""

    page: Any
    address: str
    wrong: list[str]
    """What went wrong in the page: errors, warnings, requests to others. A test at whose end there is any has failed."""

    def open(self, clip: str, *, archive: str = ARCHIVE, **more: object) -> None:
        """Open a clip, and wait for its first picture."""
        self.page.goto(f"{self.address}#{urlencode({'archive': archive, 'clip': f'{clip}.mov', **more})}")
        self.until(lambda: self.frame == int(str(more.get("frame", 0))))

    def until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < deadline, f"it did not come to this; the page has {self.text('frame')!r}"
            time.sleep(0.03)

    def text(self, name: str) -> str:
        return str(self.page.evaluate("name => document.getElementById(name)?.textContent ?? ''", name))

    @property
    def frame(self) -> int:
        """The frame that the page claims to show; -1 where it claims none."""
        words = self.text("frame").split()
        return int(words[1]) if len(words) > 1 and words[0] == "frame" else -1

    @property
    def timecode(self) -> str:
        return self.text("timecode")

    def shown(self) -> tuple[FrameCode | None, int]:
        """What the picture says of itself, and how many pixels wide it is."""
        width, height, gray = self.page.evaluate(_GRAB)
        picture = np.frombuffer(base64.b64decode(gray), np.uint8).reshape(height, width)
        return read_frame_code(picture), width

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def go(self, where: str) -> None:
        """Type where to go to, as a person does."""
        self.page.keyboard.press("g")
        self.page.keyboard.type(where)
        self.page.keyboard.press("Enter")

    def stands(self) -> int:
        """Wait until the picture stands; the frame that the page then claims to show."""
        still = "() => { const video = document.getElementById('video'); return video.paused && !video.seeking; }"
        self.until(lambda: bool(self.page.evaluate(still)))
        self.page.evaluate(_TWO_FRAMES)
        self.page.wait_for_timeout(200)
        return self.frame

    def check(self, spec: ClipSpec, number: int) -> None:
        """The page comes to show this frame, says so, and gives it its timecode.

        What it claims is read before and after the picture: a page that only comes by this frame on its way to another one (as
        between two keys) is not judged by a picture that was read when it had gone on.
        """
        while True:
            self.until(lambda: self.frame == number)
            code, _ = self.shown()
            timecode = self.timecode
            self.page.evaluate(_TWO_FRAMES)  # the page hears of a picture a moment after it is there
            if self.frame == number:
                break
        assert code == spec.code(number), f"frame {number} was wanted and claimed, {code} is shown"
        assert timecode == str(spec.timecode(number))


@pytest.fixture
def review(chromium: Any, server: Served) -> Iterator[Review]:
    """A page of its own; at its end it has met no error and asked nobody else for anything."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    wrong: list[str] = []
    address = f"http://127.0.0.1:{server.port}/"
    page.on("pageerror", lambda error: wrong.append(f"{error} {error.stack or ''}"))
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("request", lambda request: None if request.url.startswith((address, "blob:")) else wrong.append(request.url))
    yield Review(page, address, wrong)
    context.close()
    assert wrong == [], f"the page met {wrong}"

"""The review page in Chromium: the first picture, at several rates of the network; and play over a slow patch."""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from benchmarks.measuring import require_tool
from benchmarks.serve import serving
from film_archive.core.ladder import parse_sizes
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.testing.media import AudioSpec, ClipSpec, make_clip
from film_archive.workflows.production import create_archive

NETWORKS: dict[str, tuple[float, float] | None] = {
    "loopback": None,
    "20 Mb/s, 20 ms": (20e6, 20),
    "4 Mb/s, 40 ms": (4e6, 40),
    "1.5 Mb/s, 40 ms": (1.5e6, 40),
}
"""Bits a second, milliseconds of latency; None is as it is."""
PATCH = ((8.0, 20e6), (15.0, 0.7e6), (25.0, 20e6))
"""(Seconds, bits a second): before, in and after the slow patch."""
_WATCH = """
addEventListener("DOMContentLoaded", () => {
  const video = document.getElementById("video");
  window.pictures = [];
  window.waits = 0;
  video.addEventListener("waiting", () => (window.waits += !video.seeking && video.currentTime > 0));
  const look = (now, { width, mediaTime }) => {
    window.pictures.push([now, width, mediaTime, document.getElementById("clip-name").textContent]);
    video.requestVideoFrameCallback(look);
  };
  video.requestVideoFrameCallback(look);
  addEventListener("keydown", () => (window.pressed = performance.now()), true);
});
"""


def run(folder: Path, runs: int) -> None:
    program = require_tool("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        print("Playwright is not installed here: pip install playwright")
        sys.exit(3)
    root = _dailies(folder)
    with serving(root, workers=1) as ours, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--autoplay-policy=no-user-gesture-required"])
        for name, network in NETWORKS.items():
            opened, clicked = [], []
            for count in range(runs + 1):
                page = _page(browser, network)
                page.goto(_address(ours.port, "A001C001.mov"))
                first = _first_picture(page, "A001C001.mov")
                page.wait_for_timeout(3000)
                page.keyboard.press("ArrowDown")
                moment = _first_picture(page, "A001C002.mov") - page.evaluate("() => pressed")
                if count:
                    opened.append(first)
                    clicked.append(moment)
                page.context.close()
            _print(f"{name}: address to first picture, nothing cached", opened)
            _print(f"{name}: key to the next clip's first picture", clicked)
        print("bars: 400 ms on loopback, 900 ms at 1.5 Mb/s")
        for count in range(max(1, runs // 2)):
            _slow_patch(browser, ours.port, count)
        print("bars: 0 waits; back within 10 s")
        browser.close()


def _dailies(folder: Path) -> Path:
    root = folder / "dailies"
    root.mkdir()
    clips = []
    rate = FrameRate(24)
    for name in ("A001C001", "A001C002"):
        start = Timecode(1, 0, 0, 0, rate)
        spec = ClipSpec(name=name, width=1280, height=720, rate=rate, frames=60 * 24, start=start, audio=(AudioSpec(),),
                        codec="h264", bit_rate=8_000_000, gop=24)  # fmt: skip
        clips.append(make_clip(spec, folder))
    create_archive(root / "day.zip", clips, proxies=parse_sizes("320x180@300k,640x360@1M,1280x720@4M"))
    return root


def _address(port: int, clip: str) -> str:
    return f"http://127.0.0.1:{port}/#{urlencode({'archive': 'day.zip', 'clip': clip})}"


def _page(browser: Any, network: tuple[float, float] | None) -> Any:
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.add_init_script(_WATCH)
    if network is not None:
        _throttle(page.context.new_cdp_session(page), *network)
    return page


def _throttle(session: Any, rate: float, latency: float) -> None:
    session.send("Network.enable")
    conditions = {"offline": False, "latency": latency, "downloadThroughput": rate / 8, "uploadThroughput": rate / 8}
    session.send("Network.emulateNetworkConditions", conditions)


def _first_picture(page: Any, clip: str) -> float:
    """When the first picture of a clip was shown, in ms from when the page was asked for."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for moment, _, _, name in page.evaluate("() => pictures"):
            if name == clip:
                return float(moment)
        time.sleep(0.02)
    raise SystemExit(f"no picture of {clip} came within 30 s")


def _slow_patch(browser: Any, port: int, count: int) -> None:
    page = _page(browser, (PATCH[0][1], 20))
    session = page.context.new_cdp_session(page)
    page.goto(_address(port, "A001C001.mov"))
    _first_picture(page, "A001C001.mov")
    page.keyboard.press("Space")
    back = None
    for seconds, rate in PATCH:
        _throttle(session, rate, 20)
        since = page.evaluate("() => performance.now()")
        page.wait_for_timeout(1000 * seconds)
        shown = [picture for picture in page.evaluate("() => pictures") if picture[0] >= since]
        widths = [int(picture[1]) for picture in shown]
        changes = [width for place, width in enumerate(widths) if not place or width != widths[place - 1]]
        back = next((picture[0] - since for picture in shown if picture[1] == 1280), None)
        print(f"run {count + 1}, {rate / 1e6:g} Mb/s for {seconds:g} s: {len(shown)} pictures, widths {changes}")
    waits = page.evaluate("() => waits")
    text = "never" if back is None else f"{back / 1000:.1f} s"
    print(f"run {count + 1}: {waits} waits for bytes; the top size again after {text}")
    page.context.close()


def _print(name: str, times: list[float]) -> None:
    print(f"{name:58} {statistics.median(times):7.0f} ms  ({min(times):.0f} to {max(times):.0f}, {len(times)} runs)")

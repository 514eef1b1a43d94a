"""The page's modules: they count time as the package does, and need nothing from elsewhere."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import film_archive.server
from film_archive.core.timecode import FrameRate, Timecode, frames_per_day

PAGE = Path(film_archive.server.__file__).parent / "page"
RATES = ["24000/1001", "24/1", "25/1", "30000/1001", "30/1", "50/1", "60000/1001", "60/1", "120000/1001", "120/1"]


def node(script: str, tmp_path: Path, question: object) -> object:
    """What a module that imports the page's own answers to a question given as JSON."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("Node.js is not installed, so the page's modules can't be run")
    main = tmp_path / "main.mjs"
    for module in PAGE.glob("*.js"):
        (tmp_path / f"{module.stem}.mjs").write_text(module.read_text("utf-8").replace('.js"', '.mjs"'), "utf-8")
    head = 'import { readFileSync } from "fs"; const question = JSON.parse(readFileSync(0, "utf-8"));\n'
    main.write_text(head + script, "utf-8")
    done = subprocess.run([program, str(main)], input=json.dumps(question), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_timecode_is_counted_as_the_package_counts_it(tmp_path: Path) -> None:
    chance = random.Random(12)
    cases = []
    for text in RATES:
        rate = FrameRate.of(text)
        for drop in (False, True) if rate.can_drop else (False,):
            day = frames_per_day(rate.nominal, drop)
            minutes = [minute * 60 * rate.nominal + step for minute in (1, 2, 9, 10, 11, 600) for step in range(-9, 10)]
            for frame in (0, 1, day - 1, *minutes, *(chance.randrange(day) for _ in range(150))):
                start = Timecode.from_frame(frame, rate, drop)
                number = chance.randrange(200_000)
                media = {"frame_rate": str(rate), "start_timecode": str(start), "drop_frame": drop, "start_rate": None}
                cases.append((media, number, str(start + number)))
    script = """
import { timecodeOf } from "./timecode.mjs";
console.log(JSON.stringify(question.map(([media, number]) => timecodeOf(media, number))));
"""
    assert node(script, tmp_path, [case[:2] for case in cases]) == [case[2] for case in cases]


def test_what_has_no_timecode_has_none(tmp_path: Path) -> None:
    script = """
import { timecodeOf } from "./timecode.mjs";
console.log(JSON.stringify(question.map((media) => timecodeOf(media, 5))));
"""
    cases = [
        None,
        {},
        {"frame_rate": "24/1"},
        {"frame_rate": "24/0", "start_timecode": "01:00:00:00"},
        {"frame_rate": "24/1", "start_timecode": "an hour"},
        {"frame_rate": "48/1", "start_timecode": "01:00:00:00", "start_rate": "24/1"},
    ]
    assert node(script, tmp_path, cases) == [None] * len(cases)


def test_facts_in_words(tmp_path: Path) -> None:
    script = """
import { durationText, rateText, sizeText } from "./facts.mjs";
const [media, sizes] = question;
console.log(JSON.stringify([rateText(media), durationText(media), ...sizes.map(sizeText)]));
"""
    media = {"frame_rate": "30000/1001", "drop_frame": True, "frames": 5395}
    sizes = [0, 999, 1000, 12_345_678, 10**12, 10**16]
    words = ["29.97 DF", "3:00 min", "0 B", "999 B", "1.00 kB", "12.3 MB", "1.00 TB", "10000.0 TB"]
    assert node(script, tmp_path, [media, sizes]) == words


def test_every_module_can_be_read(tmp_path: Path) -> None:
    program = shutil.which("node")
    if program is None:
        pytest.skip("Node.js is not installed, so the page's modules can't be read")
    for module in PAGE.glob("*.js"):
        copy = tmp_path / f"{module.stem}.mjs"
        copy.write_bytes(module.read_bytes())
        done = subprocess.run([program, "--check", str(copy)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_nothing_comes_from_elsewhere() -> None:
    for file in PAGE.iterdir():
        text = file.read_text("utf-8")
        addresses = set(re.findall(r"(?:https?:)?//[a-z][\w.-]+\.[a-z]+", text))
        assert addresses <= {"http://www.w3.org"}, file  # the name of SVG
        for name in re.findall(r"""(?:from|import) +["']([^"']+)["']""", text):
            assert name.startswith("./"), file
            assert (PAGE / name).exists(), f"{file.name} imports {name}"


def test_the_page_names_every_element_that_its_script_looks_for() -> None:
    page = (PAGE / "index.html").read_text("utf-8")
    scripts = "".join(module.read_text("utf-8") for module in PAGE.glob("*.js"))
    named = set(re.findall(r'id="([\w-]+)"', page))
    assert set(re.findall(r'find\("([\w-]+)"\)', scripts)) <= named
    assert set(re.findall(r'href="#([\w-]+)"', page)) <= named, "a sign that is not there"
    for button, content in re.findall(r"<button([^>]*)>(.*?)</button>", page, re.DOTALL):
        assert "aria-label" in button or re.sub(r"<[^>]*>", "", content).strip(), button
    modules = {module.name for module in PAGE.glob("*.js")}
    assert set(re.findall(r'modulepreload" href="page/([\w.]+)"', page)) == modules - {"app.js"}
    assert "style=" not in page, "the page's own policy forbids it"
    assert "onclick" not in page


def test_modules_open_with_what_they_define_and_have_no_long_lines() -> None:
    for module in PAGE.glob("*.js"):
        lines = module.read_text("utf-8").splitlines()
        assert lines[0].startswith("// "), module.name
        assert max(map(len, lines)) <= 130, module.name
        assert len(lines) <= 350, module.name

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
from film_archive.server.page_modules import joined

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
    assert "style=" not in page, "the page's own policy forbids it"
    assert "onclick" not in page


def test_modules_open_with_what_they_define_and_have_no_long_lines() -> None:
    for module in PAGE.glob("*.js"):
        lines = module.read_text("utf-8").splitlines()
        assert lines[0].startswith("// "), module.name
        assert max(map(len, lines)) <= 130, module.name
        assert len(lines) <= 350, module.name


# Joined for sending


def test_joined_modules_do_what_they_do_apart(tmp_path: Path) -> None:
    modules = {
        "base.js": "// What is counted.\n\nlet count = 0;\n/** One more. */\n"
        "export function next() {\n  return (count += 1);\n}\n",
        "names.js": 'import { next as number } from "./base.js";\n\nexport const name = () => `n${number()}`; // a name\n',
        "first.js": 'import * as names from "./names.js";\n\nexport const seen = [names.name()];\n',
        "second.js": 'import { next } from "./base.js";\nimport { seen } from "./first.js";\n'
        "export class Seen extends Array {}\nexport async function all() {\n  return [...seen, next()];\n}\n",
    }
    script = 'import * as second from "./SECOND"; console.log(JSON.stringify(await (second.$second ?? second).all()));'
    together = joined(modules, ("first.js", "second.js"))
    assert set(together) == {"first.js", "second.js"}
    assert "One more" not in together["first.js"]
    for name, texts in (("apart", modules), ("joined", together)):
        folder = tmp_path / name
        folder.mkdir()
        for module, text in texts.items():
            (folder / module.replace(".js", ".mjs")).write_text(text.replace('.js"', '.mjs"'))
        assert node(script.replace("SECOND", f"{name}/second.mjs"), tmp_path, None) == ["n1", 2]


def test_the_page_s_modules_joined_can_be_read_and_have_all_that_is_asked_for(tmp_path: Path) -> None:
    modules = {file.name: file.read_text("utf-8") for file in PAGE.glob("*.js")}
    together = joined(modules, ("screen.js", "app.js"))
    wrapped = re.findall(r"^const \$(\w+) = \(\(\) => \{$", "".join(together.values()), re.MULTILINE)
    assert sorted(f"{name}.js" for name in wrapped) == sorted(modules), "each once"
    program = shutil.which("node")
    if program is None:
        pytest.skip("Node.js is not installed, so the page's modules can't be read")
    for name, text in together.items():
        copy = tmp_path / name.replace(".js", ".mjs")
        copy.write_text(text)
        done = subprocess.run([program, "--check", str(copy)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('import thing from "./b.js";\n', "a form that is not known"),
        ('export { thing } from "./b.js";\n', "a form that is not known"),
        ("export default 3;\n", "a form that is not known"),
        ("const where = import.meta.url;\n", "a form that is not known"),
        ('import { thing } from "./c.js";\n', "which is not there"),
        ('import { thing } from "./a.js";\n', "imports itself"),
    ],
)
def test_what_can_not_be_joined_is_an_error_and_no_half_page(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        joined({"a.js": text, "b.js": "export const thing = 1;\n"}, ("a.js",))

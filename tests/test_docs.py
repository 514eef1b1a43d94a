"""The documentation's code blocks run: each page's in one folder, from top to bottom, over small real footage.

A block that can't run here has `<!-- not run: WHY -->` right before it. ```python blocks may await at the top level;
```bash blocks are commands; in ```console blocks the lines that begin with "$ " are. Others are not for running.
"""

from __future__ import annotations

import ast
import asyncio
import importlib.util
import inspect
import json
import math
import os
import re
import shutil
import struct
import subprocess
import sys
import wave
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from film_archive.core.facts import AudioFacts, MediaFacts
from film_archive.core.frame_index import AudioIndex, FrameIndex, Packets
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.testing.media import ClipSpec, make_clip
from tests import warm

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
RUN = ("python", "bash", "console")
_TIMEOUT = 120


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    language: str
    code: str
    line: int
    reason: str | None
    """Why it is not run."""


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    lines = text.splitlines()
    index = 0
    while index < len(lines):
        opening = re.fullmatch(r"(`{3,})(\w*)", lines[index])
        if opening is None:
            index += 1
            continue
        end = lines.index(opening[1], index + 1)
        before = next((line for line in reversed(lines[:index]) if line.strip()), "")
        said = re.fullmatch(r"<!-- not run: (.+) -->", before)
        yield Block(opening[2], "\n".join(lines[index + 1 : end]), index + 1, None if said is None else said[1])
        index = end + 1


def test_blocks_are_found() -> None:
    text = "a\n```python\nx = 1\n```\n<!-- not run: needs a tape drive -->\n\n```bash\nls\n```\n```text\n| |\n```\n"
    assert list(blocks(text)) == [
        Block("python", "x = 1", 2, None),
        Block("bash", "ls", 7, "needs a tape drive"),
        Block("text", "| |", 10, None),
    ]


def test_every_block_says_its_language() -> None:
    for page in PAGES:
        assert [block.line for block in blocks(page.read_text("utf-8")) if not block.language] == [], page.name


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder `footage` as the pages speak of it: sound that is really there, a note, an empty folder."""
    folder = tmp_path_factory.mktemp("docs") / "footage"
    (folder / "empty").mkdir(parents=True)
    (folder / "notes.txt").write_text("Scene 12, take 3: the good one.\n", encoding="utf-8")
    with wave.open(str(folder / "S012T003.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(48000)
        sound.writeframes(
            b"".join(struct.pack("<h", round(8000 * math.sin(2 * math.pi * 440 * n / 48000))) for n in range(4800))
        )
    return folder


@pytest.fixture
def programs(tmp_path: Path) -> dict[str, str]:
    """An environment in which `film-archive`, `ded-io` and `python` are the ones under test."""
    folder = tmp_path / "bin"
    warm.programs(folder)
    path = os.pathsep.join([str(folder), os.environ["PATH"]])
    # The catalog and all else that outlives a command is the test's own, not that of whoever runs it.
    kept = {f"FILM_ARCHIVE_{name}": str(tmp_path / name.lower()) for name in ("SHELF", "DATA", "STATE", "CACHE")}
    return {**os.environ, **kept, "PATH": path, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


SMALL_DEMO = {
    r"film-archive demo (\w+)": r"""python -c 'from tests.demo import small_demo; small_demo("\1")'""",
}
"""The demo shoots in full HD, which the pages are not about: `.ci/run` and tests/test_integration.py run it as it is."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_runs(page: Path, sample: Path, programs: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_page(page, sample, programs, tmp_path, monkeypatch, SMALL_DEMO)


@pytest.mark.nightly
@pytest.mark.parametrize("name", ["how-to.md", "lists.md"])
def test_page_runs_with_the_demo_as_it_is(
    name: str, sample: Path, programs: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_page(ROOT / "docs" / name, sample, programs, tmp_path, monkeypatch, {})


def run_page(
    page: Path,
    sample: Path,
    programs: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    instead: dict[str, str],
) -> None:
    """Run a page's blocks; `instead` has patterns of whole lines and what stands for them."""
    work = tmp_path / "work"
    shutil.copytree(sample, work / sample.name)
    monkeypatch.chdir(work)
    names: dict[str, object] = {"__name__": "docs"}
    for block in blocks(page.read_text("utf-8")):
        if block.language not in RUN or block.reason is not None:
            continue
        where = f"{page.name}:{block.line}"
        if block.language == "python":
            run_python(block, where, names)
        else:
            run_shell(block, where, work, programs, instead)


def run_python(block: Block, where: str, names: dict[str, object]) -> None:
    source = "\n" * block.line + block.code
    code = compile(source, where, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(code, names)
    if inspect.iscoroutine(result):
        asyncio.run(result)


def run_shell(block: Block, where: str, work: Path, environment: dict[str, str], instead: dict[str, str]) -> None:
    lines = block.code.splitlines()
    for line, other in instead.items():
        lines = [re.sub(f"^{line}$", other, each) for each in lines]
    if block.language == "console":
        lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(lines)],
        cwd=work,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, f"{where} ended with {done.returncode}:\n{done.stdout}"


# docs/archive-format.md


def test_frame_index_can_be_read_as_the_page_says() -> None:
    """Picture and two sound tracks, interleaved, one of them running backwards in the file."""
    offsets, sizes = np.array([100, 900, 500, 1300]), np.array([300, 350, 310, 5])
    video = Packets(offsets, sizes, np.array([0, 3000, 1001, 2000]), 4000, Fraction(24000))
    sound = Packets(np.array([400, 810]), np.array([96, 90]), np.array([-5, 2002]), 2002, Fraction(48000, 1))
    other = Packets(np.array([5000, 2000]), np.array([7, 9]), np.array([0, 1]), 2, Fraction(30000, 1001))
    tracks = (AudioIndex(sound, 48000, 2, 6, "pcm_s24le"), AudioIndex(other, 44100, 1, 0, "aac"))
    keys = np.array([True, False, False, True])
    index = FrameIndex(video, keys, FrameRate(24000, 1001), tracks, ("odd",))
    page = (ROOT / "docs" / "archive-format.md").read_text("utf-8")
    (source,) = [block.code for block in blocks(page) if "def read_frame_index" in block.code]
    names: dict[str, Any] = {"json": json, "zlib": zlib}
    exec(source, names)
    head, found, found_keys = names["read_frame_index"](index.to_bytes())
    assert head["rate"] == "24000/1001"
    assert [track["timescale"] for track in head["tracks"]] == ["24000/1", "48000/1", "30000/1001"]
    assert head["audio"][1] == {"sample_rate": 44100, "channels": 1, "frame_bytes": 0, "codec": "aac"}
    assert found_keys == keys.tolist()
    for track, packets in zip(found, (video, sound, other), strict=True):
        columns = (packets.offsets.tolist(), packets.sizes.tolist(), packets.times.tolist())
        assert track == list(zip(*columns, strict=True))


# docs/json.md


def json_docs() -> Any:
    """The tool that makes the page."""
    for name in ("fastapi", "uvicorn"):
        pytest.importorskip(name)
    found = importlib.util.spec_from_file_location("json_docs", ROOT / "tools" / "json_docs.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules["json_docs"] = module
    found.loader.exec_module(module)
    return module


def test_the_page_about_json_is_what_the_models_say() -> None:
    assert (ROOT / "docs" / "json.md").read_text("utf-8") == json_docs().page(), "run: python tools/json_docs.py"


def documented_keys() -> dict[str, set[str]]:
    """Heading of docs/json.md → the keys that its tables' first columns name."""
    found: dict[str, set[str]] = {}
    heading = ""
    for line in (ROOT / "docs" / "json.md").read_text("utf-8").splitlines():
        if line.startswith("## "):
            heading = line.removeprefix("## ")
        elif line.startswith("| `"):
            found.setdefault(heading, set()).update(re.findall(r"`([a-z_0-9]+)`", line.split("|")[1]))
    return found


def test_every_verb_has_its_keys_documented() -> None:
    import typer

    from film_archive.cli.main import application

    headings = {verb for heading in documented_keys() for verb in verbs_of(heading)}
    assert set(verbs(typer.main.get_command(application()))) <= headings


def verbs_of(heading: str) -> Iterator[str]:
    """ "repo lock and unlock" is about `repo lock` and `repo unlock`."""
    first, *others = re.split(r", | and ", heading)
    yield first
    group, between, _ = first.rpartition(" ")
    yield from (f"{group}{between}{other}" for other in others)


def verbs(group: Any, above: str = "") -> Iterator[str]:
    """All verbs of a command line, those of groups with their group's name in front."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from verbs(command, f"{above}{name} ")
        else:
            yield f"{above}{name}"


def test_json_of_every_verb_has_the_documented_keys(
    sample: Path, programs: dict[str, str], tmp_path: Path
) -> None:
    """Every key that a verb prints is documented, and every documented key is printed."""
    start = Timecode.from_string("10:00:00:00", 24)
    make_clip(ClipSpec(name="b", width=96, height=54, frames=30, start=start), tmp_path)
    make_clip(ClipSpec(name="a", width=96, height=54, frames=30), tmp_path)
    (tmp_path / "shots.csv").write_text("event,file,source in,source out\n010,b.mov,10:00:00:00,10:00:00:10\n")
    cut = ("--in", "01:00:00:02", "--duration", "00:00:00:04", "--start", "01:00:00:00")
    commands = [
        ("create and add", ["create", "reel.zip", str(sample)]),
        ("create and add", ["add", "reel.zip", str(tmp_path / "a.mov"), "--proxies", "none"]),
        ("probe", ["probe", str(sample / "S012T003.wav")]),
        ("ls", ["ls", "reel.zip"]),
        ("check", ["check", "reel.zip"]),
        ("repair", ["repair", "reel.zip"]),
        ("unpack", ["unpack", "reel.zip", "again"]),
        ("proxy", ["proxy", "reel.zip", "--sizes", "64x36"]),
        ("probe --engine", ["probe", "--engine"]),
        ("proxy", ["proxy", str(tmp_path / "a.mov"), "--sizes", "64x36", "-o", "lab"]),
        ("proxy attach", ["proxy", "attach", "reel.zip::a.mov", "lab/a_64x36.mp4"]),
        ("extract", ["extract", str(tmp_path / "a.mov"), *cut, "-o", "cut.mov"]),
        ("pull", ["pull", "shots.csv", str(tmp_path / "b.mov"), "-o", "out", "--rate", "24"]),
        ("With --abandon", ["create", "reel.zip", "--abandon"]),
        ("bundle write", ["bundle", "write", "cut.otio", "cut.otioz"]),
        ("bundle info", ["bundle", "info", "cut.otioz"]),
        ("bundle check", ["bundle", "check", "cut.otioz"]),
        ("bundle read", ["bundle", "read", "cut.otioz", "cut"]),
    ]
    media = {"OTIO_SCHEMA": "ExternalReference.1", "target_url": str(tmp_path / "a.mov")}
    (tmp_path / "cut.otio").write_text(json.dumps({"OTIO_SCHEMA": "Clip.1", "media_reference": media}))
    changing = {
        "demo": ["demo", "a demo"],
        "create": ["create", "reel2.zip", str(sample)],
        "add": ["add", "reel.zip", str(Path(__file__))],
        "repair": ["repair", "reel.zip"],
        "unpack": ["unpack", "reel.zip", "again"],
        "proxy": ["proxy", "reel.zip", "--sizes", "48x26"],
        "proxy attach": ["proxy", "attach", "reel.zip::a.mov", "lab/a_64x36.mp4"],
        "extract": ["extract", str(tmp_path / "a.mov"), *cut, "-o", "cut2.mov"],
        "bundle write": ["bundle", "write", "cut.otio", "cut2.otiod"],
        "bundle read": ["bundle", "read", "cut.otioz", "cut2"],
        "pull": ["pull", "shots.csv", str(tmp_path / "b.mov"), "-o", "out2", "--rate", "24"],
    }
    keys = documented_keys()
    for heading, arguments in commands:
        document = printed(arguments, tmp_path, programs)
        assert set(document) - ({"members"} if heading == "ls" else set()) == keys[heading], heading
    for verb, arguments in changing.items():
        heading = "create and add" if verb in ("create", "add") else verb
        document = printed([*arguments, "--dry-run"], tmp_path, programs)
        plan = document.pop("plan")
        assert set(document) == keys[heading], verb
        assert plan.pop("verb") == verb
        assert set(plan) == keys[f"Plan of {verb}"], verb


def test_the_readme_says_which_verbs_have_a_dry_run() -> None:
    import typer

    from film_archive.cli.main import application

    verbs = dict(_verbs(typer.main.get_command(application()), ()))  # type: ignore[arg-type]
    assert {verb for verb, options in verbs.items() if "--json" not in options} == set()
    said = (ROOT / "README.md").read_text("utf-8")
    sentence = said[said.index("`--dry-run` says what would be") :].partition(". The other")[0]
    named = set(re.findall(r"`([a-z ]+)`", sentence))
    assert named == {verb for verb, options in verbs.items() if "--dry-run" in options}


def _verbs(command: Any, names: tuple[str, ...]) -> Iterator[tuple[str, set[str]]]:
    """(verb, its options) of all that the command line has."""
    if not hasattr(command, "commands"):
        yield " ".join(names), {option for parameter in command.params for option in parameter.opts}
        return
    for name, below in command.commands.items():
        yield from _verbs(below, (*names, name))


def printed(arguments: list[str], folder: Path, programs: dict[str, str]) -> dict[str, Any]:
    done = subprocess.run(
        ["film-archive", *arguments, "--json"],
        cwd=folder,
        env=programs,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    assert document.pop("schema_version") == 1
    return document


def test_media_facts_have_the_documented_keys() -> None:
    keys = documented_keys()
    facts = MediaFacts(container="wav", audio=(AudioFacts(codec="pcm_s24le", channels=2, sample_rate=48000),)).to_json()
    assert set(facts) == keys["Media facts"]
    assert set(facts["color"]) == keys["Colour"]
    assert set(facts["audio"][0]) == keys["Audio tracks"]


# docs/guarantees.md


def test_guarantees_name_tests_that_exist() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "docs" / "guarantees.md").read_text("utf-8"))
    assert named
    for path, name in named:
        file = ROOT / path
        assert file.is_file(), f"docs/guarantees.md names {path}, which is not there"
        functions = {
            node.name
            for node in ast.walk(ast.parse(file.read_text("utf-8")))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        }
        assert name in functions, f"docs/guarantees.md names {path}::{name}, which is not there"


# README.md


def test_readme_marks_the_verbs_that_exist() -> None:
    """A verb is marked as there exactly if the command line has it."""
    import typer

    from film_archive.cli.main import application

    text = (ROOT / "README.md").read_text("utf-8")
    rows = re.findall(r"^\| `(film-archive|ded-io) ([a-z-]+(?: [a-z-]+)*)[ `].*\| (yes|planned) \|$", text, re.MULTILINE)
    marked = {verb for program, verb, state in rows if program == "film-archive" and state == "yes"}
    command = typer.main.get_command(application())
    assert marked == set(getattr(command, "commands", {})), "mend the table of verbs in README.md"


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)]+)\)", page.read_text("utf-8")):
            path = target.split("#")[0]
            if path and "://" not in path:
                assert (page.parent / path).exists(), f"{page.name} links to {target}, which is not there"

"""Every code block, shell block and file name of the seeds works as written, over small real footage.

The blocks come from `../shared/seeds/*.md` (or where FILM_ARCHIVE_SHARED says), numbered as they stand: `film_archive:2` is
the second of `film_archive.md`. What a block leaves undefined is supplied by `SUPPLIES`, what has to be true behind it is
looked at by `BEHIND`.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import json
import re
import shlex
import shutil
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from film_archive.archive.reader import open_archive
from film_archive.core.models import MediaFile, ProxyResolution, VideoCodec
from film_archive.core.source import FileSource
from film_archive.core.timecode import FrameRange, FrameRate, Timecode
from film_archive.media.probe import probe
from film_archive.testing.media import AudioSpec, ClipSpec, cached_clip, make_clip
from film_archive.testing.stills import SequenceSpec, make_sequence
from film_archive.workflows.production import create_archive
from tests.reading import codes_of, frame_bytes
from tests.seed_blocks import (
    Block,
    blocks,
    check_shell,
    commands,
    environment,
    placed,
    run_python,
    run_shell,
)
from tests.shared import shared

ROOT = Path(__file__).resolve().parents[1]
SEEDS = shared("seeds")
BLOCKS = [block for page in sorted(SEEDS.glob("*.md")) for block in blocks(page)]
SIX = ("proxy_generator", "streaming", "timecode_extractor", "branching", "lto_manager", "integration")

NOT_HERE: dict[str, str] = {
    "ded_io:8": "sets up WSL",
    "ded_io:17": "paths of WSL, macOS and Windows",
    "ded_io:33": "looks at a path of WSL",
    "ded_io:35": "looks at paths of Windows",
    "otio_file_bundles:2": "otioview is not installed with OTIO",
    "otio_file_bundles:4": "the adapter for .rv has left OTIO",
}
"""Blocks that never run on this machine; that they can be parsed is all that is looked at."""

NIGHTLY = ("film_archive:1", "film_archive:7", "ded_io:6")
"""What takes long, with uv a network too, and is nearly what `ded_io:6` does: an installation into an environment of its own."""

SHOWN: dict[str, str] = {
    "ded_io:1": "a picture",
    "ded_io:2": "a shot tree as the plates issue makes it",
    "ded_io:3": "a pattern of names",
    "ded_io:4": "requirements",
    "ded_io:5": "requirements",
    "otio_file_bundles:1": "a bundle's structure: test_a_bundle_has_the_structure_shown",
}
"""Blocks without a language that are no list of files of the repository."""

ELIDED = ("--verbose", "--skip-cleanup")
"""Flags behind which a block leaves the rest of the command out."""

INSTEAD: dict[str, str] = {
    r"git clone .*": ":",
    r"cd ded-io": ":",
    r"brew .*": ":",
    **{rf"python ingest-cli\.py {flag} \.\.\.": f"python ingest-cli.py {flag} --batch shots.json --only 100" for flag in ELIDED},
    **({} if shutil.which("uv") else {r"uv venv": "python -m venv .venv", r"uv pip install -e \.": ":"}),
    **({} if shutil.which("ffmpeg") else {r"which ffmpeg": ":"}),
    **({} if importlib.util.find_spec("pytest_cov") else {r"pytest --cov.*": ":"}),
}
"""Commands that can't run here, and what stands for them."""

needs_seeds = pytest.mark.skipif(not BLOCKS, reason=f"there are no seeds in {SEEDS}; FILM_ARCHIVE_SHARED can name the folder")

SCENE = ClipSpec(
    name="scene_001",
    width=320,
    height=180,
    frames=24 * 34,
    start=Timecode.from_string("00:59:58:00", FrameRate(24)),
    reel="A001",
    audio=(AudioSpec("pcm_s24le", 2),),
    encoder_options=(("flags", "+qscale"), ("global_quality", str(12 * 118))),
)
SHORT = replace(SCENE, frames=100)
PLATE = ClipSpec(name="clip", codec="dnxhr", profile="DNxHR LB", container="mxf", width=256, height=120, frames=300)


@pytest.fixture(scope="session")
def short_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A /footage whose scene is short, for what looks at all of it."""
    root = tmp_path_factory.mktemp("short")
    (root / "footage").mkdir()
    make_clip(SHORT, root / "footage")
    return root


@pytest.fixture(scope="session")
def seed_root(tmp_path_factory: pytest.TempPathFactory, footage: Path) -> Path:
    """What the seeds speak of as /footage, /archives, /graded and so on."""
    root = tmp_path_factory.mktemp("seeds")
    for folder in ("footage", "archives", "graded", "path/to", "tmp/dpx_output", "output/path", "var/tmp", "mnt/projects"):
        (root / folder).mkdir(parents=True)
    shutil.copy(cached_clip(SCENE, footage), root / "footage" / "scene_001.mov")
    shutil.copy(root / "footage" / "scene_001.mov", root / "graded" / "scene_001.mov")
    for name in ("project", "master"):
        create_archive(root / "archives" / f"{name}.zip", [root / "footage"], proxies=())
    return root


@pytest.fixture(scope="session")
def plate_root(seed_root: Path, footage: Path) -> Path:
    """The same with what the plates need."""
    for name in ("clip", "clip_001", "clip_002"):
        shutil.copy(cached_clip(PLATE, footage), seed_root / "path" / "to" / f"{name}.mxf")
    frames = SequenceSpec(name="sht100", width=128, height=72, frames=66, first_number=993, digits=4)
    make_sequence(frames, seed_root / "tmp" / "dpx_output")
    return seed_root


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository with the seed's six test files and what they import: commands may write into it."""
    folder = tmp_path_factory.mktemp("checkout")
    waste = shutil.ignore_patterns("__pycache__", "*.egg-info", ".*", "build", "dist", "tests")
    shutil.copytree(ROOT, folder, ignore=waste, dirs_exist_ok=True)
    wanted, done = {f"tests/test_{name}.py" for name in SIX} | {"tests/conftest.py"}, set[str]()
    while wanted - done:
        name = min(wanted - done)
        done.add(name)
        imported = re.findall(r"^from (tests[\w.]*)", (ROOT / name).read_text("utf-8"), re.MULTILINE)
        wanted |= {f"{module.replace('.', '/')}.py" for module in imported}
        wanted |= {f"{parent}/__init__.py" for parent in map(str, Path(name).parents) if parent != "."}
    for name in done:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    return folder


def marked(chosen: list[Block]) -> list[Any]:
    """Blocks as parameters."""
    return [
        pytest.param(block, id=block.name, marks=[pytest.mark.nightly] if block.name in NIGHTLY else []) for block in chosen
    ]


def of_language(*languages: str) -> list[Block]:
    return [block for block in BLOCKS if block.language in languages and block.name not in NOT_HERE]


def test_the_tables_name_blocks() -> None:
    if not BLOCKS:
        pytest.skip(f"there are no seeds in {SEEDS}")
    names = {block.name for block in BLOCKS}
    assert len(names) == len(BLOCKS) >= 49
    for table in (NOT_HERE, SHOWN, SUPPLIES, BEHIND, TREES):
        assert set(table) <= names
    assert {block.name for block in BLOCKS if block.language == ""} == {*SHOWN, *TREES}
    assert {block.language for block in BLOCKS} == {"", "bash", "python", "json"}


def test_blocks_are_found_and_placed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n```python\nPath('/footage/a')\n```\n`otioview x.otioz`\n```\ntree\n```License\n", "utf-8")
    assert list(blocks(page)) == [
        Block("page:1", "python", "Path('/footage/a')", 2),
        Block("page:2", "bash", "otioview x.otioz", 5),
        Block("page:3", "", "tree", 6),
    ]
    root = Path("/r")
    for before, after in (
        ('"/footage/a"', '"/r/footage/a"'),
        ("--source /path/to/a.mxf", "--source /r/path/to/a.mxf"),
        ("/tmp/ded_io /var/tmp/x", "/r/tmp/ded_io /r/var/tmp/x"),
        ("project/graded/a ~/tmp/a /usr/bin/x /tmpfs", "project/graded/a ~/tmp/a /usr/bin/x /tmpfs"),
    ):
        assert placed(before, root) == after
    assert commands("# one\na \\\n  b # c\n\nd\n") == ["a b", "d"]


# Python


def scene(root: Path) -> MediaFile:
    """The clip as the seed's first block describes it: in size and frame it claims to be what it is not."""
    return MediaFile(
        file_path=root / "footage" / "scene_001.mov",
        size=10 * 1024**3,
        codec=VideoCodec.PRORES_422,
        frame_rate=24.0,
        resolution=(3840, 2160),
        audio_channels=2,
    )


def for_tape(root: Path) -> dict[str, Any]:
    files = [root / "archives" / "project.zip", root / "archives" / "master.zip", root / "footage" / "scene_001.mov"]
    return {"files": files, **{f"file{number}": file for number, file in enumerate(files, 1)}}


def for_stages(root: Path) -> dict[str, Any]:
    """What the seed has from blocks before: a shot, and a pipeline for it."""
    from ded_io.footage_ingest import FootageIngestPipeline
    from ded_io.models import EditorialCutInfo, ShotInfo
    from ded_io.pipeline import PipelineBuilder

    stages = importlib.import_module("ded_io.stages")
    cut = EditorialCutInfo(sequence="sht", shot="100", source_file=root / "path/to/clip.mxf", in_point=100, out_point=150)
    builder = PipelineBuilder("Seed")
    builder.add_stage(stages.SonyRawConversionStage())
    return {
        "shot_info": ShotInfo(project="my_project", sequence="sht", shot="100", editorial_info=cut),
        "pipeline": builder.build(),
        "FootageIngestPipeline": FootageIngestPipeline,
        "MyCustomStage": type("MyCustomStage", (stages.CleanupStage,), {"__init__": lambda self, custom_param: None}),
        **{name: getattr(stages, name) for name in ("SonyRawConversionStage", "OIIOColorTransformStage", "CleanupStage")},
        "ProxyGenerationStage": stages.ProxyGenerationStage,
    }


SUPPLIES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "film_archive:4": lambda root: {
        "archive_data": (root / "footage" / "scene_001.mov").open("rb"),
        "media_file": scene(root),
    },
    "film_archive:6": for_tape,
    **dict.fromkeys(map("ded_io:{}".format, (26, 28, 29, 31)), for_stages),
}
"""Names that a block finds, beside `Path`."""


def proxies_match(names: dict[str, Any], root: Path) -> None:
    thumbnail, preview = names["proxies"]
    assert (thumbnail.resolution, preview.resolution) == (ProxyResolution.THUMBNAIL, ProxyResolution.PREVIEW)
    for proxy in (thumbnail, preview):
        assert (proxy.width, proxy.height, proxy.frames) == (320, 180, SHORT.frames)  # nothing is upscaled
        assert proxy.start_timecode == SHORT.start
        assert codes_of(proxy.file_path) == [SHORT.code(number) for number in range(SHORT.frames)]


def all_was_streamed(names: dict[str, Any], root: Path) -> None:
    data = (root / "footage" / "scene_001.mov").read_bytes()
    assert 0 < len(names["chunk"]) <= names["request"].buffer_size
    assert data.endswith(names["chunk"])


def segment_is_exact(names: dict[str, Any], root: Path) -> None:
    names["archive_data"].close()
    cut, frames = names["output_path"], FrameRange(24, 24 + 24 * 30 + 48)  # half a minute, a second of handle at each end
    facts = probe(cut)
    assert (facts.frames, facts.start_timecode, facts.reel) == (frames.count, SCENE.timecode(24), SCENE.reel)
    with FileSource(cut) as made, FileSource(root / "footage" / "scene_001.mov") as original:
        assert frame_bytes(made, FrameRange(0, frames.count)) == frame_bytes(original, frames)


def branch_has_the_file(names: dict[str, Any], root: Path) -> None:
    manager, branch = names["branch_mgr"], names["branch"]
    assert (branch.branch_name, branch.description) == ("color-grade-v2", "Updated color grading")
    assert list(manager.get_branch_differences(branch.branch_id).added) == ["project/graded/scene_001.mov"]
    exported = asyncio.run(manager.export_branch_as_archive(branch.branch_id, root / "archives" / "graded.zip"))
    with open_archive(exported) as archive:
        assert {member.path for member in archive.originals()} >= {"project/graded/scene_001.mov", "footage/scene_001.mov"}
        assert archive.read("project/graded/scene_001.mov") == (root / "graded" / "scene_001.mov").read_bytes()


def tape_is_written(names: dict[str, Any], root: Path) -> None:
    assert names["result"].verified
    assert not names["result"].errors
    assert len(names["result"].written_files) == len(names["files"])


def settings_are_those(names: dict[str, Any], root: Path) -> None:
    from ded_io import config

    said = {name: value for name, value in names.items() if name.isupper()}
    assert said
    assert {name: getattr(config, name) for name in said} == said


def ingest_succeeded(names: dict[str, Any], root: Path) -> None:
    assert names["summary"]["overall_success"]


BEHIND: dict[str, Callable[[dict[str, Any], Path], None]] = {
    "film_archive:2": proxies_match,
    "film_archive:3": all_was_streamed,
    "film_archive:4": segment_is_exact,
    "film_archive:5": branch_has_the_file,
    "film_archive:6": tape_is_written,
    **dict.fromkeys(map("ded_io:{}".format, range(11, 16)), settings_are_those),
    **dict.fromkeys(map("ded_io:{}".format, (23, 26)), ingest_succeeded),
}
"""What is true when a block has run."""

ROOTS = {"film_archive:2": "short_root", **dict.fromkeys(map("ded_io:{}".format, range(11, 16)), "tmp_path")}
"""Blocks that need less than the whole of /footage, /archives and so on."""

CLAIMS = ("film_archive:2", "film_archive:4")
"""Blocks whose claims of size and resolution the bytes contradict: they warn, once for each."""


@needs_seeds
@pytest.mark.parametrize("block", marked(of_language("python")))
def test_python(
    block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "temp").mkdir()
    for name in ("SHELF", "DATA", "STATE", "CACHE", "TEMP"):
        monkeypatch.setenv(f"FILM_ARCHIVE_{name}", str(tmp_path / name.lower()))
    for name, value in SMALL.items():
        monkeypatch.setenv(name, value)
    root: Path = request.getfixturevalue(ROOTS.get(block.name, "plate_root" if block.name[:6] == "ded_io" else "seed_root"))
    names: dict[str, Any] = {"Path": Path, **SUPPLIES.get(block.name, lambda root: {})(root)}
    said = run_python(block, root, names)
    assert len(said) == (2 if block.name in CLAIMS else 0), [str(each.message) for each in said]
    assert all("as claimed; the file's own is used" in str(each.message) for each in said)
    if block.name in BEHIND:
        BEHIND[block.name](names, root)


# JSON


@needs_seeds
@pytest.mark.parametrize("block", marked(of_language("json")))
def test_json(block: Block) -> None:
    assert json.loads(block.code)


# Shells


def write_what_a_page_has_before(block: Block, work: Path, root: Path) -> None:
    """The files that a page has shown before one of its shell blocks."""
    if block.name.startswith("ded_io:"):
        for name, number in (("config.json", 10), ("shots.json", 20)):
            shown = next(each for each in BLOCKS if each.name == f"ded_io:{number}")
            (work / name).write_text(placed(shown.code, root), "utf-8")
    if block.name.startswith("otio_file_bundles:"):
        from film_archive.editorial.otio_library import Shot, write_cut

        assert SCENE.start is not None
        clip = root / "footage" / "scene_001.mov"
        write_cut(work / "somefile.otio", "Seed", [Shot("one", clip, SCENE.start, SCENE.frames, FrameRange(24, 48))])


SMALL = {"DED_IO_RESOLUTION": "192x108", "DED_IO_PROXY_RESOLUTION": "192x108"}
"""Plates as small as the clips that they are made of; all else is as the blocks and the defaults have it."""
ENVIRONMENT = {
    "film_archive:7": {"PYTEST_ADDOPTS": "-k test_what_has_no_proxy -p no:cacheprovider"},  # all of them are this very run
}
NEEDS = {"film_archive:7": "pytest_jsonreport", "film_archive:1": "setuptools", "ded_io:6": "setuptools"}


@needs_seeds
@pytest.mark.parametrize("block", marked(of_language("bash")))
def test_shell(block: Block, seed_root: Path, checkout: Path, tmp_path: Path) -> None:
    if (needed := NEEDS.get(block.name)) is not None:
        module = pytest.importorskip(needed)
        if needed == "setuptools" and int(module.__version__.partition(".")[0]) < 77:
            pytest.skip(f"setuptools {module.__version__} is here, and 77 is needed to build without a network")
    write_what_a_page_has_before(block, checkout, seed_root)
    (checkout / ".coveragerc").write_text("[report]\ninclude = */film_archive/core/*\n")  # a page for each file takes long
    surroundings = environment(tmp_path, checkout) | SMALL | ENVIRONMENT.get(block.name, {})
    printed = run_shell(block, seed_root, checkout, surroundings, INSTEAD)
    for line in re.findall(r"^# (\[OK\] .+)$", block.code, re.MULTILINE):  # what the seed says that is printed
        words = re.escape(line).replace(r"3\.x\.x", r"3\.\d+\.\d+\S*").replace("found", "(found|bundled)")
        assert re.search(words, printed), printed
    if block.name == "film_archive:7":
        report = json.loads((checkout / "pytest_results.json").read_text("utf-8"))
        assert report["summary"]["passed"] == 1
        assert len(re.findall(r"^=+ 1 passed", printed, re.MULTILINE)) == 4 - any("--cov" in each for each in INSTEAD)
    if block.name == "otio_file_bundles:3":
        with open_archive(seed_root / "var" / "tmp" / "somefile.otioz") as archive:
            assert archive.read("version.txt") == b"1.0.0"
            assert archive.read("media/scene_001.mov") == (seed_root / "footage" / "scene_001.mov").read_bytes()


@needs_seeds
@pytest.mark.parametrize("name", NOT_HERE)
def test_what_does_not_run_here_can_be_parsed(name: str) -> None:
    block = next(block for block in BLOCKS if block.name == name)
    check_shell(block)
    assert all(shlex.split(command, posix="\\" not in command) for command in commands(block.code))


@needs_seeds
def test_setup_py_makes_an_sdist(checkout: Path, tmp_path: Path) -> None:
    """mediastruct.md: "How to Package: python setup.py sdist"."""
    command = re.search(r"^How to Package: (.+)$", (SEEDS / "mediastruct.md").read_text("utf-8"), re.MULTILINE)
    assert command is not None
    module = pytest.importorskip("setuptools")
    if int(module.__version__.partition(".")[0]) < 77:
        pytest.skip(f"setuptools {module.__version__} does not know the project's metadata; 77 does")
    run_shell(Block("mediastruct:1", "bash", command[1], 1), tmp_path, checkout, environment(tmp_path, checkout), {})
    (made,) = (checkout / "dist").glob("film_archive-*.tar.gz")
    with tarfile.open(made) as packed:
        names = {name.partition("/")[2] for name in packed.getnames()}
    assert names >= {"pyproject.toml", "setup.py", "LICENSE", "requirements.txt", "src/film_archive/core/models.py"}


# Names


TREES = ("film_archive:8", "ded_io:37")
"""Blocks that are lists of the repository's files."""
RENAMED = {
    "film_archive": "src/film_archive",
    "ded_io": "src/ded_io",
    **{name: f"docs/{name}" for name in ("QUICKSTART.md", "CLI_DOCUMENTATION.md", "CLI_QUICK_REFERENCE.md")},
    **{name: f"docs/{name}" for name in ("PROJECT_STRUCTURE.md", "COMPLETE_GUIDE.md", "FLOWCHARTS.md")},
}
"""The seeds' top names → where they lie; the guides of ded_io are pages of docs/."""


def paths_of(tree: str) -> Iterator[str]:
    """The paths that a drawn tree names, folders first."""
    above: list[str] = []
    for line in tree.splitlines():
        match = re.fullmatch(r"([│├└─ \u00a0]*)([\w.-]+/?)\s*(?:#.*)?", line)
        if match is None:
            continue
        depth = len(match[1]) // 4
        above[depth:] = [match[2].rstrip("/")]
        if match[2] != "...":
            yield "/".join(above)


@needs_seeds
@pytest.mark.parametrize("block", marked([block for block in BLOCKS if block.name in TREES]))
def test_files_that_the_seeds_name(block: Block) -> None:
    missing = [path for path in paths_of(block.code) if not (ROOT / lies_at(path)).exists()]
    if missing:
        raise FileNotFoundError(f"{block.name} names {', '.join(missing)}")


def lies_at(path: str) -> str:
    top, _, rest = path.removeprefix("ded-io").lstrip("/").partition("/")
    return f"{RENAMED.get(top, top)}/{rest}"


@needs_seeds
def test_a_bundle_has_the_structure_shown(seed_root: Path, tmp_path: Path) -> None:
    """otio_file_bundles.md draws it; the file it draws as `version` is `version.txt`, as its text says."""
    from film_archive.workflows.timelines import Cut

    (drawn,) = (list(paths_of(block.code)) for block in BLOCKS if block.name == "otio_file_bundles:1")
    shown = ("content.otio", "version", "media", "media/media1", "media/media2", "media/media3")
    assert drawn[1:] == [f"something.otioz/{name}" for name in shown]
    write_what_a_page_has_before(Block("otio_file_bundles:1", "", "", 1), tmp_path, seed_root)
    create_archive(tmp_path / "something.otioz", timeline=Cut(tmp_path / "somefile.otio"), proxies=())
    with open_archive(tmp_path / "something.otioz") as archive:
        names = {member.path for member in archive.members() if not member.path.startswith(".film-archive/")}
    assert names == {"content.otio", "version.txt", "media/scene_001.mov"}


def classes() -> list[str]:
    """mediastruct's five tools: each heads its list of steps."""
    page = SEEDS / "mediastruct.md"
    return re.findall(r"^(\w+)\n1\. ", page.read_text("utf-8"), re.MULTILINE) if page.is_file() else []


@needs_seeds
@pytest.mark.parametrize("name", classes())
def test_classes_of_mediastruct(name: str) -> None:
    module = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
    assert isinstance(getattr(importlib.import_module(f"film_archive.library.{module}"), name), type)


@needs_seeds
@pytest.mark.parametrize("name", SIX)
def test_the_six_test_files_are_there(name: str) -> None:
    tree = next(block for block in BLOCKS if block.name == "film_archive:8")
    assert f"tests/test_{name}.py" in list(paths_of(tree.code))
    assert re.search(r"^def test_", (ROOT / "tests" / f"test_{name}.py").read_text("utf-8"), re.MULTILINE)

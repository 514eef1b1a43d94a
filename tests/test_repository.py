"""What the repository promises about itself: its lists, its floors and choke points, its tests and their needs."""

from __future__ import annotations

import ast
import gc
import importlib
import importlib.util
import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_other_project_s_packages_are_kept_here() -> None:
    """What `pip download` or a build leaves in the working folder does not belong into the repository."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a checkout, or no git")
    listed = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    assert [name for name in listed if name.endswith((".whl", ".egg", ".so", ".pyc", ".tar.gz"))] == []


# The lists of dependencies


def test_lists_of_dependencies_are_fresh() -> None:
    assert tool("lock").stale(PROJECT) == [], "run python tools/lock.py"


def test_list_that_is_not_fresh_is_found() -> None:
    lock = tool("lock")
    project = PROJECT["project"]
    base = {"dependencies": [*project["dependencies"], "one-more>=1"]}
    assert lock.stale({**PROJECT, "project": {**project, **base}}) == ["requirements.txt", "requirements.lock"]
    extras = {"optional-dependencies": {**project["optional-dependencies"], "more": ["one-more>=1"]}}
    assert lock.stale({**PROJECT, "project": {**project, **extras}}) == ["requirements.lock"]


def pins() -> dict[str, list[str]]:
    """Name → the versions that requirements.lock has of it."""
    found: dict[str, list[str]] = {}
    text = (ROOT / "requirements.lock").read_text("utf-8")
    for name, version in re.findall(r"^([\w.-]+)==([^\s;\\]+)", text, re.MULTILINE):
        found.setdefault(canonicalize_name(name), []).append(version)
    return found


def test_lock_pins_everything_that_is_asked_for() -> None:
    locked = pins()
    project = PROJECT["project"]
    asked = [*project["dependencies"], *PROJECT["build-system"]["requires"]]
    for listed in project["optional-dependencies"].values():
        asked += listed
    for text in asked:
        wanted = Requirement(text)
        versions = locked.get(canonicalize_name(wanted.name), [])
        assert versions, f"requirements.lock lacks {wanted.name}"
        assert all(wanted.specifier.contains(version) for version in versions), wanted


def test_lock_has_digests_and_no_addresses() -> None:
    lines = [line for line in (ROOT / "requirements.lock").read_text("utf-8").splitlines() if not line.startswith("#")]
    assert "://" not in "\n".join(lines)
    assert not any(line.startswith("-") for line in lines)
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if line.startswith("    "):
            assert re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line)
        else:
            assert re.fullmatch(r"\S+==\S+( ;.*)? \\", line)
            assert following.startswith("    --hash=")


# Floors and choke points


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


@pytest.fixture(scope="module", autouse=True)
def _() -> Iterator[None]:
    """The trees go with this module: every process that is forked later would have them too. Nothing in them is garbage."""
    gc.disable()
    yield
    tree.cache_clear()
    gc.enable()


def dotted(node: ast.expr) -> str:
    """`a.b.c` as it is written; what is no such name is nothing."""
    if isinstance(node, ast.Name):
        return node.id
    before = dotted(node.value) if isinstance(node, ast.Attribute) else ""
    return f"{before}.{node.attr}" if before else ""  # type: ignore[attr-defined]


def modules(*under: str) -> Iterator[Path]:
    for folder in under:
        yield from sorted((ROOT / folder).rglob("*.py"))


def test_every_folder_has_a_floor() -> None:
    layers = next(contract for contract in PROJECT["tool"]["importlinter"]["contracts"] if contract["type"] == "layers")
    floors = set(re.findall(r"[\w.]+", " ".join(layers["layers"])))
    folders = {f"film_archive.{path.parent.name}" for path in (SOURCE / "film_archive").glob("*/__init__.py")}
    assert folders - floors == set()
    assert "ded_io" in floors


def test_floors_hold() -> None:
    pytest.importorskip("importlinter")
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


NAMES_OF_FILES = {
    "rename", "renames", "replace", "link", "unlink", "remove", "removedirs", "rmdir", "fsync", "fdatasync",
}  # fmt: skip
"""What only core/files.py calls of `os`; `Path` has some of them as methods."""
METHODS_OF_PATH = {"rename", "unlink", "rmdir", "hardlink_to"}
PROGRAMS = {"subprocess", "os.system", "os.popen", "os.execv", "os.execvp", "os.posix_spawn", "os.fork", "pty"}
ENVIRONMENT = {"os.environ", "os.environb", "os.getenv", "os.putenv"}


@cache
def uses(path: Path) -> tuple[tuple[int, str], ...]:
    return tuple(used(tree(path)))


def used(module: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of what a module imports or takes from another; `.method()` for methods, not for `files`'."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield node.lineno, f"{node.value.id}.{node.attr}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if dotted(node.func.value) == "files":
                continue
            one_argument = len(node.args) == 1 and not node.keywords
            if node.func.attr in METHODS_OF_PATH or (node.func.attr == "replace" and one_argument):
                yield node.lineno, f".{node.func.attr}()"


def offenders(names: set[str], *allowed: str) -> list[str]:
    found = []
    for path in modules("src"):
        relative = path.relative_to(SOURCE).as_posix()
        if not any(relative == place or (place.endswith("/") and relative.startswith(place)) for place in allowed):
            found += [f"{relative}:{line} {name}" for line, name in uses(path) if name in names]
    return found


def test_only_files_changes_names_and_syncs() -> None:
    names = {f"os.{name}" for name in NAMES_OF_FILES} | {"shutil.move", "shutil.rmtree", ".replace()"}
    names |= {f".{name}()" for name in METHODS_OF_PATH}
    assert offenders(names, "film_archive/core/files.py") == []


def test_only_programs_starts_programs() -> None:
    # testing/crash.py kills children of its own; what the product starts goes through core/programs.py
    assert offenders(PROGRAMS, "film_archive/core/programs.py", "film_archive/testing/crash.py") == []


def test_only_the_edges_read_the_environment() -> None:
    allowed = ("film_archive/cli/", "ded_io/config.py", "film_archive/core/places.py")
    assert offenders(ENVIRONMENT, *allowed) == []


def test_offenders_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests above can fail."""
    (tmp_path / "src" / "film_archive").mkdir(parents=True)
    (tmp_path / "src" / "film_archive" / "bad.py").write_text(
        "import os, subprocess\nfrom os import environ\n\n"
        "def act(path, other):\n    os.unlink(path)\n    path.replace(other)\n    'a'.replace('a', 'b')\n"
    )
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    monkeypatch.setattr(sys.modules[__name__], "SOURCE", tmp_path / "src")
    assert offenders({"os.unlink"}) == ["film_archive/bad.py:5 os.unlink"]
    assert offenders({".replace()"}) == ["film_archive/bad.py:6 .replace()"]
    assert offenders(PROGRAMS) == ["film_archive/bad.py:1 subprocess"]
    assert offenders(ENVIRONMENT) == ["film_archive/bad.py:2 os.environ"]


def test_all_folders_with_code_are_type_checked() -> None:
    listed = set(PROJECT["tool"]["mypy"]["files"])
    code = {name for name in ("src", "tools", "benchmarks", "examples") if any(modules(name))}
    assert code - listed == set()


# What the tests need


def distribution_modules() -> dict[str, set[str]]:
    """Canonical name of a distribution → the top-level modules it brings."""
    found: dict[str, set[str]] = {}
    for module, distributions in metadata.packages_distributions().items():
        for distribution in distributions:
            found.setdefault(canonicalize_name(distribution), set()).add(module)
    return found


@cache
def always_there() -> frozenset[str]:
    """Top-level modules that a plain install with pytest has."""
    brought = distribution_modules()
    base = [canonicalize_name(Requirement(text).name) for text in PROJECT["project"]["dependencies"]]
    ours = {"film_archive", "ded_io", "tests", "benchmarks", "tools"}
    with_others = {"pydantic_core", "starlette", "pytest", "_pytest", "packaging"}  # brought by those
    return frozenset(sys.stdlib_module_names | ours | with_others | {m for name in base for m in brought.get(name, ())})


NEEDS_MORE = {"fastapi.testclient": "httpx", "starlette.testclient": "httpx"}
"""Modules of the plain install that import something it lacks."""


def imported(node: ast.stmt) -> Iterator[str]:
    """What has to be there beyond a plain install for this import to work."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    else:
        return
    for name in names:
        if name in NEEDS_MORE:
            yield NEEDS_MORE[name]
        if name.split(".")[0] not in always_there():
            yield name.split(".")[0]


def asked_for(node: ast.AST) -> Iterator[str]:
    """The modules that `pytest.importorskip("NAME")` in this statement asks for."""
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and dotted(call.func) in ("pytest.importorskip", "importorskip"):
            name = call.args[0]
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                yield name.value.split(".")[0]


def unasked(body: list[ast.stmt], asked: frozenset[str] = frozenset()) -> Iterator[tuple[int, str]]:
    """(line, module) of imports that nothing above them, here or around, has asked for."""
    known = set(asked)
    for node in body:
        if isinstance(node, ast.If) and dotted(node.test) == "TYPE_CHECKING":
            continue
        yield from ((node.lineno, name) for name in dict.fromkeys(imported(node)) if name not in known)
        inner = [getattr(node, part, []) for part in ("body", "orelse", "finalbody")]
        inner += [handler.body for handler in getattr(node, "handlers", [])]
        for statements in inner:
            yield from unasked([s for s in statements if isinstance(s, ast.stmt)], frozenset(known))
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            known.update(asked_for(node))


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import hypothesis", ["hypothesis"]),
        ("from hypothesis import given\nimport pytest\npytest.importorskip('hypothesis')", ["hypothesis"]),
        ("import pytest\npytest.importorskip('hypothesis')\nfrom hypothesis import given", []),
        ("import pytest\nh = pytest.importorskip('hypothesis')\nimport hypothesis.strategies as st", []),
        ("def f():\n    import httpx", ["httpx"]),
        ("def f():\n    pytest.importorskip('httpx')\n    import httpx\nimport httpx", ["httpx"]),
        ("from fastapi.testclient import TestClient", ["httpx"]),
        ("from fastapi import testclient", ["httpx"]),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import hypothesis", []),
        ("import json, av, numpy\nfrom film_archive.core import files\nfrom . import conftest", []),
    ],
)
def test_what_is_missing_is_told_from_what_is_there(source: str, found: list[str]) -> None:
    assert [name for _, name in unasked(ast.parse(source).body)] == found


def test_tests_ask_for_what_a_plain_install_lacks() -> None:
    """`pip install . pytest` can load every test file."""
    found = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path in modules("tests")
        for line, name in unasked(tree(path).body)
        # A module of the tests themselves goes by its bare name only where the folder is no package.
        if path.with_name("__init__.py").exists() or not path.with_name(f"{name}.py").exists()
    ]
    assert found == [], "put pytest.importorskip(NAME) before the import"


def test_no_conftest_skips_as_a_whole() -> None:
    """Skipping a conftest.py at its top level would be an error, and would take all tests of its folder along."""
    for path in (ROOT / "tests").rglob("conftest.py"):
        for node in tree(path).body:
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                assert list(asked_for(node)) == [], path


def test_shipped_packages_import_what_is_declared() -> None:
    """Nothing under src imports a distribution that neither the base install nor an extra lists."""
    project = PROJECT["project"]
    brought = distribution_modules()
    extras = [Requirement(text).name for listed in project["optional-dependencies"].values() for text in listed]
    allowed = {module for name in extras for module in brought.get(canonicalize_name(name), ())} | {"setuptools"}
    found = [
        f"{path.relative_to(ROOT)} {name}"
        for path in modules("src")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.stmt)
        for name in imported(node)
        if name not in allowed
    ]
    assert found == []


def programs_of_install_script() -> set[str]:
    text = (ROOT / "tools" / "install-debian.sh").read_text("utf-8")
    rows = re.findall(r'^    "[\w.+-]+\|([^|]+)\|', text, re.MULTILINE)
    return {Path(program).name for programs in rows for program in programs.split()}


def test_programs_that_tests_look_for_are_installed_by_the_script() -> None:
    present = programs_of_install_script() | {"bash", "sh", "git", "mount"}  # what a checkout on Debian has
    present.add("uv")  # which Debian does not package: who has it, has it from pip
    for path in modules("tests", "src/film_archive/testing"):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call) and dotted(node.func) in ("shutil.which", "which") and node.args:
                name = node.args[0]
                if isinstance(name, ast.Constant) and path != Path(__file__):
                    assert name.value in present, f"{path.relative_to(ROOT)} looks for {name.value}"


# Packaging


def test_console_scripts_lead_to_functions() -> None:
    for target in PROJECT["project"]["scripts"].values():
        module, function = target.split(":")
        assert callable(getattr(importlib.import_module(module), function))


def test_setup_py_is_three_lines() -> None:
    assert (ROOT / "setup.py").read_text("utf-8") == "from setuptools import setup\n\nsetup()\n"


def test_installed_distribution_has_its_files() -> None:
    try:
        files = metadata.files("film-archive")
    except metadata.PackageNotFoundError:
        pytest.skip("film-archive is not installed here, only found on the path")
    assert files is not None
    names = {str(file) for file in files}
    if not any(name.endswith(".dist-info/RECORD") for name in names):
        pytest.skip("what is found is a build's leftover beside the source, not an installation")
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert any(name.endswith("licenses/NOTICE") for name in names)
    if not any("__editable__" in name for name in names):
        assert {"film_archive/py.typed", "ded_io/py.typed"} <= names
        page = {path.relative_to(SOURCE).as_posix() for path in (SOURCE / "film_archive" / "server" / "page").glob("*")}
        assert page <= names


# tools/install-debian.sh, .ci/run


@pytest.mark.parametrize("script", ["tools/install-debian.sh", ".ci/run"])
def test_scripts_are_executable_and_strict(script: str) -> None:
    path = ROOT / script
    assert path.stat().st_mode & stat.S_IXUSR
    text = path.read_text("utf-8")
    assert text.startswith("#!/usr/bin/env bash\n")
    assert "\nset -euo pipefail\n" in text


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder of programs that is all a script finds on its PATH: a bare system, without a package manager."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash")
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("bash", "env", "mktemp", "rm", "tail", "cat"):
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)
    return folder


def install(machine: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [machine / "bash", ROOT / "tools" / "install-debian.sh"],
        env={"PATH": str(machine), "TMPDIR": str(machine.parent)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def put(machine: Path, name: str, script: str) -> None:
    program = machine / name
    program.write_text(f"#!{machine}/bash\n{script}\n")
    program.chmod(0o755)


def test_install_script_says_what_to_do_without_a_package_manager(machine: Path) -> None:
    done = install(machine)
    assert done.returncode == 1
    assert "no apt-get here" in done.stderr
    assert "unzip" in done.stderr


def test_install_script_survives_a_mirror_that_fails(machine: Path) -> None:
    put(machine, "apt-get", "echo 'E: Failed to fetch'; exit 100")
    put(machine, "sudo", 'exec "$@"')
    done = install(machine)
    assert done.returncode == 1
    assert "lists could not be updated" in done.stderr
    assert "tests that need it will skip" in done.stderr
    assert "E: Failed to fetch" in done.stderr


def test_install_script_installs_what_is_missing_only(machine: Path) -> None:
    put(machine, "unzip", "exit 0")
    put(machine, "sudo", 'exec "$@"')
    put(machine, "apt-get", f"""
        echo "$@" >>{machine.parent}/asked
        for program in 7z bsdtar xxhsum ffmpeg ffprobe zbarimg; do
            echo "#!{machine}/bash" >{machine}/$program
            {shutil.which("chmod")} +x {machine}/$program
        done""")
    done = install(machine)
    asked = (machine.parent / "asked").read_text()
    assert "install --yes --no-install-recommends zip p7zip-full" in asked
    assert "unzip" not in asked
    assert not re.search("7z|bsdtar|xxhsum|ffmpeg|zbarimg", done.stderr), done.stderr


# Start-up


def test_help_loads_no_heavy_library() -> None:
    """What keeps `--help` quick: nothing that decodes, computes on arrays or serves is loaded for it."""
    heavy = ["numpy", "av", "OpenImageIO", "PyOpenColorIO", "opentimelineio", "fastapi", "sqlalchemy", "pydantic"]
    code = (
        "import sys\n"
        "from film_archive.cli.main import run\n"
        "try:\n    run(['--help'])\n"
        f"except SystemExit:\n    print('loaded:', [name for name in {heavy} if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "loaded: []"

"""What the tree promises about its imports, beyond the floors and choke points that test_repository.py and
import-linter hold.

A library that could be swapped one day is imported in one place; one that is slow to load is not loaded to show a
help text.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src"

PLACES: dict[str, tuple[str, ...]] = {
    "ascmhl": ("film_archive/library/", "film_archive/tape/hash_list.py"),
    "av": ("film_archive/media/av/",),
    "blake3": ("film_archive/core/digest.py",),
    "distributed": ("film_archive/core/executors/",),
    "exifread": ("film_archive/media/exif.py",),
    "fastapi": ("film_archive/server/",),
    "fileseq": ("film_archive/media/sequence.py",),
    "gazu": ("ded_io/kitsu/connection.py",),
    "isal": ("film_archive/core/digest.py", "film_archive/archive/"),
    "multiprocessing": ("film_archive/core/executors/", "film_archive/server/running.py"),
    "obstore": ("film_archive/storage/",),
    "OpenImageIO": ("film_archive/media/", "film_archive/testing/", "ded_io/"),
    "opentimelineio": ("film_archive/editorial/", "film_archive/otio_plugin/"),
    "platformdirs": ("film_archive/core/places.py",),
    "pydantic_settings": ("ded_io/config.py",),
    "pyarrow": ("film_archive/library/parquet.py",),
    "pyfastcdc": ("film_archive/versioning/",),
    "PyOpenColorIO": ("film_archive/media/grading.py", "ded_io/"),
    "reportlab": ("film_archive/library/report_pdf.py",),
    "requests": ("ded_io/kitsu/connection.py",),
    "rich": ("film_archive/cli/", "ded_io/"),
    "sqlalchemy": ("film_archive/storage/", "film_archive/catalog/"),
    "starlette": ("film_archive/server/",),
    "typer": ("film_archive/cli/", "ded_io/"),
    "uvicorn": ("film_archive/server/", "film_archive/cli/"),
    "xxhash": ("film_archive/core/digest.py", "film_archive/archive/lookup.py"),
}
"""Library → where under src it may be imported."""
ANYWHERE = {"film_archive", "ded_io", "numpy", "pydantic", "pydantic_core"}

HEAVY = {
    "av",
    "OpenImageIO",
    "PyOpenColorIO",
    "numpy",
    "opentimelineio",
    "fastapi",
    "sqlalchemy",
    "obstore",
    "distributed",
    "gazu",
    "pyarrow",
    "reportlab",
    "requests",
}


@cache
def imports(source: Path) -> tuple[tuple[str, int, str], ...]:
    """(file, line, top-level module) of every import under a folder, those inside functions among them."""
    return tuple(imported(source))


def imported(source: Path) -> Iterator[tuple[str, int, str]]:
    for path in sorted(source.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [node.module]
            else:
                continue
            yield from ((path.relative_to(source).as_posix(), node.lineno, name.split(".")[0]) for name in names)


def misplaced(source: Path) -> list[str]:
    return [
        f"{file}:{line} {name}"
        for file, line, name in imports(source)
        if name in PLACES
        and not any(file == place or (place.endswith("/") and file.startswith(place)) for place in PLACES[name])
    ]


def unknown(source: Path) -> set[str]:
    return {name for _, _, name in imports(source)} - set(PLACES) - ANYWHERE - sys.stdlib_module_names


def test_each_library_is_imported_in_its_place() -> None:
    assert misplaced(SOURCE) == []


def test_each_library_has_a_place() -> None:
    assert unknown(SOURCE) == set(), "give it a row in PLACES"


def test_what_is_misplaced_is_found(tmp_path: Path) -> None:
    (tmp_path / "film_archive" / "core").mkdir(parents=True)
    (tmp_path / "film_archive" / "core" / "bad.py").write_text(
        "import os, xxhash\n\ndef f():\n    from av.container import X\n    import tensorflow\n"
    )
    (tmp_path / "film_archive" / "core" / "digest.py").write_text("import xxhash\n")
    assert misplaced(tmp_path) == ["film_archive/core/bad.py:1 xxhash", "film_archive/core/bad.py:4 av"]
    assert unknown(tmp_path) == {"tensorflow"}


@pytest.mark.parametrize(
    "module",
    [
        *(
            "film_archive.core.models",
            "film_archive.core.job",
            "film_archive.core.copying",
            "film_archive.core.manifest",
        ),
        *("film_archive.core.executors.processes", "film_archive.core.ladder", "film_archive.cli.main", "ded_io.cli"),
    ],
)
def test_what_is_loaded_at_start_loads_nothing_heavy(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys, {module}; print(' '.join(sys.modules))"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(SOURCE), *sys.path]))},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert {name.split(".")[0] for name in done.stdout.split()} & HEAVY == set()

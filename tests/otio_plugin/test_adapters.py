"""The adapters, as OTIO's own programs and calls use them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest

import film_archive.otio_plugin
from tests.archive.making import noise
from tests.workflows.making import write_tree
from tests.workflows.test_timelines import external, images, references, write_cut

PLUGIN = Path(film_archive.otio_plugin.__file__).parent
FORMS = pytest.mark.parametrize("form", ["otioz", "otiod"])


@pytest.fixture(autouse=True)
def manifest(monkeypatch: pytest.MonkeyPatch) -> Any:
    """OTIO with our adapters, whether this checkout is installed or not."""
    monkeypatch.setenv("OTIO_PLUGIN_MANIFEST_PATH", str(PLUGIN / "plugin_manifest.json"))
    yield otio.plugins.ActiveManifest(force_reload=True)
    monkeypatch.undo()
    otio.plugins.ActiveManifest(force_reload=True)


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    media = {"a.mov": noise(900, 1), "other/a.mov": noise(500, 2), **{f"p.{n}.bmp": noise(100, n) for n in range(1001, 1004)}}
    folder = write_tree(tmp_path / "media", media)
    return write_cut(tmp_path / "cut.otio", external(folder / "a.mov"), images(folder, "p.", ".bmp", 1001, 3)).path


def otio_program(name: str, *arguments: object, manifest: str = "plugin_manifest.json") -> subprocess.CompletedProcess[str]:
    """One of the programs that come with OTIO."""
    return subprocess.run(
        [sys.executable, "-m", f"opentimelineio.console.{name}", *map(str, arguments)],
        env={
            **os.environ,
            "OTIO_PLUGIN_MANIFEST_PATH": str(PLUGIN / manifest),
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_entry_point_leads_here() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["entry-points"]["opentimelineio.plugins"] == {"film_archive": film_archive.otio_plugin.__name__}
    for name in ("plugin_manifest.json", "default.plugin_manifest.json"):
        for adapter in json.loads((PLUGIN / name).read_text("utf-8"))["adapters"]:
            assert (PLUGIN / adapter["filepath"]).is_file()


@FORMS
def test_the_call_that_programs_make(tmp_path: Path, cut: Path, form: str) -> None:
    adapter, bundle = f"{form}_archive", str(tmp_path / f"b.{form}")
    timeline = otio.adapters.read_from_file(str(cut))
    assert otio.adapters.write_to_file(timeline, bundle, adapter, dryrun=True) == 1200
    assert not os.path.exists(bundle)
    otio.adapters.write_to_file(timeline, bundle, adapter)
    read = otio.adapters.read_from_file(bundle, adapter)
    assert references(read)[0].target_url == "media/a.mov"
    assert read.is_equivalent_to(otio.adapters.read_from_file(bundle))
    out = str(tmp_path / "out")
    relinked = otio.adapters.read_from_file(bundle, adapter, extract_to_directory=out, absolute_media_reference_paths=True)
    assert references(relinked)[1].target_url_for_image_number(0) == (tmp_path / "out/media/p.1001.bmp").as_uri()
    with pytest.raises(otio.exceptions.OTIOError, match="never overwritten"):
        otio.adapters.write_to_file(timeline, bundle, adapter)


@pytest.mark.parametrize(
    "policy", ["MissingIfNotFile", "missing_if_not_file", "".join(["Missing", "IfNot", "File"]), "missing"]
)
def test_policies_in_every_spelling(tmp_path: Path, policy: str) -> None:
    timeline = otio.adapters.read_from_file(str(write_cut(tmp_path / "c.otio", external("/nowhere.mov")).path))
    with pytest.raises(otio.exceptions.OTIOError, match="not there"):
        otio.adapters.write_to_file(timeline, str(tmp_path / "b.otioz"), "otioz_archive")
    otio.adapters.write_to_file(timeline, str(tmp_path / "b.otioz"), "otioz_archive", media_policy=policy)
    (found,) = references(otio.adapters.read_from_file(str(tmp_path / "b.otioz")))
    assert isinstance(found, otio.schema.MissingReference)


def test_members_of_the_released_enum_are_policies(tmp_path: Path, cut: Path) -> None:
    utils = pytest.importorskip("opentimelineio.adapters.file_bundle_utils", reason="gone in OTIO's next release")
    timeline = otio.adapters.read_from_file(str(cut))
    policy = utils.MediaReferencePolicy.AllMissing
    options = {"media_policy": policy, "dryrun": True}
    assert otio.adapters.write_to_file(timeline, str(tmp_path / "b.otioz"), "otioz_archive", **options) == 0


def test_relative_references_begin_where_is_said(tmp_path: Path, cut: Path) -> None:
    timeline = otio.adapters.read_from_file(str(write_cut(tmp_path / "x/c.otio", external("other/a.mov")).path))
    options = {"relative_media_base_dir": str(tmp_path / "media"), "dryrun": True}
    assert otio.adapters.write_to_file(timeline, str(tmp_path / "b.otioz"), "otioz_archive", **options) == 500


@FORMS
def test_otioconvert(tmp_path: Path, cut: Path, form: str) -> None:
    """The seed's examples, through ours: into a bundle, and out of it with extraction."""
    bundle, adapter = tmp_path / f"b.{form}", f"{form}_archive"
    done = otio_program("otioconvert", "-i", cut, "-o", bundle, "-O", adapter)
    assert done.returncode == 0, done.stderr
    back, out = tmp_path / "back.otio", tmp_path / "out"
    done = otio_program("otioconvert", "-i", bundle, "-I", adapter, "-a", f"extract_to_directory={out}", "-o", back)
    assert done.returncode == 0, done.stderr
    assert (out / "media/p.1003.bmp").read_bytes() == noise(100, 1003)
    assert otio.adapters.read_from_file(str(back)).name == "cut"
    policy = ("-A", "media_policy='AllMissing'")
    missing = otio_program("otioconvert", "-i", cut, "-o", tmp_path / "m.otioz", "-O", "otioz_archive", *policy)
    assert missing.returncode == 0, missing.stderr


def test_otiotool_and_others_by_ending(tmp_path: Path, cut: Path) -> None:
    """Programs that take no adapter's name use ours where the manifest that claims the endings is named."""
    done = otio_program("otiotool", "-i", cut, "-o", tmp_path / "b.otioz", manifest="default.plugin_manifest.json")
    assert done.returncode == 0, done.stderr
    assert b"film-archive 1 " in (tmp_path / "b.otioz").read_bytes()[-60:]
    done = otio_program("otiotool", "-i", tmp_path / "b.otioz", "--list-clips", manifest="default.plugin_manifest.json")
    assert "c0" in done.stdout
    plain = otio_program("otiotool", "-i", tmp_path / "b.otioz", "--list-clips")
    assert plain.stdout == done.stdout

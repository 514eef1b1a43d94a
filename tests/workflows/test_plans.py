"""What all verbs that change something promise of their plans: plain data, the same applied after JSON, and refused where
something changed.
"""

from __future__ import annotations

import json
import os
import shutil
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from film_archive.core.errors import Damaged, FilmArchiveError, SourceChanged
from film_archive.core.job import Plan, Report
from film_archive.core.ladder import parse_sizes
from film_archive.testing.media import ClipSpec, make_clip
from film_archive.workflows import extraction, mending, production, proxies, unpacking
from tests.workflows.making import create, tree, write_tree

RAW = os.fsdecode(b"\xff\xfe.mov")
"""A name that is not UTF-8."""
SMALL = parse_sizes("64x36")


@dataclass
class Verb:
    """A verb at work below a folder: how it plans, how a plan of it is read and applied, and what it is made from."""

    plan: Callable[[Path], Plan]
    read: Callable[[Any], Plan]
    apply: Callable[[Any], Report]
    source: Callable[[Path], Path]


def footage(folder: Path) -> Path:
    """A clip under a name that is not UTF-8, and other files; an archive of them; all with fixed dates."""
    media = write_tree(folder / "media", {"a.bin": b"a" * 5000, "sub/b": b""})
    made = make_clip(ClipSpec(name="a", width=96, height=54, frames=12), folder)
    shutil.move(made, media / RAW)
    (media / "link").symlink_to("a.bin")
    (media / "raw link").symlink_to(RAW)
    create(folder / "old.zip", media)
    return media


def damaged(folder: Path) -> Path:
    path = folder / "old.zip"
    data = bytearray(path.read_bytes())
    data[-30] = ord("z")
    path.write_bytes(data)
    return path


VERBS = {
    "create": Verb(
        lambda folder: production.plan_archive(folder / "new.zip", [folder / "media"], proxies=SMALL),
        production.CreatePlan.from_json,
        production.apply_create,
        lambda folder: folder / "media" / RAW,
    ),
    "create --in-place": Verb(
        lambda folder: production.plan_archive(folder / "media", in_place=True, proxies=()),
        production.CreatePlan.from_json,
        production.apply_create,
        lambda folder: folder / "media" / "a.bin",
    ),
    "add": Verb(
        lambda folder: production.plan_add(folder / "old.zip", [write_tree(folder / "more", {"c": b"c"})], proxies=()),
        production.AddPlan.from_json,
        production.apply_add,
        lambda folder: folder / "more" / "c",
    ),
    "unpack": Verb(
        lambda folder: unpacking.plan_unpack(folder / "old.zip", folder / "out"),
        unpacking.UnpackPlan.from_json,
        unpacking.apply_unpack,
        lambda folder: folder / "old.zip",
    ),
    "repair": Verb(
        lambda folder: mending.plan_repair(damaged(folder)),
        mending.RepairPlan.from_json,
        mending.apply_repair,
        lambda folder: folder / "old.zip",
    ),
    "proxy of a file": Verb(
        lambda folder: proxies.plan_proxies([folder / "media" / RAW], SMALL, output=folder / "out"),
        proxies.ProxyPlan.from_json,
        proxies.apply_proxies,
        lambda folder: folder / "media" / RAW,
    ),
    "proxy": Verb(
        lambda folder: proxies.plan_proxies([folder / "old.zip"], SMALL),
        proxies.ProxyPlan.from_json,
        proxies.apply_proxies,
        lambda folder: folder / "old.zip",
    ),
    "extract": Verb(
        lambda folder: extraction.plan_extract(
            str(folder / "media" / RAW), folder / "cut.mov", in_point="01:00:00:02", duration="00:00:00:04", start="01:00:00:00"
        ),
        extraction.ExtractPlan.from_json,
        extraction.apply_extract,
        lambda folder: folder / "media" / RAW,
    ),
}


@pytest.fixture(params=VERBS)
def verb(request: pytest.FixtureRequest) -> Verb:
    return VERBS[request.param]


@pytest.fixture(scope="session")
def made_footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plans")
    footage(folder)
    return folder


@pytest.fixture
def folder(made_footage: Path, tmp_path: Path) -> Path:
    shutil.copytree(made_footage, tmp_path / "job", symlinks=True)
    return tmp_path / "job"


def state(folder: Path) -> dict[str, object]:
    return {os.fsencode(name).decode("latin-1"): data for name, data in tree(folder).items()}


def test_making_a_plan_changes_nothing(verb: Verb, folder: Path) -> None:
    verb.plan(folder)
    before = state(folder)
    verb.plan(folder)
    assert state(folder) == before


def test_a_plan_that_was_read_back_does_the_same(verb: Verb, folder: Path, tmp_path: Path) -> None:
    """Both in the same place, one after the other, so that even paths in what is made are the same."""
    shutil.copytree(folder, tmp_path / "again", symlinks=True)
    plan = verb.plan(folder)
    again = verb.read(json.loads(json.dumps(plan.to_json())))
    assert again == plan
    assert verb.apply(plan).exit_status == 0
    done = state(folder)
    shutil.rmtree(folder)
    shutil.move(tmp_path / "again", folder)
    plan = verb.plan(folder)  # its identities are those of the copies
    report = verb.apply(verb.read(json.loads(json.dumps(plan.to_json()))))
    assert report.exit_status == 0
    assert state(folder) == done
    json.dumps(report.to_json())


def test_what_has_changed_since_is_refused(verb: Verb, folder: Path) -> None:
    plan = verb.plan(folder)
    before = state(folder)
    source = verb.source(folder)
    if plan.verb == "proxy" and source.suffix == ".zip":
        pytest.skip("an archive's members are known by their digests, which are part of it")
    os.utime(source, ns=(1, 1))
    if plan.verb == "proxy":  # of several clips the others are made
        assert verb.apply(plan).exit_status == 11
    else:
        with pytest.raises(SourceChanged):
            verb.apply(plan)
    after = state(folder)
    leftovers = {name for name in after if name not in before}
    assert not [name for name in leftovers if name.endswith((".mov", ".mp4")) or name == "new.zip"]


def test_what_is_left_is_named_where_a_source_changes(folder: Path) -> None:
    media = write_tree(folder / "several", {"a": b"a" * 5000, "b": b"b" * 5000})
    plan = production.plan_archive(folder / "new.zip", [media], proxies=())
    (media / "b").write_bytes(b"changed")
    with pytest.raises(SourceChanged, match="the same command continues, and with --abandon removes it"):
        production.apply_create(plan)
    assert production.abandon_unfinished(folder / "new.zip")
    assert not [place for place in folder.iterdir() if "film-archive" in place.name]


def test_a_plan_of_another_verb_is_refused(folder: Path) -> None:
    plan = production.plan_archive(folder / "new.zip", [folder / "media"])
    with pytest.raises(Damaged, match="not a plan of `unpack`"):
        unpacking.UnpackPlan.from_json(plan.to_json())


def test_an_add_to_another_generation_is_refused(folder: Path) -> None:
    plan = production.plan_add(folder / "old.zip", [write_tree(folder / "more", {"c": b"c"})], proxies=())
    production.add_to_archive(folder / "old.zip", [write_tree(folder / "other", {"d": b"d"})], proxies=())
    with pytest.raises(SourceChanged, match="changed since it was looked at"):
        production.apply_add(plan)
    with pytest.raises(FilmArchiveError, match="has a member"):
        production.plan_add(folder / "old.zip", [folder / "other"])


def test_a_plan_of_many_files_is_small(tmp_path: Path) -> None:
    """About a kilobyte a file: a million files are a gigabyte, and the form for more is another."""
    media = tmp_path / "media"
    media.mkdir()
    for number in range(2000):
        (media / f"A001C{number:04}.xml").touch()
    tracemalloc.start()
    try:
        plan = production.plan_archive(tmp_path / "new.zip", [media])
        assert tracemalloc.get_traced_memory()[1] < 2000 * 1500
    finally:
        tracemalloc.stop()
    assert len(plan.steps) == 2001

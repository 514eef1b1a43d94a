"""Verifying against lists: those of the tools that write them, our own, and contradictory or hostile ones."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from film_archive.catalog.catalog import Catalog
from film_archive.catalog.lookup import looking
from film_archive.core import devices
from film_archive.core.errors import NotFound
from film_archive.library import checksum_lists
from film_archive.library.offload import offload
from film_archive.library.verifying import Verified, verify
from tests.library.test_offload import make_card, places
from tests.library.trees import write
from tests.shared import shared

MEDIA = {"clips/a.mov": b"a" * 5000, "clips/b c.mov": b"b", "é.wav": b"sound"}


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with Catalog.open(tmp_path / "catalog.sqlite") as made:
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "media", MEDIA)


def faults(found: Verified) -> dict[str, str]:
    return {Path(fault.path).name: fault.outcome for fault in found.faults}


def run(folder: Path, *command: str) -> str:
    program = shutil.which(command[0])
    if program is None:
        pytest.skip(f"{command[0]} is not installed")
    names = [str(path.relative_to(folder)) for path in sorted(folder.rglob("*")) if path.is_file()]
    return subprocess.run([program, *command[1:], *names], cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (("md5sum",), "sums.md5"),
        (("md5sum", "-b"), "sums.MD5"),
        (("md5sum", "--tag"), "sums.md5"),
        (("sha1sum",), "sums.sha1"),
        (("sha256sum",), "sums.sha256"),
        (("xxhsum",), "sums.xxh"),
        (("xxhsum", "-H2"), "sums.xxh128"),
        (("xxhsum", "-H3"), "sums.xxh3"),
        (("xxhsum", "-H2", "--tag"), "sums.xxh"),
    ],
)
def test_lists_as_the_tools_write_them(folder: Path, command: tuple[str, ...], name: str) -> None:
    (folder / name).write_text(run(folder, *command))
    found = verify(folder)
    assert (found.files, found.verified, found.faults, found.exit_status) == (3, 3, (), 0)
    (folder / "clips/a.mov").write_bytes(b"a" * 4999 + b"A")
    (folder / "é.wav").unlink()
    found = verify(folder)
    assert faults(found) == {"a.mov": "differs", "é.wav": "missing"}
    assert found.exit_status == 11


def classic(folder: Path, element: str, digest: str, *, size: int | None = 5000) -> None:
    sized = "" if size is None else f"<size>{size}</size>"
    (folder / "card.mhl").write_text(
        '<?xml version="1.0"?><hashlist version="1.1"><creatorinfo/>'
        f"<hash><file>clips/a.mov</file>{sized}<{element}>{digest}</{element}></hash></hashlist>"
    )


def test_classic_media_hash_lists(folder: Path) -> None:
    import xxhash

    right = xxhash.xxh64(MEDIA["clips/a.mov"]).hexdigest()
    turned = bytes.fromhex(right)[::-1].hex()
    for element, digest, good in (
        ("md5", hashlib.md5(MEDIA["clips/a.mov"]).hexdigest().upper(), True),
        ("sha1", hashlib.sha1(MEDIA["clips/a.mov"]).hexdigest(), True),
        ("xxhash64be", right, True),
        ("xxhash64be", turned, False),
        ("xxhash64", turned, True),
        ("xxhash64", right, True),
        ("xxhash128", xxhash.xxh3_128(MEDIA["clips/a.mov"]).hexdigest(), True),
        ("md5", "0" * 32, False),
    ):
        classic(folder, element, digest)
        found = verify(folder)
        assert (found.exit_status == 0) == good, (element, digest)
    classic(folder, "xxhash64be", right, size=7)
    assert faults(verify(folder)) == {"a.mov": "differs"}


def test_histories_of_the_reference(tmp_path: Path) -> None:
    scenarios = shared("corpus") / "ascmhl/ascmitc__mhl/scenarios/Output"
    if not scenarios.is_dir():
        pytest.skip("the corpus is not here")
    count = 0
    for card in scenarios.glob("*/*/A002R2EC"):
        copy = tmp_path / f"{card.parents[1].name} {card.parent.name}"
        shutil.copytree(card, copy)
        found = verify(copy)
        count += 1
        # scenario 3 is the one in which a file was changed on the way
        assert found.files == 3, copy
        assert {fault.outcome for fault in found.faults} <= {"differs"}
        (copy / "Clips/A002C006_141024_R2EC.mov").write_bytes(b"changed")
        assert "A002C006_141024_R2EC.mov" in faults(verify(copy))
        (manifest, *_) = sorted((copy / "ascmhl").glob("*.mhl"))
        manifest.write_bytes(manifest.read_bytes().replace(b"<path", b"<path ", 1))
        with pytest.raises(NotFound, match="does not hold"):
            verify(copy)
    assert count >= 3


def test_our_own_histories(tmp_path: Path, catalog: Catalog) -> None:
    done = offload(make_card(tmp_path / "A001"), places(tmp_path, "one"), catalog)
    copy = Path(done.copies[0].path)
    found = verify(tmp_path / "one", catalog)
    assert (found.files, found.verified, found.unlisted, found.exit_status) == (5, 5, 0, 0)
    victim = copy / "PRIVATE/M4ROOT/CLIP/C0002.MP4"
    victim.write_bytes(b"clip 3" * 30)
    assert faults(verify(tmp_path / "one", catalog)) == {"C0002.MP4": "differs"}
    located = devices.locate(victim)
    with looking(catalog) as lookup:
        history = lookup.results(catalog.device(located.device), located.inner)
    assert [(event.verb, outcome) for event, outcome in history] == [
        ("offload", "ok"),
        ("verify", "ok"),
        ("verify", "differs"),
    ]
    assert all(event.who for event, _ in history)


def test_a_budget_is_gone_on_with(folder: Path, tmp_path: Path) -> None:
    for number in range(6):
        write(folder, {f"n{number}": b"%d" % number})
    (folder / "sums.md5").write_text(run(folder, "md5sum"))
    seconds = iter(range(1000, 2000, 10))
    with Catalog.open(tmp_path / "c.sqlite", now=lambda: next(seconds)) as catalog:
        first = verify(folder, catalog, budget=0)
        assert (first.verified, first.left, first.exit_status) == (1, 8, 12)
        seen = set()
        for _ in range(8):
            run_again = verify(folder, catalog, budget=0)
            seen.add(run_again.verified)
            assert run_again.left == 8
        located = devices.locate(folder)
        with looking(catalog) as lookup:
            assert len(lookup.last_results(catalog.device(located.device), located.inner)) == 9  # each one once
        assert verify(folder, catalog).left == 0


def test_lists_that_contradict_each_other_or_lead_out(folder: Path, tmp_path: Path) -> None:
    write(tmp_path, {"secret": b"secret"})
    digest = hashlib.md5(b"secret").hexdigest()
    (folder / "one.md5").write_text(f"{digest}  ../secret\n{digest}  /etc/hostname\n{digest}  clips/a.mov\n")
    (folder / "two.md5").write_text(f"{hashlib.md5(MEDIA['clips/a.mov']).hexdigest()}  clips/a.mov\n")
    found = verify(folder)
    assert found.files == 2  # an absolute path is taken as one below the list's folder
    assert faults(found) == {"a.mov": "differs", "hostname": "missing"}
    assert "contradict" in next(fault.what for fault in found.faults if fault.path.endswith("a.mov"))
    assert [failure.status for failure in found.failed] == [4]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.md5", b"no list at all"),
        ("a.mhl", b"<hashlist"),
        ("a.mhl", b"<other/>"),
        ("a.mhl", b'<!DOCTYPE x [<!ENTITY a "b">]><hashlist/>'),
        ("a.mhl", b"<hashlist><hash><file>x</file><md5>short</md5></hash></hashlist>"),
        ("a.xxh", b"\xff\xfe\x00"),
    ],
)
def test_what_is_no_list(folder: Path, name: str, data: bytes) -> None:
    (folder / name).write_bytes(data)
    with pytest.raises(NotFound):
        verify(folder)
    (folder / "good.md5").write_text(hashlib.md5(b"b").hexdigest() + "  clips/b c.mov\r\n# a note\n\n")
    found = verify(folder)
    assert (found.verified, len(found.failed), found.exit_status) == (1, 1, 12)


def test_nothing_to_verify(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no ASC MHL"):
        verify(folder)
    with pytest.raises(NotFound):
        verify(tmp_path / "missing")
    (folder / "empty.md5").write_text("")
    assert verify(folder).files == 0


def test_names_with_signs_that_are_escaped(tmp_path: Path) -> None:
    write(tmp_path, {"new\nline": b"1", "back\\slash": b"2"})
    (tmp_path / "sums.md5").write_text(run(tmp_path, "md5sum"))
    names = {each.path for each in checksum_lists.read_list(tmp_path / "sums.md5").files}
    assert {"new\nline", "back\\slash"} <= names
    assert verify(tmp_path).verified == 2

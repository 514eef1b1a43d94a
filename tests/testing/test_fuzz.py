"""The fuzzer itself: the same cases for the same seed, all targets are fed, and each kind of failure is found and kept."""

from __future__ import annotations

import faulthandler
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from film_archive.core.errors import Damaged
from film_archive.testing.fuzz import bench as bench_module
from film_archive.testing.fuzz.__main__ import TARGETS, main
from film_archive.testing.fuzz.bench import Bench
from film_archive.testing.fuzz.mutation import mutate
from film_archive.testing.fuzz.target import Broken, Sample, Target, answer, case

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits are held on Linux")

DATA = bytes(range(256)) * 20


def test_the_same_dice_change_the_same() -> None:
    changed = [mutate(DATA, random.Random(seed), [b"other" * 100]) for seed in range(300)]
    assert changed == [mutate(DATA, random.Random(seed), [b"other" * 100]) for seed in range(300)]
    assert len(set(changed)) > 250
    assert min(map(len, changed)) < len(DATA) // 2
    assert max(map(len, changed)) > len(DATA)
    for seed in range(300):
        mutate(b"", random.Random(seed))
        mutate(b"x", random.Random(seed))


def target(examine: Callable[[Sample, bytes, Path], None], name: str = "a target") -> Target:
    return Target(name, lambda folder: [Sample("sample.bin", DATA)], examine)


def failing_at(number: int, fail: Callable[[], object]) -> Target:
    """A target of which one case fails."""
    there = {}

    def examine(sample: Sample, data: bytes, folder: Path) -> None:
        if data == there["data"]:
            fail()

    made = target(examine)
    there["data"] = case(made, made.make(Path()), 5, number)[1]
    return made


def fill_memory() -> None:
    bytearray(4 * bench_module.MEMORY)


def work_for_ever() -> None:
    while True:
        pass


def wait_for_ever() -> None:
    while True:
        time.sleep(1)


def raise_wrong() -> None:
    raise KeyError("what")


def crash_hard() -> None:
    faulthandler.disable()  # pytest has it on
    os.kill(os.getpid(), signal.SIGSEGV)


def say_nothing() -> None:
    def read() -> None:
        raise Damaged("two\nlines")

    answer(read)


@pytest.mark.parametrize(
    ("fail", "says"),
    [
        (raise_wrong, "KeyError: 'what'"),
        (say_nothing, "no sentence"),
        (fill_memory, "MemoryError"),
        (work_for_ever, "of CPU"),
        (wait_for_ever, "waited"),
        (crash_hard, "ended with -11"),
        (lambda: os._exit(1), "ended with 1"),
    ],
)
def test_failures_are_found_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fail: Callable[[], object], says: str
) -> None:
    monkeypatch.setattr(bench_module, "CASE_SECONDS", 0.5)
    if fail is wait_for_ever:
        monkeypatch.setattr(bench_module, "STUCK_SECONDS", 2.0)
    monkeypatch.setattr(bench_module, "MEMORY", 1 << 28)
    made = failing_at(7, fail)
    outcome = Bench.of([made], 5, tmp_path / "found").run(60, processes=2)
    assert outcome.finding is not None
    assert (outcome.finding.target, outcome.finding.number) == ("a target", 7)
    assert says in outcome.finding.what
    folder = outcome.finding.folder
    assert folder.parent == tmp_path / "found"
    assert (folder / "sample.bin").read_bytes() == case(made, made.make(Path()), 5, 7)[1]
    assert "--seed 5 --case 7" in (folder / "again.txt").read_text()
    again = Bench.of([made], 5, tmp_path / "again").run_one(made, 7)
    assert again.finding is not None
    assert says in again.finding.what
    assert Bench.of([made], 5, tmp_path / "again").run_one(made, 6).finding is None


def test_what_does_not_fail(tmp_path: Path) -> None:
    def fine(sample: Sample, data: bytes, folder: Path) -> None:
        (folder / "file").write_bytes(data)
        assert answer(lambda: int(b"5")) == 5

    def refusing(sample: Sample, data: bytes, folder: Path) -> None:
        def read() -> None:
            raise Damaged("It is damaged.")

        assert answer(read) is None

    outcome = Bench.of([target(fine), target(refusing, "another")], 1, tmp_path / "found").run(1.0)
    assert outcome.finding is None
    assert min(outcome.cases.values()) > 5
    assert not (tmp_path / "found").exists()


@pytest.mark.parametrize("name", TARGETS)
def test_targets_are_fed(tmp_path: Path, name: str) -> None:
    """Whole samples and a few cases of each, in this process."""
    target = TARGETS[name]
    (tmp_path / "samples").mkdir()
    samples = target.make(tmp_path / "samples")
    assert samples
    for at, sample in enumerate(samples):
        (tmp_path / f"whole{at}").mkdir()
        target.examine(sample, sample.data, tmp_path / f"whole{at}")
    for number in range(10):
        sample, data = case(target, samples, 1, number)
        (tmp_path / str(number)).mkdir()
        target.examine(sample, data, tmp_path / str(number))


def test_a_wrong_answer_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were `check` blind, the archive's target would tell."""
    from film_archive.archive.check import CheckResult
    from film_archive.testing.fuzz import archives

    monkeypatch.setattr(archives, "check_archive", lambda archive: CheckResult(0, ()))
    (tmp_path / "samples").mkdir()
    made = TARGETS["archive"]
    sample, *_ = made.make(tmp_path / "samples")
    truth = sample.truth[0]["footage/ü.wav"]  # type: ignore[index]
    at = sample.data.index(truth)
    with pytest.raises(Broken, match="is said to be whole, and is not"):
        made.examine(sample, sample.data[:at] + b"X" + sample.data[at + 1 :], tmp_path)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = str(tmp_path / "found")
    assert main(["1", "columns", "edl", "--seed", "3", "--processes", "2", "--found", found]) == 0
    said = capsys.readouterr().out
    assert "columns" in said
    assert "a second" in said
    assert main(["--case", "3", "edl", "--found", found]) == 0
    assert "1 cases" in capsys.readouterr().out
    for arguments in (["1", "nothing"], ["--case", "3"], ["--case", "3", "edl", "columns"]):
        with pytest.raises(SystemExit):
            main(arguments)


@pytest.mark.nightly
@pytest.mark.parametrize("name", TARGETS)
def test_targets_at_length(tmp_path: Path, name: str) -> None:
    """Ten minutes each; another seed each day, which is said."""
    seed = int(time.time()) // 86_400
    outcome = Bench.of([TARGETS[name]], seed, tmp_path / "found").run(600, processes=2)
    assert outcome.finding is None, outcome.finding


# Found before


@pytest.mark.parametrize(
    ("name", "seed", "number"),
    [("other-containers", 1, 47), ("other-containers", 11, 274), ("journal", 1, 69), ("journal", 2, 82), ("manifest", 21, 50),
     ("journal", 20779, 530), ("manifest", 20779, 73958)],
)
def test_what_was_found_before(tmp_path: Path, name: str, seed: int, number: int) -> None:
    """A packet without a place; sound without a channel; forged records whose sums hold; a manifest without its place; a
    proxy without its height; a member 400 GB behind the end, to where `repair` would have made the file grow.
    """
    target = TARGETS[name]
    (tmp_path / "samples").mkdir()
    sample, data = case(target, target.make(tmp_path / "samples"), seed, number)
    target.examine(sample, data, tmp_path)
    assert all(path.stat().st_size < 1 << 24 for path in tmp_path.rglob("*") if path.is_file())

"""Branches: what branching, committing, comparing, merging and checking out cost, against git and what else is installed.

Sizes are those of the issue; FILM_ARCHIVE_BENCH_SCALE divides them (10 for a tenth),
FILM_ARCHIVE_BENCH_PARTS names what is run ("status merge").
"""

from __future__ import annotations

import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks.measuring import fill, used
from benchmarks.repository_peers import PEERS, remove
from film_archive.archive.writer import ZipWriter
from film_archive.core.source import MemorySource
from film_archive.versioning.commits import store_commit
from film_archive.versioning.entries import Entry, EntryKind
from film_archive.versioning.node_store import Nodes
from film_archive.versioning.opened import OpenRepository
from film_archive.versioning.refs import Branch
from film_archive.versioning.repository import Repository, new_branch
from film_archive.versioning.starting import begin
from film_archive.versioning.switching import check_out
from film_archive.versioning.tree import Tree

_SCALE = max(1, int(os.environ.get("FILM_ARCHIVE_BENCH_SCALE", "1")))
_OURS = [sys.executable, "-c", "from film_archive.cli.main import run; run()", "repo"]


def run(folder: Path, runs: int) -> None:
    lacking = {peer.name: peer.lacking for peer in PEERS}
    print("peers: " + ", ".join(f"{name} {'is missing: skipped' if less else 'is there'}" for name, less in lacking.items()))
    parts = os.environ.get("FILM_ARCHIVE_BENCH_PARTS", "large archive status add merge materialise").split()
    if "large" in parts:
        _all_large(folder, runs)
    if "archive" in parts:
        _from_archive(folder / "archive", 500_000 // _SCALE, runs)
    if "status" in parts:
        _status_and_commit(folder / "status", 50_000 // _SCALE, runs)
    if "add" in parts:
        _add(folder / "add", 20_000 // _SCALE, (2 << 30) // _SCALE)
    if "merge" in parts:
        _merge(folder / "merge", 20_000 // _SCALE, runs)
    if "materialise" in parts:
        _materialise(folder / "materialise", 200_000 // _SCALE)


def _all_large(folder: Path, runs: int) -> None:
    for count in (10_000, 1_000_000 // _SCALE, 10_000_000 // _SCALE):
        _large(folder / f"large {count}", count, runs)


def _said(name: str, seconds: list[float], unit: str = "ms", factor: float = 1e3) -> None:
    middle = statistics.median(seconds) * factor
    print(f"{name:64} {middle:10.3f} {unit}  (best {min(seconds) * factor:.3f}, {len(seconds)} runs)")


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


# Ten million paths


def _frames(count: int) -> Iterator[Entry]:
    """Frames of shots, by key, a megabyte each."""
    for number in range(count):
        path = f"plates/sh{number // 2000:06}/comp_v001.{number:08}.exr"
        key = number.to_bytes(16, "big")
        yield Entry(path, EntryKind.FILE, 1 << 20, 1_600_000_000_000_000_000, 0o644, key, None, "a" * 32)


def _large(folder: Path, count: int, runs: int) -> None:
    """A branch of so many paths, none of which has bytes: branch, commit of one change, diff of 1 and of 1000."""
    repository = Repository(folder)
    opened = repository.begin()
    processor, wall = used(lambda: _publish(opened, count))
    name = f"first tree of {count:,} paths, in process"
    print(f"{name:64} {count / processor:10.0f} paths a processor second ({count / wall:.0f} a second)")
    branching = [_timed(partial(repository.branch_from, "main", f"b{number}")) for number in range(runs)]
    _said(f"branch of a branch, {count:,} paths", branching)
    changed = _changed(repository, opened, "b0", [count // 2])
    scattered = _changed(repository, opened, "b1", [n * (count // 1000) for n in range(1000)])
    for what, branch in (("1 change", changed), ("1000 changes", scattered)):
        times = [used(partial(repository.differences_between, "main", branch.id)) for _ in range(runs)]
        _said(f"diff of {what} among {count:,} paths, processor", [one for one, _ in times])
        _said(f"diff of {what} among {count:,} paths, wall", [one for _, one in times])
    repository.close()


def _publish(opened: OpenRepository, count: int) -> Branch:
    objects = opened.objects()
    tree = Tree.of_sorted(Nodes(objects), _frames(count))
    commit = store_commit(objects, tree, (), None, "benchmark", "first")
    branch = new_branch("main", "", None, "", None, commit.id)
    with opened.database.transaction() as transaction:
        objects.write(transaction)
        opened.refs.create(transaction, branch, "first")
    return branch


def _changed(repository: Repository, opened: OpenRepository, name: str, numbers: list[int]) -> Branch:
    paths = [f"plates/sh{number // 2000:06}/comp_v001.{number:08}.exr" for number in numbers]
    branch = opened.refs.named(name)
    with opened.database.sharing():
        processor, wall = used(lambda: opened.commit(branch.id, lambda tree: dict.fromkeys(paths), "change"))
    _said(f"commit of {len(paths)} changes, processor", [processor])
    _said(f"commit of {len(paths)} changes, wall", [wall])
    return opened.refs.named(name)


def _from_archive(folder: Path, count: int, runs: int) -> None:
    folder.mkdir()
    with ZipWriter.create(folder / "master.zip") as archive:
        for number in range(count):
            name = f"plates/sh{number // 2000:06}/comp_v001.{number:08}.exr"
            archive.add(name, MemorySource(b""), identity=name)
        archive.finish()
    repository = Repository(folder / "repo")
    for number in range(min(runs, 3)):
        processor, wall = used(partial(repository.create_branch, folder / "master.zip", f"b{number}"))
        name = f"first branch from an archive of {count:,} members"
        print(f"{name:64} {count / processor:10.0f} members a processor second ({count / wall:.0f} a second)")


# Against git


def _files(folder: Path, count: int) -> None:
    for number in range(count):
        place = folder / f"f{number // 500:03}" / f"file{number:06}.txt"
        if number % 500 == 0:
            place.parent.mkdir(parents=True)
        place.write_bytes(b"content %d\n" % number * 20)


def _git(folder: Path, *arguments: str) -> None:
    settings = ["-c", "user.name=b", "-c", "user.email=b", "-c", "commit.gpgsign=false", "-c", "gc.auto=0"]
    subprocess.run(["git", *settings, *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL)


def _ours(folder: Path, *arguments: str) -> None:
    where = os.pathsep.join(str(Path(place).absolute()) for place in sys.path if place)
    environment = {**os.environ, "PYTHONPATH": where}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed program has its bytecode
    quiet = subprocess.DEVNULL
    subprocess.run([*_OURS, *arguments], cwd=folder, check=True, stdout=quiet, stderr=quiet, env=environment)


def _status_and_commit(folder: Path, count: int, runs: int) -> None:
    """Whole processes: status, then a commit of one edit."""
    _files(folder / "ours", count)
    _ours(folder / "ours", "init")
    _ours(folder / "ours", "add", ".")
    _ours(folder / "ours", "commit", "-m", "first")

    def edit(side: str, number: int) -> None:
        with (folder / side / "f000" / "file000001.txt").open("a") as file:
            file.write(f"{number}\n")

    def ours() -> None:
        _ours(folder / "ours", "status")
        _ours(folder / "ours", "commit", "-a", "-m", "edit")

    def git() -> None:
        _git(folder / "git", "status")
        _git(folder / "git", "commit", "-q", "-a", "-m", "edit")

    sides: dict[str, Callable[[], None]] = {"ours": ours}
    if shutil.which("git"):
        _files(folder / "git", count)
        _git(folder / "git", "init", "-q")
        _git(folder / "git", "add", ".")
        _git(folder / "git", "commit", "-q", "-m", "first")
        sides["git"] = git
    dvc = next(peer for peer in PEERS if peer.name == "dvc")
    if not dvc.lacking:
        _files(folder / "dvc" / "small", count)
        dvc.prepare(folder / "dvc")
        (folder / "dvc/media/one.mov").write_bytes(b"media")
        dvc.add(folder / "dvc")
        (folder / "dvc/f000").symlink_to("small/f000")
        sides["dvc"] = partial(dvc.edit or dvc.add, folder / "dvc")
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for number in range(runs):
        for name, work in sides.items():
            edit(name, number)
            seconds[name].append(used(work))
    for name, times in seconds.items():
        _said(f"status + commit of one edit at {count:,} files, {name}, processor", [one for one, _ in times], "s", 1)
        _said(f"status + commit of one edit at {count:,} files, {name}, wall", [one for _, one in times], "s", 1)


def _add(folder: Path, count: int, media: int) -> None:
    """Small files and four large ones, added and committed; whole processes, one side after the other."""

    def made(side: Path) -> Path:
        _files(side / "small", count)
        for number in range(4):
            fill(side / f"clip{number}.mov", media // 4)
        return side

    def said(name: str, work: Callable[[], object]) -> None:
        processor, wall = used(work)
        what = f"add + commit of {count:,} files and {media / 1e9:.2f} GB, {name}"
        _said(f"{what}, processor", [processor], "s", 1)
        _said(f"{what}, wall", [wall], "s", 1)

    def ours() -> None:
        _ours(folder / "ours", "add", ".")
        _ours(folder / "ours", "commit", "-m", "first")

    made(folder / "ours")
    _ours(folder / "ours", "init")
    said("ours", ours)
    shutil.rmtree(folder / "ours")
    for peer in PEERS:
        if not peer.lacking:
            side = made(folder / peer.name)
            peer.prepare(side)
            said(peer.name, partial(peer.add, side))
            remove(side)


def _merge(folder: Path, count: int, runs: int) -> None:
    """One file changed on each side; ours in process, git as a process."""
    work = begin(folder / "ours")
    assert work is not None
    _files(work.root / "tree", count)
    work.add([work.root])
    main = work.commit("first")
    repository = work.repository
    times = []
    for number in range(runs):
        branch = repository.branch_from(main.id, f"vfx{number}")
        with repository.opened.database.sharing():
            repository.opened.commit(branch.id, lambda tree: {"tree/f000/file000001.txt": None}, "theirs")
        other = repository.branch_from(main.id, f"colour{number}")
        with repository.opened.database.sharing():
            repository.opened.commit(other.id, lambda tree: {"tree/f001/file000501.txt": None}, "ours")
        times.append(_timed(partial(repository.merge, branch.id, other.id)))
    _said(f"merge, one file each side, {count:,} files, ours", times)
    if shutil.which("git"):
        root = folder / "git"
        _files(root / "tree", count)
        _git(root, "init", "-q", "-b", "main")
        _git(root, "add", ".")
        _git(root, "commit", "-q", "-m", "first")
        times = []
        for number in range(runs):
            for side, place in ((f"a{number}", "f000/file000001.txt"), (f"b{number}", "f001/file000501.txt")):
                _git(root, "checkout", "-q", "-b", side, "main")
                _git(root, "rm", "-q", f"tree/{place}")
                _git(root, "commit", "-q", "-m", side)
            times.append(_timed(partial(_git, root, "merge", "-q", "-m", "merge", f"a{number}")))
        _said(f"merge, one file each side, {count:,} files, git (process)", times)


@contextlib.contextmanager
def _sharing(folder: Path) -> Iterator[Path]:
    """A folder on XFS: in an image, where this machine mounts one; else the folder itself."""
    folder.mkdir()
    maker = shutil.which("mkfs.xfs", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    image, place = folder / "image", folder / "mounted"
    if maker is None or os.geteuid() != 0:
        print("no XFS is made here (mkfs.xfs and root are needed): the checkout is of the folder's own file system")
        yield folder
        return
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(3 << 30)
    subprocess.run([maker, "-q", "-m", "reflink=1", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def _materialise(folder: Path, count: int) -> None:
    """A checkout of paths of 16 different contents of 1 MB, which share their blocks where the file system can."""
    with _sharing(folder) as place:
        work = begin(place / "source")
        assert work is not None
        (work.root / "files").mkdir()
        data = os.urandom(1 << 20)
        for number in range(16):
            (work.root / "files" / f"{number:02}.exr").write_bytes(number.to_bytes(8, "big") + data)
        work.add([work.root])
        branch = work.commit("first")
        opened = work.repository.opened
        contents = list(opened.tree_of(opened.objects(), branch.head))
        frames = {
            f"plates/sh{number // 2000:06}/comp_v001.{number:08}.exr": contents[number % len(contents)] for number in range(count)
        }
        with opened.database.sharing():
            changes = {path: entry.at(path) for path, entry in frames.items()}
            branch = opened.commit(branch.id, lambda tree: changes, "frames")
        os.sync()
        before = shutil.disk_usage(place).used
        processor, wall = used(lambda: check_out(work.repository, branch, place / "out"))
        os.sync()
        grown = shutil.disk_usage(place).used - before
        work.close()
    print(
        f"{f'checkout of {count:,} files of 1 MB':64} {wall:10.2f} s wall, {processor:.2f} s processor, "
        f"{grown / 1e6:.1f} MB of new space ({100 * grown / (count * len(data)):.3f} %)"
    )

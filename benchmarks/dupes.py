"""Duplicates in a messy tree, cold and warm, against jdupes and rdfind; and whether all find the same sets."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.measuring import Side, compare, room, used
from benchmarks.trees import make_tree

OURS = [sys.executable, "-m", "benchmarks.library_command"]


def run(folder: Path, runs: int, files: int = 100_000) -> None:
    size = room(folder, files * 28_700)
    tree = folder / "tree"
    size = make_tree(tree, files, size)
    print(f"{files} files, {size / 1e9:.2f} GB, {0.2 * 100:.0f} % double")
    jdupes, rdfind = shutil.which("jdupes"), shutil.which("rdfind")
    found = folder / "found.txt"

    def ours() -> None:
        subprocess.run([*OURS, "library", "dupes", str(tree), "--json"], stdout=found.open("wb"), check=True)

    sides = []
    if jdupes is None:
        print("jdupes is not installed: not compared")
    else:
        sides.append(Side("jdupes -q -r -m", lambda: _quiet([jdupes, "-q", "-r", "-m", str(tree)])))
    if rdfind is None:
        print("rdfind is not installed: not compared")
    else:
        options = ["-dryrun", "true", "-outputname", "/dev/null"]
        sides.append(Side("rdfind -dryrun true", lambda: _quiet([rdfind, *options, str(tree)])))
    cold = _can_drop_caches()
    if not cold:
        print("caches can't be dropped here: only warm")
    for state, before in (("warm", lambda: None), *((("cold", drop_caches),) if cold else ())):
        for peer in sides:
            print(f"\n{state}")
            compare(Side("library dupes", ours, before), Side(peer.name, peer.work, before), runs=runs)
    for name, work in (("library dupes", ours), *((side.name, side.work) for side in sides)):
        processor, wall = used(work)
        print(f"{name:44} {processor:9.3f} s of processor, {wall:.3f} s")
    if jdupes is not None:
        _same_sets(found, tree, jdupes)


def _same_sets(found: Path, tree: Path, jdupes: str) -> None:
    import json

    ours = {frozenset((each["keep"], *each["duplicates"])) for each in json.loads(found.read_bytes())["sets"]}
    listed = subprocess.run([jdupes, "-q", "-r", str(tree)], capture_output=True, text=True, check=True).stdout
    theirs = {frozenset(block.strip().split("\n")) for block in listed.split("\n\n") if block.strip()}
    print(f"the same sets as jdupes: {'yes' if ours == theirs else 'NO'} ({len(ours)} and {len(theirs)})")


def _quiet(command: list[str]) -> None:
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)


def drop_caches() -> None:
    subprocess.run(["sync"], check=True)
    Path("/proc/sys/vm/drop_caches").write_text("3")


def _can_drop_caches() -> bool:
    try:
        drop_caches()
    except OSError:
        return False
    return True

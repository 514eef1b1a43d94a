"""Sets of cartridges: planning a million files, the order of reading, a part of a long clip, writing and reading a set."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.measuring import fill, room
from film_archive.core.digest import digest_source
from film_archive.core.source import FileSource
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.tape.choosing import Choice
from film_archive.tape.drives.drive import Position
from film_archive.tape.drives.motion import Motion, motion_of
from film_archive.tape.formats import MEDIA
from film_archive.tape.gathering import Gathered, checked, gather
from film_archive.tape.holding_sets import gather_holdings
from film_archive.tape.records import TapeStep
from film_archive.tape.set_planning import SetState, WriteWishes, plan_write
from film_archive.tape.shelf import Shelf
from film_archive.tape.verifying import verify_tapes
from film_archive.tape.writing import WriteOptions, apply_write
from film_archive.testing.media import ClipSpec, make_clip
from film_archive.workflows.tape_restore import RestoreWishes, apply_restoring, plan_restoring

_FILES = 1_000_000
_SIZE = 8 << 30
_FRAMES = 30_000


def run(folder: Path, runs: int) -> None:
    _plan(folder)
    _order(runs)
    _part(folder)
    _set(folder, runs)


@contextlib.contextmanager
def _timed(what: str, times: list[float] | None = None) -> Iterator[None]:
    begun, cpu = time.perf_counter(), time.process_time()
    yield
    wall = time.perf_counter() - begun
    if times is not None:
        times.append(wall)
    print(f"{what:60} {wall:9.2f} s  (CPU {time.process_time() - cpu:.2f} s)")


def _plan(folder: Path) -> None:
    gathered = Gathered()
    for number in range(_FILES):
        path = f"show/reel {number // 5000:04}/A001C001_{number:08}.dpx"
        gathered.steps.append(TapeStep(size=12_000_000, source=f"/mnt/{path}", path=path, mtime_ns=number))
    gathered.runs = [5000] * (_FILES // 5000)
    state = SetState(({},), (), None, 0)
    with _timed(f"plan {_FILES:,} files (names, clashes, layout)"):
        plan = plan_write(Shelf(folder / "none"), "SHOW", checked(gathered), WriteWishes(MEDIA["L9"]), state=state)
    print(f"{'':60} {len(plan.cartridges)} cartridges")


def _order(runs: int) -> None:
    """200 files of a full LTO-8 cartridge, anywhere on it; the best order is the best of ours and of many tries."""
    motion = motion_of(MEDIA["L8"], MEDIA["L8"].usable // 524_288)
    dice = random.Random(8)
    for _ in range(max(1, runs // 2)):
        blocks = sorted(dice.sample(range(7, MEDIA["L8"].usable // 524_288 - 2000), 200))
        files = [(Position(1, block), 24, 12_000_000) for block in blocks]
        ours = motion.reading(files[place] for place in motion.order(files))
        best = min(ours, _searched(motion, files, dice))
        shuffled = statistics.median(_shuffled(motion, files, dice) for _ in range(9))
        by_block = motion.reading(files)
        print(
            f"{'200 random files: ours / best found, shuffled / ours':60} {ours / best:9.3f}, {shuffled / ours:.1f}"
            f"  ({ours / 6e7:.0f} min; block after block {by_block / 6e7:.0f} min)"
        )


def _shuffled(motion: Motion, files: Sequence[tuple[Position, int, int]], dice: random.Random) -> int:
    return motion.reading(dice.sample(files, len(files)))


def _searched(motion: Motion, files: Sequence[tuple[Position, int, int]], dice: random.Random) -> int:
    """A local search from another start: what ours is held against."""
    order = [files[place] for place in motion.order(files)]
    best = motion.reading(order)
    for _ in range(3000):
        one, other = sorted(dice.sample(range(len(order)), 2))
        tried = [*order[:one], *reversed(order[one:other]), *order[other:]]
        found = motion.reading(tried)
        if found < best:
            order, best = tried, found
    return best


def _part(folder: Path) -> None:
    """12 seconds of a long clip: what is read of it."""
    card = folder / "card"
    card.mkdir()
    start = Timecode.from_string("01:00:00:00", FrameRate(24))
    clip = make_clip(ClipSpec(name="LONG", width=640, height=360, frames=_FRAMES, start=start), card)
    size = clip.stat().st_size
    shelf = Shelf(folder / "shelf")
    apply_write(plan_write(shelf, "LONG", gather([card]), WriteWishes(MEDIA["L8"])), shelf)
    holdings = gather_holdings(shelf, "LONG")
    plan = plan_restoring(holdings, RestoreWishes(Choice(), "01:10:00:00", None, "00:00:12:00"), folder / "out")
    with _timed(f"12 s of a clip of {_FRAMES / 24 / 60:.0f} minutes, {size / 1e9:.2f} GB"):
        done = apply_restoring(plan, holdings)
    print(f"{'of the clip was read':60} {100 * done.bytes_read / size:9.2f} %  ({100 * 288 / _FRAMES:.2f} % of its frames)")
    shutil.rmtree(shelf.folder)
    shutil.rmtree(card)


def _set(folder: Path, runs: int) -> None:
    """Writing a set with all that belongs to it, and reading it back, against reading the same bytes with XXH3-128."""
    size = room(folder, 3 * _SIZE) // 3
    card = folder / "card"
    card.mkdir()
    for number in range(4):
        fill(card / f"A001C{number:03d}.mov", size // 4)
    shelf = Shelf(folder / "shelf")
    wishes = WriteWishes(MEDIA["L8"])
    ratios = []
    for _ in range(runs):
        shutil.rmtree(shelf.folder, ignore_errors=True)
        os.sync()
        written: list[float] = []
        with _timed("write a set, durably, with its lists", written):
            done = apply_write(plan_write(shelf, "SET", gather([card]), wishes), shelf, WriteOptions(facts=False))
        print(f"{'':60} {size / written[0] / 1e6:7.0f} MB/s, starved {done.starved} times")
        read: list[float] = []
        with _timed("read the files, XXH3-128", read):
            for path in sorted(card.iterdir()):
                with FileSource(path) as source:
                    digest_source(source)
        with _timed("verify the cartridge", read):
            assert verify_tapes([shelf.find("FA0001")]).exit_status == 0
        ratios.append(read[0] / read[1])
    print(f"{'verify / reading':60} {statistics.median(ratios):9.2f}")



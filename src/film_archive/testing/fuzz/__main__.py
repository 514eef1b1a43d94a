"""The command: `python -m film_archive.testing.fuzz SECONDS [--seed N] [--processes N] [TARGET…]`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from film_archive.testing.fuzz import archives, media, pictures, records
from film_archive.testing.fuzz.bench import Bench, Outcome
from film_archive.testing.fuzz.target import Target

TARGETS: dict[str, Target] = {
    target.name: target for kind in (archives, records, media, pictures) for target in kind.TARGETS
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run cases; 0 where none failed, 1 where one did, which is then kept in a folder."""
    parser = argparse.ArgumentParser(prog="python -m film_archive.testing.fuzz", description=__doc__)
    parser.add_argument("words", nargs="*", metavar="SECONDS TARGET…", help=f"of {', '.join(TARGETS)}; all without a name")
    parser.add_argument("--seed", type=int, default=1, help="other cases for another number")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--case", type=int, help="only the case of this number of one target")
    parser.add_argument("--found", type=Path, default=Path("fuzz-findings"), help="the folder for what fails")
    given = parser.parse_intermixed_args(arguments)
    words = list(given.words)
    seconds = float(words.pop(0)) if given.case is None and words else 60.0
    unknown = [word for word in words if word not in TARGETS]
    if unknown:
        parser.error(f"there is no target {unknown[0]}; there are {', '.join(TARGETS)}")
    targets = [TARGETS[word] for word in words] or list(TARGETS.values())
    if given.case is not None and len(targets) != 1:
        parser.error("--case needs one target")
    bench = Bench.of(targets, given.seed, given.found)
    done = bench.run(seconds, given.processes) if given.case is None else bench.run_one(targets[0], given.case)
    return show(done)


def show(done: Outcome) -> int:
    """Say what was done."""
    for name, count in done.cases.items():
        print(f"{name:>18} {count:>8} cases")
    total = sum(done.cases.values())
    print(f"{total} cases in {done.seconds:.1f} s, {total / max(done.seconds, 1e-9):.0f} a second")
    if done.finding is None:
        return 0
    print(f"FOUND in {done.finding.target}, case {done.finding.number}: {done.finding.what}; kept in {done.finding.folder}")
    return 1


if __name__ == "__main__":
    sys.exit(main())

"""Fuzz the reduced-resolution decoder of ProRes with sanitizers: `python -m tools.fuzz_prores --seconds 20`.

Builds tools/fuzz_prores.c with the decoder's own source, makes small frames of all profiles as seeds, and runs until the
time or the executions are used up. Ends with 0 if there was no finding; a finding's input is left in the folder. Where no
compiler has the sanitizers it says so and ends with 77.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DECODER = ROOT / "src/film_archive/media/prores"
SANITIZERS = "address,undefined"
NOTHING_TO_RUN = 77


def build(program: Path, *, coverage: bool) -> bool:
    """With clang guided by coverage (libFuzzer); otherwise with any compiler, and a loop of random changes."""
    compiler = shutil.which("clang") if coverage else shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return False
    kinds = f"fuzzer,{SANITIZERS}" if coverage else SANITIZERS
    flags = [f"-fsanitize={kinds}", "-fno-sanitize-recover=all", "-g", "-O2", "-std=c11", "-ffp-contract=off"]
    if not coverage:
        flags.append("-DWITHOUT_LIBFUZZER")
    sources = [str(ROOT / "tools/fuzz_prores.c"), str(DECODER / "picture.c")]
    made = subprocess.run([compiler, *flags, "-I", str(DECODER), "-o", str(program), *sources], capture_output=True, check=False)
    return made.returncode == 0


def seeds(folder: Path) -> list[Path]:
    """Frames of all profiles and scans, small and with slices of all widths, each behind the two bytes of choice."""
    from tests.media.prores.frames import FOURCC, Coding, packet

    codings = [
        Coding(width, height, profile, scan, content, macroblocks, matrix, 16 if profile == "4444" and width < 60 else 0)
        for profile in FOURCC
        for scan in ("progressive", "tff", "bff")
        for width, height, content, macroblocks, matrix in (
            (16, 16, "noise", 1, "auto"),
            (33, 17, "scene", 2, "default"),
            (40, 16, "text", 4, "auto"),
            (130, 8, "flat", 8, "hq"),
        )
    ]
    folder.mkdir(exist_ok=True)
    made = []
    for number, coding in enumerate(codings):
        path = folder / f"seed-{number:03}"
        path.write_bytes(bytes([number % 48, number % 8]) + packet(coding))
        made.append(path)
    return made


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--executions", type=int, default=2**62)
    parser.add_argument("--random-seed", type=int, default=1)
    parser.add_argument("--loop", action="store_true", help="the loop of random changes even where clang has libFuzzer")
    parser.add_argument("--folder", type=Path, help="for the program, its seeds, and findings (default: a temporary one)")
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="film-archive-fuzz-"))
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "fuzz"
    coverage = not arguments.loop and build(program, coverage=True)
    if not coverage and not build(program, coverage=False):
        print("no compiler here has the address and undefined-behaviour sanitizers")
        return NOTHING_TO_RUN
    files = seeds(folder / "seeds")
    if coverage:
        corpus = folder / "corpus"
        corpus.mkdir(exist_ok=True)
        command = [str(program), str(corpus), str(folder / "seeds"), f"-max_total_time={arguments.seconds}", "-max_len=20000"]
        command += [f"-seed={arguments.random_seed}", f"-artifact_prefix={folder}/finding-", "-print_final_stats=1"]
        if arguments.executions < 2**31:
            command.append(f"-runs={arguments.executions}")
    else:
        limits = [str(arguments.seconds), str(arguments.executions), str(arguments.random_seed)]
        command = [str(program), *limits, *map(str, files)]
    print("guided by coverage" if coverage else "random changes", flush=True)
    status = subprocess.run(command, check=False).returncode
    print("no finding" if status == 0 else f"a finding: exit status {status}; see {folder}")
    if status == 0 and arguments.folder is None:
        shutil.rmtree(folder)
    return status


if __name__ == "__main__":
    sys.exit(main())

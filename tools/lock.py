"""The lists of what is installed, made from pyproject.toml and never edited.

    python tools/lock.py              write requirements.txt and requirements.lock; pins that still fit are kept
    python tools/lock.py --upgrade    the same with the newest versions that fit
    python tools/lock.py --check      say whether both are what pyproject.toml asks for; needs no network

requirements.txt has the base install's dependencies as pyproject.toml states them. requirements.lock has one version of
everything, extras and the build's own needs included, for every platform and Python that the project allows, with the
digests of all files of that version, and no address: whichever index pip is set up to use serves it. The versions are
chosen by uv (a package that pip installs into a throw-away environment), since pip itself locks for one platform only.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements.txt"
LOCK = ROOT / "requirements.lock"

GENERATED = "# Generated from pyproject.toml by tools/lock.py; do not edit."
INPUTS = "# Inputs: sha256 "
USE = "# Use: pip install --require-hashes -r requirements.lock && pip install --no-deps --no-build-isolation ."


def read_project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def requirements_text(project: dict[str, Any]) -> str:
    """What requirements.txt should be."""
    return "\n".join([GENERATED, *sorted(project["project"]["dependencies"], key=str.lower)]) + "\n"


def inputs_digest(project: dict[str, Any]) -> str:
    """A digest of all that the lock file follows from."""
    table = project["project"]
    inputs = {
        "python": table["requires-python"],
        "build": sorted(project["build-system"]["requires"]),
        "base": sorted(table["dependencies"]),
        "extras": {name: sorted(listed) for name, listed in table["optional-dependencies"].items()},
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def lock_header(project: dict[str, Any]) -> str:
    return f"{GENERATED}\n{USE}\n{INPUTS}{inputs_digest(project)}\n"


def resolve(project: dict[str, Any], *, upgrade: bool) -> str:
    """Pins and digests of everything, as pip reads them."""
    with tempfile.TemporaryDirectory(prefix="film-archive-lock-") as folder:
        pins = Path(folder, "pins.txt")
        if LOCK.exists() and not upgrade:
            pins.write_text(LOCK.read_text(encoding="utf-8"), encoding="utf-8")
        build = Path(folder, "build.in")
        build.write_text("\n".join(project["build-system"]["requires"]) + "\n", encoding="utf-8")
        environment = Path(folder, "venv")
        venv.create(environment, with_pip=True)
        programs = environment / ("Scripts" if sys.platform == "win32" else "bin")
        subprocess.run([programs / "python", "-m", "pip", "install", "--quiet", "uv"], check=True)
        floor = project["project"]["requires-python"].removeprefix(">=")
        subprocess.run(
            [
                programs / "uv", "pip", "compile", ROOT / "pyproject.toml", build, "--all-extras",
                "--universal", "--python-version", floor, "--generate-hashes",
                "--no-header", "--no-annotate", "--quiet", "--output-file", pins,
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        return pins.read_text(encoding="utf-8")


def stale(project: dict[str, Any]) -> list[str]:
    """The names of the lists that are not what pyproject.toml asks for."""
    found = []
    if not REQUIREMENTS.exists() or REQUIREMENTS.read_text(encoding="utf-8") != requirements_text(project):
        found.append(REQUIREMENTS.name)
    if not LOCK.exists() or not LOCK.read_text(encoding="utf-8").startswith(lock_header(project)):
        found.append(LOCK.name)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="Write requirements.txt and requirements.lock from pyproject.toml.")
    parser.add_argument("--check", action="store_true", help="only say whether they are fresh")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that fit")
    options = parser.parse_args()
    project = read_project()
    if options.check:
        for name in stale(project):
            print(f"{name} is not what pyproject.toml asks for; run python tools/lock.py", file=sys.stderr)
        return 1 if stale(project) else 0
    REQUIREMENTS.write_text(requirements_text(project), encoding="utf-8")
    LOCK.write_text(lock_header(project) + resolve(project, upgrade=options.upgrade), encoding="utf-8")
    print(f"Wrote {REQUIREMENTS.name} and {LOCK.name}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

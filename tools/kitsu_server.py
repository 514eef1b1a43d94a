"""The Kitsu server that tests publish to: zou and all it needs, in a virtual environment of its own.

    python tools/kitsu_server.py            make it, unless it is there, and print where
    python tools/kitsu_server.py --where    only print where it would be; the status is 1 if it is not there

It is made once and kept with what can be made again (FILM_ARCHIVE_CACHE says where); FILM_ARCHIVE_KITSU_SERVER names another
environment that has zou. Beside it the server needs PostgreSQL, Redis and ffmpeg, which tools/install-debian.sh installs. The
versions stand in tools/kitsu-server.txt.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from film_archive.core import places

PINS = Path(__file__).with_name("kitsu-server.txt")
_COMPLETE = "complete"
_TIMEOUT = 1800


def place() -> Path:
    """The environment's folder, whether it is there or not."""
    named = os.environ.get("FILM_ARCHIVE_KITSU_SERVER")
    if named:
        return Path(named)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    digest = hashlib.sha256(PINS.read_bytes() + version.encode()).hexdigest()
    return places.cache() / f"kitsu-server-{digest[:12]}"


def is_there() -> bool:
    """Whether the environment is whole."""
    folder = place()
    if os.environ.get("FILM_ARCHIVE_KITSU_SERVER"):
        return (folder / "bin" / "zou").exists()
    return (folder / _COMPLETE).exists()


def make() -> Path:
    """Make the environment unless it is whole; what a killed run left is made anew. Raises CalledProcessError, OSError."""
    folder = place()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_there():
            shutil.rmtree(folder, ignore_errors=True)
            venv.create(folder, with_pip=True)
            python = str(folder / "bin" / "python")
            pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(PINS)]
            subprocess.run(pip, check=True, timeout=_TIMEOUT, stdin=subprocess.DEVNULL)
            (folder / _COMPLETE).touch()
    return folder


def main() -> int:
    parser = argparse.ArgumentParser(description="Make the Kitsu server that tests publish to.")
    parser.add_argument("--where", action="store_true", help="make nothing; say where it is")
    if parser.parse_args().where:
        print(place())
        return 0 if is_there() else 1
    try:
        print(make())
    except (OSError, subprocess.SubprocessError) as error:
        print(f"kitsu_server: it can't be made here, and tests that need it will skip: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What is installed of other keepers of versions, and how each stores a folder: small files and media, durable at the end.

DVC keeps the small files in git and the media in its cache, git-lfs both in git; restic and borg make a snapshot
(they have no branches and no merge), uncompressed, since footage does not compress. Oxen's wheel has no command line,
and what it does in Python is another program's work; it is used where its `oxen` is on the path.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

_SETTINGS = ("-c", "user.name=b", "-c", "user.email=b@example.org", "-c", "commit.gpgsign=false", "-c", "gc.auto=0")
_SECRET = {"RESTIC_PASSWORD": "benchmark", "BORG_PASSPHRASE": "", "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"}


class Peer(NamedTuple):
    """A program and what it does with a folder that has `small/` and media beside it."""

    name: str
    programs: tuple[str, ...]
    prepare: Callable[[Path], None]
    """Make what it needs in or beside the folder; not counted."""
    add: Callable[[Path], None]
    """Store all of the folder."""
    edit: Callable[[Path], None] | None
    """Look what has changed, and store that; None: the same as `add`."""

    @property
    def lacking(self) -> list[str]:
        """Its programs that are not installed."""
        return [program for program in self.programs if shutil.which(program) is None]


def run(folder: Path, *words: object) -> None:
    """A program in a folder, quietly; raises CalledProcessError."""
    settings = {"HOME": str(folder.parent), "BORG_BASE_DIR": str(folder.parent / "borg home"), "DVC_NO_ANALYTICS": "1", **_SECRET}
    quiet, surroundings = subprocess.DEVNULL, {**os.environ, **settings}
    subprocess.run(list(map(str, words)), cwd=folder, check=True, stdout=quiet, stderr=quiet, env=surroundings)


def git(folder: Path, *words: str) -> None:
    run(folder, "git", *_SETTINGS, *words)


def _begin_git(folder: Path) -> None:
    git(folder, "init", "-q", "-b", "main")


def _begin_lfs(folder: Path) -> None:
    _begin_git(folder)
    git(folder, "lfs", "install", "--local")
    git(folder, "lfs", "track", "*.mov")


def _begin_dvc(folder: Path) -> None:
    _begin_git(folder)
    run(folder, "dvc", "init", "-q")
    (folder / "media").mkdir()
    for clip in folder.glob("*.mov"):
        clip.rename(folder / "media" / clip.name)


def _commit_all(folder: Path) -> None:
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")


def _add_dvc(folder: Path) -> None:
    run(folder, "dvc", "add", "-q", "small", "media")
    _commit_all(folder)


def _edit_git(folder: Path) -> None:
    git(folder, "status")
    git(folder, "commit", "-q", "-a", "-m", "edit")


def _edit_dvc(folder: Path) -> None:
    run(folder, "dvc", "status")
    run(folder, "dvc", "commit", "-q", "-f")
    git(folder, "commit", "-q", "-a", "-m", "edit")


def _beside(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.store")


def _restic(folder: Path) -> None:
    run(folder, "restic", "-q", "-r", _beside(folder), "--compression", "off", "backup", ".")


def _borg(folder: Path) -> None:
    run(folder, "borg", "create", "--compression", "none", f"{_beside(folder)}::{{now:%H%M%S.%f}}", ".")


def _oxen(folder: Path) -> None:
    run(folder, "oxen", "add", ".")
    run(folder, "oxen", "commit", "-m", "first")


PEERS = (
    Peer("git-lfs", ("git", "git-lfs"), _begin_lfs, _commit_all, _edit_git),
    Peer("dvc", ("git", "dvc"), _begin_dvc, _add_dvc, _edit_dvc),
    Peer("restic", ("restic",), lambda folder: run(folder, "restic", "-q", "-r", _beside(folder), "init"), _restic, None),
    Peer("borg", ("borg",), lambda folder: run(folder, "borg", "init", "-e", "none", _beside(folder)), _borg, None),
    Peer("oxen", ("oxen",), lambda folder: run(folder, "oxen", "init"), _oxen, None),
)


def remove(folder: Path) -> None:
    """Remove a peer's folder and what it has beside it."""
    for place in (folder, _beside(folder), folder.parent / "borg home"):
        shutil.rmtree(place, ignore_errors=True)  # some peers make their objects read-only
        if place.exists():
            subprocess.run(["chmod", "-R", "u+w", place], check=True)
            shutil.rmtree(place)

"""Options that many verbs of `repo` have."""

from __future__ import annotations

import typer

REPO = typer.Option(None, "--repo", help="A repository, or a work tree of one; without it, the one this folder is in.")
BRANCH = typer.Option(None, "--branch", help="A branch by name; without it, the one that the work tree is on.")
JSON = typer.Option(False, "--json", help="Print one JSON document.")
DRY_RUN = typer.Option(False, "--dry-run", help="Only say what would be done.")

"""`ded-io`: the command line of the plate ingest. Today it can say its version and examine the machine."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from ded_io import __version__

OPTIONS = (
    "--source", "--sequence", "--shot", "--in", "--out", "--config", "--batch", "--project",
    "--dry-run", "--skip-kitsu", "--skip-cleanup", "--burn-in", "--verbose",
)  # fmt: skip
"""What asks for an ingest."""

SCHEMA_VERSION = 1
"""Of the documents that `--json` prints."""


def run(arguments: Sequence[str] | None = None) -> NoReturn:
    """The console script. Ends with the exit status."""
    sys.exit(main(sys.argv[1:] if arguments is None else arguments))


def main(arguments: Sequence[str]) -> int:
    """Do what the arguments say; returns the exit status."""
    if any(word.split("=")[0] in OPTIONS for word in arguments):
        return _ingest()
    parsed = _parser().parse_args(arguments)
    if parsed.verb is None:
        _parser().print_help(sys.stderr)
        return 2
    return doctor(json=parsed.json)


def doctor(*, json: bool = False) -> int:
    """Show what the ingest needs and what of it is there; the status is 0 if all of it is, else 5."""
    from ded_io.doctor import Examination, examine
    from film_archive.core.errors import NotSupported

    checks = []
    for check in examine():
        checks.append(check)
        if not json:
            print(check)
    ok = all(check.ok for check in checks)
    if json:
        from pydantic_core import to_json

        document = {"schema_version": SCHEMA_VERSION, **Examination(ok, tuple(checks)).to_json()}
        print(to_json(document, indent=2).decode())
    return 0 if ok else NotSupported.exit_status


def _ingest() -> int:
    from film_archive.core.errors import NotSupported

    print("ded-io: this version can't ingest plates yet; nothing was read or written.", file=sys.stderr)
    return NotSupported.exit_status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ded-io",
        description="From a camera clip and a cut to plates. The ingest itself is not in this version yet.",
    )
    parser.add_argument("--version", action="version", version=f"ded-io {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    examine = verbs.add_parser("doctor", help="examine whether this machine has what the ingest needs")
    examine.add_argument("--json", action="store_true", help="print one JSON document")
    return parser

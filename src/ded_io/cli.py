"""`ded-io`: the command line of the plate ingest. Today it can say its version and examine the machine."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

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
    if arguments[:1] != ["kitsu"] and any(word.split("=")[0] in OPTIONS for word in arguments):
        return _ingest()
    parsed = _parser().parse_args(arguments)
    if parsed.verb is None:
        _parser().print_help(sys.stderr)
        return 2
    if parsed.verb == "kitsu":
        return kitsu(parsed)
    return doctor(json=parsed.json)


def kitsu(parsed: argparse.Namespace) -> int:
    """Do what the arguments of `kitsu` say; the status is that of its report, or of what went wrong."""
    from ded_io.kitsu import command
    from film_archive.core.errors import FilmArchiveError

    try:
        result = command.run(parsed)
    except FilmArchiveError as error:
        print(f"ded-io: {error}", file=sys.stderr)
        if parsed.json:
            _print_json({"error": {"status": error.exit_status, "message": str(error)}})
        return error.exit_status
    except KeyboardInterrupt:
        print("ded-io: Stopped; what was finished is kept, and the same command continues.", file=sys.stderr)
        return 130
    if parsed.json:
        _print_json(result.document)
    else:
        print("\n".join(result.lines))
    return result.exit_status


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
        _print_json(Examination(ok, tuple(checks)).to_json())
    return 0 if ok else NotSupported.exit_status


def _print_json(document: Mapping[str, Any]) -> None:
    from pydantic_core import to_json

    print(to_json({"schema_version": SCHEMA_VERSION, **document}, indent=2).decode())


def _ingest() -> int:
    from film_archive.core.errors import NotSupported

    print("ded-io: this version can't ingest plates yet; nothing was read or written.", file=sys.stderr)
    return NotSupported.exit_status


def _parser() -> argparse.ArgumentParser:
    from ded_io.kitsu import command

    parser = argparse.ArgumentParser(
        prog="ded-io",
        description="From a camera clip and a cut to plates. The ingest itself is not in this version yet.",
    )
    parser.add_argument("--version", action="version", version=f"ded-io {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    examine = verbs.add_parser("doctor", help="examine whether this machine has what the ingest needs")
    examine.add_argument("--json", action="store_true", help="print one JSON document")
    command.add_verbs(verbs)
    return parser

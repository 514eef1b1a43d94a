"""`ded-io`: the command line of the plate ingest.

Without a verb it ingests: one shot, a batch, or an edit list. Verbs: `doctor`, `verify`, `kitsu setup`, `kitsu sync`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from film_archive.core.errors import Damaged, FilmArchiveError, NotFound, NotSupported, PartlyDone
from film_archive.core.process import all_written, outlast_readers, stop_on_sigterm, stopped_status
from film_archive.core.source import printable

if TYPE_CHECKING:
    from ded_io.arguments import Wishes
    from ded_io.footage_ingest import FootageIngestPipeline

_STOPPED = "ded-io: stopped; no plate is left in part, and the next run goes on where this one was."
SCHEMA_VERSION = 1
"""Of the documents that `--json` prints."""


def run(arguments: Sequence[str] | None = None) -> NoReturn:
    """The console script. Ends with the exit status."""
    outlast_readers()
    try:
        stop_on_sigterm()
        status = main(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:
        print(_STOPPED, file=sys.stderr)
        status = stopped_status()
    sys.exit(all_written("ded-io", status))


def main(arguments: Sequence[str]) -> int:
    """Do what the arguments say; returns the exit status."""
    try:
        return _verb(arguments) if arguments and not arguments[0].startswith("-") else _ingest(arguments)
    except FilmArchiveError as error:
        print(f"ded-io: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print(_STOPPED, file=sys.stderr)
        return stopped_status()


def doctor(*, json: bool = False) -> int:
    """Show what the ingest needs and what of it is there; the status is 0 if all of it is, else 5."""
    from ded_io.doctor import Examination, examine

    checks = []
    for check in examine():
        checks.append(check)
        if not json:
            print(check)
    ok = all(check.ok for check in checks)
    if json:
        _print_json(Examination(ok, tuple(checks)).to_json())
    return 0 if ok else NotSupported.exit_status


def kitsu(parsed: argparse.Namespace) -> int:
    """Do what the arguments of `kitsu` say; the status is that of its report, or of what went wrong."""
    from ded_io.kitsu import command

    try:
        result = command.run(parsed)
    except FilmArchiveError as error:
        if parsed.json:
            _print_json({"error": {"status": error.exit_status, "message": str(error)}})
        raise
    if parsed.json:
        _print_json(result.document)
    else:
        print("\n".join(result.lines))
    return result.exit_status


def verify(named: Sequence[str]) -> int:
    """Read plates again and hold them against their manifests; the status is 0 where all is as it was, else 11.

    Raises NotFound where a name leads to no plate; nothing has then been read.
    """
    from ded_io.plate_manifest import problems, read_manifest

    broken = 0
    for container in [each for path in named for each in _plates(Path(path))]:
        try:
            manifest = read_manifest(container)
            lines = list(problems(container, manifest, digests=True))
        except (Damaged, NotFound) as error:  # the others are still to be read
            lines = [str(error)]
        broken += bool(lines)
        for line in lines or [f"{printable(container)}: {len(manifest.files)} files are what they were."]:
            print(line)
    return Damaged.exit_status if broken else 0


def _plates(path: Path) -> list[Path]:
    from ded_io.shot_tree import containers

    found = list(containers(path))
    if not found:
        raise NotFound(f"There is no plate in {printable(path)}; name a version container, or a folder of the shot tree.")
    return found


def _verb(arguments: Sequence[str]) -> int:
    parsed = _verbs().parse_args(arguments)
    if parsed.verb == "kitsu":
        return kitsu(parsed)
    return verify(parsed.container) if parsed.verb == "verify" else doctor(json=parsed.json)


def _verbs() -> argparse.ArgumentParser:
    from ded_io.kitsu import command

    parser = argparse.ArgumentParser(prog="ded-io", description="What belongs to the plate ingest; see `ded-io --help`.")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    examine = verbs.add_parser("doctor", help="examine whether this machine has what the ingest needs")
    examine.add_argument("--json", action="store_true", help="print one JSON document")
    again = verbs.add_parser("verify", help="read plates again and hold them against their manifests")
    again.add_argument("container", nargs="+", metavar="CONTAINER", help="a version container, or a folder of a shot tree")
    command.add_verbs(verbs)
    return parser


def _ingest(arguments: Sequence[str]) -> int:
    from ded_io import arguments as said

    if not arguments:
        said.parser().print_help(sys.stderr)
        return 2
    parsed = said.parse(arguments)
    from ded_io import telling

    with telling.logging_to(verbose=parsed.verbose, quiet=parsed.quiet, log_file=parsed.log_file) as logger:
        wishes = said.read_wishes(parsed)
        for note in (*wishes.settings.warnings, *wishes.notes):
            logger.warning(note)
        for problem in wishes.problems:
            logger.error(problem)
        status = _run(parsed, wishes)
    if wishes.problems:
        return PartlyDone.exit_status if status == 0 and wishes.cuts else status or Damaged.exit_status
    return status


def _run(parsed: argparse.Namespace, wishes: Wishes) -> int:
    from ded_io import telling
    from ded_io.footage_ingest import FootageIngestPipeline, exit_status

    pipeline = FootageIngestPipeline(settings=wishes.settings.settings)
    if parsed.contact_sheet:
        from ded_io.batch_sheet import require_sheet_name

        require_sheet_name(Path(parsed.contact_sheet))  # not after all shots
    _write_count_sheets(parsed, wishes, pipeline)
    bars = telling.Bars() if sys.stderr.isatty() and not (parsed.quiet or parsed.verbose or parsed.dry_run) else None
    pipeline.watch = bars or telling.Lines(pipeline.logger)
    show: Any = _show_plan if parsed.dry_run and parsed.report != "-" else None
    with bars or nullcontext():
        summaries = pipeline.ingest_batch(wishes.cuts, dry_run=parsed.dry_run, only=parsed.only, on_shot=show)
    if not parsed.dry_run:
        # what --quiet leaves, and what may not stand in a report that is printed, is for people: it goes to stderr
        quiet = parsed.quiet or parsed.report == "-"
        for line in telling.ending_lines(summaries, quiet=quiet):
            print(line, file=sys.stderr if quiet else sys.stdout)
    if parsed.report:
        telling.write_report(parsed.report, pipeline.get_summary())
    if parsed.contact_sheet and not parsed.dry_run:
        from ded_io.batch_sheet import write_batch_sheet

        write_batch_sheet(Path(parsed.contact_sheet), summaries, pipeline.settings)
    return exit_status(summaries)


def _show_plan(summary: dict[str, Any]) -> None:
    from ded_io.telling import plan_lines

    sys.stdout.write("\n".join(plan_lines(summary)) + "\n")


def _write_count_sheets(parsed: argparse.Namespace, wishes: Wishes, pipeline: FootageIngestPipeline) -> None:
    if not parsed.count_sheet:
        return
    from ded_io.count_sheet import count, write_count_sheet

    rows = count(wishes.cuts, pipeline.settings, pipeline.project)
    for where in parsed.count_sheet:
        write_count_sheet(Path(where), rows, f"{pipeline.project}: count sheet")


def _print_json(document: Mapping[str, Any]) -> None:
    from pydantic_core import to_json

    print(to_json({"schema_version": SCHEMA_VERSION, **document}, indent=2).decode())

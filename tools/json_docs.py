"""docs/json.md, made from the models that are printed.

    python tools/json_docs.py            write it
    python tools/json_docs.py --check    say whether it is what the models say

A key is a field of a dataclass (or a property, where a line of a manifest is meant), its type the field's, its meaning the
text below the field.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import inspect
import re
import sys
import textwrap
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Any

from ded_io import doctor
from ded_io.kitsu import command as kitsu_command
from ded_io.kitsu import publication, syncing
from ded_io.kitsu import setup as kitsu_setup
from film_archive.core import facts, job, member
from film_archive.core.records import key_of_field
from film_archive.core.timecode import FrameRange, FrameRate, Timecode
from film_archive.library import (
    archiver,
    burning,
    crawler,
    dupe_finder,
    exporting,
    finding,
    ingester,
    moves,
    offload,
    safety,
    sorter,
    undoing,
    verifying,
)
from film_archive.proxy import recipe
from film_archive.server import running
from film_archive.tape import records as tape
from film_archive.versioning import chunk_policy, collecting, holdings, locks, reports, switching, worktree
from film_archive.versioning import verifying as repository
from film_archive.workflows import (
    attach_plans,
    attaching,
    bundle_checking,
    bundle_contents,
    bundle_media,
    bundle_reading,
    bundling,
    checking,
    clip_logs,
    cut_records,
    cut_steps,
    demo,
    engines,
    extraction,
    filled,
    gathering,
    listing,
    mending,
    originals,
    probing,
    production,
    proxies,
    proxy_plans,
    pull,
    pull_plans,
    rebuild,
    tape_finding,
    tape_import,
    tape_listing,
    tape_page,
    tape_shelf,
    timelines,
    trim,
    unpacking,
)

PAGE = Path(__file__).resolve().parent.parent / "docs" / "json.md"

INTRODUCTION = """\
# What `--json` prints

<!-- Made by tools/json_docs.py from the models in the source; do not edit. -->

One JSON document on stdout and nothing else there; progress and notes go to stderr. Every document has `schema_version`
(1). Sizes are bytes, rates strings like "24000/1001", timecodes SMPTE strings, dates ISO 8601. Keys may be added; they
are not removed or given another meaning without a new `schema_version`. An error prints one document with `error`: an
object of `status` (the exit status) and `message`.

Paths are text. Where one is not UTF-8 its bytes appear as escapes, and `raw_KEY` beside the key has them exactly, as hex.

A `--dry-run` prints the same keys, as far as they are known, and `plan`: the very plan that would be applied. It is plain
data; in Python `CreatePlan.from_json(document["plan"])` reads it back and `apply_create` applies it, and so for each verb
(see the names below). What has changed since the plan was made is refused (status 11).
"""


@dataclass(frozen=True)
class Section:
    """A heading and the table of one model."""

    title: str
    model: type[Any]
    text: str = ""
    only: tuple[str, ...] = ()
    """The keys, where they are not the model's fields."""
    more: tuple[str, ...] = ()
    """Properties that are printed beside the fields."""


def _plan(verb: str, plan: type[Any], apply: str, steps: str) -> Section:
    text = f"`{plan.__module__}.{plan.__name__}`, applied by `{apply}`. `verb` is \"{verb}\". The steps are {steps}."
    return Section(f"Plan of {verb}", plan, text)


SECTIONS: tuple[Section, ...] = (
    Section("demo", demo.Demo),
    Section("Steps of the demo", demo.DemoStep),
    _plan("demo", demo.DemoPlan, "run_demo", "[what it would do](#what-the-demo-would-do)"),
    Section("What the demo would do", demo.DemoPlanStep),
    Section("probe", probing.Inspection, "The exit status is 12 where some could be probed and some not."),
    Section("probe --engine", engines.Engines),
    Section("create and add", filled.Made),
    Section("Left out", gathering.LeftOut),
    _plan("create", production.CreatePlan, "apply_create", "[things to archive](#things-to-archive)"),
    _plan("add", production.AddPlan, "apply_add", "[things to archive](#things-to-archive)"),
    Section("Things to archive", gathering.Found),
    Section("Enclosures", filled.Enclosure),
    Section("Logs", clip_logs.LogFile),
    Section("Carried timelines", timelines.Carried),
    Section("Media of timelines", bundle_media.Medium),
    Section("Missing references", timelines.MissingReference),
    Section("ls", listing.Holds, "Beside these, `members`: list of [members](#members), written as it is read."),
    Section(
        "Members",
        member.Member,
        "The lines of the manifest; those of originals and all that else is in them is in "
        "[archive-format.md](archive-format.md#member). These keys are always there (the last two in originals):",
        only=("path", "role", "size", "offset", "digests", "media", "proxies"),
    ),
    Section("Embedded proxies", member.ProxyRecord),
    Section("check", checking.Checked),
    Section("Problems", checking.Found),
    Section("repair", mending.Repaired),
    Section("Lost", mending.Lost),
    _plan("repair", mending.RepairPlan, "apply_repair", "[mendings](#mendings)"),
    Section("Mendings", mending.MendStep),
    Section("unpack", unpacking.Unpacked),
    Section("Skipped", unpacking.Skipped),
    _plan("unpack", unpacking.UnpackPlan, "apply_unpack", "[members to write](#members-to-write)"),
    Section("Members to write", unpacking.UnpackStep),
    Section("proxy", proxies.ProxiesMade),
    Section("Made proxies", proxies.MadeProxy),
    Section("Made stills", proxies.MadeStill),
    _plan("proxy", proxies.ProxyPlan, "apply_proxies", "[clips to encode](#clips-to-encode)"),
    Section("Clips to encode", proxy_plans.EncodeStep),
    Section("proxy attach", attaching.Attached),
    Section("Attached proxies", attaching.AttachedProxy),
    _plan("proxy attach", attaching.AttachPlan, "apply_attach", "[proxies to attach](#proxies-to-attach)"),
    Section("Proxies to attach", attach_plans.AttachStep),
    Section("Images", originals.Images),
    Section("Wanted proxies", proxy_plans.WantedProxy),
    Section("Wanted stills", proxy_plans.WantedStill),
    Section("Recipes", recipe.Recipe),
    Section("extract", extraction.Extracted),
    _plan("extract", extraction.ExtractPlan, "apply_extract", "[cuts](#cuts)"),
    Section("Cuts", cut_steps.CutStep),
    Section("bundle write", bundling.Bundled),
    Section("Renamed media", bundling.Renamed),
    Section("Trimmed media", trim.TrimmedMedium),
    Section("Events of a bundle", bundling.ListedEvent),
    _plan("bundle write", bundling.BundlePlan, "apply_bundle", "[things to archive](#things-to-archive)"),
    Section("bundle read", bundle_reading.BundleRead),
    _plan("bundle read", bundle_reading.BundleReadPlan, "apply_bundle_read", "[members to write](#members-to-write)"),
    Section("bundle info", bundle_contents.BundleInfo),
    Section("Media of a bundle", bundle_contents.BundleMedium),
    Section("Tracks", bundle_contents.TrackSummary),
    Section("bundle check", bundle_checking.BundleChecked),
    Section("pull", pull.Pulled),
    Section("Pulled events", pull_plans.PulledEvent),
    Section("Cuts of a pull", cut_records.CutRecord, "Also what `CUT.json` beside any cut says, without `mtime_ns`."),
    Section("Files of a cut", cut_records.CutFile),
    _plan("pull", pull.PullPlan, "apply_pull", "[cuts to pull](#cuts-to-pull)"),
    Section("Cuts to pull", pull_plans.PullStep),
    Section("repo init", reports.Begun),
    Section("repo branch", reports.BranchReport),
    Section("repo branches", reports.BranchesReport),
    Section("repo add, rm and unstage", reports.StagedReport),
    Section("repo mv", reports.MovedReport),
    Section("Renamed", worktree.Renamed),
    Section("repo commit", reports.CommittedReport),
    Section("repo status", worktree.Status),
    Section("repo diff", reports.DiffReport),
    Section("Changes", reports.ChangeReport),
    Section("Changed facts", reports.MediaChange),
    Section("repo merge", reports.MergeReport, "Where a conflict is not settled nothing was changed; the exit status is 10."),
    Section("Conflicts", reports.ConflictReport),
    Section("Sides", reports.Side),
    Section("repo log", reports.LogReport),
    Section("Commits", reports.CommitReport),
    Section("repo checkout", switching.CheckedOut),
    Section("Left out of a checkout", switching.LeftOut),
    Section("repo export", reports.ExportReport),
    Section("repo import", reports.ImportReport),
    Section("repo adopt", reports.AdoptReport, "The exit status is 12 where some archives are not at hand."),
    Section("repo lock and unlock", reports.LocksReport),
    Section("Locks", locks.EditLock),
    Section("repo chunking", chunk_policy.ChunkingReport),
    Section("repo gc", collecting.Cleanup),
    Section("repo verify", repository.Verified, "The exit status is 11 where there are problems."),
    Section("Problems of a repository", repository.Problem),
    Section("repo stats", holdings.StorageSavings),
    Section("repo where", holdings.Whereabouts),
    Section("Places of contents", holdings.Place),
    Section("serve", running.Serving),
    Section("offload", offload.Offloaded),
    Section("Copies of a card", offload.CardCopy),
    _plan("offload", offload.OffloadPlan, "apply_offload", "[files of the card](#files-of-the-card)"),
    Section("Files of the card", offload.CardFile),
    Section("Folders of the card", offload.CardFolder),
    Section("safe", safety.Verdict),
    Section("Lacking copies", safety.Lacking),
    Section("where", finding.Whereabouts),
    Section("Known copies", finding.KnownCopy),
    Section("find", finding.Findings),
    Section("library ingest", ingester.Ingested),
    Section("Dates", ingester.Dated),
    Section("Already there", ingester.Already),
    _plan("library ingest", ingester.IngestPlan, "apply_ingest", "[clips to ingest](#clips-to-ingest)"),
    Section("Clips to ingest", ingester.IngestStep),
    Section("catalog rebuild", rebuild.Rebuilt),
    Section("catalog export", exporting.Exported),
    Section("library archive", archiver.Archived),
    Section("Volumes", archiver.Volume),
    Section("Images of volumes", burning.Image),
    _plan("library archive", archiver.ArchivePlan, "apply_archive", "[volumes to make](#volumes-to-make)"),
    Section("Volumes to make", archiver.VolumeStep),
    Section("library burned", burning.Burned),
    Section("library verify", verifying.Verified),
    Section("Faults", verifying.Fault),
    Section("library crawl", crawler.Crawled),
    Section("library dupes", dupe_finder.Duplicates),
    Section("Sets of duplicates", dupe_finder.DupeSet),
    Section("Sets of folders", dupe_finder.FolderSet),
    Section("library sort", sorter.Sorted),
    Section("Moved files", moves.Moved),
    Section("What stays", sorter.Stays),
    _plan("library sort", sorter.SortPlan, "apply_sort", "[clips to move](#clips-to-move)"),
    Section("Clips to move", sorter.SortStep),
    Section("Moves", moves.Move),
    Section("library undo", undoing.Undone),
    Section(
        "tape plan, write and migrate",
        tape.TapeWritten,
        "The exit status is 12 where some files could not be written or the cartridge in the drive is full, 11 where what was "
        "read back is not right.",
    ),
    Section("Cartridges of a report", tape.TapeCartridge),
    Section("Files of a report", tape.TapeFileReport, f"`status` is one of {', '.join(tape.FileStatus)}."),
    _plan("tape write", tape.WritePlan, "apply_set", "[things to write](#things-to-write)"),
    Section("Things to write", tape.TapeStep),
    Section("tape format", tape.TapeFormatted),
    _plan("tape format", tape.FormatPlan, "format_tape", "[cartridges to format](#cartridges-to-format)"),
    Section("Cartridges to format", tape.FormatStep),
    Section("tape verify", tape.TapeVerified, "The exit status is 11 where there are problems."),
    Section("tape ls and list", tape_listing.TapeListing),
    Section("Listed cartridges", tape_listing.ListedCartridge),
    Section("tape find", tape_finding.TapeFindings),
    Section("Found on tape", tape_finding.FoundOnTape),
    Section(
        "tape restore",
        tape.TapeRestored,
        "The exit status is 12 where some cartridges are not here or some files failed, 11 where files are not what they were.",
    ),
    Section("Picked cartridges", tape.PickedCartridge),
    _plan("tape restore", tape.RestorePlan, "apply_restoring", "[files to restore](#files-to-restore)"),
    Section("Files to restore", tape.RestoreStep),
    Section("tape import", tape_import.TapeImported),
    Section("tape locate", tape_shelf.TapeLocations),
    Section("Locations", tape_shelf.TapeLocation),
    Section(
        "tape catalog",
        tape_shelf.ShelfContents,
        "With `--html`, `--csv`, `--index` or `--rebuild` an object of what was done instead: `page`, `csv` (path, files), "
        "`index` (path, bytes), `rebuilt`.",
    ),
    Section("Cataloged cartridges", tape_shelf.CatalogedCartridge),
    Section("Pages of a shelf", tape_page.ShelfPage),
    Section("Rebuilt shelf", tape_shelf.ShelfEntered),
    Section("With --abandon", job.Abandoned),
    Section("Failures", job.Failure),
    Section("ded-io doctor", doctor.Examination),
    Section("Checks of ded-io doctor", doctor.Check),
    Section("ded-io kitsu setup", kitsu_setup.SetUp),
    Section("ded-io kitsu sync", syncing.Synced),
    Section("Published plates", publication.Published),
    Section("ded-io kitsu sync with --dry-run or --abandon", kitsu_command.WaitingEntries),
    Section("Waiting publications", kitsu_command.WaitingEntry),
    Section("Clips", probing.Probed, "Beside `path`, all [media facts](#media-facts).", only=("path",)),
    Section(
        "Media facts",
        facts.MediaFacts,
        "What is known of a clip or an image sequence: printed by `probe`, and `media` of a member.",
        more=("start_rate", "drop_frame"),
    ),
    Section("Colour", facts.ColorFacts),
    Section("Audio tracks", facts.AudioFacts),
)


LISTS = """\
## edl

| key | value |
|---|---|
| `list`, `format`, `title` | its path, what it is (`edl`, `ale`, `csv`, `fcpxml`, `otio`, `aaf`, `fcp7xml`), its own title or null |
| `rate` | what it is counted at, or null where neither the list nor `--rate` says |
| `events` | list of [events](#events) |
| `record_frames` | from the first record in to the last record out, or null |
| `source_frames` | frames of media that are used, each counted once, or null |
| `media` | list of `{reel, source_file, clip_names, events, first, end, frames}`, `end` exclusive |
| `odd` | list of `{line, event, kind, what}`; `kind` is `timecode`, `order`, `overlap`, `gap`, `empty`, `midnight` or `rate` |
| `diagnostics` | list of `{line, what, text}`; `text` is the line where it could not be read, else null |
| `output`, `lost` | with `--to`: the file, and a list of `{line, what}`: what the format can't hold |

## Events

| key | value |
|---|---|
| `line` | of the list; the position in formats without lines |
| `event`, `reel`, `channels` | as written |
| `transition`, `transition_duration` | `C`, `D`, `W001`, `K`, `KB`, `KO`; frames |
| `source_in`, `source_out`, `record_in`, `record_out` | as written, out exclusive |
| `fcm` | `DF`, `NDF` or null: the frame code mode in force |
| `speed` | null, or `{fps, ratio, trigger_tc, m2_reel}`: an M2 line's source frames a second, or other formats' ratio |
| `comments` | lines after the event, as written |
| `from_clip_name`, `to_clip_name`, `key_clip_name`, `source_file`, `from_clip_path`, `from_file` | what comments, or other formats, name |
| `asc_sop`, `asc_sat`, `locators` | as written |
| `track`, `source_rate`, `record_rate`, `media` | in formats that have them; `media` is a list of `{name, url, active}` |
| `source_frames`, `record_frames` | between the timecodes, or null |
| `speed_ratio`, `source_frames_needed_at_speed`, `source_range_written` | with a speed: `as_played_at_speed`, `as_if_normal_speed` or `neither` |
| `source_wraps_midnight` | whether the source runs over midnight |
| `needed_in`, `needed_frames` | the source frames that playing the event takes, a following transition among it |
"""  # noqa: E501  a row of a table is one line
"""The keys of `edl`, whose names and meanings are those of the lists themselves: its events are no dataclass."""


def page() -> str:
    """The whole of docs/json.md."""
    return "\n".join([INTRODUCTION, *(_section(section) for section in SECTIONS), LISTS])


def _section(section: Section) -> str:
    about = section.text or _first_line(section.model)
    rows = [f"| `{key}` | {_type_text(hint)} | {meaning} |" for key, hint, meaning in _keys(section)]
    return "\n".join([f"## {section.title}", "", about, "", "| key | type | meaning |", "|---|---|---|", *rows, ""])


def _first_line(model: type[Any]) -> str:
    text = inspect.getdoc(model) or ""
    return " ".join(text.split("\n\n")[0].split())


def _keys(section: Section) -> Iterator[tuple[str, Any, str]]:
    meanings = _meanings(section.model)
    names = section.only or (*(field.name for field in dataclasses.fields(section.model)), *section.more)
    for name in names:
        if name not in meanings:
            raise SystemExit(f"{section.model.__name__}.{name} is printed as JSON and does not say what it means")
        yield key_of_field(name), _hint(section.model, name), re.sub(r"\bNone\b", "null", meanings[name]).replace("|", "\\|")


def _hint(model: type[Any], name: str) -> Any:
    found = inspect.getattr_static(model, name, None)
    if isinstance(found, property):
        assert found.fget is not None
        names = {**vars(sys.modules[model.__module__]), **vars(typing), "ProxyRecord": member.ProxyRecord}
        return typing.get_type_hints(found.fget, names)["return"]
    return typing.get_type_hints(model)[name]


def _meanings(model: type[Any]) -> dict[str, str]:
    """Field or property → its text, those of base classes among them."""
    found: dict[str, str] = {}
    for kind in reversed(model.__mro__):
        if not kind.__module__.startswith(("film_archive", "ded_io")):
            continue
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
        assert isinstance(definition, ast.ClassDef)
        for node, following in zip(definition.body, [*definition.body[1:], None], strict=True):
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
                    found[node.target.id] = " ".join(str(following.value.value).split())
            elif isinstance(node, ast.FunctionDef) and ast.get_docstring(node):
                found[node.name] = " ".join((ast.get_docstring(node) or "").split("\n\n")[0].split())
    return found


_WORDS: Mapping[Any, str] = {
    str: "text",
    Path: "text",
    bytes: "hex",
    bool: "true or false",
    int: "number",
    float: "number",
    FrameRate: "text",
    Timecode: "text",
    Fraction: "text",
}


def _type_text(hint: Any) -> str:
    """A type as JSON has it; other models are links to their tables."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return f"{' or '.join(_type_text(argument) for argument in arguments if argument is not type(None))} or null"
    if origin is tuple:
        inner = arguments[0]
        return "list of numbers" if inner in (int, FrameRange) else f"list of {_type_text(inner)}"
    if origin is not None and issubclass(origin, Mapping):
        return "object"
    if hint in _WORDS:
        return _WORDS[hint]
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return "text"
    titles = [section.title for section in SECTIONS if section.model is hint]
    if not titles:
        raise SystemExit(f"{hint!r} is printed as JSON and has no section")
    return f"[{titles[0]}](#{titles[0].lower().replace(' ', '-')})"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing; say whether the page is as it should be")
    if parser.parse_args(arguments).check:
        if PAGE.read_text("utf-8") == page():
            return 0
        print("docs/json.md is not what the models say; run: python tools/json_docs.py", file=sys.stderr)
        return 1
    PAGE.write_text(page(), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

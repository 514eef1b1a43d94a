"""The arguments of `ded-io`'s ingest: what can be said, and what it comes to as settings and cuts."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ded_io import __version__
from ded_io.models import EditorialCutInfo
from ded_io.reading_settings import ReadSettings, read_settings
from film_archive.core.errors import UsageError

_SHOT = ("source", "sequence", "shot", "in_point", "out_point")
_FLAGS = {"in_point": "--in", "out_point": "--out", "version_number": "--ver"}
_OF_WAYS = {
    "sequence": ("source", "pull"),
    **dict.fromkeys(("shot", "in_point", "out_point", "notes", "timecode"), ("source",)),
    **dict.fromkeys(("media", "shot_names", "mapping"), ("pull",)),
}
"""Arguments that say something only of a shot, or only of a list."""

_EPILOG = """\
verbs: `ded-io doctor` examines the machine, `ded-io verify CONTAINER` a plate against its manifest, `ded-io kitsu setup` and
`ded-io kitsu sync` speak to Kitsu. Out points are inclusive. Exit status: 0 done, 12 some shots failed, 2 to 11 why all did.
"""


def parser() -> argparse.ArgumentParser:
    """The parser of an ingest."""
    made = argparse.ArgumentParser(
        prog="ded-io",
        description="From a camera clip and a cut to plates: one shot, a batch file, or an edit list.",
        epilog=_EPILOG,
        allow_abbrev=False,
    )
    made.add_argument("--version", action="version", version=f"ded-io {__version__}")
    shot = made.add_argument_group("one shot")
    shot.add_argument("--source", metavar="PATH", help="the clip: a movie, MXF, image sequence, or ARCHIVE::MEMBER")
    shot.add_argument("--sequence", metavar="NAME", help='the sequence, as "sht"')
    shot.add_argument("--shot", metavar="NUM", help='the shot, as "100"')
    shot.add_argument("--in", dest="in_point", metavar="FRAME", help="in point: a frame of the clip from 0, or a timecode")
    shot.add_argument("--out", dest="out_point", metavar="FRAME", help="out point, the last frame of the shot")
    shot.add_argument("--notes", default="", help="what editorial says of it")
    shot.add_argument("--ver", dest="version_number", metavar="N", type=int, help="the version, else the next one")
    shot.add_argument("--timecode", metavar="TC", help="timecode of the clip's first frame, where it has none or a wrong one")
    shot.add_argument("--look", metavar="FILE", help="a CDL or LUT: into the proxy, and beside the plate")
    many = made.add_argument_group("many shots")
    many.add_argument("--batch", metavar="FILE", help="a JSON file of shots")
    many.add_argument("--pull", metavar="LIST", help="an EDL, OTIO, ALE or CSV; its clips lie in --media")
    media = "a clip, a folder or an archive; may be repeated"
    many.add_argument("--media", metavar="PATH", action="append", default=[], help=media)
    many.add_argument("--shot-names", metavar="TEMPLATE", help="names of a list's shots (default {number:03}0)")
    many.add_argument("--mapping", metavar="FILE", help="a CSV that says which media an event means")
    many.add_argument("--only", metavar="SHOT", action="append", default=[], help="this shot only; may be repeated")
    sheet = "write the count sheet as .csv or .html; may be repeated"
    many.add_argument("--count-sheet", metavar="FILE", action="append", default=[], help=sheet)
    many.add_argument("--contact-sheet", metavar="FILE", help="first, middle and last frame of each shot")
    stop = many.add_mutually_exclusive_group()
    ends, goes_on = "end at the first shot that fails", "go on with the next shot (default)"
    stop.add_argument("--stop-on-error", dest="stop_on_error", action="store_true", default=None, help=ends)
    stop.add_argument("--continue-on-error", dest="stop_on_error", action="store_false", default=None, help=goes_on)
    _add_settings(made)
    _add_running(made)
    return made


def _add_settings(made: argparse.ArgumentParser) -> None:
    group = made.add_argument_group("settings, over those of the file and the environment")
    group.add_argument("--config", metavar="FILE", help="a JSON file of settings")
    group.add_argument("--project", metavar="NAME", help="the show")
    group.add_argument("--project-id", metavar="ID", help="its id in Kitsu")
    group.add_argument("--output-root", metavar="DIR", help="the shot tree")
    group.add_argument("--output-dir", metavar="DIR", help="put version containers here, without the tree's folders")
    group.add_argument("--temp-dir", metavar="DIR", help="where frames are made")
    group.add_argument("--fps", metavar="RATE", help="the clip's rate; one that contradicts its own is refused")
    group.add_argument("--task", metavar="NAME", help="the task (default pla)")
    group.add_argument("--element", metavar="NAME", help="the element (default rawPlate)")
    group.add_argument("--handles", metavar="N", type=int, help="handle frames at each end (default 8)")
    group.add_argument("--strict-handles", action="store_true", default=None, help="fail where the clip has fewer")
    group.add_argument("--source-colorspace", metavar="NAME", help="what the clip is encoded in, whatever it says")
    group.add_argument("--squeeze", metavar="RATIO", help="of the lens: 2, 1.8, 1; or auto")
    group.add_argument("--resolution", metavar="WxH", help="of the plate, or native")
    group.add_argument("--engine", choices=("builtin", "tools"), help="this process, or oiiotool and ffmpeg")
    group.add_argument("--jobs", metavar="N", type=int, help="frames at the same time (default 4)")
    group.add_argument("--shots", metavar="N", type=int, help="shots at the same time (default 1)")
    group.add_argument("--skip-kitsu", action="store_true", default=None, help="register nothing in Kitsu")
    group.add_argument("--skip-cleanup", action="store_true", default=None, help="keep the temporary frames")
    group.add_argument("--burn-in", action="store_true", default=None, help="frame numbers, shot and timecode in the proxy")
    group.add_argument("--slate", action="store_true", default=None, help="a slate before the proxy")
    group.add_argument("--audio", action="store_true", default=None, help="the clip's sound in the proxy")
    group.add_argument("--mhl", action="store_true", default=None, help="an ASC MHL history for each version")


def _add_running(made: argparse.ArgumentParser) -> None:
    group = made.add_argument_group("running")
    group.add_argument("--dry-run", action="store_true", help="list every command, file and byte; write nothing")
    group.add_argument("--report", metavar="FILE", help="write what was done as JSON; - prints it")
    group.add_argument("--verbose", action="store_true", help="tell more")
    quiet = "tell errors only, and what people have to look at: QC's findings, what waits for Kitsu"
    group.add_argument("--quiet", action="store_true", help=quiet)
    group.add_argument("--log-file", metavar="FILE", help="everything that is told, into a file too")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the arguments ask for."""

    settings: ReadSettings
    cuts: tuple[EditorialCutInfo, ...]
    notes: tuple[str, ...]
    problems: tuple[str, ...]
    """Of a list's events that become no shot."""


def read_wishes(parsed: argparse.Namespace) -> Wishes:
    """Settings and cuts of parsed arguments. Raises UsageError for what makes none."""
    read = read_settings(None if parsed.config is None else Path(parsed.config), settings_of(parsed))
    ways = [name for name in ("source", "batch", "pull") if getattr(parsed, name)]
    if len(ways) != 1:
        given = "none of them was" if not ways else f"{' and '.join('--' + way for way in ways)} were"
        raise UsageError(f"One of --source, --batch and --pull is needed, and {given} given.")
    _require_effect(parsed, ways[0])
    if ways == ["pull"]:
        return _pulled(parsed, read)
    if ways == ["batch"]:
        from ded_io.batch import read_batch

        batch = read_batch(Path(parsed.batch))
        return Wishes(read, tuple(_with_arguments(cut, parsed, parsed.fps) for cut in batch.cuts), batch.warnings, ())
    return Wishes(read, (_single(parsed),), (), ())


def settings_of(parsed: argparse.Namespace) -> dict[str, Any]:
    """The fields of `Settings` that the arguments set, read as in the file."""
    from ded_io.reading_settings import KEYS

    said: dict[str, Any] = {
        name: getattr(parsed, name)
        for name in (
            *("project", "project_id", "temp_dir", "task", "element", "strict_handles", "source_colorspace", "squeeze"),
            *("resolution", "engine", "jobs", "shots", "skip_kitsu", "skip_cleanup", "slate", "audio", "mhl", "stop_on_error"),
        )
    }
    said["shot_tree_root"], said["output_dir"], said["burn_in_proxy"] = parsed.output_root, parsed.output_dir, parsed.burn_in
    said["head_handles"] = said["tail_handles"] = parsed.handles
    readers = {key.field: key for key in KEYS}
    values = {}
    for field, value in said.items():
        if value is None:
            continue
        try:
            values[field] = readers[field].read(value)
        except UsageError as error:
            raise UsageError(f"--{field.replace('_', '-')}: {error}") from error
    return values


def _single(parsed: argparse.Namespace) -> EditorialCutInfo:
    from ded_io.batch import cut_of

    lacking = [_FLAGS.get(name, f"--{name}") for name in _SHOT if getattr(parsed, name) is None]
    if lacking:
        raise UsageError(f"A shot needs {', '.join(lacking)}, too.")
    values = {
        "sequence": parsed.sequence,
        "shot": parsed.shot,
        "source_file": parsed.source,
        "in_point": _point(parsed.in_point),
        "out_point": _point(parsed.out_point),
        "notes": parsed.notes,
        "version": parsed.version_number,
        "timecode": parsed.timecode,
        "look_file": parsed.look,
        "source_fps": parsed.fps,
    }
    return cut_of({name: value for name, value in values.items() if value is not None})[0]


def _point(text: str) -> int | str:
    """A whole number is a frame; all else is read as a timecode, once the clip's rate is known."""
    return int(text) if re.fullmatch(r"[+-]?[0-9]{1,18}", text) else text


def _require_effect(parsed: argparse.Namespace, way: str) -> None:
    """Raise UsageError for an argument that would change nothing about what was asked for."""
    for name, ways in _OF_WAYS.items():
        if getattr(parsed, name) and way not in ways:
            flag = _FLAGS.get(name, f"--{name.replace('_', '-')}")
            raise UsageError(f"{flag} has no effect with --{way}; it belongs to {' and '.join('--' + each for each in ways)}.")


def _with_arguments(cut: EditorialCutInfo, parsed: argparse.Namespace, rate: str | None) -> EditorialCutInfo:
    """A shot of a list, with what the arguments say of all shots and it does not say itself; `rate` is the clips'."""
    from dataclasses import replace

    said = {
        "source_fps": rate,
        "version": parsed.version_number,
        "look_file": None if parsed.look is None or cut.look_cdl is not None else Path(parsed.look).expanduser(),
    }
    changed = {name: value for name, value in said.items() if value is not None and getattr(cut, name) is None}
    return replace(cut, **changed) if changed else cut


def _pulled(parsed: argparse.Namespace, read: ReadSettings) -> Wishes:
    from ded_io.cut_list import SHOT_NAMES, shots_of_list

    if not parsed.media:
        raise UsageError("--pull needs --media: where the list's clips are.")
    if parsed.sequence is None:
        raise UsageError("--pull needs --sequence: what the shots of the list belong to.")
    shots = shots_of_list(
        Path(parsed.pull),
        parsed.media,
        sequence=parsed.sequence,
        names=parsed.shot_names or SHOT_NAMES,
        rate=parsed.fps,
        mapping=None if parsed.mapping is None else Path(parsed.mapping),
        look=None if parsed.look is None else Path(parsed.look).expanduser(),
    )
    return Wishes(read, tuple(_with_arguments(cut, parsed, None) for cut in shots.cuts), shots.notes, shots.problems)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse an ingest's arguments; ends the process with status 2 for those that are none."""
    return parser().parse_args(arguments)

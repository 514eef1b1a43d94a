"""What a shot needs before its first frame is made: the clip looked at, the frames counted, the colours named.

Defined here is also the ingest's id: a digest of all that decides what the plate is. The same input has the same id, so
that what was made before is found again, in the shot tree and in the work folder.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ded_io import colours
from ded_io.cut import frame_of, shot_frames
from ded_io.models import EditorialCutInfo, Outputs, ProcessingResult, ShotInfo
from ded_io.reading_settings import squeeze as read_squeeze
from ded_io.work_folder import WorkFolder
from film_archive.core.digest import key_of
from film_archive.core.errors import NotFound, Refused, UsageError, from_os_error
from film_archive.core.source import printable
from film_archive.core.timecode import FrameRate, Timecode

if TYPE_CHECKING:
    from ded_io.pictures.source import SourceClip

_REVISION = 1
"""Of how plates are made; a change that gives other pixels raises it, so that unchanged shots are made anew."""


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What a clip says of itself."""

    frames: int
    rate: FrameRate
    start_timecode: Timecode | None
    reel: str | None
    width: int
    height: int
    colorspace: str | None
    squeeze: Fraction | None
    needs_exporter: bool
    extension: str = "dpx"
    """Of its frames as files: an image sequence's own, else dpx."""
    missing: frozenset[int] = frozenset()
    """Frames that have no file."""
    camera: Mapping[str, str] = field(default_factory=dict)


def prepare(shot_info: ShotInfo, result: ProcessingResult) -> SourceFacts:
    """Look at the shot's clip and fill in what follows from it: frames, rate, timecode, colours, id. Writes nothing.

    Raises what `cut.shot_frames` does, NotFound for a missing source, UsageError for a rate or colour space that
    contradicts the clip.
    """
    cut, settings, made = shot_info.editorial_info, shot_info.settings, shot_info.outputs
    identity = source_identity(cut.source_file)
    facts = look_at(str(cut.source_file), cut.rate or settings.source_fps, identity)
    if cut.rate is not None and cut.rate != facts.rate:
        raise UsageError(
            f"{printable(cut.source_file)} runs at {facts.rate.text} frames a second, not at {cut.rate.text}; nothing was made."
        )
    if made.frames is not None:
        return facts
    made.source_size = (facts.width, facts.height)
    made.rate, made.reel, made.camera = facts.rate, facts.reel, facts.camera
    made.start_timecode = _start(cut, facts)
    made.squeeze = squeeze_of(shot_info, facts.squeeze)
    made.colorspace = _colorspace(shot_info, facts, result)
    made.frames = shot_frames(
        frame_of(cut.in_point, start=made.start_timecode, rate=facts.rate),
        frame_of(cut.out_point, start=made.start_timecode, rate=facts.rate),
        clip_frames=facts.frames,
        head=settings.head_handles if cut.head_handles is None else cut.head_handles,
        tail=settings.tail_handles if cut.tail_handles is None else cut.tail_handles,
        start=settings.start_frame,
        first_frame_is=settings.first_frame_is,
        strict=settings.strict_handles,
    )
    for sentence in made.frames.shortfalls():
        result.add_warning(sentence)
    if cut.speed not in (None, 1):
        result.add_warning(f"The cut plays this at a speed of {cut.speed}; the plate has the covering frames as they were shot.")
    made.ingest_id = ingest_id(shot_info, identity)
    return facts


def settings_without_source(shot_info: ShotInfo, result: ProcessingResult) -> None:
    """For a stage that is used alone, on frames whose clip is not there: what the settings say, and a warning."""
    made = shot_info.outputs
    made.squeeze = made.squeeze or squeeze_of(shot_info, None)
    made.colorspace = made.colorspace or shot_info.editorial_info.source_colorspace or shot_info.settings.default_colorspace
    made.rate = made.rate or shot_info.editorial_info.rate or shot_info.settings.source_fps
    result.add_warning(
        f"{printable(shot_info.editorial_info.source_file)} is not there: squeeze and colours are those of the settings, "
        "and the frames get no timecode."
    )


def _start(cut: EditorialCutInfo, facts: SourceFacts) -> Timecode | None:
    if cut.timecode is None:
        return facts.start_timecode
    return Timecode.from_string(cut.timecode, facts.rate)


def squeeze_of(shot_info: ShotInfo, of_clip: Fraction | None) -> Fraction:
    """The shot's, else the show's, else the clip's, else the default."""
    said = shot_info.editorial_info.squeeze
    wanted = read_squeeze(said) if isinstance(said, str | float | int) else said
    return wanted or shot_info.settings.squeeze or of_clip or shot_info.settings.default_squeeze


def _colorspace(shot_info: ShotInfo, facts: SourceFacts, result: ProcessingResult) -> str:
    """What the frames are encoded in, by the config's name."""
    settings = shot_info.settings
    colours.canonical(settings.ocio_config, settings.target_colorspace)
    colours.require_view(settings.ocio_config, settings.display, settings.view)
    said = shot_info.editorial_info.source_colorspace or settings.source_colorspace
    if said is not None:
        return colours.canonical(settings.ocio_config, said)
    assumed = colours.canonical(settings.ocio_config, settings.default_colorspace)
    if facts.needs_exporter:
        return assumed  # the exporter is told to make that
    if facts.colorspace is None:
        result.add_warning(f"The clip does not say its colour space; it is taken as {assumed}.")
    elif colours.canonical(settings.ocio_config, facts.colorspace) != assumed:
        raise Refused(
            f"{printable(shot_info.editorial_info.source_file)} says that it is {facts.colorspace}, not {assumed}; nothing was "
            "written. Say which with --source-colorspace."
        )
    return assumed


@lru_cache(maxsize=4096)
def look_at(source: str, fps: FrameRate, identity: str) -> SourceFacts:
    """What a clip says of itself; a clip that several shots are cut from is opened once, while its identity is the same."""
    from ded_io.pictures.source import SourceClip

    with SourceClip.open(source, fps=fps) as clip:
        return SourceFacts(
            clip.frames,
            FrameRate.of(clip.rate),
            clip.start_timecode,
            clip.reel,
            clip.width,
            clip.height,
            clip.colorspace,
            clip.squeeze,
            clip.needs_exporter,
            _extension(clip),
            clip.missing,
            dict(clip.camera),
        )


def _extension(clip: SourceClip) -> str:
    """What its frames will be called, for a plan; of a sequence in an archive that is only known when they are made."""
    files = clip.files(0, 0)
    first = None if files is None else files[0]
    return "dpx" if first is None else first.suffix[1:]


def source_identity(source: Path) -> str:
    """Changes when what a source holds does: names, sizes and times of its files. Raises NotFound and so on."""
    try:
        if source.is_dir():
            return _identity_of_folder(source, "")
        if source.exists():
            status = source.stat()
            return f"{source.name}:{status.st_size}:{status.st_mtime_ns}"
        if any(sign in source.name for sign in "%#@") and source.parent.is_dir():
            return _identity_of_folder(source.parent, source.name.partition("%")[0].partition("#")[0].partition("@")[0])
    except OSError as error:
        raise from_os_error(error, f"look at {printable(source)}") from error
    if "::" in str(source):
        from film_archive.workflows.locating import state_of

        return f"{source.name}:{state_of(str(source))[0]}"
    raise NotFound(f"There is no {printable(source)}; nothing was written.")


def _identity_of_folder(folder: Path, prefix: str) -> str:
    with os.scandir(folder) as entries:
        rows = sorted(
            f"{entry.name}:{entry.stat().st_size}:{entry.stat().st_mtime_ns}"
            for entry in entries
            if entry.is_file() and entry.name.startswith(prefix)
        )
    return f"{len(rows)}:{key_of(os.fsencode(chr(10).join(rows))).hex()}"


def ingest_id(shot_info: ShotInfo, identity: str) -> str:
    """The digest of all that decides what the plate is, 32 hex digits."""
    settings, cut, made = shot_info.settings, shot_info.editorial_info, shot_info.outputs
    assert made.frames is not None
    look = None if cut.look_cdl is None else key_of(cut.look_cdl.encode()).hex()
    if cut.look_file is not None:
        look = file_digest(cut.look_file)
    said = {
        "revision": _REVISION,
        "source": identity,
        "shot": [shot_info.code, shot_info.task, shot_info.element],
        "frames": [made.frames.first_source, made.frames.last_source, made.frames.first_number, made.frames.in_number],
        "rate": str(made.rate),
        "timecode": str(made.start_timecode),
        "colours": [made.colorspace, settings.target_colorspace, settings.ocio_config, settings.display, settings.view],
        "picture": [str(made.squeeze), str(settings.resolution), settings.fit, settings.exr_compression, settings.bit_depth],
        "proxy": [str(settings.proxy_resolution), settings.proxy_crf, settings.burn_in_proxy, settings.slate, settings.audio],
        "engine": settings.engine,
        "names": [settings.frame_name, settings.movie_name],
        "look": look,
    }
    return key_of(json.dumps(said, sort_keys=True).encode()).hex()


def file_digest(path: Path) -> str:
    """XXH3-128 of a small file, hex."""
    try:
        return key_of(path.read_bytes()).hex()
    except OSError as error:
        raise from_os_error(error, f"read {printable(path)}") from error


def work_folder(shot_info: ShotInfo) -> WorkFolder:
    """The folder in which this shot's frames are made, claimed once for all stages. Raises Refused where another run has it."""
    made = shot_info.outputs
    if made.work is None:
        key = made.ingest_id or key_of(repr(shot_info.editorial_info).encode()).hex()
        name = f"{shot_info.code}_{shot_info.task}_{shot_info.element}_{key[:12]}"
        made.work = WorkFolder.claim(shot_info.settings.temp_dir, name)
    return made.work


def planned_work(shot_info: ShotInfo) -> Path:
    """Where that folder will be, for a dry run."""
    key = shot_info.outputs.ingest_id or ""
    return shot_info.settings.temp_dir / f"{shot_info.code}_{shot_info.task}_{shot_info.element}_{key[:12]}"


def timecode_of(made: Outputs, number: int) -> Timecode | None:
    """The source timecode of the frame with a number."""
    if made.start_timecode is None or made.frames is None:
        return None
    return made.start_timecode + made.frames.source_of(number)

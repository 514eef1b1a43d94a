"""Sony's `rawexporter`: its command line, and whether it did what it was told.

What is known of it comes from programs that call it; Sony has no document about it. So nothing that it says is believed:
not its exit status, not the digits of its file names, not their first number. Its frames are listed, counted, checked one
by one against their own headers, and named anew. Options are a table in `ded_io.config`.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ded_io import config
from ded_io.models import ImageSequence
from ded_io.windows_paths import from_windows, is_windows_path, to_windows
from film_archive.core import files, programs
from film_archive.core.errors import NotSupported, ProgramFailed, UsageError

_HINT = (
    "X-OCN can only be read by Sony's exporter: install Sony RAW Viewer (Windows or macOS) and set tools.sony_converter to its "
    "rawexporter, or export DPX and ingest those"
)
_PLACES = (
    "/Applications/RAW Viewer.app/Contents/MacOS/rawexporter",
    "/usr/local/bin/rawexporter",
)
"""Where it may be on other systems."""
_HEADER = struct.Struct(">4sI8sI")
"""Magic, offset of the image, version, size of the file."""
_NUMBER = re.compile(r"^(?P<base>.*?)[._]?(?P<number>\d+)\.dpx$", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Exporter:
    """The program, and how paths are told to it."""

    program: Path
    windows: bool
    """Whether it is a program of Windows that is started from WSL."""
    distribution: str | None = None

    @classmethod
    def find(cls, named: str, distribution: str | None = None) -> Exporter:
        """The exporter that the settings name, or where it usually is; raises NotSupported with what to install."""
        windows = is_windows_path(named)
        for candidate in (from_windows(named), *(_PLACES if named == config.SONY_CONVERTER else ())):
            found = programs.find(candidate)
            if found is not None:
                return cls(found.absolute(), windows and candidate != named, distribution or config.distribution())
        raise NotSupported(f"Sony's exporter {named} is not there. {_HINT}.")

    def path(self, path: Path) -> str:
        absolute = str(path.absolute())
        return to_windows(absolute, self.distribution) if self.windows else absolute

    def command(self, source: Path, folder: Path, name: str, first: int, last: int, number: int) -> list[str]:
        """The command line that writes the source frames `first` to `last` as DPX, numbered from `number`."""
        said = {
            "source": self.path(source),
            "folder": self.path(folder),
            "name": name,
            "format": "dpx",
            "first": str(first),
            "last": str(last),
            "number": str(number),
            "digits": "4",
            "depth": "16",
            "bake": config.SONY_BAKE,
            "display": "0",
        }
        words = [str(self.program)]
        for option, value in said.items():
            written = config.SONY_OPTIONS.get(option)
            if written:  # a studio whose exporter lacks one takes it out of the table
                words += [written, value]
        return words


def export(
    exporter: Exporter,
    source: Path,
    first: int,
    last: int,
    *,
    scratch: Path,
    target: ImageSequence,
    timeout: float,
    on_frame: Callable[[int], None],
) -> None:
    """Write source frames as the DPX sequence `target`, which has as many; what is whole is kept even where it fails.

    The exporter works in `scratch`, a folder of this shot's own that is emptied before. `timeout` is in seconds without
    any new byte. Raises ProgramFailed where it hangs, fails, or does not write what it was told.
    """
    if target.frame_count != last - first + 1:
        raise UsageError(f"{last - first + 1} source frames can't be the {target.frame_count} frames of {target.pattern}.")
    files.remove_tree(scratch)
    files.make_folders(scratch)
    command = exporter.command(source, scratch, target.base_name, first, last, target.first_frame)
    failure: ProgramFailed | None = None
    try:
        programs.run(command, timeout=timeout, folder=scratch, progress=lambda: _grown(scratch)).require_success()
    except ProgramFailed as error:
        failure = error
    whole, problem = _taken(scratch, target)
    for done in range(1, whole + 1):
        on_frame(done)
    if failure is not None:
        raise ProgramFailed(f"{failure} {whole} of {target.frame_count} frames are whole and kept; the next run goes on there.")
    if problem is not None:
        raise ProgramFailed(f"Sony's exporter said that it was done, but {problem}; {whole} whole frames are kept.")
    files.remove_tree(scratch)


def _grown(folder: Path) -> tuple[int, int]:
    """How many files there are, and their bytes: what changes while the exporter works."""
    sizes = []
    for path in folder.glob("*"):
        try:
            sizes.append(path.stat().st_size)
        except OSError:
            continue  # it has just got another name
    return len(sizes), sum(sizes)


def _taken(scratch: Path, target: ImageSequence) -> tuple[int, str | None]:
    """Move the whole frames under their names; how many there are, and what is wrong with what was written.

    Frames are taken from the first on, as far as they follow each other and are whole. A frame with another size than its
    header says, or than the frames before it, is half.
    """
    found: dict[int, Path] = {}
    for path in sorted(scratch.iterdir()):
        match = _NUMBER.match(path.name)
        if match is not None:
            found[int(match["number"])] = path
    if not found:
        return 0, "wrote no DPX frame"
    files.make_folders(target.directory)
    start, size = min(found), 0
    for place in range(target.frame_count):
        path_or_none = found.get(start + place)
        if path_or_none is None:
            return place, f"wrote {len(found)} of {target.frame_count} frames"
        problem = frame_problem(path_or_none, size)
        if problem is not None:
            return place, f"its frame {path_or_none.name} {problem}"
        size = path_or_none.stat().st_size
        files.rename(path_or_none, target.path(target.first_frame + place), replace=True)
    extra = len(found) - target.frame_count
    return target.frame_count, f"wrote {extra} frames more than it was told" if extra else None


def frame_problem(path: Path, expected: int = 0) -> str | None:
    """Why a DPX frame is not whole: it is no DPX, or shorter than its header says, or of another size than `expected`.

    Source: SMPTE ST 268-1, generic file header: magic, offset of the image, version, size of the file.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(_HEADER.size)
    except OSError as error:
        return f"can't be read ({error.strerror})"
    if len(head) < _HEADER.size or head[:4] not in (b"SDPX", b"XPDS"):
        return "is no DPX"
    _, offset, _, stated = struct.Struct((">" if head[:4] == b"SDPX" else "<") + "4sI8sI").unpack(head)
    if size <= offset or (stated not in (0, 0xFFFFFFFF) and size < stated):
        return f"is not whole: it has {size} of {stated} bytes"
    if expected and size != expected:
        return f"has {size} bytes and the frames before it {expected}"
    return None



"""The frames of a cut as numbered files: DPX with all its headers (SMPTE ST 268-1), or the images that there are.

Own writer: OpenImageIO's leaves the film header's fields to names that few know, and packs more slowly. The reader of
`film_archive.media.dpx` reads it all back. Images of a sequence are taken as they are: a DPX that went through a library
has lost what only its header knew.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ded_io.pictures.source import SourceClip
from film_archive import __version__
from film_archive.core import copying, files
from film_archive.core.digest import KEY, MultiHasher
from film_archive.core.errors import FilmArchiveError, NotSupported, UsageError
from film_archive.core.executors.threads import ThreadExecutor
from film_archive.core.source import ByteSource, FileSource, printable
from film_archive.core.timecode import Timecode
from film_archive.media.codeword import code_word
from film_archive.media.dpx import read_dpx

OFFSET = 8192
"""Where the picture begins: on a boundary that disks and players like."""
_UNDEFINED = 0xFFFFFFFF
_MARK = "film-archive "

OnFrame = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class DpxLabels:
    """What a DPX's headers say beside its picture; None where nobody knows."""

    source_name: str = ""
    """Of the clip: the orientation header's source image file."""
    reel: str | None = None
    """The orientation header's input device."""
    serial: str | None = None
    """The camera's serial number."""
    created: str | None = None
    """The recording's date, ISO 8601."""
    project: str = ""
    slate: str = ""
    """The film header's slate information: the shot."""
    rate: Fraction | None = None
    timecode: Timecode | None = None
    position: int = 0
    """The frame's place in its sequence, from 0."""
    frames: int = 1
    """How many the sequence has."""
    frame_id: str = ""
    pixel_aspect: Fraction = Fraction(1)
    is_log: bool = True
    mark: str = ""
    """Up to 31 signs for the user's header: here, of what it was made."""


def extract_dpx(
    clip: SourceClip,
    first: int,
    last: int,
    *,
    directory: Path,
    base_name: str,
    start_number: int,
    workers: int | None = None,
    on_frame: OnFrame | None = None,
    bit_depth: int = 10,
) -> list[Path]:
    """Write the frames `first` to `last` of a clip, both included and counted from 0, as `base_name.NNNN.dpx`.

    The first gets `start_number`. Returns the files in order; frames that a sequence has not (`clip.missing`) are left out,
    their numbers with them. A sequence's images are copied: they keep their format and so their extension. What an earlier
    run has decoded of the same clip is kept. `on_frame` hears each number. Raises OutOfRange, NotSupported for X-OCN,
    Damaged, NoSpace.
    """
    clip.require(first, last)
    if clip.needs_exporter:
        next(clip.pictures(first, last))  # raises, saying what to install
    if bit_depth not in (10, 16):
        raise UsageError(f"DPX of {bit_depth} bits is not written here; there are 10 and 16.")
    files.make_folders(directory)
    if clip.is_images:
        return _images(clip, first, last, directory, base_name, start_number, on_frame)
    told = on_frame or _nobody
    names = {first + place: directory / f"{base_name}.{start_number + place:04d}.dpx" for place in range(last - first + 1)}
    marks = {position: _mark_of(clip, position, bit_depth) for position in names}
    wanted = [position for position in names if not _is_there(names[position], marks[position])]
    for position in names:
        if position not in wanted:
            told(start_number + position - first)
    with ThreadExecutor(workers) as executor:
        for begin, end in _stretches(wanted):
            jobs = (
                (position, partial(
                    write_dpx, names[position], pixels, _labels(clip, position, first, last, marks[position]),
                    bit_depth=bit_depth, replace=True,
                ))
                for position, pixels in clip.pictures(begin, end)
            )  # fmt: skip
            for position in executor.map(_run, jobs):
                told(start_number + position - first)
    return list(names.values())


def _run(job: tuple[int, Callable[[], object]]) -> int:
    position, write = job
    write()
    return position


def _nobody(number: int) -> None:
    """Hears of a frame and does nothing."""


def _stretches(positions: list[int]) -> list[tuple[int, int]]:
    """Runs of consecutive positions as (first, last)."""
    runs: list[tuple[int, int]] = []
    for position in positions:
        if runs and position == runs[-1][1] + 1:
            runs[-1] = runs[-1][0], position
        else:
            runs.append((position, position))
    return runs


def _labels(clip: SourceClip, position: int, first: int, last: int, mark: str) -> DpxLabels:
    return DpxLabels(
        source_name=clip.name,
        reel=clip.reel,
        serial=clip.camera.get("serial"),
        created=clip.facts.created,
        rate=clip.rate,
        timecode=clip.timecode(position),
        position=position - first,
        frames=last - first + 1,
        frame_id=str(position),
        pixel_aspect=clip.squeeze or Fraction(1),
        mark=mark,
    )


def _mark_of(clip: SourceClip, position: int, bit_depth: int) -> str:
    hasher = MultiHasher()
    hasher.update(repr((clip.path, clip.identity, position, bit_depth, clip.as_codes)).encode("utf-8", "surrogateescape"))
    return _MARK + hasher.digests()[KEY][:16]


def _is_there(path: Path, mark: str) -> bool:
    """Whether a file is one that this would write, whole."""
    if not path.exists():
        return False
    try:
        with FileSource(path) as source:
            header = read_dpx(source)
            return header.user_identification == mark and source.size == header.stated_size
    except FilmArchiveError:
        return False


def _images(
    clip: SourceClip, first: int, last: int, directory: Path, base_name: str, start_number: int, on_frame: OnFrame | None
) -> list[Path]:
    made = []
    for position in range(first, last + 1):
        image = clip.open_image(position)
        if image is None:
            continue
        number = start_number + position - first
        target = directory / f"{base_name}.{number:04d}{clip.image_suffix(position)}"
        with image:
            _put(image, target)
        made.append(target)
        if on_frame is not None:
            on_frame(number)
    if not made:
        raise NotSupported(f"{clip.name} has none of the frames {first} to {last}; nothing was written.")
    return made


def _put(image: ByteSource, target: Path) -> None:
    """A copy of an image under another name, blocks shared where the file system can.

    Never a link: what a stage or an artist writes into the copy must not end up in the camera's file. Always made anew: size
    and time do not tell one frame of a shot from the next.
    """
    with files.AtomicFile(target, replace=True) as new:
        with files.explaining(f"write {printable(target)}", needed=lambda: image.size, folder=target.parent):
            copying.transfer(image, new.file.fileno(), 0)
        new.commit()


# Writing


def write_dpx(
    target: Path, pixels: NDArray[Any], labels: DpxLabels, *, bit_depth: int = 10, replace: bool = False
) -> None:
    """Write (height, width, 3) RGB of uint8 or uint16 as DPX of 10 bits (method A) or 16, big-endian.

    Raises UsageError for floats, which DPX would clip; Refused where the target exists; NoSpace.
    """
    if pixels.dtype not in (np.uint8, np.uint16):
        raise UsageError(f"Pictures of {pixels.dtype} are not written as DPX, which would clip them; keep them as EXR.")
    height, width, _ = pixels.shape
    packed = _ten(pixels) if bit_depth == 10 else _sixteen(pixels)
    size = OFFSET + packed.nbytes
    head = dpx_header(width, height, bit_depth, size, target.name, labels)
    with files.AtomicFile(target, replace=replace) as new:
        with files.explaining(
            f"write {printable(target)}", needed=lambda: files.unwritten(new.file.fileno(), size), folder=target.parent
        ):
            new.file.write(head)
            new.file.write(packed.data)
        new.commit()


def _ten(pixels: NDArray[Any]) -> NDArray[np.uint32]:
    """32-bit words of three codes; 16 bits become 10 by rounding 0 … 65535 to 0 … 1023."""
    height, width, _ = pixels.shape
    words = np.empty((height, width), ">u4")
    strip = max(1, (1 << 20) // width)
    for top in range(0, height, strip):
        wide = pixels[top : top + strip].astype(np.uint32)
        if pixels.dtype == np.uint8:
            wide *= 257
        codes = (wide * 1023 + 32_767) // 65_535
        words[top : top + strip] = codes[..., 0] << 22 | codes[..., 1] << 12 | codes[..., 2] << 2
    return words  # big-endian, which numpy's types do not tell


def _sixteen(pixels: NDArray[Any]) -> NDArray[np.uint16]:
    wide = pixels.astype(np.uint16) * np.uint16(257) if pixels.dtype == np.uint8 else pixels
    return wide.astype(">u2")


def dpx_header(width: int, height: int, bit_depth: int, size: int, name: str, labels: DpxLabels) -> bytes:
    """The first `OFFSET` bytes of a DPX: file, image, orientation, film, television and user headers (ST 268-1, 5 to 9)."""
    head = bytearray(OFFSET)
    _put_file(head, size, name, labels)
    _put_image(head, width, height, bit_depth, labels)
    _put_orientation(head, width, height, labels)
    _put_film(head, labels)
    _put_television(head, labels)
    struct.pack_into(">32s", head, 2048, _text(labels.mark, 32))
    return bytes(head)


def _put_file(head: bytearray, size: int, name: str, labels: DpxLabels) -> None:
    struct.pack_into(">4sI8sIIIII", head, 0, b"SDPX", OFFSET, b"V2.0", size, 1, 1664, 384, OFFSET - 2048)
    creator = _text(f"film-archive {__version__}", 100)
    fields = _text(name, 100), _date(labels.created), creator, _text(labels.project, 200), b"", _UNDEFINED
    struct.pack_into(">100s24s100s200s200sI", head, 36, *fields)


def _put_image(head: bytearray, width: int, height: int, bit_depth: int, labels: DpxLabels) -> None:
    struct.pack_into(">HHII", head, 768, 0, 1, width, height)
    transfer = 3 if labels.is_log else 2
    packing = 1 if bit_depth == 10 else 0
    element = (0, 0, _UNDEFINED, (1 << bit_depth) - 1, _UNDEFINED, 50, transfer, 0, bit_depth, packing, 0, OFFSET, 0, 0)
    struct.pack_into(">IIIIIBBBBHHIII", head, 780, *element)


def _put_orientation(head: bytearray, width: int, height: int, labels: DpxLabels) -> None:
    centre = struct.pack(">ff", width / 2, height / 2)
    struct.pack_into(">II8sII", head, 1408, 0, 0, centre, width, height)
    reel = labels.reel or ""
    names = _text(labels.source_name, 100), _date(labels.created), _text(reel, 32), _text(labels.serial or "", 32)
    aspect = labels.pixel_aspect
    struct.pack_into(">100s24s32s32sHHHHII", head, 1432, *names, 0, 0, 0, 0, aspect.numerator, aspect.denominator)


def _put_film(head: bytearray, labels: DpxLabels) -> None:
    rate = _UNDEFINED_FLOAT if labels.rate is None else struct.pack(">f", float(labels.rate))
    fields = labels.position, labels.frames, 1, rate, _UNDEFINED_FLOAT, _text(labels.frame_id, 32), _text(labels.slate, 100)
    struct.pack_into(">III4s4s32s100s", head, 1712, *fields)


_UNDEFINED_FLOAT = b"\xff\xff\xff\xff"


def _put_television(head: bytearray, labels: DpxLabels) -> None:
    word = _UNDEFINED if labels.timecode is None else code_word(labels.timecode)
    rate = _UNDEFINED_FLOAT if labels.rate is None else struct.pack(">f", float(labels.rate))
    struct.pack_into(">IIBBBB4s4s4s", head, 1920, word, 0, 0, 0xFF, 0xFF, 0, _UNDEFINED_FLOAT, _UNDEFINED_FLOAT, rate)
    head[1944:1972] = b"\xff" * 28


def _text(text: str, length: int) -> bytes:
    """Text as a field has it: as much as fits with a NUL behind it, never half a sign."""
    data = text.encode("utf-8", "replace")[: length - 1]
    return data.decode("utf-8", "ignore").encode()


def _date(text: str | None) -> bytes:
    """2024-06-12T10:00:00+02:00 as 2024:06:12:10:00:00; ST 268's zone is left open."""
    return b"" if text is None else _text(text[:19].replace("-", ":").replace("T", ":"), 24)

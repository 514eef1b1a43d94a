"""What lies beside a plate for the programs that open it: an OpenTimelineIO timeline and a Read node for Nuke."""

from __future__ import annotations

from ded_io.models import ImageSequence, ShotInfo
from film_archive.core.timecode import Timecode


def nuke_script(sequence: ImageSequence, folder: str, shot_info: ShotInfo, size: tuple[int, int] | None) -> str:
    """A script that reads the frames from where it lies itself; it can be opened, or pasted into another one.

    Format: Nuke's own script, a node a block. The path is relative to the script, so that the container may be moved.
    """
    made = shot_info.outputs
    assert made.frames is not None
    rate = made.rate or shot_info.settings.source_fps
    pattern = f"[file dirname [value root.name]]/{folder}/{sequence.pattern}".replace('"', '\\"')
    first, last = sequence.first_frame, sequence.last_frame
    shape = [] if size is None else [f' format "{size[0]} {size[1]} 0 0 {size[0]} {size[1]} 1"']
    lines = [
        "Root {",
        " inputs 0",
        f" first_frame {first}",
        f" last_frame {last}",
        " lock_range true",
        f" fps {float(rate):.6g}",
        " colorManagement OCIO",
        *shape,
        "}",
        "Read {",
        " inputs 0",
        f' file "{pattern}"',
        " file_type exr",
        *shape,
        f" first {first}",
        f" last {last}",
        f" origfirst {first}",
        f" origlast {last}",
        " origset true",
        " on_error error",
        f' colorspace "{shot_info.settings.target_colorspace}"',
        f" name {node_name(sequence.base_name)}",
        f' label "cut {made.frames.in_number}-{made.frames.number_of(made.frames.out_frame)}"',
        " xpos 0",
        " ypos 0",
        "}",
        "",
    ]
    return "\n".join(lines)


def node_name(text: str) -> str:
    """A node's name: letters, digits and underscores, no digit first."""
    name = "".join(sign if sign.isalnum() and sign.isascii() else "_" for sign in text)
    return name if name[:1].isalpha() else f"Read_{name}"


def timeline(sequence: ImageSequence, folder: str, shot_info: ShotInfo) -> str:
    """An OTIO timeline of one clip: the cut without its handles, the plate with them as what is available.

    Times count as the clip's timecode does, from midnight; a clip without timecode counts by frame numbers.
    """
    from film_archive.editorial.otio_library import Plate, plate_timeline

    made = shot_info.outputs
    assert made.frames is not None
    rate = made.rate or shot_info.settings.source_fps
    start = made.plate_timecode or Timecode.from_frame(made.frames.first_number, rate)
    return plate_timeline(
        Plate(
            name=sequence.base_name,
            folder=f"{folder}/",
            prefix=f"{sequence.base_name}.",
            suffix=f".{sequence.extension}",
            padding=sequence.padding,
            first_number=sequence.first_frame,
            frames=sequence.frame_count,
            start=start.total_frames,
            rate=rate,
            head=made.frames.head,
            used=made.frames.cut_count,
            facts={
                "shot": shot_info.code,
                "task": shot_info.task,
                "element": shot_info.element,
                "source": str(shot_info.editorial_info.source_file),
                "reel": made.reel or "",
                "source_first_frame": made.frames.first_source,
                "speed": str(shot_info.editorial_info.speed or 1),
            },
        )
    )

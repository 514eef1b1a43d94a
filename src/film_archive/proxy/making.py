"""Making a clip's proxies: which sizes, one decode, and the proof that each has every frame.

`workflows` calls this for archives; `ProxyGenerator` is the seeds' face of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from film_archive.core import files
from film_archive.core.errors import Damaged, NoSpace, NotSupported, SourceChanged
from film_archive.core.executors.executor import worker_count
from film_archive.core.facts import MediaFacts
from film_archive.core.frame_index import FrameIndex
from film_archive.core.ladder import Rung
from film_archive.core.source import ByteSource, FileSource
from film_archive.core.timecode import Timecode
from film_archive.core.wording import amount
from film_archive.proxy.proof import Proof, prove
from film_archive.proxy.recipe import VERSION

if TYPE_CHECKING:
    from film_archive.media.av.clip_pictures import Pictures
    from film_archive.media.av.overlays import Graded, Treatment
    from film_archive.media.av.proxying import ClipSound, MadeProxy, ProxyTarget

OnFrames = Callable[[int], None]

_STILLS = frozenset(("dpx", "exr", "tiff", "jpeg", "png", "cin", "bmp", "tga", "jp2", "jpeg2000"))


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that was made and proven: its frame count and its first timecode are the original's."""

    rung: Rung
    path: Path
    width: int
    height: int
    frames: int
    pieces: int
    size: int
    bit_rate: int
    start: Timecode | None
    corrupt: tuple[int, ...]
    """Frames of the original that could not be decoded; the proxy shows the one before in their place."""
    proof: Proof
    missing: tuple[int, ...] = ()
    """Frames of a sequence that have no file; the proxy shows the one before in their place."""
    sound_damage: str | None = None
    """Why its sound is silent from some place on."""
    treatment: Mapping[str, Any] = field(default_factory=dict)
    """What was done to the pictures besides scaling: colours, burn-in."""
    cut_short: bool = False
    """Whether the original's file ends before all is there that it says it holds."""
    scaled_from: tuple[tuple[int, int], ...] = ()
    """The larger sizes that it was scaled down through, (width, height), the largest first; its bytes depend on them."""


def can_have_proxies(facts: MediaFacts | None) -> bool:
    """Whether there are pictures that can be decoded here: a clip's, or a sequence's of more than one image."""
    if facts is None or not facts.decodable or not facts.width or not facts.frames:
        return False
    return facts.frames > 1 if is_still(facts) else facts.frame_rate is not None


def shortcomings(proxy: Proxy, first: int = 0) -> list[str]:
    """What a proxy could not show, or make heard, of its original; a sentence each. `first` is its first frame's number."""
    said = []
    if proxy.cut_short:
        there = amount(proxy.frames, "frame that is there", "frames that are there")
        said.append(f"the file is cut short: its proxies have the {there}")
    if proxy.corrupt:
        said.append(f"{amount(len(proxy.corrupt), 'frame')} could not be decoded (the first is {first + proxy.corrupt[0]})")
    if proxy.missing:
        said.append(f"{amount(len(proxy.missing), 'frame has', 'frames have')} no file (the first is {first + proxy.missing[0]})")
    if proxy.sound_damage:
        said.append(f"the proxies' sound is not whole: {proxy.sound_damage}")
    return said


def is_still(facts: MediaFacts) -> bool:
    """Whether a clip is made of image files."""
    return facts.container in _STILLS


def workers_used(workers: int | None) -> int:
    """How many threads `make` has where so many are asked for (None: one for each processor)."""
    return worker_count(workers)


def make(
    source: ByteSource,
    facts: MediaFacts,
    index: FrameIndex,
    rungs: Sequence[Rung],
    folder: Path,
    *,
    among: Sequence[Rung] = (),
    codec: str = "h264",
    preset: str = "superfast",
    workers: int | None = None,
    hardware: bool = False,
    audio_map: Sequence[int] | None = None,
    treatment: Treatment | None = None,
    on_frames: OnFrames | None = None,
) -> list[Proxy]:
    """One proxy file a rung in `folder`, in the rungs' order, from one decode; pieces of a killed run are used.

    `codec` "prores_proxy" and "dnxhr_lb" are for the edit: QuickTime with timecode track, reel and all sound as PCM.
    `hardware` lets an encoder of this machine's hardware work where there is one that does: faster, but its bytes differ
    from machine to machine and run to run.
    `audio_map` names the channels that are heard, `treatment` says what is done to the pictures.
    `among` are all sizes that were asked for, where some of them are there already: the bytes of a small one depend on
    the larger ones it was made beside. `workers` threads do the work (None: one for each processor).

    Raises NotSupported where there is nothing to decode, Damaged where a proxy does not prove equal (it is removed).
    """
    from film_archive.media.av.overlays import Graded
    from film_archive.media.av.proxy_sound import mix_of
    from film_archive.media.av.proxying import ClipSound
    from film_archive.media.av.reduced_pictures import best_pictures

    if not can_have_proxies(facts):
        raise NotSupported(f"{source.name} has no picture that can be decoded here; no proxies were made.")
    key = "" if treatment is None else treatment.key
    mix = mix_of(facts.audio, audio_map)
    sound = None if mix is None else ClipSound(source, mix, facts.audio)

    def made_by(preset: str) -> list[Proxy]:
        targets = [_target(rung, facts, preset, key, codec) for rung in rungs]
        together = {*targets, *(_target(rung, facts, preset, key, codec) for rung in among)}
        largest = max(target.width for target in together), max(target.height for target in together)
        pictures = best_pictures(source, facts, index, *largest)
        grade = None if treatment is None or treatment.grade.is_nothing else Graded(treatment.grade, *largest)
        return _made(pictures, sound, facts, rungs, targets, together, folder, workers, on_frames, treatment, grade)

    return _by_hardware(made_by, codec, preset, hardware)


def make_of_images(
    name: str,
    facts: MediaFacts,
    open_frame: Callable[[int], ByteSource | None],
    rungs: Sequence[Rung],
    folder: Path,
    *,
    among: Sequence[Rung] = (),
    codec: str = "h264",
    preset: str = "superfast",
    workers: int | None = None,
    hardware: bool = False,
    treatment: Treatment | None = None,
    on_frames: OnFrames | None = None,
) -> list[Proxy]:
    """The same of an image sequence: `open_frame` opens the image of a frame counted from 0 (None: there is none).

    The treatment's grade says how its colours become a display's; see `still_pictures` for what is done without one.
    Frames without a file show the one before and are told in `Proxy.missing`.
    """
    from film_archive.media.av.still_pictures import StillPictures

    if not can_have_proxies(facts):
        raise NotSupported(f"{name} is no sequence of images that can be decoded here; no proxies were made.")
    pictures = StillPictures(name, facts, open_frame, None if treatment is None else treatment.grade)
    key = "" if treatment is None else treatment.key

    def made_by(preset: str) -> list[Proxy]:
        targets = [_target(rung, facts, preset, key, codec) for rung in rungs]
        together = {*targets, *(_target(rung, facts, preset, key, codec) for rung in among)}
        return _made(pictures, None, facts, rungs, targets, together, folder, workers, on_frames, treatment, None)

    return _by_hardware(made_by, codec, preset, hardware)


def _made(
    pictures: Pictures,
    sound: ClipSound | None,
    facts: MediaFacts,
    rungs: Sequence[Rung],
    targets: Sequence[ProxyTarget],
    together: set[ProxyTarget],
    folder: Path,
    workers: int | None,
    on_frames: OnFrames | None,
    treatment: Treatment | None,
    grade: Graded | None,
) -> list[Proxy]:
    from film_archive.media.av.overlays import BurnedIn
    from film_archive.media.av.proxying import Labels, make_proxies

    drawn = None
    if treatment is not None and treatment.burn_in:
        start, first = facts.start_timecode, treatment.first_number
        drawn = BurnedIn.of(treatment.burn_in, PurePath(pictures.name).stem, start, pictures.frames, first)
    with _explaining_room(pictures, rungs, folder), files.explaining(f"make proxies of {pictures.name}"):
        folder.mkdir(parents=True, exist_ok=True)
        made = make_proxies(
            pictures,
            targets,
            folder,
            among=list(together),
            sound=sound,
            labels=Labels(facts.start_timecode, facts.reel),
            workers=workers,
            on_frames=on_frames,
            grade=grade,
            draws=[drawn] * len(targets),
        )
    record = {} if treatment is None else treatment.record
    sizes = {(target.width, target.height) for target in together}
    return [_proven(proxy, rung, pictures, facts, record, sizes) for proxy, rung in zip(made, rungs, strict=True)]


def _above(size: tuple[int, int], sizes: set[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Those that have more pixels, the largest first."""
    return tuple(sorted((one for one in sizes if one[0] * one[1] > size[0] * size[1]), reverse=True))


def _by_hardware(made_by: Callable[[str], list[Proxy]], codec: str, preset: str, hardware: bool) -> list[Proxy]:
    """Made by an encoder of hardware where one is asked for and works, else by x264.

    One that worked when it was tried may fail all the same: it has only so many sessions, or does not know this size.
    """
    if hardware and codec == "h264":
        from film_archive.media.av.hardware import hardware_encoder

        encoder = hardware_encoder()
        if encoder is not None:
            try:
                return made_by(encoder)
            except (Damaged, NotSupported) as error:  # where it is not the encoder's fault, x264 meets it again
                if isinstance(error, SourceChanged):
                    raise
    return made_by(preset)


def _target(rung: Rung, facts: MediaFacts, preset: str, look: str = "", codec: str = "h264") -> ProxyTarget:
    from film_archive.media.av.proxying import ProxyTarget

    width, height = rung.fit(facts.width or 0, facts.height or 0, facts.pixel_aspect or Fraction(1))
    return ProxyTarget(rung.name, width, height, rung.bit_rate, preset, VERSION, codec, look)


@contextmanager
def _explaining_room(pictures: Pictures, rungs: Sequence[Rung], folder: Path) -> Iterator[None]:
    """A full disk is said with about how much the proxies need."""
    try:
        yield
    except NoSpace as error:
        needed = sum(rung.bit_rate for rung in rungs) * pictures.seconds / 8
        missing = max(1, int(needed) - files.free_space(folder if folder.exists() else folder.parent))
        raise NoSpace(
            f"Could not make proxies of {pictures.name}: the disk is full, about {missing} bytes are missing; what was "
            "finished is kept."
        ) from error


def _proven(
    made: MadeProxy,
    rung: Rung,
    pictures: Pictures,
    facts: MediaFacts,
    treatment: Mapping[str, Any],
    sizes: set[tuple[int, int]],
) -> Proxy:
    """A proxy with its proof; one that can't be proven is removed."""
    try:
        with FileSource(made.path) as source:
            proof = prove(source, made, pictures, facts)
            size = source.size
    except Damaged:
        files.remove(made.path)
        raise
    absent = frozenset(pictures.missing)
    return Proxy(
        rung=rung,
        path=made.path,
        width=made.target.width,
        height=made.target.height,
        frames=made.frames,
        pieces=made.pieces,
        size=size,
        bit_rate=round(size * 8 / proof.seconds) if proof.seconds else 0,
        start=facts.start_timecode,
        corrupt=tuple(number for number in made.corrupt if number not in absent),
        missing=pictures.missing,
        proof=proof,
        sound_damage=made.sound_damage,
        treatment=treatment,
        cut_short=facts.cut_short,
        scaled_from=_above((made.target.width, made.target.height), sizes),
    )

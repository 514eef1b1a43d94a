"""The proof of a proxy that was made elsewhere: a lab's dailies are held against the original before they are adopted.

Frames, rate, cadence and start timecode are compared always; pictures where the original can be decoded, by the measure that
our own proxies are held to (`media.av.likeness`), one in every 60 frames and the last.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from film_archive.core.errors import Damaged, NotSupported, Refused
from film_archive.core.facts import MediaFacts
from film_archive.core.frame_index import FrameIndex
from film_archive.core.ladder import LADDER
from film_archive.core.source import ByteSource
from film_archive.core.wording import amount
from film_archive.proxy.making import can_have_proxies
from film_archive.proxy.original import Original
from film_archive.proxy.proof import Proof
from film_archive.proxy.recipe import Recipe

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from film_archive.media.av.clip_pictures import Pictures
    from film_archive.media.av.likeness import Likeness
    from film_archive.media.av.overlays import Graded
    from film_archive.media.av.pyramid import Looker

_EVERY = 60
"""Frames of which one picture is compared."""
_OURS = {("prores_422", "422 Proxy"): "prores_proxy", ("dnxhr", "DNxHR LB"): "dnxhr_lb"}


@dataclass(frozen=True, slots=True)
class Given:
    """A proxy that somebody brought: a media file that is open."""

    source: ByteSource
    facts: MediaFacts
    index: FrameIndex

    @property
    def codec(self) -> str:
        """As proxies' lines name codecs."""
        facts = self.facts
        return _OURS.get((facts.codec or "", facts.profile or ""), facts.codec or facts.container)

    def size_of(self, original: MediaFacts) -> str:
        """The rung of the ladder that has this size of the original, or whose box it fills; else its width and height."""
        size = width, height = self.facts.width or 0, self.facts.height or 0
        for rung in LADDER.values():
            if original.width and original.height:
                if rung.fit(original.width, original.height, original.pixel_aspect or Fraction(1)) == size:
                    return rung.name
            elif width <= rung.width and height <= rung.height and (width + 2 > rung.width or height + 2 > rung.height):
                return rung.name
        return f"{width}x{height}"


def require_same_clip(original: Original, given: Given) -> None:
    """Raise Refused where frames, rate, cadence or start timecode differ, NotSupported where they can't be compared."""
    name, facts, found = given.source.name, original.facts, given.facts
    kept = "it was not attached"
    if not found.width or given.index.video is None or not given.index.frames:
        raise NotSupported(f"{name} has no pictures; {kept}.")
    if not found.decodable:
        raise NotSupported(f"{name} can't be a proxy, as it can't be decoded here: {found.note}")
    if facts.frames is None:
        raise NotSupported(
            f"How many frames {original.name} has can't be told here, so {name} was not attached; give a list that tells it "
            "(--log)."
        )
    if given.index.frames != facts.frames:
        raise Refused(f"{name} has {amount(given.index.frames, 'frame')} and {original.name} has {facts.frames}; {kept}.")
    if facts.frame_rate is not None and found.frame_rate != facts.frame_rate and not facts.vfr:
        rate = "none" if found.frame_rate is None else found.frame_rate.text
        raise Refused(f"{name} has a frame rate of {rate} and {original.name} of {facts.frame_rate.text}; {kept}.")
    if str(found.start_timecode) != str(facts.start_timecode) and facts.start_timecode is not None:
        starts = "has no start timecode" if found.start_timecode is None else f"starts at {found.start_timecode}"
        raise Refused(f"{name} {starts} and {original.name} starts at {facts.start_timecode}; {kept}.")
    _require_cadence(original, given)


def _require_cadence(original: Original, given: Given) -> None:
    wanted = None if original.index is None or not original.index.vfr else original.index
    if wanted is None and not given.index.vfr:
        return
    if wanted is not None and given.index.vfr and wanted.video is not None and given.index.video is not None:
        times = [
            (table.video.times[table.shown] - table.video.times[table.shown[0]]) / float(table.video.timescale)
            for table in (wanted, given.index)
            if table.video is not None
        ]
        if np.abs(times[0] - times[1]).max() < 0.5 / float(given.facts.frame_rate or 24):
            return
    raise Refused(f"{given.source.name} shows its frames at other moments than {original.name}; it was not attached.")


def prove_given(original: Original, given: Given, recipe: Recipe, *, graded: bool = False) -> Proof:
    """Hold a proxy against its original. `recipe` says what the lab did to the colours; `graded` that nobody knows.

    Raises Refused where they differ, Damaged where a picture of the proxy can't be decoded.
    """
    require_same_clip(original, given)
    likeness, why = None, None
    if can_have_proxies(original.facts):
        likeness = _compared(original, given, recipe, graded)
        if likeness.wrong:
            number, what = likeness.wrong[0]
            raise Refused(
                f"{given.source.name} is not {original.name}: its picture at frame {number} {what}; it was not attached."
            )
    else:
        why = original.facts.note or f"{original.facts.codec or original.facts.container} is not decoded here"
    start, frames = original.facts.start_timecode, given.index.frames
    video = given.index.video
    assert video is not None
    return Proof(
        frames=frames,
        first=start,
        last=None if start is None else start + (frames - 1),
        seconds=Fraction(video.end - int(video.times[given.index.shown[0]])) / video.timescale,
        variable=given.index.vfr,
        sound_frames=sum(len(track.packets) for track in given.index.audio),
        compared=0 if likeness is None else likeness.compared,
        still=0 if likeness is None else likeness.still,
        error=0.0 if likeness is None else likeness.error,
        lean=0.0 if likeness is None else likeness.lean,
        not_compared=why,
    )


def _compared(original: Original, given: Given, recipe: Recipe, graded: bool) -> Likeness:
    from film_archive.media.av.clip_pictures import FilePictures
    from film_archive.media.av.likeness import Likeness, matched
    from film_archive.media.av.overlays import Graded
    from film_archive.media.av.pyramid import Looker, look_size

    proxy = FilePictures(given.source, given.facts, given.index)
    treatment = recipe.treatment(original.facts)
    look = None if treatment is None or treatment.grade.is_nothing else treatment.grade
    pictures = original.pictures(look)  # images are graded as they are read
    size = look_size(pictures.width, pictures.height, (proxy.width, proxy.height))
    looker, grade = Looker(*size), None if look is None or original.open_frame is not None else Graded(look, *size)
    likeness, key_error = Likeness(), 0.0
    for number in _chosen(given.index):
        looks = _looks(original, pictures, number, looker, grade)
        if number not in looks:
            continue  # it can't be decoded in the original
        (shown,) = proxy.read(number, 1)
        if shown.frame is None or shown.corrupt:
            raise Damaged(f"Frame {number} of {given.source.name} can't be decoded; it was not attached.")
        picture = looker.look(shown.frame)
        if graded:
            picture = matched(picture, looks[number])
        if given.index.frame(number).key:
            key_error = likeness.judge(number, picture, looks)
        else:
            likeness.judge(number, picture, looks, key_error=key_error)
    if not likeness.compared:
        raise Refused(f"None of the frames of {original.name} that were looked at can be decoded; nothing was attached.")
    return likeness


def _chosen(index: FrameIndex) -> list[int]:
    """A keyframe of each stretch of frames, the last frame, and the keyframe that it depends on."""
    keys = [number for number in range(index.frames) if index.frame(number).key]
    chosen = dict[int, int]()
    for number in keys:
        chosen.setdefault(number // _EVERY, number)
    last = index.frames - 1
    before = max((number for number in keys if number <= last), default=last)
    return sorted({*chosen.values(), before, last})


def _looks(
    original: Original, pictures: Pictures, number: int, looker: Looker, grade: Graded | None
) -> dict[int, NDArray[np.uint8]]:
    """Of a frame of the original and those beside it, graded, as far as they can be decoded."""
    first = max(0, number - 1)
    looks = {}
    for decoded in pictures.read(first, min(pictures.frames, number + 2) - first):
        if decoded.frame is not None and not decoded.corrupt:
            frame = decoded.frame if grade is None else grade(decoded.frame, decoded.number)
            looks[decoded.number] = looker.look(frame)
    return looks

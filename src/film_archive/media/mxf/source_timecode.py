"""Start timecode and reel of a clip, from the three packages that may say one (ST 377-1, 5 and annex B).

For conforming, the physical source's timecode counts where there is one (tape, import, camera recording), else the
material package's, else the file package's. All are kept, so that a disagreement can be told.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from film_archive.core.timecode import FrameRate, Timecode
from film_archive.media.mxf.metadata import Metadata, Package, SourceClip, TimecodeComponent, Track
from film_archive.media.mxf.tracks import EssenceTrack

_DEEPEST = 16


@dataclass(frozen=True, slots=True)
class Candidate:
    """One package's label of the first frame that is shown."""

    source: str
    """"source package" (the physical one), "material package" or "file package"."""
    timecode: Timecode


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a clip comes from: candidates for its start, best first, its reel, and what was odd."""

    candidates: tuple[Candidate, ...]
    reel: str | None
    diagnostics: tuple[str, ...]


def origin_of(metadata: Metadata, track: EssenceTrack | None) -> Origin:
    """The start timecode candidates and the reel of a clip, followed from one of its essence tracks."""
    notes: list[str] = []
    labels: list[tuple[str, Timecode | None]] = []
    reel = None
    rate = None if track is None else track.edit_rate
    if track is not None:
        physical = _physical(metadata, track, notes)
        if physical is not None:
            package, position, at_rate = physical
            reel = package.name
            labels.append(("source package", _label(package, position, at_rate, rate, notes)))
    material = metadata.material
    if material is not None:
        played = None if track is None else track.material
        start = 0 if played is None else played.origin
        played_rate = None if played is None else played.edit_rate
        labels.append(("material package", _label(material, start, played_rate or Fraction(1), rate, notes)))
    if track is not None:
        labels.append(("file package", _label(track.package, track.first, track.edit_rate, rate, notes)))
    candidates = [Candidate(source, label) for source, label in labels if label is not None]
    if len({(one.timecode.total_frames, one.timecode.rate, one.timecode.drop_frame) for one in candidates}) > 1:
        listed = ", ".join(f"{one.timecode} in the {one.source}" for one in candidates)
        notes.append(f"The packages state different start timecodes ({listed}); the first of these was taken.")
    return Origin(tuple(candidates), reel, tuple(notes))


def _physical(metadata: Metadata, track: EssenceTrack, notes: list[str]) -> tuple[Package, Fraction, Fraction] | None:
    """The physical package at the end of the chain, where in it the first shown frame is, and at which rate."""
    here: Track = track.track
    rate = track.edit_rate
    position = Fraction(track.first)
    seen: set[tuple[bytes, int]] = {(track.package.umid, here.track_id)}
    for _ in range(_DEEPEST):
        clip = next((part for part in here.components if isinstance(part, SourceClip)), None)
        if clip is None or not any(clip.package):
            return None
        package = metadata.package(clip.package)
        target = None if package is None else package.track(clip.track_id)
        if package is None or target is None or (package.umid, target.track_id) in seen:
            return None
        seen.add((package.umid, target.track_id))
        next_rate = target.edit_rate or rate
        position = (position + clip.start) / rate * next_rate + target.origin
        here, rate = target, next_rate
        if package.role == "physical":
            return package, position, rate
    notes.append("The chain of source packages is too long to be followed.")
    return None


def _label(
    package: Package, position: Fraction | int, position_rate: Fraction, rate: Fraction | None, notes: list[str]
) -> Timecode | None:
    """A package's timecode at a position in one of its tracks."""
    for track in package.tracks:
        if track.kind != "timecode":
            continue
        parts = [part for part in track.components if isinstance(part, TimecodeComponent)]
        if len(track.components) != 1 or not parts:
            notes.append(f"A timecode track of the {package.role} package has several pieces and was left out.")
            continue
        component = parts[0]
        counting = _counting_rate(component, track.edit_rate, rate)
        if counting is None:
            notes.append(
                f"The {package.role} package counts {component.base} frames a second, which is not possible here."
            )
            continue
        exact = Fraction(position) / position_rate * counting
        if exact.denominator != 1:
            notes.append(
                f"The {package.role} package's timecode does not fall on a frame; it was taken from the frame before."
            )
        drop = component.drop and counting.can_drop
        if component.drop and not drop:
            notes.append(f"The {package.role} package states drop-frame at {counting.text}, where there is none.")
        return Timecode.from_frame(component.start + int(exact // 1), counting, drop)
    return None


def _counting_rate(
    component: TimecodeComponent, track_rate: Fraction | None, rate: Fraction | None
) -> FrameRate | None:
    """The exact rate at which labels go by: one with the component's base, as near to the track's as can be."""
    base = component.base
    if not 1 <= base <= 1000:
        return None
    for candidate in (track_rate, rate):
        if candidate is None or not 0 < candidate <= 100_000:
            continue
        exact = FrameRate(candidate.numerator, candidate.denominator)
        if exact.nominal == base:
            return exact
        scaled = candidate * base / exact.nominal  # a base of 25 for 50 frames a second counts pairs
        counting = FrameRate(scaled.numerator, scaled.denominator)
        if counting.nominal == base and exact.nominal <= 1000 and exact.nominal % base == 0:
            return counting
    return FrameRate(base, 1)

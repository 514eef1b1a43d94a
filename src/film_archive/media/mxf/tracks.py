"""From the material package to the essence: which track of which stream plays as what, and from which edit unit on.

Material package → source clip → file package → stream (BodySID) and TrackNumber. Pre-charge is what lies in the stream
before the first edit unit that is shown: the source clip's start, and the origin of the file package's track.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from film_archive.media.mxf.labels import PICTURE, SOUND
from film_archive.media.mxf.metadata import Descriptor, EssenceContainer, Metadata, Package, SourceClip, Track

_HIGHEST_RATE, _HIGHEST_SOUND_RATE = 10_000, 10_000_000
_PICTURE_SETS = frozenset((0x27, 0x28, 0x29, 0x51, 0x5F, 0x62))
_SOUND_SETS = frozenset((0x42, 0x44, 0x47, 0x48, 0x4F, 0x5E))


@dataclass(frozen=True, slots=True)
class EssenceTrack:
    """One picture, sound or data track whose essence lies in this file.

    `first` is the stored edit unit that is shown first, `shown` how many the material package shows (None where it
    does not say). `edit_rate` is that of the stored edit units. `material` is None where the file has no material
    package.
    """

    kind: str
    material: Track | None
    package: Package
    track: Track
    descriptor: Descriptor | None
    body_sid: int
    index_sid: int
    edit_rate: Fraction
    first: int
    shown: int | None
    diagnostics: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EssenceTracks:
    """All tracks of a file in the material package's order, and how many of its tracks have their essence elsewhere."""

    tracks: tuple[EssenceTrack, ...]
    elsewhere: int

    def of(self, kind: str) -> list[EssenceTrack]:
        return [track for track in self.tracks if track.kind == kind]


def essence_tracks(metadata: Metadata, body_sids: tuple[int, ...]) -> EssenceTracks:
    """The tracks of a file; `body_sids`, the streams that partitions hold, are used where the metadata names none."""
    material = metadata.material
    found: list[EssenceTrack] = []
    elsewhere = 0
    if material is not None:
        for track in material.tracks:
            if track.kind == "timecode" or not any(isinstance(part, SourceClip) for part in track.components):
                continue
            clips = [part for part in track.components if isinstance(part, SourceClip)]
            one = _resolve(metadata, material, track, clips, body_sids)
            if one is not None:
                found.append(one)
            elif track.kind in (PICTURE, SOUND) and any(clips[0].package):
                elsewhere += 1
    if not found and not elsewhere:
        for package in metadata.packages:
            if package.role == "file":
                found += [
                    one
                    for track in package.tracks
                    if track.kind in (PICTURE, SOUND)
                    and (one := _essence_track(metadata, package, track, None, 0, None, body_sids, ())) is not None
                ]
    return EssenceTracks(tuple(found), elsewhere)


def _resolve(
    metadata: Metadata, material: Package, track: Track, clips: list[SourceClip], body_sids: tuple[int, ...]
) -> EssenceTrack | None:
    clip = clips[0]
    package = metadata.package(clip.package)
    if package is None or package is material or package.role != "file":
        return None
    source = package.track(clip.track_id)
    if source is None:
        return None
    notes = []
    if len(clips) > 1:
        notes.append(f"The {track.kind} track is put together of {len(clips)} pieces; only the first of them is read.")
    start = clip.start + track.origin
    shown = clip.duration if clip.duration is not None else track.duration
    rate, stored = track.edit_rate, source.edit_rate
    if rate is not None and stored is not None and rate != stored:
        start = int(start / rate * stored)
        shown = None if shown is None else int(shown / rate * stored)
    return _essence_track(metadata, package, source, track, start, shown, body_sids, tuple(notes))


def _essence_track(
    metadata: Metadata,
    package: Package,
    track: Track,
    material: Track | None,
    start: int,
    shown: int | None,
    body_sids: tuple[int, ...],
    notes: tuple[str, ...],
) -> EssenceTrack | None:
    descriptor = _descriptor_of(package, track)
    rates = (track.edit_rate, None if descriptor is None else descriptor.sample_rate)
    highest = _HIGHEST_RATE if track.kind == PICTURE else _HIGHEST_SOUND_RATE
    rate = next((one for one in rates if one is not None and one <= highest), None)
    container = _container_of(metadata, package, body_sids)
    if rate is None or container is None:
        return None
    first = start + track.origin
    if first < 0:
        notes = (
            *notes,
            f"The {track.kind} track begins {-first} edit units before its essence; it is shown from there.",
        )
        first = 0
    return EssenceTrack(
        track.kind,
        material,
        package,
        track,
        descriptor,
        container.body_sid,
        container.index_sid,
        rate,
        first,
        shown,
        notes,
    )


def _container_of(metadata: Metadata, package: Package, body_sids: tuple[int, ...]) -> EssenceContainer | None:
    for container in metadata.containers:
        if container.umid == package.umid and container.body_sid:
            return container
    files = [one for one in metadata.packages if one.role == "file"]
    if len(body_sids) == 1 and len(files) == 1:  # nothing else can be meant
        index_sid = next((one.index_sid for one in metadata.containers if one.body_sid == body_sids[0]), 0)
        return EssenceContainer(package.umid, body_sids[0], index_sid)
    return None


def _descriptor_of(package: Package, track: Track) -> Descriptor | None:
    """The descriptor of one track: of several the one that is linked to it, else the only one of its kind."""
    whole = package.descriptor
    if whole is None or not whole.parts:
        return whole
    linked = [part for part in whole.parts if part.linked_track == track.track_id]
    if linked:
        return linked[0]
    sets = {PICTURE: _PICTURE_SETS, SOUND: _SOUND_SETS}.get(track.kind, frozenset())
    alike = [part for part in whole.parts if part.values.kind in sets and part.linked_track is None]
    return alike[0] if alike else None

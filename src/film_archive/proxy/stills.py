"""A clip's stills: the poster from the original itself, strip and contact sheet from its smallest proxy."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import PurePath
from typing import TYPE_CHECKING

from film_archive.core.errors import Damaged, SourceChanged
from film_archive.core.source import ByteSource, FileSource
from film_archive.proxy.making import Proxy
from film_archive.proxy.original import Original
from film_archive.proxy.recipe import STILL_FILES, Recipe, Still

if TYPE_CHECKING:
    from film_archive.media.av.clip_pictures import Pictures
    from film_archive.media.av.posters import Moments, Tile

VERSION = 1
"""Of how stills are made: when it changes, those of older versions count as stale."""


@dataclass(frozen=True, slots=True)
class MadeStill:
    """A still as a file: `name` is that of `STILL_FILES`."""

    kind: Still
    name: str
    data: bytes


def settings(recipe: Recipe, kind: Still) -> str:
    """What a still depends on besides its original, for telling a stale one."""
    return " ".join(filter(None, (f"{kind} {VERSION}", recipe.look)))


def make_stills(original: Original, proxies: list[Proxy], recipe: Recipe, *, image_name: str = "strip.jpg") -> list[MadeStill]:
    """The stills that a recipe asks for, of a clip whose proxies were just made; raises Damaged where none can be made."""
    smallest = min(proxies, key=lambda proxy: proxy.width * proxy.height)
    with FileSource(smallest.path) as source:
        return stills_from(original, source, recipe, recipe.stills, image_name=image_name)


def stills_from(
    original: Original, proxy: ByteSource, recipe: Recipe, kinds: tuple[Still, ...], *, image_name: str = "strip.jpg"
) -> list[MadeStill]:
    """Stills of these kinds, with a finished proxy of the clip at hand; the strip's WebVTT calls its picture `image_name`."""
    from film_archive.media.av.posters import contact_sheet, strip, tiles_of

    pictures = original.pictures()
    made = []
    tiles = tiles_of(proxy, pictures.frames)
    for kind in kinds:
        if kind is Still.POSTER:
            files: tuple[bytes, ...] = (_poster(original, pictures, tiles, recipe),)
        elif kind is Still.STRIP:
            image, cues = strip(tiles, pictures.frames, _moments(pictures), image_name)
            files = image, cues.encode()
        else:
            title = PurePath(original.name.rpartition("::")[2]).name
            files = (contact_sheet(tiles, title, original.facts.start_timecode),)
        made += [MadeStill(kind, name, data) for name, data in zip(STILL_FILES[kind], files, strict=True)]
    return made


def _moments(pictures: Pictures) -> Moments:
    def moment(number: int) -> Fraction:
        if number >= pictures.frames:
            return pictures.seconds
        ((start, _),) = pictures.shown(number, number + 1)
        return start * pictures.tick

    return moment


def _poster(original: Original, pictures: Pictures, tiles: list[Tile], recipe: Recipe) -> bytes:
    """Of the best frame that can be decoded."""
    from film_archive.media.av.posters import best_frames, poster

    treatment = recipe.treatment(original.facts)
    pixel_aspect = original.facts.pixel_aspect or Fraction(1)
    if original.open_frame is not None and treatment is not None:
        pictures, treatment = original.pictures(treatment.grade), None  # graded as they are read, from linear light on
    for number in best_frames(tiles):
        try:
            return poster(pictures, number, pixel_aspect=pixel_aspect, treatment=treatment)
        except SourceChanged:
            raise
        except Damaged:
            continue
    raise Damaged(f"None of the frames of {original.name} that would stand for it can be decoded; no stills were made.")

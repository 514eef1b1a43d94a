"""The proxies and stills that are in an archive already, and whether they are what would be made now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from film_archive.archive.reader import Archive
from film_archive.core.digest import KEY
from film_archive.core.ladder import Rung
from film_archive.core.member import Member
from film_archive.proxy import embedding, stills
from film_archive.proxy.recipe import STILL_FILES, Recipe, Still


class MadeBefore:
    """The proxies and stills that are in an archive, and what their lines say of how they were made."""

    def __init__(self) -> None:
        self._proxies: dict[tuple[str | None, str, str], tuple[str, Mapping[str, Any]]] = {}
        self._stills: dict[str, Mapping[str, Any]] = {}

    @classmethod
    def of(cls, archive: Archive) -> MadeBefore:
        """Proxies may stand before or behind their originals, so they are looked up first."""
        there = cls()
        for member in archive.members():
            line = member.get("proxy")
            if line:
                there._proxies[member.of, str(line.get("size")), str(line.get("codec", "h264"))] = member.path, line
            elif member.get("still"):
                there._stills[member.path] = member.get("still")
        return there

    def path(self, original: Member, rung: Rung, codec: str) -> str | None:
        """Where there is a proxy of this size and codec, stale or not."""
        return self.path_of(original, rung.name, codec)

    def path_of(self, original: Member, size: str, codec: str) -> str | None:
        """The same by the size's name."""
        found = self._proxies.get((original.path, size, codec))
        return None if found is None else found[0]

    def has(self, original: Member, rung: Rung, recipe: Recipe) -> bool:
        """Whether a proxy was made from these bytes, and as it would be made now (or was given)."""
        _, line = self._proxies.get((original.path, rung.name, recipe.codec), ("", {}))
        if line.get("of_digest") != original.digests.get(KEY):
            return False
        given = line.get("made") == embedding.GIVEN and not recipe.look and not recipe.audio_map
        return given or line.get("made") == recipe.settings(rung)

    def has_any(self, original: Member, recipe: Recipe) -> bool:
        """Whether there is a proxy in this codec."""
        return any((path, codec) == (original.path, recipe.codec) for path, _, codec in self._proxies)

    def has_still(self, original: Member, kind: Still, recipe: Recipe) -> bool:
        """Whether all files of a still are there, made from these bytes as they would be made now."""
        lines = [self._stills.get(embedding.still_place(original.path, name), {}) for name in STILL_FILES[kind]]
        made = stills.settings(recipe, kind)
        return all((line.get("of_digest"), line.get("made")) == (original.digests.get(KEY), made) for line in lines)

    def stills_of(self, original: Member, kind: Still) -> list[str]:
        """Where files of a still are, stale or not."""
        places = [embedding.still_place(original.path, name) for name in STILL_FILES[kind]]
        return [place for place in places if place in self._stills]

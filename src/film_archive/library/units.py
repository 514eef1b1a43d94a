"""`Unit`: files that are moved together or not at all: a card, a clip with its sidecars, a sequence, or a file alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from film_archive.core.errors import from_os_error
from film_archive.core.source import printable
from film_archive.library.cards import CardFinder
from film_archive.library.listing import Entry, Listing, join, list_folder
from film_archive.media.clips import find_clips


@dataclass(frozen=True, slots=True)
class Unit:
    """What goes together."""

    name: str
    """As people call it: the card's folder, the clip, the file."""
    folder: str
    files: tuple[tuple[str, Entry], ...]
    """(path, what it is now), in the order of the paths."""
    is_card: bool = False


@dataclass
class Units:
    """Finds the units that files belong to; each folder is looked at once."""

    roots: tuple[str, ...]
    _cards: CardFinder = field(init=False)
    _folders: dict[str, dict[str, Unit]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._cards = CardFinder(self.roots)

    def of(self, paths: Iterable[str]) -> tuple[Unit, ...]:
        """The units of some files, each once; raises NotFound, Refused where a folder can't be read."""
        found: dict[tuple[str, str], Unit] = {}
        for path in sorted(paths):
            unit = self._unit(path)
            if unit is not None:
                found[unit.folder, unit.name] = unit
        return tuple(found.values())

    def _unit(self, path: str) -> Unit | None:
        folder, _, name = path.rpartition("/")
        folder = folder or "/"
        card = self._cards.card_of(folder)
        if card is not None:
            if card not in self._folders:
                files = tuple(sorted(_all_below(card)))
                unit = Unit(card, card, files, is_card=True)
                self._folders[card] = {each[len(join(card, "")) :]: unit for each, _ in files}
            return self._folders[card].get(path[len(join(card, "")) :])
        if folder not in self._folders:
            self._folders[folder] = dict(_units_in(folder))
        return self._folders[folder].get(name)


def _units_in(folder: str) -> Iterator[tuple[str, Unit]]:
    """(name of a file, its unit) of all files of a folder."""
    entries = {entry.name: entry for entry in _listed(folder)}
    found = find_clips(entries)
    grouped: set[str] = set()
    for clip in found.clips:
        names = list(clip.parts) if clip.sequence is None else [clip.sequence.file_name(n) for n in clip.sequence.numbers()]
        names += clip.sidecars
        unit = Unit(clip.name, folder, tuple((join(folder, name), entries[name]) for name in sorted({*names} - grouped)))
        grouped.update(names)
        yield from ((name, unit) for name in names)
    for name in found.others:
        if name not in grouped:
            yield name, Unit(name, folder, ((join(folder, name), entries[name]),))


def _all_below(folder: str) -> Iterator[tuple[str, Entry]]:
    waiting = [folder]
    while waiting:
        path = waiting.pop()
        listing = _list(path)
        waiting += [join(path, name) for name in listing.folders]
        yield from ((join(path, entry.name), entry) for entry in listing.entries or ())


def _listed(folder: str) -> tuple[Entry, ...]:
    return _list(folder).entries or ()


def _list(folder: str) -> Listing:
    try:
        return list_folder(folder)
    except OSError as error:
        raise from_os_error(error, f"read the folder {printable(folder)}") from error

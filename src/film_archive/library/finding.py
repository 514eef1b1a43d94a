"""Where things are: every known copy of a file, and what is called so, on drives that are here and on those that are not."""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from film_archive.catalog.catalog import Catalog
from film_archive.catalog.lookup import Lookup, looking
from film_archive.catalog.rows import Content, Kind, Place
from film_archive.core import devices
from film_archive.core.digest import KEY, digest_source
from film_archive.core.errors import NotFound, UsageError
from film_archive.core.records import Record
from film_archive.core.source import FileSource, printable


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownCopy(Record):
    """A place where something is, or was."""

    kind: str
    """"disk", "cartridge", "archive" or "branch"."""
    device: str
    """The identity of the device, cartridge, archive or branch."""
    label: str
    """Where it was mounted when it was last seen, or what it is called."""
    path: str
    """The path now, where the device is here; else the path in the device."""
    inner: str
    """The path in the device, wherever that is."""
    online: bool
    """Whether the device is here."""
    size: int
    """Bytes."""
    verified: str | None
    """When its bytes were last read back and right, ISO 8601 in UTC; null where they never were."""
    verified_by: str | None
    """Which verb did, and who."""
    sequence: str | None
    """The image sequence that it is a frame of, or that is meant."""
    gone: str | None
    """When it was found to be gone; null where it is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Whereabouts(Record):
    """What is known of a content."""

    file: str
    """What was asked for."""
    digests: dict[str, str]
    """Of its bytes."""
    size: int
    """Bytes."""
    copies: tuple[KnownCopy, ...]
    """Where it is, then where it had been."""
    devices: int
    """Devices on which a verified copy is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings(Record):
    """What is called so."""

    query: str
    """What was asked for."""
    found: tuple[KnownCopy, ...]
    """Files and sequences, by device and path."""


def where(catalog: Catalog, file: str) -> Whereabouts:
    """Every known copy of a file that is here, of one that is named by its digest, or of one on a drive that is not here.

    Raises NotFound where nothing of the kind is known.
    """
    with looking(catalog) as lookup:
        return _whereabouts(lookup, file, _content(lookup, catalog, file))


def where_digest(catalog: Catalog, digest: str) -> Whereabouts:
    """The same of a content by its XXH3-128 alone, 32 hexadecimal digits: no file of that name is looked at."""
    with looking(catalog) as lookup:
        found = lookup.content(bytes.fromhex(digest))
        if not found:
            raise NotFound(f"The catalog knows of no content {digest}.")
        return _whereabouts(lookup, digest, found[0])


def _whereabouts(lookup: Lookup, asked: str, content: Content) -> Whereabouts:
    places = lookup.places(content, former=True)
    proven = [place for place in places if place.verified is not None and place.gone is None]
    verified = {identity for place in proven for identity in lookup.devices(place)}
    known = lookup.content(content.xxh128, content.size)
    return Whereabouts(
        file=asked,
        digests={**content.digests, **(known[0].digests if known else {})},
        size=content.size,
        copies=tuple(_Showing().all(places)),
        devices=len(verified),
    )


def find(catalog: Catalog, query: str, *, limit: int = 1000) -> Findings:
    """Files and sequences in whose name, or folder's name, a text is found, whatever its case."""
    if not query:
        raise UsageError("Say what to look for.")
    with looking(catalog) as lookup:
        return Findings(query=query, found=tuple(_Showing().all(lookup.find(query, limit=limit))))


def _content(lookup: Lookup, catalog: Catalog, file: str) -> Content:
    path = Path(file)
    if path.is_file():
        return _content_of_file(lookup, catalog, path)
    if re.fullmatch(r"[0-9a-fA-F]{32}", file):
        found = lookup.content(bytes.fromhex(file))
        if found:
            return found[0]
    name = path.name
    named = {place.inner: place for place in lookup.find(name) if place.inner.rpartition("/")[2] == name} if name else {}
    contents = {content for place in named.values() if (content := _of_place(lookup, place)) is not None}
    if len(contents) == 1:
        return contents.pop()
    if contents:
        raise UsageError(
            f"{len(contents)} different files are called {printable(name)}; `find` lists them, name one by its digest."
        )
    raise NotFound(f"The catalog {catalog.name} knows of no {printable(file)}, nor is there such a file here.")


def _of_place(lookup: Lookup, place: Place) -> Content | None:
    above, _, name = place.inner.rpartition("/")
    known = lookup.known(place.holder, above or "/")
    row = None if known is None else known.files.get(name)
    return None if row is None else row.content


def _content_of_file(lookup: Lookup, catalog: Catalog, path: Path) -> Content:
    """What the catalog has read of it, if it is still that; else it is read now."""
    located = devices.locate(path)
    status = path.stat()
    holder = next((each for each in catalog.holders() if each.identity == located.device.identity), None)
    if holder is not None:
        above, _, name = located.inner.rpartition("/")
        known = lookup.known(holder, above or "/")
        row = None if known is None else known.files.get(name)
        now = (status.st_size, status.st_mtime_ns, status.st_ino)
        if row is not None and row.content is not None and (row.size, row.mtime_ns, row.inode) == now:
            return row.content
    with FileSource(path) as source:
        return Content.of(source.size, digest_source(source, (KEY,)))


class _Showing:
    """Places as people see them; each device is looked for once."""

    def __init__(self) -> None:
        self._mounts: dict[str, tuple[devices.Mount, ...]] = {}

    def all(self, places: Iterable[Place]) -> Iterable[KnownCopy]:
        return map(self._shown, places)

    def _shown(self, place: Place) -> KnownCopy:
        holder = place.holder
        if holder.identity not in self._mounts:
            reached = devices.paths_of(holder.identity) if holder.kind is Kind.DISK else ()
            self._mounts[holder.identity] = reached
        path = devices.path_on(place.inner, self._mounts[holder.identity])
        return KnownCopy(
            kind=str(holder.kind),
            device=holder.identity,
            label=holder.label,
            path=place.inner if path is None else os.fspath(path),
            inner=place.inner,
            online=path is not None,
            size=place.size,
            verified=None if place.verified is None else _iso(place.verified.at),
            verified_by=None if place.verified is None else f"{place.verified.verb}, {place.verified.who}",
            sequence=place.sequence,
            gone=None if place.gone is None else _iso(place.gone.at),
        )


def _iso(seconds: int) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat().replace("+00:00", "Z")

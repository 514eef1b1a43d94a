"""Putting proxies into archives, beside their originals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from film_archive.archive import layout
from film_archive.archive.folder import FolderWriter
from film_archive.archive.reader import open_archive
from film_archive.archive.writer import Writer, ZipWriter
from film_archive.core.digest import KEY
from film_archive.core.errors import UsageError
from film_archive.core.ladder import Rung
from film_archive.core.member import Member, Role
from film_archive.core.models import ProxyFile
from film_archive.core.source import FileSource
from film_archive.proxy import stills
from film_archive.proxy.making import Proxy
from film_archive.proxy.recipe import Recipe
from film_archive.proxy.stills import MadeStill

GIVEN = "given"
"""How a proxy was made that somebody brought."""


def embed(archive_path: Path, member: str, proxies: Sequence[ProxyFile]) -> None:
    """Add proxies of one original to an archive; those of the same size that are there are replaced."""
    with open_archive(archive_path) as archive:
        archive.require_manifest("hold proxies")
        original = archive.member(member)
        if not original.is_original:
            raise UsageError(f"{archive.name}::{member} is no original; proxies belong to originals.")
        present = {proxy.path for proxy in original.proxies}
    kind = FolderWriter if archive_path.is_dir() else ZipWriter
    with kind.add_to(archive_path) as writer:
        for proxy in proxies:
            size = str(proxy.resolution)
            path = layout.proxy_path(member, size)
            if path in present:
                writer.drop(path)
            start = None if proxy.start_timecode is None else str(proxy.start_timecode)
            line = ProxyLine(size, proxy.width, proxy.height, proxy.bit_rate, proxy.frames, start, GIVEN)
            with FileSource(proxy.file_path) as source:
                put(writer, original, path, source, f"{GIVEN} {identity_of(source)}", line)
        writer.finish()


@dataclass(frozen=True, slots=True)
class ProxyLine:
    """What a proxy's line says of it."""

    size: str
    width: int
    height: int
    bit_rate: int
    frames: int
    start: str | None
    made: str
    """How it was made (`Recipe.settings`), or `GIVEN`; with the original's digest it tells a stale one."""
    codec: str = "h264"
    more: Mapping[str, Any] = field(default_factory=dict)

    def of(self, original: Member) -> dict[str, Any]:
        return {
            "size": self.size,
            "width": self.width,
            "height": self.height,
            "bit_rate": self.bit_rate,
            "frames": self.frames,
            "start_timecode": self.start,
            "of_digest": original.digests.get(KEY),
            "made": self.made,
            "codec": self.codec,
            **self.more,
        }


def place_of(original: str, rung: Rung, recipe: Recipe) -> str:
    """Where the proxy of an original lies in an archive."""
    return layout.proxy_path(original, rung.name, recipe.extension)


def still_place(original: str, name: str) -> str:
    """Where a still of an original lies in an archive; `name` is one of `STILL_FILES`."""
    stem, _, extension = name.rpartition(".")
    return layout.proxy_path(original, stem, extension)


def add(writer: Writer, original: Member, proxy: Proxy, recipe: Recipe) -> Member:
    """Put one proxy that was just made into an archive that is being written."""
    more: dict[str, Any] = {"proof": proxy.proof.to_json()}
    if proxy.scaled_from:
        more["scaled_from"] = [f"{width}x{height}" for width, height in proxy.scaled_from]
    if proxy.cut_short:
        more["cut_short"] = True
    if proxy.corrupt:
        more["corrupt"] = len(proxy.corrupt)
    if proxy.treatment:
        more["treatment"] = dict(proxy.treatment)
    if recipe.audio_map:
        more["audio_map"] = list(recipe.audio_map)
    if proxy.sound_damage is not None:
        more["sound_damage"] = proxy.sound_damage
    if proxy.missing:
        more["missing"] = len(proxy.missing)
    line = ProxyLine(
        size=proxy.rung.name,
        width=proxy.width,
        height=proxy.height,
        bit_rate=proxy.bit_rate,
        frames=proxy.frames,
        start=None if proxy.start is None else str(proxy.start),
        made=recipe.settings(proxy.rung),
        codec=recipe.codec,
        more=more,
    )
    with FileSource(proxy.path) as source:
        return put(
            writer, original, place_of(original.path, proxy.rung, recipe), source, made_from(original, line.made), line
        )


def add_still(writer: Writer, original: Member, still: MadeStill, recipe: Recipe) -> Member:
    """Put a file of a still into an archive that is being written."""
    made = stills.settings(recipe, still.kind)
    return writer.add_bytes(
        still_place(original.path, still.name),
        still.data,
        identity=made_from(original, made),
        role=Role(still.kind.value),
        mtime_ns=original.mtime_ns or 0,
        of=original.path,
        still={"of_digest": original.digests.get(KEY), "made": made},
    )


def made_from(original: Member, made: str) -> str:
    """By which a run that was killed knows what it had put in: how it was made, and of which bytes."""
    return f"{made} {original.digests.get(KEY)}"


def put(writer: Writer, original: Member, path: str, source: FileSource, identity: str, line: ProxyLine) -> Member:
    """Put a proxy's file into an archive that is being written."""
    return writer.add(
        path,
        source,
        identity=identity,
        role=Role.PROXY,
        mtime_ns=original.mtime_ns or 0,
        of=original.path,
        proxy=line.of(original),
    )


def identity_of(source: FileSource) -> str:
    """Tells one file from another that took its place."""
    status = source.status
    return f"{status.st_dev}:{status.st_ino}:{status.st_size}:{status.st_mtime_ns}"

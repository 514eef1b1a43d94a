"""Putting proxies into archives, beside their originals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from film_archive.archive import layout
from film_archive.archive.folder import FolderWriter
from film_archive.archive.reader import open_archive
from film_archive.archive.writer import Writer, ZipWriter
from film_archive.core.digest import KEY
from film_archive.core.errors import UsageError
from film_archive.core.manifest import Member, Role
from film_archive.core.models import ProxyFile
from film_archive.core.source import FileSource
from film_archive.proxy.making import Proxy, settings


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
            path = layout.proxy_path(member, str(proxy.resolution))
            if path in present:
                writer.drop(path)
            start = None if proxy.start_timecode is None else str(proxy.start_timecode)
            size = str(proxy.resolution)
            line = _line(size, proxy.width, proxy.height, proxy.bit_rate, proxy.frames, start, original, "given")
            with FileSource(proxy.file_path) as source:
                _add(writer, original, str(proxy.resolution), source, f"given {identity_of(source)}", line)
        writer.finish()


def add(writer: Writer, original: Member, proxy: Proxy, identity: str) -> Member:
    """Put one proxy that was just made into an archive that is being written."""
    start = None if proxy.start is None else str(proxy.start)
    made = settings(proxy.rung)
    line = _line(proxy.rung.name, proxy.width, proxy.height, proxy.bit_rate, proxy.frames, start, original, made)
    line["proof"] = proxy.proof.to_json()
    if proxy.corrupt:
        line["corrupt"] = len(proxy.corrupt)
    if proxy.treatment:
        line["treatment"] = dict(proxy.treatment)
    if proxy.sound_damage is not None:
        line["sound_damage"] = proxy.sound_damage
    if proxy.missing:
        line["missing"] = len(proxy.missing)
    with FileSource(proxy.path) as source:
        return _add(writer, original, proxy.rung.name, source, identity, line)


def identity_of(source: FileSource) -> str:
    """Tells one file from another that took its place."""
    status = source.status
    return f"{status.st_dev}:{status.st_ino}:{status.st_size}:{status.st_mtime_ns}"


def _add(
    writer: Writer, original: Member, size: str, source: FileSource, identity: str, line: dict[str, Any]
) -> Member:
    return writer.add(
        layout.proxy_path(original.path, size),
        source,
        identity=identity,
        role=Role.PROXY,
        mtime_ns=original.mtime_ns or 0,
        of=original.path,
        proxy=line,
    )


def _line(
    size: str, width: int, height: int, bit_rate: int, frames: int, start: str | None, original: Member, made: str
) -> dict[str, Any]:
    """What a proxy's line says of it; `of_digest` and `made` (the settings) tell whether it is stale."""
    return {
        "size": size,
        "width": width,
        "height": height,
        "bit_rate": bit_rate,
        "frames": frames,
        "start_timecode": start,
        "of_digest": original.digests.get(KEY),
        "made": made,
    }

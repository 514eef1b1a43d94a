"""What a catalog has read, for who would read it again otherwise."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from film_archive.catalog.catalog import Catalog
from film_archive.catalog.lookup import Lookup, looking
from film_archive.catalog.rows import Holder
from film_archive.core import devices
from film_archive.library.dupe_finder import Known


@contextmanager
def known_in(catalog: Catalog | None) -> Iterator[Known | None]:
    """Ask a catalog, which is closed afterwards, folder by folder; None without one."""
    if catalog is None:
        yield None
        return
    with catalog, looking(catalog) as lookup:
        yield _Folders(lookup, {holder.identity: holder for holder in catalog.holders()})


class _Folders:
    def __init__(self, lookup: Lookup, holders: Mapping[str, Holder]) -> None:
        self._lookup = lookup
        self._holders = holders
        self._mounts = devices.mounts()
        self._devices: dict[devices.Mount, str] = {}

    def __call__(self, folder: str) -> Mapping[str, tuple[int, int, int, str]]:
        path = os.path.realpath(folder)
        mount = devices.mount_of(Path(path), self._mounts)
        if mount not in self._devices:
            self._devices[mount] = devices.locate(Path(path)).device.identity
        holder = self._holders.get(self._devices[mount])
        if holder is None:
            return {}
        inner = mount.root.rstrip("/") + path[len(mount.point.rstrip("/")) :]
        known = self._lookup.known(holder, inner or "/")
        return {} if known is None else {
            name: (row.size, row.mtime_ns, row.inode, row.content.xxh128.hex())
            for name, row in known.files.items()
            if row.content is not None
        }  # fmt: skip

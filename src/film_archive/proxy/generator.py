"""`ProxyGenerator`: proxies for those who have a file and want smaller ones, and which of several to play."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path
from tempfile import mkdtemp

from film_archive.archive import layout
from film_archive.archive.reader import open_archive
from film_archive.core import copying, files, places
from film_archive.core.claims import completed
from film_archive.core.digest import KEY, MultiHasher
from film_archive.core.errors import NotFound, NotSupported
from film_archive.core.facts import MediaFacts
from film_archive.core.ladder import LADDER, Rung, parse_sizes
from film_archive.core.models import MediaFile, ProxyFile, ProxyResolution
from film_archive.core.source import FileSource
from film_archive.proxy import embedding, making
from film_archive.proxy.recipe import PLAIN
from film_archive.proxy.selection import select_proxy

Resolution = ProxyResolution | str


class ProxyGenerator:
    """Makes proxies of media files, puts them into archives and takes them out again.

    `temp_dir` is where proxies are made (default: a folder of this object's own below the system's temporary one). Each
    original, as it was when it was read, has a folder of its own in it, so that two of one name never meet, nor a file
    and the one that takes its place. Nothing in it is ever removed for the caller.
    """

    def __init__(self, temp_dir: Path | str | None = None, max_workers: int | None = None) -> None:
        self._folder = None if temp_dir is None else Path(temp_dir)
        self._is_own = temp_dir is None
        self._lock = threading.Lock()
        self._in_use: dict[Path, threading.Lock] = {}
        self.max_workers = max_workers

    @property
    def temp_dir(self) -> Path:
        """Where proxies are made."""
        with self._lock:
            if self._folder is None:
                self._folder = Path(mkdtemp(prefix="film-archive-proxies-", dir=places.temporary()))
            return self._folder

    async def generate_proxy(self, media_file: MediaFile, resolution: Resolution) -> ProxyFile:
        """The proxy of one size; see `generate_proxies`."""
        return (await self.generate_proxies(media_file, [resolution]))[0]

    async def generate_proxies(self, media_file: MediaFile, resolutions: Sequence[Resolution]) -> list[ProxyFile]:
        """Proxies in the order asked, from one decode.

        Raises NotFound, NotSupported (nothing to decode), Damaged, NoSpace.
        """
        return await asyncio.to_thread(self._generate, media_file, [_rung(each) for each in resolutions])

    def embed_proxy_in_archive(self, archive_path: Path, proxy_file: ProxyFile, member: str) -> None:
        """Put a proxy into an archive, beside the original `member`; one of its size that is there is replaced."""
        embedding.embed(Path(archive_path), member, [proxy_file])

    def extract_proxy_from_archive(
        self, archive_path: Path, member: str, resolution: Resolution, output_path: Path | None = None
    ) -> Path:
        """Copy an embedded proxy out of an archive, verified; into `temp_dir` where no output is named."""
        size = str(resolution)
        with open_archive(archive_path) as archive:
            original = archive.member(member)
            found = next((proxy for proxy in original.proxies if (proxy.size, proxy.codec) == (size, "h264")), None)
            if found is None:
                there = ", ".join(proxy.size for proxy in original.proxies) or "none"
                raise NotFound(f"{archive.name}::{member} has no {size} proxy in the archive; it has: {there}.")
            name = Path(found.path).name
            key = f"{Path(archive_path).resolve()}::{member} {archive.member(found.path).digests}"
            target = Path(output_path) if output_path is not None else self._own_folder(Path(member).name, key) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.source(found.path) as source:
                copying.verified_copy(source, target, replace=output_path is None)
        return target

    @staticmethod
    def select_optimal_proxy(
        available_proxies: Sequence[ProxyFile], target_bandwidth: float, display_resolution: tuple[int, int]
    ) -> ProxyFile | None:
        """Of those that fit the bandwidth (bit/s) the smallest that covers the display, else the largest that fits.

        None fits: the one of the lowest bit rate. None available: None.
        """
        return select_proxy(available_proxies, target_bandwidth, display_resolution)

    def _generate(self, media_file: MediaFile, rungs: Sequence[Rung]) -> list[ProxyFile]:
        from film_archive.media.probe import index, probe

        path = Path(media_file.file_path)
        with FileSource(path) as source:
            facts = completed(probe(source), media_file, source.size)
            different = list(dict.fromkeys(rungs))
            key = (path.resolve(), embedding.identity_of(source), facts.start_timecode, facts.reel)
            folder = self._own_folder(path.name, " ".join(map(str, (*key, *map(PLAIN.settings, different)))))
            with self._alone_in(folder):
                made = making.make(source, facts, index(source), different, folder, workers=self.max_workers)
            source.check_unchanged()
        files_of = {proxy.rung: proxy_file(proxy, facts, path) for proxy in made}
        return [files_of[rung] for rung in rungs]

    def _own_folder(self, name: str, key: str) -> Path:
        """A folder for one original and what is made of it: its name, and a digest of all that tells it from others."""
        hasher = MultiHasher()
        hasher.update(key.encode("utf-8", "surrogateescape"))
        folder = self.temp_dir / f"{layout.fitting_name(name)}-{hasher.digests()[KEY][:16]}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _alone_in(self, folder: Path) -> threading.Lock:
        """Held while proxies are made in a folder: the same may be asked for twice at once."""
        with self._lock:
            return self._in_use.setdefault(folder, threading.Lock())

    def close(self) -> None:
        """Remove the folder that this object made for itself; one that the caller named stays."""
        if self._is_own and self._folder is not None:
            files.remove_tree(self._folder)
            self._folder = None


def proxy_file(proxy: making.Proxy, facts: MediaFacts, original: Path) -> ProxyFile:
    """A made proxy as the seeds' model."""
    return ProxyFile(
        file_path=proxy.path,
        resolution=ProxyResolution(proxy.rung.name) if proxy.rung.name in LADDER else proxy.rung.name,
        width=proxy.width,
        height=proxy.height,
        bit_rate=proxy.bit_rate,
        size=proxy.size,
        frame_rate=float(facts.frame_rate or 24),
        frames=proxy.frames,
        start_timecode=proxy.start,
        source_path=original,
        verified=not proxy.corrupt and not proxy.cut_short,
    )


def _rung(resolution: Resolution) -> Rung:
    rungs = parse_sizes(str(resolution))
    if len(rungs) != 1:
        raise NotSupported(f"{resolution} is not one proxy size.")
    return rungs[0]

"""What `proxy` says it has made, and what not."""

from __future__ import annotations

from dataclasses import dataclass

from film_archive.core.job import IN_PART, Failure, Report, status_of
from film_archive.core.records import Record
from film_archive.proxy.recipe import Still


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeProxy(Record):
    """A proxy that was made, and proven to have every frame and the start timecode of its original."""

    source: str
    """The media file, the pattern of an image sequence, or the member."""
    size: str
    """"preview", or "1280x720"."""
    codec: str
    """"h264", "prores_proxy" or "dnxhr_lb"."""
    output: str
    """The file, or ARCHIVE::MEMBER."""
    beside: tuple[str, ...]
    """Further files that it consists of: for Avid the sound tracks, and last the ALE."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    frames: int
    """As many as the original has."""
    start_timecode: str | None
    """Of the first frame; null where the original has none."""
    verified: bool
    """Whether every frame of the original is there and could be decoded."""
    corrupt: tuple[int, ...]
    """Frames that could not be decoded; the proxy shows the one before in their place."""
    cut_short: bool
    """Whether the original's file ends before all is there that it says it holds."""
    chunks: int
    """Pieces that it was made in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeStill(Record):
    """A still that was made."""

    source: str
    """The media file, the pattern of an image sequence, or the member."""
    kind: Still
    """"poster", "strip" or "sheet"."""
    outputs: tuple[str, ...]
    """Its files, or ARCHIVE::MEMBER; a strip's are its picture and its WebVTT."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxiesMade(Report):
    """What `proxy` made, and what could not be."""

    proxies: tuple[MadeProxy, ...]
    """What was made."""
    stills: tuple[MadeStill, ...]
    """Posters, strips and contact sheets."""
    current: int
    """Proxies that were in the archives already and would be made as they are."""
    failed: tuple[Failure, ...]
    """What has no proxies."""
    notes: tuple[str, ...]
    """What is to be known of single clips, each one sentence."""
    frames: int
    """Frames of originals that were decoded."""
    workers: int
    """How many pieces were made at once."""
    fps: float | None
    """Frames of originals a second, over all; null where nothing was made."""

    @property
    def damaged(self) -> int:
        """Frames that could not be decoded, of the clip that has most of them."""
        return max((len(proxy.corrupt) for proxy in self.proxies), default=0)

    @property
    def exit_status(self) -> int:
        done = bool(self.proxies or self.stills or self.current)
        in_part = any(not proxy.verified for proxy in self.proxies)
        return status_of(self.failed, any_done=done) or (IN_PART if in_part else 0)

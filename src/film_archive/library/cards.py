"""Cards: which folder is a camera's or a recorder's medium, told by its structure.

A table, one row a kind: patterns of paths, of which all must be met by something on the card. Paths are relative, with
slashes, in lower case, a folder's with a slash at its end; three levels are looked at.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from film_archive.archive import layout
from film_archive.library.listing import join

_LEVELS = 3
_MOST = 5_000
"""Names that are looked at, at most: a card shows what it is long before."""


@dataclass(frozen=True, slots=True)
class CardKind:
    """A kind of card."""

    name: str
    """As people call it."""
    camera: str
    """The maker, as a word of a path."""
    signs: tuple[str, ...]
    """Patterns, all of which are met by some path on the card."""
    by_folders: bool = True
    """Whether the folders tell it, and a part of the card is worth little without the rest. Files alone may lie anywhere."""


_REEL = r"[a-z]_?\d{3,4}_?[a-z0-9]{0,8}"
KINDS: tuple[CardKind, ...] = (
    CardKind("Sony AXS (X-OCN)", "sony", (r"(private/)?cineroot/",)),
    CardKind("Sony XAVC", "sony", (r"(private/)?xdroot/", r"(private/)?xdroot/(clip|mediapro\.xml|general|edit|sub)/?.*")),
    CardKind("Sony XAVC S", "sony", (r"(private/)?m4root/", r"(private/)?m4root/(clip|mediapro\.xml|general|sub|thmbnl)/?.*")),
    CardKind("Sony XDCAM EX", "sony", (r"bpav/", r"bpav/(clpr|mediapro\.xml|takr)/?.*")),
    CardKind("Panasonic P2", "panasonic", (r"contents/", r"contents/(video|audio)/", r"contents/clip/")),
    CardKind("Canon XF", "canon", (r"contents/", r"contents/clips\d{3}/")),
    CardKind("Canon XF-AVC", "canon", (r"(private/)?xfvc/",)),
    CardKind("AVCHD", "avchd", (r"(private/)?avchd/", r"(private/)?avchd/bdmv/")),
    CardKind("RED", "red", (rf"({_REEL}\.rdm/)?[^/]+\.rdc/",)),
    CardKind(
        "ARRI",
        "arri",
        (r"([a-z]\d{3}[rc][a-z0-9_]*/)?[a-z]\d{3}c\d{3}_\d{6}_[a-z][a-z0-9]{3}(\.(mov|mxf|arx|ari)|/)",),
        by_folders=False,
    ),
    CardKind("GoPro", "gopro", (r"dcim/", r"dcim/\d{3}gopro/")),
    CardKind("DJI", "dji", (r"dcim/", r"dcim/(dji_\d{3}.*|\d{3}media|\d{3}_\d{4}|panorama)/(dji_.*)?")),
    CardKind("Apple phone", "phone", (r"dcim/", r"dcim/\d{3}(apple|cloud)/")),
    CardKind("Android phone", "phone", (r"dcim/", r"dcim/camera/")),
    CardKind("Canon stills", "canon", (r"dcim/", r"dcim/\d{3}(canon|eos\w{1,2}|_\d{4})/")),
    CardKind("Nikon stills", "nikon", (r"dcim/", r"dcim/\d{3}(nikon|nd\w{3}|ncd\w{2}|nz_\w{1,2})/")),
    CardKind("Panasonic stills", "panasonic", (r"dcim/", r"dcim/\d{3}_pana/")),
    CardKind("Sony stills", "sony", (r"dcim/", r"dcim/\d{3}msdcf/")),
    CardKind("stills (DCF)", "camera", (r"dcim/", r"dcim/\d{3}[a-z0-9_]{5}/")),
    CardKind("Sound Devices", "sound", (r"(.*/)?(false ?takes|sound ?reports|settings)/", r".*\.wav")),
    CardKind("Zoom recorder", "sound", (r"(zoom\d{4}|folder\d\d|stereo|multi|4ch|mtr)/.*", r".*\.wav")),
    CardKind("Blackmagic", "blackmagic", (r"([^/]+/)?[^/]+\.braw",), by_folders=False),
    CardKind("sound recorder", "sound", (r"[^/]+\.(wav|bwf)",), by_folders=False),
)


@cache
def _compiled(kind: CardKind) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(sign) for sign in kind.signs)


def card_kind(folder: Path) -> CardKind | None:
    """The kind of card that a folder is, or None; a folder that can't be read is none."""
    paths = list(_paths(os.fspath(folder)))
    for kind in KINDS:
        if all(any(sign.fullmatch(path) for path in paths) for sign in _compiled(kind)):
            if not kind.by_folders and not _only(kind, paths):
                continue
            return kind
    return None


_MEDIA = frozenset(
    (
        *("mov", "mp4", "mxf", "r3d", "ari", "arx", "braw", "avi", "wav"),
        *("jpg", "jpeg", "dng", "cr2", "cr3", "nef", "arw", "dpx", "exr"),
    )
)
_OWN = {"arri": {"mov", "mxf", "ari", "arx", "wav"}, "blackmagic": {"braw", "wav"}, "sound": {"wav"}}
"""Maker → the media on a card that only its files tell."""


def _only(kind: CardKind, paths: list[str]) -> bool:
    """Whether a folder that only its files tell has no media of another kind: a messy folder is no card."""
    endings = {path.rpartition(".")[2] for path in paths if not path.endswith("/") and "." in path}
    return not endings & (_MEDIA - _OWN[kind.camera])


def _paths(folder: str) -> Iterator[str]:
    count = 0
    level = [(folder, "")]
    for _ in range(_LEVELS):
        below: list[tuple[str, str]] = []
        for path, relative in level:
            try:
                with os.scandir(path) as scan:
                    for item in scan:
                        if layout.is_junk(item.name) or item.name == layout.OWN or item.is_symlink():
                            continue
                        name = f"{relative}{item.name.lower()}"
                        if item.is_dir(follow_symlinks=False):
                            below.append((item.path, f"{name}/"))
                            name += "/"
                        yield name
                        count += 1
                        if count >= _MOST:
                            return
            except OSError:
                continue
        level = below


@dataclass
class CardFinder:
    """Finds the card that a file lies on, among folders that are looked at once each."""

    roots: tuple[str, ...]

    def __post_init__(self) -> None:
        self._known: dict[str, str | None] = {}

    def card_of(self, folder: str) -> str | None:
        """The folder below, or at, a root that is a card by its folders and holds this one; None where none is.

        The innermost one: a folder with ten magazines in it looks like one of them.
        """
        root = max((root for root in self.roots if folder == root or folder.startswith(join(root, ""))), key=len, default=None)
        return None if root is None else self._at_or_above(root, folder)

    def _at_or_above(self, root: str, folder: str) -> str | None:
        if folder not in self._known:
            above = None if folder == root else self._at_or_above(root, folder.rpartition("/")[0] or "/")
            own = folder if self._is_card(folder) else None
            if own is not None and above is not None and os.path.basename(own).lower() == "private":  # noqa: PTH119
                own = above  # Sony's and AVCHD's structures lie in the card's folder PRIVATE
            self._known[folder] = own or above
        return self._known[folder]

    def _is_card(self, folder: str) -> bool:
        kind = card_kind(Path(folder))
        return kind is not None and kind.by_folders

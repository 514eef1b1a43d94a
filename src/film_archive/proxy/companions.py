"""Where editing programs look for the proxy of a clip, so that it links by itself, and in what form they take it.

Resolve: a folder `Proxy` beside the clip, the clip's own name (DaVinci Resolve manual, "Using Proxy Media"). Premiere:
`Proxies`, the name with `_Proxy` behind it (Premiere Pro's ingest presets). Media Composer has no proxies that link by
name: it gets MXF files of one track each, and an ALE.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from film_archive.core.errors import UsageError


class Program(StrEnum):
    """An editing program."""

    RESOLVE = "resolve"
    PREMIERE = "premiere"
    AVID = "avid"

    @classmethod
    def named(cls, name: str) -> Program:
        """Raises UsageError for another one."""
        try:
            return cls(name.lower())
        except ValueError as error:
            known = ", ".join(cls)
            raise UsageError(f"It is not known where {name!r} looks for proxies; known are {known}.") from error

    @property
    def product(self) -> str:
        return {"resolve": "DaVinci Resolve", "premiere": "Premiere Pro", "avid": "Media Composer"}[self.value]

    @property
    def codecs(self) -> tuple[str, ...]:
        """What it gets, the usual one first."""
        return ("dnxhr_lb",) if self is Program.AVID else ("prores_proxy", "dnxhr_lb")


def files_for(program: Program, original: Path, stem: str, channels: int, folder: Path | None = None) -> tuple[Path, ...]:
    """The files that a clip's proxy is; `stem` is the clip's name without extension, `channels` those of its sound.

    Resolve and Premiere: one beside the clip. Avid: picture, each channel of sound, and last the ALE, in `folder`, or in
    `Avid` beside the clip.
    """
    if program is Program.AVID:
        place = folder or original.parent / "Avid"
        sound = (place / f"{stem}_A{number:02d}.mxf" for number in range(1, channels + 1))
        return (place / f"{stem}_V01.mxf", *sound, place / f"{stem}.ale")
    if program is Program.RESOLVE:
        return (original.parent / "Proxy" / f"{stem}.mov",)
    return (original.parent / "Proxies" / f"{stem}_Proxy.mov",)

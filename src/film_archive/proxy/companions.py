"""Where editing programs look for the proxy of a clip, so that it links by itself.

Resolve: a folder `Proxy` beside the clip, the clip's own name (DaVinci Resolve manual, "Using Proxy Media"). Premiere:
`Proxies`, the name with `_Proxy` behind it (Premiere Pro's ingest presets).
"""

from __future__ import annotations

from pathlib import Path

from film_archive.core.errors import NotSupported

PROGRAMS = ("resolve", "premiere")


def companion(original: Path, program: str) -> Path:
    """The path of a clip's proxy for the edit; raises NotSupported for another program than `PROGRAMS`."""
    if program == "resolve":
        return original.parent / "Proxy" / f"{original.stem}.mov"
    if program == "premiere":
        return original.parent / "Proxies" / f"{original.stem}_Proxy.mov"
    raise NotSupported(f"It is not known where {program} looks for proxies; known are {', '.join(PROGRAMS)}.")

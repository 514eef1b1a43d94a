"""What the parameter sets of a stream tell a probe."""

from __future__ import annotations

from dataclasses import dataclass, field

from film_archive.core.facts import ColorFacts
from film_archive.media.codecs import Codec


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """Codec with profile and bit depth, colour tags, and "progressive" where every frame has to be."""

    codec: Codec
    color: ColorFacts = field(default_factory=ColorFacts)
    scan: str | None = None

"""What proxies are made of and held against: a media file, or an image sequence, wherever their bytes lie."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from film_archive.core.facts import MediaFacts
from film_archive.core.frame_index import FrameIndex
from film_archive.core.ladder import Rung
from film_archive.core.source import ByteSource, FileSource
from film_archive.proxy import making
from film_archive.proxy.making import OnFrames, Proxy
from film_archive.proxy.recipe import Recipe

if TYPE_CHECKING:
    from film_archive.media.av.clip_pictures import Pictures
    from film_archive.media.grading import Grade

OpenFrame = Callable[[int], ByteSource | None]
"""Opens the image of a frame, counted from 0; None where there is none."""


@dataclass(frozen=True, slots=True)
class Original:
    """A clip: of a file `source` and `index` are there, of an image sequence `open_frame`."""

    name: str
    facts: MediaFacts
    source: ByteSource | None = None
    index: FrameIndex | None = None
    open_frame: OpenFrame | None = None

    def proxies(
        self,
        rungs: Sequence[Rung],
        folder: Path,
        recipe: Recipe,
        *,
        among: Sequence[Rung] = (),
        workers: int | None = None,
        on_frames: OnFrames | None = None,
    ) -> list[Proxy]:
        """One proxy a rung; see `making.make`. Raises SourceChanged where the original's file changed meanwhile."""
        treatment = recipe.treatment(self.facts)
        if self.open_frame is not None:
            return making.make_of_images(
                self.name,
                self.facts,
                self.open_frame,
                rungs,
                folder,
                among=among,
                codec=recipe.codec,
                preset=recipe.preset,
                hardware=recipe.hardware,
                treatment=treatment,
                workers=workers,
                on_frames=on_frames,
            )
        assert self.source is not None
        assert self.index is not None
        made = making.make(
            self.source,
            self.facts,
            self.index,
            rungs,
            folder,
            among=among,
            codec=recipe.codec,
            preset=recipe.preset,
            hardware=recipe.hardware,
            audio_map=recipe.audio_map or None,
            treatment=treatment,
            workers=workers,
            on_frames=on_frames,
        )
        self.check_unchanged()
        return made

    def pictures(self, grade: Grade | None = None) -> Pictures:
        """Its pictures in full; those of images through a grade, where one is given."""
        from film_archive.media.av.clip_pictures import FilePictures
        from film_archive.media.av.still_pictures import StillPictures

        if self.open_frame is not None:
            return StillPictures(self.name, self.facts, self.open_frame, grade)
        assert self.source is not None
        assert self.index is not None
        return FilePictures(self.source, self.facts, self.index)

    def check_unchanged(self) -> None:
        """Raise SourceChanged where its file is not what it was when it was opened."""
        if isinstance(self.source, FileSource):
            self.source.check_unchanged()

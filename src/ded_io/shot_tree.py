"""The shot tree: where a shot's versions lie, which are there, and how a new one is put in place.

    {root}/{shot}/{task}/{shot}_{task}_{element}_v001/{rep}_{colorspace}/frames

A version container appears under its name only when all that belongs into it is there, verified and durable.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ded_io.models import ImageSequence, ShotInfo
from ded_io.naming import PlateName, Template, template, token
from ded_io.plate_manifest import NAME as MANIFEST
from ded_io.plate_manifest import PlateManifest, problems, read_manifest
from film_archive.core.errors import Damaged, NotFound, Refused, from_os_error
from film_archive.core.source import printable

REP = "main"
PROXY = "proxy"
FRAME_ENDING = re.compile(r"\.\{frame(?::0\d+d)?\}\.\{ext\}$")
"""How the name of frames ends: every program knows sequences by it."""
CONTAINER = Template("{shot}_{task}_{element}_v{version:03d}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the versions of one plate of one shot lie, and how their files are called."""

    folder: Path
    """In which the containers are."""
    shot: str
    task: str
    element: str
    frame_name: str
    movie_name: str
    colorspace: str
    """The token in the names of frames."""
    proxy_colorspace: str

    @classmethod
    def of(cls, shot_info: ShotInfo) -> Place:
        """The place of a shot. Raises UsageError where a name can't be made."""
        from ded_io import config

        settings = shot_info.settings
        folder = settings.output_dir or settings.shot_tree_root / shot_info.code / shot_info.task
        return cls(
            folder.absolute(),
            shot_info.code,
            shot_info.task,
            shot_info.element,
            settings.frame_name,
            settings.movie_name,
            token(settings.target_colorspace),
            token(config.PROXY_COLORSPACE),
        )

    @property
    def frames_folder(self) -> str:
        return f"{REP}_{self.colorspace}"

    def container(self, version: int) -> Path:
        return self.folder / CONTAINER.format(self._name(version))

    def base_name(self, version: int) -> str:
        """A frame's name without number and extension."""
        before = FRAME_ENDING.sub("", self.frame_name)
        return template(before).format(self._name(version, rep=REP, colorspace=self.colorspace))

    def frame_file(self, version: int, number: int, extension: str) -> str:
        return template(self.frame_name).format(
            self._name(version, rep=REP, colorspace=self.colorspace, frame=number, ext=extension)
        )

    def frames(self, version: int, folder: Path, first: int, last: int) -> ImageSequence:
        """The plate's frames, which a folder has or is to have."""
        return ImageSequence(folder, self.base_name(version), "exr", first, last, padding_of(self.frame_name))

    def movie_file(self, version: int, extension: str) -> str:
        return template(self.movie_name).format(
            self._name(version, rep=PROXY, colorspace=self.proxy_colorspace, ext=extension)
        )

    def versions(self) -> list[int]:
        """The versions that are there, in order."""
        try:
            names = [entry.name for entry in self.folder.iterdir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise from_os_error(error, f"read {printable(self.folder)}") from error
        found = filter(None, map(CONTAINER.parse, names))
        return sorted(name.version for name in found if name == self._name(name.version or 0) and name.version is not None)

    def _name(
        self,
        version: int,
        *,
        rep: str | None = None,
        colorspace: str | None = None,
        frame: int | None = None,
        ext: str | None = None,
    ) -> PlateName:
        return PlateName(self.shot, self.task, self.element, version, rep, colorspace, frame, ext)


@dataclass(frozen=True, slots=True)
class Standing:
    """What a re-ingest finds: the version that is the same, if it is there and whole."""

    version: int
    container: Path
    manifest: PlateManifest


def standing(place: Place, ingest_id: str) -> tuple[Standing | None, list[str]]:
    """The latest version, if it was made of the same input and is whole, and warnings about it if it is not."""
    versions = place.versions()
    if not versions:
        return None, []
    container = place.container(versions[-1])
    try:
        manifest = read_manifest(container)
    except (NotFound, Damaged) as error:
        return None, [f"{printable(container)} can't be compared with this ingest: {error}"]
    if manifest.ingest_id != ingest_id:
        return None, []
    broken = list(problems(container, manifest, digests=False))
    if broken:
        return None, [f"{container.name} was made of the same and is no longer whole: {broken[0]} A new version is made."]
    return Standing(versions[-1], container, manifest), []


def next_version(place: Place, wanted: int | None) -> int:
    """The version that a new plate gets. Raises Refused where the wanted one is there."""
    versions = place.versions()
    if wanted is None:
        return (versions[-1] if versions else 0) + 1
    if wanted in versions:
        raise Refused(
            f"{printable(place.container(wanted))} is there already, made of something else; nothing was changed. "
            f"The next version is {versions[-1] + 1}."
        )
    return wanted


def remember(shot_info: ShotInfo, place: Place, found: Standing) -> None:
    """Fill in a shot's outputs from a version that stands."""
    made, manifest = shot_info.outputs, found.manifest
    made.unchanged, made.version, made.container = True, found.version, found.container
    made.manifest = found.container / "manifest.json"
    frames = [file.path for file in manifest.frames()]
    if frames:
        made.plate = sequence_in(found.container / place.frames_folder, place, found.version, manifest)
    movies = [file.path for file in manifest.files if file.path == place.movie_file(found.version, movie_extension())]
    made.movie = found.container / movies[0] if movies else None


def sequence_in(folder: Path, place: Place, version: int, manifest: PlateManifest) -> ImageSequence:
    return place.frames(version, folder, manifest.first_number, manifest.last_number)


def padding_of(frame_name: str) -> int:
    """How many digits a frame's number has."""
    match = re.search(r"\{frame:0(\d+)d\}", frame_name)
    return int(match[1]) if match else 1


def movie_extension() -> str:
    from ded_io import config

    return config.PROXY_FORMAT


def containers(folder: Path) -> Iterator[Path]:
    """All version containers of a shot tree, or of one of its folders: it may be a container, or hold them."""
    if is_container(folder):
        yield folder
        return
    for depth in ("*", "*/*", "*/*/*"):  # a task's folder or `paths.output_dir`, a shot's, the tree's root
        yield from filter(is_container, sorted(folder.glob(depth)))


def is_container(path: Path) -> bool:
    """Whether a folder is a version container: by its manifest, and one that has lost it by its name and frames."""
    if (path / MANIFEST).is_file():
        return True
    return CONTAINER.parse(path.name) is not None and any(path.glob(f"{REP}_*/"))



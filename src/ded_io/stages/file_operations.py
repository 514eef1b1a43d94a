"""The last steps of an ingest: the frames into the shot tree, and this run's own folder away.

The order of writing: frames and movie (each verified), what lies beside them, the manifest, then the container's name.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from ded_io import __version__
from ded_io.looks import look_file, look_name
from ded_io.models import Act, ImageSequence, ProcessingResult, ShotInfo
from ded_io.numbers import numbers_text
from ded_io.plate_manifest import NAME, PlateFile, PlateManifest
from ded_io.preparing import planned_work, prepare, timecode_of
from ded_io.shot_tree import Place, movie_extension, next_version, padding_of, remember, sequence_in, standing
from ded_io.sidecars import nuke_script, timeline
from ded_io.stages.base import PipelineStage
from ded_io.stages.oiio_transform import frame_bytes
from ded_io.stages.proxy_generation import movie_bytes
from film_archive.core import files
from film_archive.core.copying import verified_copy
from film_archive.core.digest import KEY
from film_archive.core.errors import Damaged, Refused, StorageError, from_os_error
from film_archive.core.executors.threads import ThreadExecutor
from film_archive.core.folders import AtomicFolder
from film_archive.core.source import FileSource, printable

_NEAR = 1 << 20
"""Bytes for what lies beside the frames."""
_COPIES = 4


class ShotTreeOrganizationStage(PipelineStage):
    """Puts the frames and the movie into the shot tree as one version container.

    The frames of a plate that is there already, made of the same input, are not placed again. A sequence that lacks frames
    of the shot is refused.
    """

    NEEDS: ClassVar[tuple[str, ...]] = ("exr",)

    def process(
        self,
        shot_info: ShotInfo,
        result: ProcessingResult,
        *,
        input_sequence: ImageSequence | None = None,
        proxy: Path | None = None,
        **kwargs: Any,
    ) -> None:
        made = shot_info.outputs
        made.exr, made.proxy = input_sequence or made.exr, proxy or made.proxy
        if made.frames is None:
            prepare(shot_info, result)
        place = Place.of(shot_info)
        if not made.unchanged:
            assert made.ingest_id is not None
            found, warnings = standing(place, made.ingest_id)
            for warning in warnings:
                result.add_warning(warning)
            if found is not None:
                remember(shot_info, place, found)
        if made.unchanged:
            result.data["unchanged"] = True
        else:
            if not self.validate_inputs(shot_info, result):
                return
            self._place(shot_info, place)
        if shot_info.settings.mhl:
            self._prove(shot_info, result)
        result.data["version"] = made.version
        result.data["container"] = str(made.container)

    def plan(self, shot_info: ShotInfo, result: ProcessingResult, **kwargs: Any) -> Iterator[Act]:
        made, place = shot_info.outputs, Place.of(shot_info)
        if made.frames is None:
            prepare(shot_info, result)
        assert made.frames is not None
        if made.unchanged:
            return
        version = next_version(place, shot_info.editorial_info.version)
        container = place.container(version)
        made.version, made.container = version, container
        folder, size = container / place.frames_folder, frame_bytes(shot_info)
        frames = place.frames(version, folder, made.frames.first_number, made.frames.last_number)
        for number in frames.numbers:
            yield Act(self.name, "copy", f"{folder}/{frames.name(number)}", size)
        yield Act(self.name, "copy", str(container / place.movie_file(version, movie_extension())), movie_bytes(shot_info))
        base = place.base_name(version)
        for name in (f"{base}.otio", f"{base}.nk", *_look_names(shot_info), NAME):
            yield Act(self.name, "write", str(container / name))

    def _place(self, shot_info: ShotInfo, place: Place) -> None:
        """Copy everything into a hidden folder, prove it, and give it its name."""
        made = shot_info.outputs
        _require_whole(shot_info)
        assert made.exr is not None
        sources = list(made.exr.paths()) + ([made.proxy] if made.proxy is not None else [])
        needed = sum(path.stat().st_size for path in sources) + _NEAR
        files.make_folders(place.folder)
        files.require_space(place.folder, needed, f"The plate of {shot_info.code}")
        version = next_version(place, shot_info.editorial_info.version)
        while True:
            try:
                manifest = self._written(shot_info, place, version)
                break
            except Refused:
                # another shot's run has just taken this version; only a version that was asked for is insisted on
                if shot_info.editorial_info.version is not None or version not in place.versions():
                    raise
                version = next_version(place, None)
        made.version, made.container = version, place.container(version)
        made.manifest = made.container / NAME
        made.plate = sequence_in(made.container / place.frames_folder, place, version, manifest)
        made.movie = None if made.proxy is None else made.container / place.movie_file(version, made.proxy.suffix[1:])
        self.logger.info("%s: %s is in place", shot_info.code, made.container.name)

    def _written(self, shot_info: ShotInfo, place: Place, version: int) -> PlateManifest:
        made = shot_info.outputs
        assert made.exr is not None
        with AtomicFolder(place.container(version)) as new:
            frames = new.path / place.frames_folder
            frames.mkdir()
            listed = list(self._copied_frames(shot_info, place, version, frames))
            if made.proxy is not None:
                listed.append(_copied(made.proxy, new.path / place.movie_file(version, made.proxy.suffix[1:]), new.path))
            listed.extend(_beside(shot_info, place, version, new.path))
            files.sync_folder(frames)
            manifest = _manifest(shot_info, version, listed)
            files.write_atomically(new.path / NAME, manifest.to_bytes())
            new.commit()
        return manifest

    def _copied_frames(self, shot_info: ShotInfo, place: Place, version: int, folder: Path) -> Iterator[PlateFile]:
        sequence = shot_info.outputs.exr
        assert sequence is not None
        total = sequence.frame_count

        def copy(number: int) -> PlateFile:
            target = folder / place.frame_file(version, number, sequence.extension)
            return _copied(sequence.path(number), target, folder.parent, number, shot_info)

        with ThreadExecutor(min(_COPIES, shot_info.settings.jobs)) as executor:
            for done, file in enumerate(executor.map(copy, sequence.numbers), 1):
                shot_info.report(self.name, done, total)
                yield file

    def _prove(self, shot_info: ShotInfo, result: ProcessingResult) -> None:
        """Give the container an ASC MHL history, from the digests that its manifest has."""
        from ded_io.plate_manifest import read_manifest
        from film_archive.library.chain_of_custody import FOLDER, Proven, write_generation

        container = shot_info.outputs.container
        assert container is not None
        if (container / FOLDER).is_dir():
            return
        manifest = read_manifest(container)
        proven = [Proven(file.path, file.size, _mtime(container / file.path), file.xxh128) for file in manifest.files]
        made = write_generation(container, proven, comment=f"plate {container.name}")
        result.data["hash_list"] = None if made is None else str(made)


def _require_whole(shot_info: ShotInfo) -> None:
    """Raise Damaged where the frames are not all frames of the shot."""
    made = shot_info.outputs
    assert made.exr is not None
    assert made.frames is not None
    there = set(made.exr.numbers) - set(made.exr.missing())
    lacking = sorted(set(made.frames.numbers) - there)
    if lacking:
        raise Damaged(
            f"{shot_info.code} lacks {len(lacking)} of its {made.frames.count} frames ({numbers_text(lacking)}); "
            "no version was made."
        )
    if set(made.exr.numbers) - set(made.frames.numbers):
        raise Damaged(
            f"{shot_info.code} has the frames {made.frames.first_number} to {made.frames.last_number}, and the sequence "
            f"{made.exr.pattern} those from {made.exr.first_frame} to {made.exr.last_frame}; no version was made."
        )
    if made.proxy is not None and not made.proxy.is_file():
        raise StorageError(f"The proxy {printable(made.proxy)} is no longer there; no version was made.")


def _copied(
    source: Path, target: Path, container: Path, number: int | None = None, shot_info: ShotInfo | None = None
) -> PlateFile:
    with FileSource(source) as opened:
        poured = verified_copy(opened, target)
    path = target.relative_to(container).as_posix()
    if number is None or shot_info is None or shot_info.outputs.frames is None:
        return PlateFile(path, poured.size, poured.digests[KEY])
    code = timecode_of(shot_info.outputs, number)
    label = None if code is None else str(code)
    return PlateFile(path, poured.size, poured.digests[KEY], number, shot_info.outputs.frames.source_of(number), label)


def _beside(shot_info: ShotInfo, place: Place, version: int, folder: Path) -> Iterator[PlateFile]:
    """Write the timeline, Nuke's script and the look beside the frames."""
    made = shot_info.outputs
    assert made.frames is not None
    assert made.exr is not None
    base = place.base_name(version)
    sequence = ImageSequence(
        folder, base, made.exr.extension, made.frames.first_number, made.frames.last_number, padding_of(place.frame_name)
    )
    size = shot_info.settings.resolution
    texts = {
        f"{base}.otio": timeline(sequence, place.frames_folder, shot_info),
        f"{base}.nk": nuke_script(sequence, place.frames_folder, shot_info, None if size is None else (size.width, size.height)),
    }
    for name, text in texts.items():
        files.write_atomically(folder / name, text.encode())
        yield _listed(folder / name, folder)
    look, called = look_file(shot_info), look_name(shot_info.editorial_info)
    if look is not None and called is not None:
        yield _copied(look, folder / called, folder)


def _look_names(shot_info: ShotInfo) -> tuple[str, ...]:
    name = look_name(shot_info.editorial_info)
    return () if name is None else (name,)


def _listed(path: Path, folder: Path) -> PlateFile:
    from film_archive.core.digest import digest_source

    with FileSource(path) as source:
        return PlateFile(path.relative_to(folder).as_posix(), source.size, digest_source(source)[KEY])


def _manifest(shot_info: ShotInfo, version: int, listed: list[PlateFile]) -> PlateManifest:
    made, cut = shot_info.outputs, shot_info.editorial_info
    assert made.frames is not None
    return PlateManifest(
        tool=f"ded-io {__version__}",
        ingest_id=made.ingest_id or "",
        project=shot_info.project,
        shot=shot_info.code,
        task=shot_info.task,
        element=shot_info.element,
        version=version,
        source=str(cut.source_file),
        reel=made.reel,
        rate=str(made.rate),
        start_timecode=None if made.plate_timecode is None else str(made.plate_timecode),
        in_number=made.frames.in_number,
        out_number=made.frames.number_of(made.frames.out_frame),
        first_number=made.frames.first_number,
        last_number=made.frames.last_number,
        head=made.frames.head,
        tail=made.frames.tail,
        source_colorspace=made.colorspace or "",
        colorspace=shot_info.settings.target_colorspace,
        squeeze=str(made.squeeze),
        notes=cut.notes,
        speed=None if cut.speed is None else str(cut.speed),
        files=tuple(listed),
    )


def _mtime(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError as error:
        raise from_os_error(error, f"look at {printable(path)}") from error


class CleanupStage(PipelineStage):
    """Removes the one folder that this run made, after success only; nothing is ever matched by pattern.

    Frames that no stage has put into a shot tree are kept, and the report says where.
    """

    def process(self, shot_info: ShotInfo, result: ProcessingResult, **kwargs: Any) -> None:
        made = shot_info.outputs
        work = made.work
        if work is None:
            return
        if made.failed:
            result.add_warning(f"The frames so far are kept in {printable(work.path)}; the next run goes on from there.")
            return
        if made.plate is None and (made.exr is not None or made.proxy is not None):
            result.add_warning(f"No stage has put the frames into a shot tree; they are kept in {printable(work.path)}.")
            return
        work.remove()
        made.work = None
        result.data["removed"] = str(work.path)

    def plan(self, shot_info: ShotInfo, result: ProcessingResult, **kwargs: Any) -> Iterator[Act]:
        if not shot_info.outputs.unchanged:
            yield Act(self.name, "remove", str(planned_work(shot_info)))

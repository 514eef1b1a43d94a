"""What Media Composer gets: one track a file, all of one clip, sample for sample the proxy; and an ALE that says the same."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from film_archive.core.errors import Damaged, NotSupported
from film_archive.core.ladder import parse_sizes
from film_archive.core.source import FileSource
from film_archive.editorial.reading import read_list
from film_archive.editorial.resolving import resolve
from film_archive.media.av import op_atom
from film_archive.media.probe import index, probe
from film_archive.proxy import avid
from film_archive.proxy.companions import Program, files_for
from film_archive.proxy.making import Proxy
from film_archive.proxy.original import Original
from film_archive.proxy.recipe import Recipe
from film_archive.testing.media import ClipSpec, cached_clip
from film_archive.testing.oddities import ODDITIES
from tests.reading import codes_of, samples_of

RECIPE = Recipe(codec="dnxhr_lb")
PLACES = Path("/clips")


def packaged(spec: ClipSpec, footage: Path, folder: Path) -> tuple[Proxy, list[Path]]:
    with FileSource(cached_clip(spec, footage)) as source:
        original = Original(source.name, probe(source), source, index(source))
        (proxy,) = original.proxies(parse_sizes("editorial"), folder, RECIPE)
        channels = sum(track.channels for track in original.facts.audio)
        places = files_for(Program.AVID, PLACES / "a.mov", spec.name, channels)
        made = avid.package(proxy, original, places, folder / "avid")
    assert [place for _, place in made] == list(places)
    return proxy, [path for path, _ in made]


@pytest.mark.parametrize("name", ["film_rate", "drop_frame", "sixteen_mono", "one_of_sixteen", "sound_16_bit", "no_audio"])
def test_the_tracks_are_the_clip(name: str, footage: Path, tmp_path: Path) -> None:
    spec = ODDITIES[name]
    proxy, (picture, *sound, ale) = packaged(spec, footage, tmp_path)
    assert codes_of(picture) == [spec.code(number) for number in range(spec.frames)]
    channels = [(track, channel) for track, audio in enumerate(spec.audio) for channel in range(audio.channels)]
    assert len(sound) == len(channels)
    for path, (track, channel) in zip(sound, channels, strict=True):
        assert np.array_equal(samples_of(path, 0)[:, 0], samples_of(proxy.path, track)[:, channel])
    packages = set()
    for path in (picture, *sound):
        facts = probe(path)
        assert (facts.container, facts.camera["operational_pattern"]) == ("mxf", "OP-Atom")
        assert (str(facts.start_timecode), facts.reel) == (str(spec.start), spec.reel)
        packages.add(facts.camera["package"])
    assert len(packages) == 1
    (row,) = resolve(read_list(ale))
    assert row.source is not None
    assert (row.event.reel, row.event.from_clip_name) == (spec.reel, spec.name)
    assert (str(row.source.start_label), row.source.count) == (str(spec.start), spec.frames)
    tracks = "V" + "".join(f"A{number}" for number in range(1, len(sound) + 1))
    assert f"\t{tracks}\t".encode() in ale.read_bytes()


def test_without_a_timecode_it_counts_from_nought(footage: Path, tmp_path: Path) -> None:
    spec = ODDITIES["no_timecode"]
    _, (picture, *_, ale) = packaged(spec, footage, tmp_path)
    assert str(probe(picture).start_timecode) == "00:00:00:00"
    (row,) = resolve(read_list(ale))
    assert row.source is not None
    assert (row.source.first, row.source.count) == (0, spec.frames)


def test_the_same_clip_has_the_same_packages_and_another_has_others(footage: Path, tmp_path: Path) -> None:
    spec = ODDITIES["film_rate"]
    once, again = (packaged(spec, footage, tmp_path / name)[1] for name in ("once", "again"))
    assert [path.read_bytes() for path in once] == [path.read_bytes() for path in again]
    other = packaged(ODDITIES["drop_frame"], footage, tmp_path / "other")[1]
    assert probe(once[0]).camera["package"] != probe(other[0]).camera["package"]


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="ffprobe is not installed")
def test_ffprobe_sees_one_clip(footage: Path, tmp_path: Path) -> None:
    spec = ODDITIES["film_rate"]
    _, (picture, *sound, _) = packaged(spec, footage, tmp_path)
    found: list[dict[str, Any]] = []
    for path in (picture, *sound):
        command = ["ffprobe", "-v", "error", "-count_packets", "-show_format", "-show_streams", "-of", "json", str(path)]
        found.append(json.loads(subprocess.run(command, capture_output=True, check=True).stdout))
    (video,) = found[0]["streams"]
    assert (video["codec_name"], video["nb_read_packets"]) == ("dnxhd", str(spec.frames))
    formats = [each["format"]["tags"] for each in found]
    assert {tags["timecode"] for tags in formats} == {str(spec.start)}
    assert len({tags["material_package_umid"] for tags in formats}) == 1
    streams = [each["streams"][0]["tags"] for each in found]
    assert len({tags["file_package_umid"] for tags in streams}) == len(streams)
    assert len({tags["reel_umid"] for tags in streams}) == 1
    assert {tags["reel_name"] for tags in streams} == {spec.reel}
    umids = {tags[key].removeprefix("0x") for tags in (*formats, *streams) for key in tags if key.endswith("umid")}
    assert all(any(bytes.fromhex(umid)[13:31]) for umid in umids), "none is the one that all files of FFmpeg's have"


def test_a_variable_rate_is_refused(footage: Path, tmp_path: Path) -> None:
    with pytest.raises(NotSupported, match="variable frame rate"):
        packaged(ODDITIES["vfr"], footage, tmp_path)


def test_a_track_that_is_not_the_proxy_is_found(footage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture, sound = op_atom.write_picture, op_atom.write_sound

    def short(path: Any, settings: Any, pictures: Any, *more: Any) -> None:
        picture(path, settings, list(pictures)[:-1], *more)

    def doubled(path: Any, settings: Any, pictures: Any, *more: Any) -> None:
        frames = list(pictures)
        picture(path, settings, [frames[0], *frames[:-1]], *more)

    def silent(path: Any, codec: Any, sample_rate: Any, samples: Any, *more: Any) -> None:
        sound(path, codec, sample_rate, (run * 0 for run in samples), *more)

    def late(path: Any, settings: Any, pictures: Any, start: Any, reel: Any) -> None:
        picture(path, settings, pictures, start + 1, reel)

    for name, wrong, why in (
        ("write_picture", short, "23 frames instead of 24"),
        ("write_picture", late, "starts at"),
        ("write_picture", doubled, "another picture"),
        ("write_sound", silent, "other sound than channel 1"),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(op_atom, name, wrong)
            with pytest.raises(Damaged, match=why):
                packaged(ODDITIES["film_rate"], footage, tmp_path / name / why.replace(" ", ""))


def test_tracks_that_were_not_joined_are_found(footage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    join = op_atom.join

    def apart(paths: Any, clip: bytes, reel: Any) -> None:
        for number, path in enumerate(paths):
            join([path], clip[:-1] + bytes([number]), reel)

    monkeypatch.setattr(op_atom, "join", apart)
    with pytest.raises(Damaged, match="material package"):
        packaged(ODDITIES["film_rate"], footage, tmp_path)

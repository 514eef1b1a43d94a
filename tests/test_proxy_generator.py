"""Proxies as the seeds show them: each has every frame of its original, in its place, with its timecode."""

from __future__ import annotations

import asyncio
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from film_archive.archive.check import check_archive
from film_archive.archive.reader import open_archive
from film_archive.core.errors import Damaged, NotFound, NotMedia, NotSupported, Refused, UsageError
from film_archive.core.models import MediaFile, ProxyFile, ProxyResolution, VideoCodec
from film_archive.core.timecode import Timecode
from film_archive.media.probe import index, probe
from film_archive.proxy.generator import ProxyGenerator
from film_archive.testing.media import ClipSpec, cached_clip, make_clip
from film_archive.testing.oddities import ODDITIES
from film_archive.workflows.production import create_archive
from tests.reading import codes_of, codes_without_index

SMALL = ODDITIES["drop_frame"]
LARGE = ClipSpec(name="scene_001", width=960, height=540, frames=30, start=Timecode.from_string("01:00:00:00", 24))
THUMBNAIL, PREVIEW, EDITORIAL = ProxyResolution


def media_file(path: Path, spec: ClipSpec = SMALL, **more: Any) -> MediaFile:
    return MediaFile(file_path=path, size=path.stat().st_size, codec=VideoCodec.named(spec.codec), **more)


def generate(media: MediaFile, sizes: list[Any], **generator: Any) -> list[ProxyFile]:
    return asyncio.run(ProxyGenerator(**generator).generate_proxies(media, sizes))


def expected(spec: ClipSpec) -> list[Any]:
    return [spec.code(number) for number in range(spec.frames)]


# What a proxy is


def test_proxies_come_in_the_order_asked(footage: Path, tmp_path: Path) -> None:
    path = cached_clip(LARGE, footage)
    proxies = generate(media_file(path, LARGE), [PREVIEW, "640x360@1M", THUMBNAIL, PREVIEW], temp_dir=tmp_path)
    assert [(each.resolution, each.width, each.height) for each in proxies] == [
        (PREVIEW, 852, 480), ("640x360", 640, 360), (THUMBNAIL, 320, 180), (PREVIEW, 852, 480),
    ]  # fmt: skip
    assert proxies[0] == proxies[3]
    for proxy in proxies:
        assert proxy.size == proxy.file_path.stat().st_size
        seconds = Fraction(proxy.frames) / proxy.rate
        assert proxy.bit_rate == round(proxy.size * 8 / seconds)
        assert (proxy.source_path, proxy.verified, proxy.codec) == (path, True, VideoCodec.H264)


@pytest.mark.parametrize("name", ["drop_frame", "long_gop", "film_rate", "rate_50", "dnxhr_mxf", "portrait", "vfr"])
def test_each_frame_of_the_original_is_there_in_its_place(name: str, footage: Path, tmp_path: Path) -> None:
    spec = ODDITIES[name]
    (proxy,) = generate(media_file(cached_clip(spec, footage), spec), [THUMBNAIL], temp_dir=tmp_path)
    assert codes_of(proxy.file_path) == expected(spec)
    assert codes_without_index(proxy.file_path) == expected(spec)
    facts = probe(proxy.file_path)
    assert (facts.frames, facts.codec) == (spec.frames, "h264")
    assert (facts.width, facts.height) == (proxy.width, proxy.height)
    assert facts.start_timecode == proxy.start_timecode == spec.start
    if spec.holds == (1,):
        assert facts.frame_rate == spec.rate == proxy.rate
    assert len(facts.audio) == min(1, len(spec.audio))


def test_a_keyframe_stands_at_every_twelfth_frame(footage: Path, tmp_path: Path) -> None:
    (proxy,) = generate(media_file(cached_clip(LARGE, footage), LARGE), [THUMBNAIL], temp_dir=tmp_path)
    table = index(proxy.file_path)
    assert [number for number in range(table.frames) if table.frame(number).key] == [0, 12, 24]


def test_more_than_one_piece(footage: Path, tmp_path: Path) -> None:
    fast = (("preset", "ultrafast"),)
    spec = ClipSpec(name="pieces", codec="h264", width=128, height=72, frames=250, encoder_options=fast)
    (proxy,) = generate(media_file(cached_clip(spec, footage), spec), [THUMBNAIL], temp_dir=tmp_path)
    assert (proxy.frames, proxy.width, proxy.height) == (250, 128, 72)
    assert codes_of(proxy.file_path) == expected(spec)


def test_nothing_is_upscaled(footage: Path, tmp_path: Path) -> None:
    proxies = generate(media_file(cached_clip(SMALL, footage)), [EDITORIAL, THUMBNAIL], temp_dir=tmp_path)
    assert [(each.width, each.height) for each in proxies] == [(320, 180), (320, 180)]


def test_one_proxy(footage: Path) -> None:
    generator = ProxyGenerator()
    proxy = asyncio.run(generator.generate_proxy(media_file(cached_clip(SMALL, footage)), THUMBNAIL))
    assert (proxy.resolution, proxy.frames) == (THUMBNAIL, SMALL.frames)
    assert proxy.file_path.is_relative_to(generator.temp_dir)
    generator.close()
    assert not proxy.file_path.exists()


def test_a_start_that_the_caller_knows(footage: Path, tmp_path: Path) -> None:
    spec = ODDITIES["no_timecode"]
    media = media_file(cached_clip(spec, footage), spec, start_timecode="10:00:00:00")
    (proxy,) = generate(media, [THUMBNAIL], temp_dir=tmp_path)
    assert str(proxy.start_timecode) == "10:00:00:00"
    assert probe(proxy.file_path).start_timecode == Timecode.from_string("10:00:00:00", 25)


# Whose proxy it is


def test_two_sources_of_one_name_never_meet(footage: Path, tmp_path: Path) -> None:
    specs = [SMALL, ODDITIES["film_rate"]]
    paths = []
    for number, spec in enumerate(specs):
        paths.append(tmp_path / f"card{number}" / "clip.mov")
        paths[-1].parent.mkdir()
        paths[-1].write_bytes(cached_clip(spec, footage).read_bytes())
    generator = ProxyGenerator(temp_dir=tmp_path / "proxies")

    async def both() -> list[ProxyFile]:
        return await asyncio.gather(*(generator.generate_proxy(media_file(path), THUMBNAIL) for path in paths))

    for proxy, spec in zip(asyncio.run(both()), specs, strict=True):
        assert codes_of(proxy.file_path) == expected(spec)


def test_a_file_that_takes_another_s_place_has_its_own_proxy(footage: Path, tmp_path: Path) -> None:
    path = tmp_path / "clip.mov"
    proxies = []
    for spec in (SMALL, ODDITIES["film_rate"]):
        path.write_bytes(cached_clip(spec, footage).read_bytes())
        proxies += generate(media_file(path, spec), [THUMBNAIL], temp_dir=tmp_path / "proxies")
    assert codes_of(proxies[0].file_path) == expected(SMALL)
    assert codes_of(proxies[1].file_path) == expected(ODDITIES["film_rate"])


def test_the_same_asked_for_twice_at_once(footage: Path, tmp_path: Path) -> None:
    media, generator = media_file(cached_clip(SMALL, footage)), ProxyGenerator(tmp_path)

    async def thrice() -> list[ProxyFile]:
        return await asyncio.gather(*(generator.generate_proxy(media, THUMBNAIL) for _ in range(3)))

    first, *others = asyncio.run(thrice())
    assert others == [first, first]
    assert codes_of(first.file_path) == expected(SMALL)


def test_bit_rates_of_one_size_are_different_proxies(footage: Path, tmp_path: Path) -> None:
    media = media_file(cached_clip(LARGE, footage), LARGE)
    low, high = (generate(media, [size], temp_dir=tmp_path)[0] for size in ("640x360@200k", "640x360@4M"))
    assert low.file_path != high.file_path
    assert low.bit_rate < high.bit_rate


def test_nothing_goes_when_the_generator_does(footage: Path, tmp_path: Path) -> None:
    (proxy,) = generate(media_file(cached_clip(SMALL, footage)), [THUMBNAIL], temp_dir=tmp_path)
    assert proxy.file_path.is_file()
    mine = ProxyGenerator(temp_dir=tmp_path / "film-archive-proxies-mine")
    asyncio.run(mine.generate_proxy(media_file(cached_clip(SMALL, footage)), THUMBNAIL))
    mine.close()
    assert any((tmp_path / "film-archive-proxies-mine").iterdir())


# Inside archives


def test_into_an_archive_and_out_of_it(footage: Path, tmp_path: Path) -> None:
    path = cached_clip(SMALL, footage)
    archive = tmp_path / "day01.zip"
    create_archive(archive, [path], proxies=())
    generator = ProxyGenerator(temp_dir=tmp_path / "proxies")
    proxies = asyncio.run(generator.generate_proxies(media_file(path), [THUMBNAIL, PREVIEW]))
    for proxy in proxies:
        generator.embed_proxy_in_archive(archive, proxy, path.name)
    for proxy in proxies:
        for output in (None, tmp_path / f"{proxy.resolution}.mp4"):
            out = generator.extract_proxy_from_archive(archive, path.name, proxy.resolution, output)
            assert out.read_bytes() == proxy.file_path.read_bytes()
            assert output is None or out == output
    with open_archive(archive) as opened:
        assert check_archive(opened).ok
        (member,) = opened.originals()
        assert sorted(proxy.size for proxy in member.proxies) == ["preview", "thumbnail"]
    with pytest.raises(Refused):
        generator.extract_proxy_from_archive(archive, path.name, THUMBNAIL, tmp_path / "thumbnail.mp4")
    with pytest.raises(NotFound, match="has no editorial proxy in the archive; it has: "):
        generator.extract_proxy_from_archive(archive, path.name, EDITORIAL)
    with pytest.raises(NotFound):
        generator.embed_proxy_in_archive(archive, proxies[0], "other.mov")


def test_embedding_again_replaces(footage: Path, tmp_path: Path) -> None:
    path = cached_clip(LARGE, footage)
    archive = tmp_path / "day01.zip"
    create_archive(archive, [path])
    generator = ProxyGenerator(temp_dir=tmp_path / "proxies")
    before = generator.extract_proxy_from_archive(archive, path.name, THUMBNAIL)
    proxy = asyncio.run(generator.generate_proxy(media_file(path, LARGE), THUMBNAIL))
    other = tmp_path / "other.mp4"
    other.write_bytes(proxy.file_path.read_bytes() + b"\0\0\0\x08free")
    generator.embed_proxy_in_archive(archive, proxy.model_copy(update={"file_path": other}), path.name)
    after = generator.extract_proxy_from_archive(archive, path.name, THUMBNAIL)
    assert after.read_bytes() == other.read_bytes() != before.read_bytes()
    assert after != before  # a proxy that was taken out before stays what it was
    with open_archive(archive) as opened:
        assert check_archive(opened).ok


# Which one to play


def proxy(width: int, height: int, bit_rate: int) -> ProxyFile:
    name = f"{width}x{height}"
    return ProxyFile(file_path=Path(f"{name}.mp4"), resolution=name, width=width, height=height, bit_rate=bit_rate)


THREE = [proxy(1920, 1080, 5_000_000), proxy(320, 180, 500_000), proxy(852, 480, 1_500_000)]


@pytest.mark.parametrize(
    ("bandwidth", "display", "chosen"),
    [
        (10_000_000, (320, 180), 320),  # the smallest that covers the display
        (10_000_000, (321, 180), 852),
        (10_000_000, (852, 480), 852),
        (10_000_000, (1920, 1080), 1920),
        (10_000_000, (3840, 2160), 1920),  # none covers: the largest that fits
        (4_999_999, (1920, 1080), 852),
        (1_500_000, (1920, 1080), 852),
        (1_499_999, (1920, 1080), 320),
        (499_999, (1920, 1080), 320),  # none fits: the lowest bit rate
        (0, (1920, 1080), 320),
        (2_000_000, (200, 400), 852),  # both sides have to be covered
    ],
)
def test_choice_by_bandwidth_and_display(bandwidth: int, display: tuple[int, int], chosen: int) -> None:
    for available in (THREE, THREE[::-1]):
        found = ProxyGenerator().select_optimal_proxy(available, bandwidth, display)
        assert found is not None
        assert found.width == chosen


def test_none_of_none() -> None:
    assert ProxyGenerator().select_optimal_proxy([], 1_000_000, (1920, 1080)) is None


# What can't have one


def test_what_has_no_proxy(footage: Path, tmp_path: Path) -> None:
    gone = MediaFile(file_path=tmp_path / "gone.mov", size=1, codec=VideoCodec.PRORES_422)
    text, short = tmp_path / "notes.mov", tmp_path / "short.mov"
    text.write_text("no media " * 100)
    short.write_bytes(cached_clip(SMALL, footage).read_bytes()[:50_000])
    for media, error in (
        (gone, NotFound),
        (gone.model_copy(update={"file_path": tmp_path}), NotSupported),
        (media_file(text), NotMedia),
        (media_file(short), Damaged),
    ):
        with pytest.raises(error) as caught:
            generate(media, [THUMBNAIL], temp_dir=tmp_path / "proxies")
        assert str(media.file_path) in str(caught.value)
    assert not (tmp_path / "proxies").exists()


@pytest.mark.parametrize("size", ["huge", "none", "thumbnail,preview", "1280x"])
def test_sizes_that_are_none(size: str, footage: Path) -> None:
    with pytest.raises((UsageError, NotSupported)):
        generate(media_file(cached_clip(SMALL, footage)), [size])


def test_a_damaged_frame_keeps_its_place(footage: Path, tmp_path: Path) -> None:
    spec = ClipSpec(name="hurt", frames=12)
    path = make_clip(spec, tmp_path)
    found = index(path).frame(6)
    with path.open("r+b") as file:
        file.seek(found.offset)
        file.write(b"\xff" * found.size)
    (made,) = generate(media_file(path, spec), [THUMBNAIL], temp_dir=tmp_path / "proxies")
    codes = codes_of(made.file_path)
    assert len(codes) == 12
    assert [code for number, code in enumerate(codes) if number != 6] == [spec.code(n) for n in range(12) if n != 6]

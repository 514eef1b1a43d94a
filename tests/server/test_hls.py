"""Playlists of real proxies, read by ffmpeg over HTTP: every frame of the proxy, and no other."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from fractions import Fraction
from urllib.parse import quote

import pytest

pytest.importorskip("httpx")

from film_archive.archive.reader import open_archive
from film_archive.core.errors import NotSupported
from film_archive.core.source import MemorySource
from film_archive.server.app import create_app
from film_archive.streaming.fragments import read_fragments
from tests.server.clients import ask
from tests.server.conftest import Production
from tests.server.serving import Served

ARCHIVES = ["day 1/project.zip", "in place"]


@pytest.fixture(scope="module")
def served(production: Production) -> Iterator[Served]:
    server = Served(production.root, "h11_impl")
    yield server
    server.stop()


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed, so playlists can't be played")
    return found


def frames_of(address: str, stream: str = "v:0") -> list[str]:
    """A digest of each decoded frame."""
    command = [program("ffmpeg"), "-v", "error", "-i", address, "-map", f"0:{stream}", "-f", "framemd5", "-"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return [line.split(",")[-1].strip() for line in done.stdout.splitlines() if not line.startswith("#")]


@pytest.mark.parametrize("archive", ARCHIVES)
def test_every_rendition_plays_to_the_frame(production: Production, served: Served, archive: str) -> None:
    base = f"http://127.0.0.1:{served.port}"
    master = served.get(quote(f"/hls/{archive}/{production.member}/master.m3u8"))[2].decode()
    playlists = [line for line in master.splitlines() if line.startswith("/hls/")]
    assert len(playlists) == 2
    for playlist in playlists:
        lines = served.get(playlist)[2].decode().splitlines()
        media = next(line for line in lines if line.startswith("/media/"))
        through_hls = frames_of(base + playlist)
        assert len(through_hls) == production.frames
        assert through_hls == frames_of(base + media), "the pictures of the proxy itself, in order"


def test_a_player_finds_in_the_master_what_is_there(production: Production, served: Served) -> None:
    address = f"http://127.0.0.1:{served.port}" + quote(f"/hls/{ARCHIVES[0]}/{production.member}/master.m3u8")
    command = [program("ffprobe"), "-v", "error", "-show_streams", "-show_programs", "-of", "json", address]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout)
    pictures = [stream for one in found["programs"] for stream in one["streams"] if stream["codec_type"] == "video"]
    sound = [stream for one in found["programs"] for stream in one["streams"] if stream["codec_type"] == "audio"]
    assert {(stream["width"], stream["height"]) for stream in pictures} == {(160, 90), (320, 180)}
    assert {stream["codec_name"] for stream in sound} == {"aac"}
    master = served.get(quote(f"/hls/{ARCHIVES[0]}/{production.member}/master.m3u8"))[2].decode()
    assert master.count("FRAME-RATE=23.976") == 2
    for codecs in re.findall(r'CODECS="([^"]+)"', master):
        assert re.fullmatch(r"avc1\.64[0-9a-f]{4},mp4a\.40\.2", codecs)


def test_bandwidth_is_that_of_the_bytes(production: Production, served: Served) -> None:
    master = served.get(quote(f"/hls/{ARCHIVES[0]}/{production.member}/master.m3u8"))[2].decode().splitlines()
    for attributes, playlist in zip(master[3::2], master[4::2], strict=True):
        lines = served.get(playlist)[2].decode().splitlines()
        sizes = [int(line.split(":")[1].split("@")[0]) for line in lines if line.startswith("#EXT-X-BYTERANGE:")]
        seconds = [Fraction(line.removeprefix("#EXTINF:").rstrip(",")) for line in lines if line.startswith("#EXTINF:")]
        assert abs(sum(seconds) - Fraction(production.frames * 1001, 24000)) < Fraction(1, 1_000_000)
        average = re.search(r"AVERAGE-BANDWIDTH=(\d+)", attributes)
        peak = re.search(r":BANDWIDTH=(\d+)", attributes)
        assert average is not None
        assert peak is not None
        assert abs(int(average[1]) - 8 * sum(sizes) / sum(seconds)) < 2
        assert int(peak[1]) >= int(average[1])


def test_segments_begin_with_keyframes_in_all_renditions_at_the_same_frames(production: Production) -> None:
    with open_archive(production.root / ARCHIVES[0]) as archive:
        proxies = [read_fragments(archive.source(proxy.path)) for proxy in archive.member(production.member).proxies]
    assert len(proxies) == 2
    assert proxies[0].frames == proxies[1].frames == (*range(0, production.frames, 12), production.frames)
    assert {index.frame_rate for index in proxies} == {Fraction(24000, 1001)}


def test_playlists_answer_conditions_and_survive_a_mount(production: Production) -> None:
    app = create_app([production.root])
    path = quote(f"/hls/{ARCHIVES[0]}/{production.member}/thumbnail.m3u8")
    answer = ask(app, path)
    assert answer.headers["content-type"] == "application/vnd.apple.mpegurl"
    assert ask(app, path, fields={"If-None-Match": answer.headers["etag"]}).status_code == 304
    assert ask(app, path, "POST").status_code == 405
    assert ask(app, path, "HEAD").headers["content-length"] == str(len(answer.content))
    for wrong in ["/hls/", "/hls/master.m3u8", "/hls/absent.zip/a/master.m3u8", path.replace("thumbnail", "4k"), path[:-5]]:
        assert ask(app, wrong).status_code == 404, wrong


def test_what_has_no_proxies_says_so(production: Production) -> None:
    (production.root / "alone.mov").write_bytes(production.clip.read_bytes())
    answer = ask(create_app([production.root]), "/hls/alone.mov/master.m3u8")
    assert answer.status_code == 422
    assert "no archive" in answer.json()["error"]["message"]


def test_what_can_not_be_played_in_pieces_is_refused(production: Production) -> None:
    with pytest.raises(NotSupported, match="no fragmented MP4"):
        read_fragments(MemorySource(production.clip.read_bytes(), "clip.mov"))


def test_the_page_gets_the_fragments(production: Production) -> None:
    app = create_app([production.root])
    archive = quote(ARCHIVES[0])
    found = ask(app, f"/api/v1/archives/{archive}/fragments", params={"member": production.member}).json()
    assert found["playlist"] == quote(f"/hls/{ARCHIVES[0]}/{production.member}/master.m3u8")
    for proxy in found["proxies"]:
        assert proxy["offsets"][0] == proxy["init"]
        assert len(proxy["offsets"]) == len(proxy["times"]) == len(proxy["frames"])
        assert proxy["frames"][-1] == production.frames
        data = ask(app, proxy["url"]).content
        assert len(data) == proxy["bytes"] == proxy["offsets"][-1]
        for begin in proxy["offsets"][:-1]:
            assert data[begin + 4 : begin + 8] == b"moof"
        assert data[:8][4:] == b"ftyp"
        assert Fraction(proxy["times"][-1]) / Fraction(proxy["timescale"]) == Fraction(production.frames * 1001, 24000)

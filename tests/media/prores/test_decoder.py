"""The decoder's face: sizes, planes, buffers, threads, and what there is without the extension."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from film_archive.core.errors import NotSupported, UsageError
from film_archive.media import prores
from film_archive.media.prores import ReducedDecoder, best_reduction, decoder, reduced_size
from tests.media.prores.frames import Coding, packet

built = pytest.mark.skipif(not prores.available(), reason="python setup.py build_ext --inplace builds the extension")


@pytest.mark.parametrize(
    ("size", "wanted", "reduction"),
    [
        ((1920, 1080), (240, 135), 8),
        ((1920, 1080), (240, 136), 4),
        ((1920, 1080), (480, 270), 4),
        ((1920, 1080), (481, 270), 2),
        ((1920, 1080), (960, 540), 2),
        ((1920, 1080), (960, 541), None),
        ((1920, 1080), (1920, 1080), None),
        ((3840, 2160), (480, 270), 8),
        ((1998, 1080), (250, 135), 8),
        ((1, 1), (1, 1), 8),
        ((1080, 1920), (135, 240), 8),
    ],
)
def test_reduction_is_the_largest_that_covers(
    size: tuple[int, int], wanted: tuple[int, int], reduction: int | None
) -> None:
    assert best_reduction(*size, *wanted) == reduction
    if reduction:
        assert all(have >= asked for have, asked in zip(reduced_size(*size, reduction), wanted, strict=True))


def test_without_the_extension_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder, "_missing", ImportError("no module"))
    assert not prores.available()
    assert "decoded in full by FFmpeg" in prores.engine()
    assert "no module" in prores.engine()
    assert best_reduction(1920, 1080, 240, 135) == 8, "which reduction would do does not depend on it"
    with pytest.raises(NotSupported, match="decode in full"):
        ReducedDecoder(1920, 1080, 8)


@built
def test_engine_tells_the_instructions() -> None:
    assert prores.engine().count("\n") == 0
    assert any(word in prores.engine() for word in ("AVX2", "plain"))


@built
@pytest.mark.parametrize("name", prores.PIXEL_FORMATS)
@pytest.mark.parametrize(("width", "height"), [(70, 36), (33, 17), (1, 1)])
def test_planes_are_as_ffmpeg_has_them(name: str, width: int, height: int) -> None:
    """What FFmpeg's frame of this size and format has as planes, the decoder fills."""
    for reduction in prores.REDUCTIONS:
        wanted = ReducedDecoder(width, height, reduction, name)
        frame = av.VideoFrame(wanted.width, wanted.height, name)
        assert tuple((plane.height, plane.width) for plane in frame.planes) == wanted.plane_sizes
        assert frame.format.components[0].bits == prores.PIXEL_FORMATS[name].bits
        coded = packet(Coding(width, height, "4444", content="gradient"))
        into = wanted.decode(coded, frame.planes, [plane.line_size for plane in frame.planes])
        apart = wanted.decode(coded)
        for plane, view, new in zip(frame.planes, into.planes, apart.planes, strict=True):
            lines = np.frombuffer(memoryview(plane), new.dtype).reshape(plane.height, -1)[:, : plane.width]
            assert np.array_equal(lines, new)
            assert np.array_equal(view, new)


@built
def test_nothing_beside_the_picture_is_touched() -> None:
    wanted = ReducedDecoder(70, 36, 4, "yuv422p")
    gap = 5
    planes = [np.full((lines, samples + gap), 7, np.uint8) for lines, samples in wanted.plane_sizes]
    frame = wanted.decode(packet(Coding(70, 36, content="gradient")), planes, [plane.shape[1] for plane in planes])
    for plane, shown in zip(planes, frame.planes, strict=True):
        assert (plane[:, -gap:] == 7).all()
        assert np.shares_memory(plane, shown)
        assert np.array_equal(plane[:, :-gap], shown)


@built
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, av.Packet])
def test_packets_come_in_any_buffer(kind: type) -> None:
    coded = packet(Coding(70, 36))
    wanted = ReducedDecoder(70, 36, 8)
    for ours, theirs in zip(wanted.decode(kind(coded)).planes, wanted.decode(coded).planes, strict=True):
        assert np.array_equal(ours, theirs)


@built
@pytest.mark.parametrize("container", ["mov", "mxf"])
def test_packets_come_out_of_containers(container: str, tmp_path: Path) -> None:
    """An MXF file has the same frames, each behind its key and length: a packet is one, with nothing around it."""
    coded = packet(Coding(128, 96))
    path = tmp_path / f"clip.{container}"
    with av.open(str(path), "w", format=container) as output:
        stream = output.add_stream("prores_ks", rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv422p10le"
        for number in range(3):
            muxed = av.Packet(coded)
            muxed.stream, muxed.pts, muxed.dts, muxed.duration = stream, number, number, 1
            muxed.time_base, muxed.is_keyframe = Fraction(1, 25), True
            output.mux(muxed)
    wanted = ReducedDecoder(128, 96, 4)
    alone = wanted.decode(coded)
    with av.open(str(path)) as opened:
        frames = [wanted.decode(found) for found in opened.demux(video=0) if found.size]
    assert len(frames) == 3
    for frame in frames:
        assert all(np.array_equal(a, b) for a, b in zip(frame.planes, alone.planes, strict=True))


@built
def test_what_is_asked_wrongly() -> None:
    for arguments, words in (
        ((70, 36, 3), "not 1/3"),
        ((70, 36, 8, "rgb24"), "rgb24"),
        ((0, 36, 8), "0×36"),
        ((70, 65536, 8), "70×65536"),
    ):
        with pytest.raises(UsageError, match=words):
            ReducedDecoder(*arguments)  # type: ignore[arg-type]  # of several lengths
    coded = packet(Coding(70, 36))
    wanted = ReducedDecoder(70, 36, 8)
    room = [np.zeros(size, np.uint8) for size in wanted.plane_sizes]
    for planes, lines, words in (
        (room[:2], [9, 5], "three planes"),
        (room, [9, 5], "three planes"),
        ([room[0][:-1], *room[1:]], [9, 5, 5], "plane 0 of 36 bytes"),
        (room, [8, 5, 5], "no room for 5 lines of 9 bytes"),
        (room, [9, -5, 5], "plane 1"),
        (room, [9, 5, 2**62], "plane 2"),
        ([room[0], bytes(15), room[2]], [9, 5, 5], "writable"),
        ([np.zeros((9, 5), np.uint8).T, *room[1:]], [9, 5, 5], "contiguous"),
    ):
        with pytest.raises(UsageError, match=words):
            wanted.decode(coded, planes, lines)
    with pytest.raises(NotSupported, match="4:4:4"):
        ReducedDecoder(70, 36, 8, "yuv444p").decode(coded)
    with pytest.raises(TypeError):
        wanted.decode("no bytes")  # type: ignore[arg-type]


@built
def test_threads_share_a_decoder() -> None:
    codings = [Coding(170, 66, "hq", scan) for scan in ("progressive", "tff")]
    coded = [packet(coding, seed) for coding in codings for seed in range(3)]
    wanted = ReducedDecoder(170, 66, 2)
    alone = [[plane.tobytes() for plane in wanted.decode(one).planes] for one in coded]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda k: [plane.tobytes() for plane in wanted.decode(coded[k % 6]).planes], range(240)))
    assert all(planes == alone[k % 6] for k, planes in enumerate(together))


@pytest.fixture
def patient_threads() -> Iterator[None]:
    """Threads that give way only of their own accord."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    yield
    sys.setswitchinterval(before)


@built
@pytest.mark.usefixtures("patient_threads")
def test_other_threads_run_meanwhile() -> None:
    """A thread that does nothing but decode gives way while it does; else the one below would not get to stop it."""
    coded = packet(Coding(854, 480))
    wanted = ReducedDecoder(854, 480, 2)
    planes = wanted.decode(coded).planes
    lines = [plane.strides[0] for plane in planes]
    most, done, stop = 5_000, 0, False

    def work() -> None:
        nonlocal done
        while not stop and done < most:
            wanted.decode(coded, planes, lines)
            done += 1

    thread = threading.Thread(target=work)
    thread.start()
    stop = True
    thread.join()
    assert done < most

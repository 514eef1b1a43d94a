"""Real files of other people's programs, where they are at hand."""

import os
from pathlib import Path

import pytest

from film_archive.core.errors import NotMedia
from film_archive.core.source import FileSource
from film_archive.media.mov import MovFile

SHARED = Path(os.environ.get("FILM_ARCHIVE_SHARED") or Path(__file__).resolve().parents[3] / "shared")
if not SHARED.is_dir():
    SHARED = Path(__file__).resolve().parents[4] / "shared"
MEDIA = SHARED / "corpus" / "media"

pytestmark = pytest.mark.skipif(not MEDIA.is_dir(), reason="the shared corpus is not beside the checkout")


def read(name):
    with FileSource(MEDIA / name) as source:
        file = MovFile.open(source)
        return file.facts(), file.index()


def test_a_movie_of_apple_s_own_writer():
    """H.264 with B-frames and negative offsets, PCM whose table says 1 byte a sample, media in two mdats."""
    facts, index = read("OpenTimelineIO__otio-aaf-adapter/linear_speed_effects_aaf.mov")
    assert (facts.container, facts.codec, facts.profile, facts.bit_depth) == ("mov", "h264", "Main", 8)
    assert (facts.width, facts.height, facts.frame_rate, facts.frames) == (1920, 1080, 24, 50)
    assert (str(facts.start_timecode), facts.start_source) == ("01:00:00:00", "tmcd track")
    assert facts.color.primaries == facts.color.transfer == facts.color.matrix == "bt709"
    assert facts.created == "2018-06-20T22:36:12Z"
    (sound,) = facts.audio
    assert (sound.codec, sound.channels, sound.sample_rate, sound.samples) == ("pcm_s16be", 2, 44100, 91875)
    assert index.audio[0].packets.sizes.tolist() == [88200, 88200, 88200, 88200, 14700]
    assert index.keys.nonzero()[0].tolist() == [0, 24, 48]
    assert facts.diagnostics == ()


def test_the_index_of_that_movie_is_ffmpeg_s():
    av = pytest.importorskip("av")
    name = "OpenTimelineIO__otio-aaf-adapter/linear_speed_effects_aaf.mov"
    _, index = read(name)
    with av.open(str(MEDIA / name)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        assert index.video.offsets.tolist() == [p.pos for p in packets]
        assert index.video.sizes.tolist() == [p.size for p in packets]
        assert index.video.times.tolist() == [p.pts for p in packets]


@pytest.mark.parametrize(
    ("name", "label", "rate"),
    [
        ("TimecodeTrack_23_976_Start-00-58-40-00.mov", "00:58:40:00", "24000/1001"),
        # The file's name says 00:00:00:00; its one sample is frame 107562, which at 29.97 drop is this.
        ("TimecodeTrack_29_97d_Start_00-00-00-00.mov", "00:59:49;00", "30000/1001"),
    ],
)
def test_a_movie_of_nothing_but_timecode(name, label, rate):
    facts, index = read(f"orchetect__swift-timecode/{name}")
    assert (str(facts.start_timecode), str(facts.start_timecode.rate)) == (label, rate)
    assert (facts.codec, facts.frames, facts.audio) == (None, None, ())
    assert index.video is None
    assert facts.diagnostics == ()


def test_a_movie_trimmed_by_its_edit_list_to_its_second_second():
    """33 samples of varying length, of which the edit shows the last 25, each a 25th long; the first is mid-GOP."""
    name = "orchetect__swift-timecode/VideoTrack_25_VFR_1sec.mov"
    facts, index = read(name)
    assert (facts.codec, facts.profile, facts.frame_rate, facts.frames) == ("h265", "Main", 25, 25)
    assert len(index.video) == 33
    assert index.seconds == 1
    av = pytest.importorskip("av")
    with av.open(str(MEDIA / name)) as container:
        shown = [frame.pts for frame in container.decode(video=0)]
    assert index.video.times[index.shown].tolist() == shown


def test_text_called_mov_is_not_media():
    folder = SHARED / "corpus/ascmhl/ascmitc__mhl/scenarios/Output/scenario_01/travel_01/A002R2EC/Clips"
    with FileSource(folder / "A002C006_141024_R2EC.mov") as source, pytest.raises(NotMedia):
        MovFile.open(source)

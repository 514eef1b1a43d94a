"""The public models: what they accept, what they refuse, and that they touch no file."""

from __future__ import annotations

import ast
import json
import pickle
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

import film_archive
from film_archive.core import ladder, models, timecode
from film_archive.core.errors import UsageError
from film_archive.core.models import (
    ArchiveBranch,
    ArchiveMetadata,
    MediaFile,
    ProxyFile,
    ProxyResolution,
    StreamRequest,
    TapeArchive,
    TapeFormat,
    Timecode,
    TimecodeRange,
    VideoCodec,
)

MEDIA = {"file_path": Path("/footage/scene_001.mov"), "size": 10, "codec": VideoCodec.PRORES_422}


def test_the_seeds_media_file() -> None:
    media = MediaFile(
        file_path=Path("/footage/scene_001.mov"),
        size=10 * 1024 * 1024 * 1024,
        codec=VideoCodec.PRORES_422,
        frame_rate=24.0,
        resolution=(3840, 2160),
        audio_channels=2,
    )
    assert (media.frame_rate, media.rate, media.resolution) == (24.0, 24, (3840, 2160))
    assert media.claims == {"size", "codec", "frame_rate", "resolution", "audio_channels"}
    assert (media.duration, media.metadata, media.start_timecode, media.reel) == (None, {}, None, None)


def test_only_what_was_set_is_a_claim() -> None:
    media = MediaFile(**MEDIA)
    assert (media.frame_rate, media.audio_channels) == (24.0, 2)
    assert media.claims == {"size", "codec"}


def test_the_rate_is_exact_and_the_float_kept() -> None:
    media = MediaFile(**MEDIA, frame_rate=29.97)
    assert (media.frame_rate, media.rate) == (29.97, Fraction(30000, 1001))
    assert isinstance(media.frame_rate, float)


def test_a_start_timecode_may_be_text() -> None:
    media = MediaFile(**MEDIA, frame_rate=29.97, start_timecode="01:00:00;00")
    assert media.start_timecode == Timecode(1, 0, 0, 0, 29.97, True)
    same = MediaFile(**MEDIA, frame_rate=29.97, start_timecode=Timecode(1, 0, 0, 0, 29.97, True))
    assert same == media


def test_metadata_is_each_ones_own() -> None:
    one, other = MediaFile(**MEDIA), MediaFile(**MEDIA)
    one.metadata["scene"] = "1"
    assert other.metadata == {}


def test_the_seeds_stream_request() -> None:
    request = StreamRequest(
        archive_path=Path("/archives/project.zip"),
        file_path="footage/scene_001.mov",
        start_byte=0,
        buffer_size=1024 * 1024,
    )
    assert (request.end_byte, request.buffer_size) == (None, 1 << 20)
    assert StreamRequest(archive_path="a.zip", file_path=Path("a/b")).file_path == "a/b"  # type: ignore[arg-type]
    assert StreamRequest(archive_path=Path("a"), file_path="b", start_byte=5, end_byte=5).end_byte == 5


@pytest.mark.parametrize(
    ("model", "values", "why"),
    [
        (StreamRequest, {"archive_path": "a", "file_path": "b", "start_byte": -1}, "start_byte"),
        (StreamRequest, {"archive_path": "a", "file_path": "b", "end_byte": -1}, "end_byte"),
        (StreamRequest, {"archive_path": "a", "file_path": "b", "start_byte": 5, "end_byte": 4}, "lies before"),
        (StreamRequest, {"archive_path": "a", "file_path": "b", "buffer_size": 0}, "buffer_size"),
        (StreamRequest, {"archive_path": "a"}, "file_path"),
        (MediaFile, MEDIA | {"size": -1}, "size"),
        (MediaFile, MEDIA | {"duration": -0.1}, "duration"),
        (MediaFile, MEDIA | {"frame_rate": 0}, "frame_rate: A frame rate of 0.0 is not possible"),
        (MediaFile, MEDIA | {"frame_rate": float("nan")}, "frame_rate"),
        (MediaFile, MEDIA | {"frame_rate": -24}, "frame_rate"),
        (MediaFile, MEDIA | {"resolution": (0, 10)}, "resolution"),
        (MediaFile, MEDIA | {"resolution": (10,)}, "resolution"),
        (MediaFile, MEDIA | {"audio_channels": -2}, "audio_channels"),
        (MediaFile, MEDIA | {"codec": "betamax"}, "codec"),
        (MediaFile, MEDIA | {"start_timecode": "01:00:00:24"}, "frames run from 0 to 23"),
        (MediaFile, MEDIA | {"frame_rte": 25}, "frame_rte"),
        (TapeArchive, {"tape_id": " ", "format": "lto8"}, "needs a name"),
        (TapeArchive, {"tape_id": "FILM", "format": "lto4"}, "format"),
        (ArchiveMetadata, {"archive_path": "a", "members": -1}, "members"),
        (
            ArchiveBranch,
            {"branch_id": "1", "branch_name": "a", "archive_path": "b", "created_at": datetime(2024, 1, 1)},
            "needs its zone",
        ),
        (ProxyFile, {"file_path": "a", "resolution": "preview", "width": 0, "height": 1, "bit_rate": 1}, "width"),
    ],
)
def test_what_is_impossible_is_refused(model: type[BaseModel], values: dict[str, Any], why: str) -> None:
    with pytest.raises(UsageError, match=why) as error:
        model(**values)
    assert isinstance(error.value, ValueError)
    assert str(error.value).startswith(f"{model.__name__} can't be made: ")
    assert "\n" not in str(error.value)
    with pytest.raises(ValidationError, match=why):  # what FastAPI makes its answer from
        model.model_validate(values)


EXAMPLES: list[BaseModel] = [
    MediaFile(**MEDIA, frame_rate=23.976, resolution=(10, 20), start_timecode="01:00:00:00", reel="A001"),
    StreamRequest(archive_path=Path("a.zip"), file_path="b", start_byte=1, end_byte=2),
    ProxyFile(
        file_path=Path("p.mp4"), resolution=ProxyResolution.PREVIEW, width=854, height=480, bit_rate=1, frame_rate=29.97
    ),
    ProxyFile(file_path=Path("p.mp4"), resolution="1280x720", width=1280, height=720, bit_rate=1),
    ArchiveBranch(branch_id="1", branch_name="grade", archive_path=Path("a.zip")),
    TapeArchive(tape_id="FILM2024001", format=TapeFormat.LTO8, files=(Path("a"), Path("b")), cartridges=("FA0001",)),
    ArchiveMetadata(archive_path=Path("a.zip"), members=3),
    Timecode(1, 0, 0, 0, 29.97, True),
    TimecodeRange(Timecode(1, 0, 0, 0, 24), Timecode(1, 0, 1, 0, 24), 8),
]


@pytest.mark.parametrize("model", EXAMPLES, ids=lambda model: type(model).__name__)
def test_models_are_frozen_and_survive(model: BaseModel) -> None:
    assert type(model).model_validate_json(model.model_dump_json()) == model
    assert type(model).model_validate(json.loads(model.model_dump_json())) == model
    assert pickle.loads(pickle.dumps(model)) == model
    field = next(iter(type(model).model_fields))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(model, field, None)


def test_proxies_have_names_or_sizes() -> None:
    assert EXAMPLES[2].resolution is ProxyResolution.PREVIEW  # type: ignore[attr-defined]
    named = ProxyFile(file_path=Path("a"), resolution="thumbnail", width=320, height=180, bit_rate=1)
    assert named.resolution is ProxyResolution.THUMBNAIL
    assert EXAMPLES[2].rate == Fraction(30000, 1001)  # type: ignore[attr-defined]


def test_times_have_zones() -> None:
    branch = ArchiveBranch(branch_id="1", branch_name="a", archive_path=Path("b"))
    assert branch.created_at.tzinfo is UTC
    zone = timezone(timedelta(hours=9))
    given = datetime(2024, 1, 1, tzinfo=zone)
    assert ArchiveBranch(branch_id="1", branch_name="a", archive_path=Path("b"), created_at=given).created_at == given


def test_values_of_the_seeds_enumerations() -> None:
    assert [str(member) for member in ProxyResolution] == ["thumbnail", "preview", "editorial"]
    assert list(ladder.LADDER) == [str(member) for member in ProxyResolution]
    seeds = ("PRORES_422", "PRORES_4444", "DNXHD", "H264", "H265")
    assert [VideoCodec[name].value for name in seeds] == ["prores_422", "prores_4444", "dnxhd", "h264", "h265"]
    assert (TapeFormat.LTO8.value, TapeFormat.LTO9.value) == ("lto8", "lto9")


def test_codecs_by_name() -> None:
    assert VideoCodec.named("xocn") is VideoCodec.XOCN
    assert VideoCodec.named("indeo") is VideoCodec.OTHER
    assert VideoCodec.named(None) is VideoCodec.OTHER


def names_in_media() -> Iterator[tuple[str, str]]:
    """(name, place) of each codec that code under media/ writes out: `Codec("…")`, rows of stills and raw cameras."""
    media = Path(film_archive.__file__).parent / "media"
    positions = {"Codec": 0, "StillFormat": 0, "RawFormat": 1}
    for path in sorted(media.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in positions:
                position = positions[node.func.id]
                if len(node.args) > position and isinstance(name := node.args[position], ast.Constant):
                    yield str(name.value), f"{path.name}:{node.lineno}"


def test_every_codec_that_media_names_is_a_member() -> None:
    found = list(names_in_media())
    assert {"prores_422", "h265", "uncompressed"} <= {name for name, _ in found}
    known = {str(member) for member in VideoCodec}
    assert [f"{name} ({place})" for name, place in found if name not in known] == []


def test_timecodes_are_the_cores_own() -> None:
    assert models.Timecode is timecode.Timecode
    assert models.TimecodeRange is timecode.TimecodeRange


def test_building_models_does_no_io(monkeypatch: pytest.MonkeyPatch) -> None:
    def touch(*arguments: Any, **named: Any) -> Any:
        pytest.fail("a model touched the disk")

    for name in ("stat", "open", "exists", "resolve"):
        monkeypatch.setattr(Path, name, touch)
    monkeypatch.setattr("builtins.open", touch)
    MediaFile(**MEDIA, metadata={"a": 1})
    StreamRequest(archive_path=Path("a"), file_path="b")

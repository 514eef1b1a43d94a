"""The models that the public classes take and return. Plain values: building one reads no file and asks nobody.

What is impossible (a negative byte, a rate of 0, an unknown field) raises UsageError, which is a ValueError too.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from film_archive.core.errors import UsageError
from film_archive.core.timecode import FrameRate, Timecode, TimecodeRange

__all__ = [
    "ArchiveBranch",
    "ArchiveMetadata",
    "MediaFile",
    "ProxyFile",
    "ProxyResolution",
    "StreamRequest",
    "TapeArchive",
    "TapeFormat",
    "Timecode",
    "TimecodeRange",
    "VideoCodec",
]


class ProxyResolution(StrEnum):
    """The rungs of the proxy ladder (`core/ladder.py` has their sizes)."""

    THUMBNAIL = "thumbnail"
    PREVIEW = "preview"
    EDITORIAL = "editorial"


class VideoCodec(StrEnum):
    """How pictures are coded, in the names that a probe answers with; OTHER is any codec without a name here."""

    PRORES_422 = "prores_422"
    PRORES_4444 = "prores_4444"
    DNXHD = "dnxhd"
    H264 = "h264"
    H265 = "h265"

    DNXHR = "dnxhr"
    PRORES_RAW = "prores_raw"
    CINEFORM = "cineform"
    JPEG2000 = "jpeg2000"
    JPEG_XS = "jpegxs"
    MJPEG = "mjpeg"
    MPEG1 = "mpeg1"
    MPEG2 = "mpeg2"
    MPEG4 = "mpeg4"
    VC1 = "vc1"
    VC2 = "vc2"
    VC6 = "vc6"
    VP9 = "vp9"
    AV1 = "av1"
    APV = "apv"
    FFV1 = "ffv1"
    DV = "dv"
    ANIMATION = "animation"
    UNCOMPRESSED = "uncompressed"

    ARRIRAW = "arriraw"
    R3D = "r3d"
    BRAW = "braw"
    CRM = "crm"
    XOCN = "xocn"
    SONY_RAW = "sony_raw"
    DNG = "dng"
    PHOTOGRAPH = "photograph"
    """A still camera's own raw format."""

    DPX = "dpx"
    EXR = "exr"
    TIFF = "tiff"
    JPEG = "jpeg"
    PNG = "png"
    CINEON = "cineon"
    WEBP = "webp"
    PSD = "psd"
    HDR = "hdr"
    SGI = "sgi"
    BMP = "bmp"
    HEIF = "heif"

    OTHER = "other"

    @classmethod
    def named(cls, name: str | None) -> VideoCodec:
        """The member for a probe's name of a codec; OTHER where there is none."""
        try:
            return cls(name or "other")
        except ValueError:
            return cls.OTHER


class TapeFormat(StrEnum):
    """Generations of LTO (`tape/` has their capacities)."""

    LTO5 = "lto5"
    LTO6 = "lto6"
    LTO7 = "lto7"
    LTO8 = "lto8"
    LTO9 = "lto9"
    LTO10 = "lto10"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise UsageError(_sentence(type(self).__name__, error)) from error


def _sentence(model: str, error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place = ".".join(map(str, first["loc"])) or "its values"
    reason = first["msg"].removeprefix("Value error, ").rstrip(".")
    return f"{model} can't be made: {place}: {reason}."


Count = Annotated[int, Field(ge=0)]
Size = tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]]
"""Width and height in pixels."""


class MediaFile(_Model):
    """A clip as its user describes it. What was set is a claim; where the bytes differ they win, with a warning."""

    file_path: Path
    size: Count
    """Bytes."""
    codec: VideoCodec
    duration: Annotated[float, Field(ge=0)] | None = None
    """Seconds."""
    frame_rate: float = 24.0
    """As given; `rate` is exact."""
    resolution: Size | None = None
    audio_channels: Count = 2
    metadata: dict[str, Any] = Field(default_factory=dict)
    start_timecode: Timecode | None = None
    """The label of frame 0, also as text ("01:00:00:00") at the frame rate."""
    reel: str | None = None

    @field_validator("frame_rate")
    @classmethod
    def _possible_rate(cls, value: float) -> float:
        FrameRate.of(value)
        return value

    @field_validator("start_timecode", mode="before")
    @classmethod
    def _timecode_from_text(cls, value: Any, others: ValidationInfo) -> Any:
        return Timecode.from_string(value, others.data.get("frame_rate", 24.0)) if isinstance(value, str) else value

    @property
    def rate(self) -> FrameRate:
        """The exact rate: 24000/1001 for 23.976."""
        return FrameRate.of(self.frame_rate)

    @property
    def claims(self) -> frozenset[str]:
        """The names of what the caller said about the media; all else is a default and says nothing."""
        return frozenset(self.model_fields_set - {"file_path", "metadata"})


class StreamRequest(_Model):
    """Some bytes of an archive's member: from `start_byte` to `end_byte`, which is included, or to the end."""

    archive_path: Path
    file_path: str
    """The member's path in the archive."""
    start_byte: Count = 0
    end_byte: Count | None = None
    buffer_size: Annotated[int, Field(gt=0)] = 8192
    """Bytes in a chunk."""

    @field_validator("file_path", mode="before")
    @classmethod
    def _path_as_text(cls, value: Any) -> Any:
        return value.as_posix() if isinstance(value, Path) else value

    @field_validator("end_byte")
    @classmethod
    def _not_before_start(cls, value: int | None, others: ValidationInfo) -> int | None:
        start = others.data.get("start_byte")
        if value is not None and start is not None and value < start:
            raise ValueError(f"byte {value} lies before the first one, {start}")
        return value


class ProxyFile(_Model):
    """A proxy that was made: a file, or a member of an archive."""

    file_path: Path
    resolution: Annotated[ProxyResolution | str, Field(union_mode="left_to_right")]
    """Its size by name: a rung of the ladder, or "1280x720"."""
    width: Annotated[int, Field(gt=0)]
    height: Annotated[int, Field(gt=0)]
    bit_rate: Count
    """Bits a second, measured over the file."""
    size: Count = 0
    """Bytes."""
    codec: VideoCodec = VideoCodec.H264
    frame_rate: float = 24.0
    frames: Count = 0
    start_timecode: Timecode | None = None
    source_path: Path | None = None
    """What it was made from."""
    member: str | None = None
    """The original's path in the archive that the proxy is embedded in."""
    verified: bool = False
    """Whether its frames were compared with the source's."""

    @field_validator("frame_rate")
    @classmethod
    def _possible_rate(cls, value: float) -> float:
        FrameRate.of(value)
        return value

    @property
    def rate(self) -> FrameRate:
        """The exact rate."""
        return FrameRate.of(self.frame_rate)


class ArchiveBranch(_Model):
    """A branch of a repository. `branch_id` names it for life, whatever `branch_name` becomes."""

    branch_id: str
    branch_name: str
    archive_path: Path
    description: str = ""
    parent_branch_id: str | None = None
    head: str | None = None
    """Its newest commit."""
    created_at: datetime = Field(default_factory=lambda: datetime.now(UTC))

    @field_validator("created_at")
    @classmethod
    def _with_zone(cls, value: datetime) -> datetime:
        if value.tzinfo is None:
            raise ValueError("a time needs its zone")
        return value


class TapeArchive(_Model):
    """A set of cartridges that is to be written, or was. `tape_id` is free text that names the set."""

    tape_id: str
    format: TapeFormat
    files: tuple[Path, ...] = ()
    total_size: Count = 0
    """Bytes of the files."""
    spans: tuple[tuple[Count, ...], ...] = ()
    """For each cartridge the places in `files` of those that go on it, as planned."""
    cartridges: tuple[str, ...] = ()
    """Volume serials in the order of writing, once they are known."""

    @field_validator("tape_id")
    @classmethod
    def _named(cls, value: str) -> str:
        if not value.strip() or not value.isprintable():
            raise ValueError("a set of cartridges needs a name that can be read")
        return value


class ArchiveMetadata(_Model):
    """What an archive says of itself."""

    archive_path: Path
    archive_id: str | None = None
    """None for a foreign zip."""
    schema_version: Count | None = None
    generation: Count = 0
    """How often it was added to, counting its making."""
    members: Count = 0
    total_size: Count = 0
    """Bytes of the members."""
    proxies: Count = 0
    is_folder: bool = False
    """Whether it is the folder form."""

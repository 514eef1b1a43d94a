"""Facts and frame indexes through FFmpeg's demuxers, for containers that have no reader of our own.

A demuxer is never guessed: the caller names it. So no playlist, script or subtitle can make FFmpeg open something else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Stream
from av.video.stream import VideoStream
from numpy.typing import NDArray

from film_archive.core.errors import Damaged, InvalidTimecode, NotMedia, UsageError
from film_archive.core.facts import AudioFacts, ColorFacts, MediaFacts
from film_archive.core.frame_index import AudioIndex, FrameIndex, Packets
from film_archive.core.source import ByteSource
from film_archive.core.timecode import FrameRate, Timecode, parse_timecode
from film_archive.media.av.opening import open_source
from film_archive.media.codecs import VIDEO_FOURCC
from film_archive.media.color_tags import color_facts
from film_archive.media.dates import iso_date

_CODECS = {
    "hevc": "h265",
    "mpeg2video": "mpeg2",
    "mpeg1video": "mpeg1",
    "dvvideo": "dv",
    "cfhd": "cineform",
    "rawvideo": "uncompressed",
    "v210": "uncompressed",
    "r210": "uncompressed",
    "qtrle": "animation",
    "cinepak": "cinepak",
}
_FIELDS = {1: "progressive", 2: "tff", 3: "bff", 4: "bff", 5: "tff"}
"""FFmpeg's AVFieldOrder by which field is shown first: TT 2, BB 3, TB 4 (coded top first, shown bottom first), BT 5."""
_MOST_PACKETS = 1 << 26
_LONGEST_BLOCK_HEADER = 64


def probe_with_libav(source: ByteSource, demuxer: str, *, container: str | None = None) -> MediaFacts:
    """The facts of a file; its frames are counted packet by packet, since most of these containers have no table of
    them.

    `container` is what `MediaFacts` calls it, where that is not the demuxer's name. Raises Damaged where the demuxer
    can't read it, NotMedia where it finds neither picture nor sound.
    """
    with open_source(source, container=demuxer) as opened:
        index, streams = _index(opened, source)
        picture = streams.picture
        rate = index.rate
        said = list(index.diagnostics)
        if len(streams.sound) < len(opened.streams.audio):
            said.append("it has sound in a codec that is not known here")
        start, start_source = _start(opened, picture, rate, said)
        created = iso_date(_tag(opened, "creation_time", "date"))
        reel = _tag(opened, "reel_name", "reel")
        context: Any = None if picture is None else picture.codec_context
        codec, profile = (None, None) if picture is None or context is None else _codec(picture)
        audio = tuple(_audio(stream) for stream in streams.sound)
        return MediaFacts(
            container=container or demuxer,
            codec=codec or (audio[0].codec if audio else None),
            profile=profile,
            width=None if context is None else context.width or None,
            height=None if context is None else context.height or None,
            frame_rate=rate,
            frames=None if picture is None else index.frames,
            start_timecode=start,
            start_source=start_source,
            reel=reel,
            reel_source=None if reel is None else "container",
            vfr=index.vfr,
            scan=None if context is None else _FIELDS.get(int(context.field_order or 0)),
            pixel_aspect=_aspect(picture),
            bit_depth=_bits(context),
            color=ColorFacts() if context is None else _color(context),
            audio=audio,
            created=created,
            created_source=None if created is None else "container",
            decodable=picture is None or context is not None,
            diagnostics=tuple(said),
        )


def scan_with_libav(source: ByteSource, demuxer: str) -> str | None:
    """ "progressive", "tff" or "bff", by what the first pictures of the stream say; None where they don't.

    For streams whose parameters allow fields and leave it to each picture (H.264). Raises Damaged.
    """
    with open_source(source, container=demuxer) as opened:
        picture = _streams(opened).picture
        context: Any = None if picture is None else picture.codec_context
        return None if context is None else _FIELDS.get(int(context.field_order or 0))


def index_with_libav(source: ByteSource, demuxer: str) -> FrameIndex:
    """Where each packet lies, by reading all of them and comparing them with the file's bytes.

    In some containers (MPEG streams, laced Matroska) a packet does not lie in one piece; then its offset says where
    in the container it begins, or -1 where the demuxer does not say, and a diagnostic says so: such an index serves
    to find frames by time, not to copy their bytes. Raises Damaged where the demuxer can't read the file.
    """
    with open_source(source, container=demuxer) as opened:
        index, _ = _index(opened, source, locate=True)
    return index


@dataclass(frozen=True, slots=True)
class _Streams:
    picture: VideoStream | None
    sound: tuple[AudioStream, ...]


@dataclass(slots=True)
class _Rows:
    """One track's packets as they are read."""

    offsets: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    keys: list[bool] = field(default_factory=list)


def _streams(opened: InputContainer) -> _Streams:
    pictures = [stream for stream in opened.streams.video if not _is_cover(stream)]
    sounds = tuple(stream for stream in opened.streams.audio if _is_known(stream))
    return _Streams(pictures[0] if pictures else None, sounds)


def _is_known(stream: Stream) -> bool:
    """Whether FFmpeg has a decoder for a track; without one it does not even say its sample rate."""
    return stream.codec_context is not None


def _is_cover(stream: Stream) -> bool:
    """A picture of a record's sleeve is no track."""
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _index(opened: InputContainer, source: ByteSource, *, locate: bool = False) -> tuple[FrameIndex, _Streams]:
    streams = _streams(opened)
    if streams.picture is None and not streams.sound:
        raise NotMedia(f"{source.name} has neither picture nor sound in it.")
    chosen: list[Stream] = [stream for stream in (streams.picture, *streams.sound) if stream is not None]
    rows = {stream.index: _Rows() for stream in chosen}
    said: list[str] = []
    scattered = 0
    for packet in _packets(opened, chosen, source, said):
        row = rows[packet.stream.index]
        begins = -1 if packet.pos is None else packet.pos
        exact = _located(packet, begins, source) if locate else begins if begins >= 0 else None
        scattered += exact is None
        # What the demuxer can't place lies somewhere behind the packet before it.
        offset = exact if exact is not None else max(begins, row.offsets[-1] if row.offsets else 0)
        time = packet.pts if packet.pts is not None else packet.dts
        if time is None:
            time = row.times[-1] + row.lengths[-1] if row.times else 0
        row.offsets.append(offset)
        row.sizes.append(packet.size)
        row.times.append(time)
        row.lengths.append(packet.duration or 0)
        row.keys.append(packet.is_keyframe)
    if scattered:
        said.append(f"{scattered} of its packets do not lie in one piece: their offsets only say where they begin")
    picture = streams.picture
    if picture is not None and not rows[picture.index].times:
        raise Damaged(f"{source.name} has a picture track without a single frame in it.")
    sounding = [stream for stream in streams.sound if rows[stream.index].times]
    if picture is None and not sounding:
        raise Damaged(f"{source.name} has a sound track without any sound in it.")
    try:
        video, keys, rate, audio = _tracks(streams, sounding, rows)
    except (ValueError, OverflowError) as error:
        raise Damaged(f"{source.name} has packets that can't be: {error}.") from error
    return FrameIndex(video, keys, rate, audio, tuple(said)), streams


def _tracks(
    streams: _Streams, sounding: list[AudioStream], rows: Mapping[int, _Rows]
) -> tuple[Packets | None, NDArray[np.bool_], FrameRate | None, tuple[AudioIndex, ...]]:
    """Picture, its keyframes and rate, and sound; raises ValueError or OverflowError where numbers make no sense."""
    picture = streams.picture
    zero = _first_moment([picture] if picture is not None else sounding, rows)
    rate = None if picture is None else _rate(picture, rows[picture.index])
    video = None if picture is None else _track(rows[picture.index], picture, rate, zero)
    keys = np.array([] if picture is None else rows[picture.index].keys, np.bool_)
    audio = tuple(
        AudioIndex(
            _track(rows[stream.index], stream, None, zero),
            stream.codec_context.sample_rate or 0,
            stream.codec_context.layout.nb_channels,
            _frame_bytes(stream),
            _name(stream),
        )
        for stream in sounding
    )
    return video, keys, rate, audio


def _located(packet: av.Packet[Any], offset: int, source: ByteSource) -> int | None:
    """Where a packet's bytes lie in the file: right at the demuxer's position or behind a block's header there."""
    if offset < 0:
        return None
    place = source.read_at(offset, packet.size + _LONGEST_BLOCK_HEADER).find(bytes(packet))
    return None if place < 0 else offset + place


def _packets(
    opened: InputContainer, chosen: list[Stream], source: ByteSource, said: list[str]
) -> Iterator[av.Packet[Any]]:
    count = 0
    try:
        for packet in opened.demux(chosen):
            if packet.size == 0:  # the flush at the end
                continue
            count += 1
            if count > _MOST_PACKETS:
                raise Damaged(f"{source.name} claims more than {_MOST_PACKETS} packets.")
            yield packet
    except av.error.FFmpegError as error:
        if count == 0:
            raise Damaged(f"{source.name} could not be read as media: {error.strerror or error}.") from error
        said.append(f"it could be read only up to packet {count}: {error.strerror or error}")


def _first_moment(streams: Sequence[Stream], rows: Mapping[int, _Rows]) -> Fraction:
    """When the first frame is shown (or, of sound alone, when the first track begins), in seconds of the container."""
    return min(min(rows[stream.index].times) * _base(stream) for stream in streams)


def _base(stream: Stream) -> Fraction:
    return Fraction(stream.time_base or Fraction(1, 1000))


def _track(rows: _Rows, stream: Stream, rate: FrameRate | None, zero: Fraction) -> Packets:
    base = _base(stream)
    times = np.array(rows.times, np.int64) - round(zero / base)
    last = int(times.argmax())
    length = rows.lengths[last] or (round(1 / (rate * base)) if rate is not None else 1)
    end = max(0, int(times[last]) + max(1, length))
    return Packets(np.array(rows.offsets, np.int64), np.array(rows.sizes, np.int64), times, end, 1 / base)


def _rate(stream: VideoStream, rows: _Rows) -> FrameRate | None:
    """The rate at which the frames play, as the demuxer gives it; else from the usual distance of two frames."""
    guess: Fraction | None = stream.average_rate or stream.guessed_rate or stream.base_rate
    if guess is None or not 0 < guess <= 1000:
        steps = np.diff(np.unique(np.array(rows.times, np.int64)))
        guess = 1 / (_base(stream) * int(np.median(steps))) if len(steps) else None
    if guess is None or not 0 < guess <= 1000:
        return None
    exact = Fraction(guess)
    return (
        FrameRate(exact.numerator, exact.denominator)
        if exact.denominator in (1, 1001)
        else FrameRate.of(f"{float(exact):.3f}")
    )


def _start(
    opened: InputContainer, picture: VideoStream | None, rate: FrameRate | None, said: list[str]
) -> tuple[Timecode | None, str | None]:
    """The "timecode" tag of the container or of a track (Matroska, GXF, MPEG-2's first group of pictures, …)."""
    text = _tag(opened, "timecode")
    if text is None or rate is None:
        return None, None
    try:
        return parse_timecode(text, rate).timecode, "container"
    except (InvalidTimecode, UsageError) as error:
        said.append(f"its container's timecode was left out: {error}")
        return None, None


def _tag(opened: InputContainer, *names: str) -> str | None:
    """The first tag of one of these names, of the container or of a track."""
    for tags in (opened.metadata, *(stream.metadata for stream in opened.streams)):
        for name, text in tags.items():
            if name.lower() in names and text.strip() and text.isprintable():
                return text.strip()
    return None


def _name(stream: VideoStream | AudioStream) -> str:
    """FFmpeg's name of the codec, not of the decoder that happens to be built in ("av1", not "libdav1d")."""
    name: str = stream.codec_context.codec.canonical_name
    return name


def _codec(stream: VideoStream) -> tuple[str | None, str | None]:
    context = stream.codec_context
    name, profile = _name(stream), context.profile
    known = VIDEO_FOURCC.get(context.codec_tag.encode("latin-1", "replace"))
    if known is not None and name in ("prores", "dnxhd", "prores_raw"):
        return known.name, known.profile or profile
    if name == "prores":
        family = "prores_4444" if profile in ("4444", "XQ") else "prores_422"
        return family, profile
    if name == "dnxhd":
        return ("dnxhr" if (profile or "").startswith("DNXHR") else "dnxhd"), profile
    return _CODECS.get(name, name), profile


def _audio(stream: AudioStream) -> AudioFacts:
    context = stream.codec_context
    layout = context.layout
    name = _name(stream)
    return AudioFacts(
        codec=name,
        channels=layout.nb_channels,
        sample_rate=context.sample_rate or 0,
        bits=8 * _frame_bytes(stream) // max(1, layout.nb_channels) or None,
        samples=None,
        layout=layout.name if "channels" not in layout.name else None,
    )


def _frame_bytes(stream: AudioStream) -> int:
    """Bytes of one sample of all channels, for PCM."""
    match = re.match(r"pcm_[suf](\d+)|pcm_(?:a|mu)law", _name(stream))
    return 0 if match is None else stream.codec_context.layout.nb_channels * int(match[1] or 8) // 8


def _aspect(stream: VideoStream | None) -> Fraction | None:
    aspect = None if stream is None else stream.sample_aspect_ratio
    return Fraction(aspect) if aspect and aspect > 0 else None


def _bits(context: Any) -> int | None:
    pixels = None if context is None else context.format
    return pixels.components[0].bits if pixels is not None and pixels.components else None


def _color(context: Any) -> ColorFacts:
    full = {1: False, 2: True}.get(int(context.color_range or 0))
    return color_facts(
        int(context.color_primaries or 0), int(context.color_trc or 0), int(context.colorspace or 2), full
    )

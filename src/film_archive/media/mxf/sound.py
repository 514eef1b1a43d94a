"""Sound as its descriptor gives it: codec, channels, rate, and how many bytes one sample of all channels takes."""

from __future__ import annotations

from dataclasses import dataclass

from film_archive.media.mxf.labels import is_d10, sound_codec
from film_archive.media.mxf.metadata import Descriptor

_MOST_CHANNELS = 1024
_HIGHEST_RATE = 10_000_000


@dataclass(frozen=True, slots=True)
class SoundForm:
    """How sound is stored. `frame_bytes` is 0 where it is not plain interleaved PCM."""

    codec: str | None
    channels: int
    sample_rate: int
    bits: int | None
    frame_bytes: int


def pcm_form(descriptor: Descriptor) -> SoundForm:
    """What a sound descriptor says (ST 377-1, F.5; ST 382). Channels and rate are 0 where it does not say them."""
    values = descriptor.values
    channels = values.number(0x3D07) or 0
    channels = channels if channels <= _MOST_CHANNELS else 0
    bits = values.number(0x3D01) or 0
    block = values.number(0x3D0A) or 0
    rate = values.ratio(0x3D03) or descriptor.sample_rate
    sample_rate = 0 if rate is None or rate > _HIGHEST_RATE else round(rate)
    width = block // channels if channels and block % channels == 0 else 0
    if not 1 <= width <= 4:
        width = -(-bits // 8)
    coding = values.label(0x3D06)
    codec = sound_codec(coding, 8 * width)
    # in D-10, AES3 words of eight channels stand behind four bytes of header (ST 331): not plain PCM
    plain = codec is not None and codec.startswith(("pcm_s", "pcm_u")) and not is_d10(descriptor.container)
    return SoundForm(codec, channels, sample_rate, bits or None, channels * width if plain else 0)

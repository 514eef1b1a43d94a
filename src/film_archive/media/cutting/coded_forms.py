"""How frames that were encoded again stand beside a clip's own in one track, codec by codec.

H.264: their parameter sets get numbers of their own and join the clip's in one `avcC`. HEVC: encoders give no numbers, so they
have a sample description of their own.
"""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections.abc import Sequence

from film_archive.core.errors import NotSupported
from film_archive.media.bitstream import avc_record, hevc_record
from film_archive.media.bitstream.avc_record import AvcRecord
from film_archive.media.bitstream.bits import UnreadableError
from film_archive.media.bitstream.h264 import sequence_parameters

_VISUAL_ENTRY = 8 + 78


class CodedForm(ABC):
    """The sample entries of a new picture track, and what its frames are made of."""

    codec: str
    length_size: int
    """Bytes of the length in front of each NAL unit."""

    @abstractmethod
    def begins_anew(self, frame: bytes) -> bool:
        """Whether what is decoded from a frame on needs nothing before it."""

    @property
    @abstractmethod
    def parameter_id(self) -> int:
        """The number that the next encoder's parameter sets shall have."""

    @abstractmethod
    def add(self, parameters: Sequence[bytes]) -> int:
        """Describe frames with these parameter sets (NAL units); returns the number of their entry, from 1.

        Raises UnreadableError where they do not fit beside what is there.
        """

    @property
    @abstractmethod
    def entries(self) -> tuple[bytes, ...]:
        """All sample entries; the clip's own is the first."""


class AvcForm(CodedForm):
    codec = "h264"

    def __init__(self, entry: bytes) -> None:
        self._entry = entry
        self._record = AvcRecord.parse(_body(entry, b"avcC"))
        self.length_size = self._record.length_size
        parameters = [sequence_parameters(unit[1:]) for unit in self._record.sequence]
        self.progressive = all(each is not None and each.frames_only for each in parameters)

    def begins_anew(self, frame: bytes) -> bool:
        return avc_record.begins_anew(frame, self.length_size)

    @property
    def parameter_id(self) -> int:
        number = self._record.free_id
        if number is None:
            raise NotSupported("The clip has too many parameter sets for those of another encoder beside them; use --mode copy.")
        return number

    def add(self, parameters: Sequence[bytes]) -> int:
        self._record = self._record.joined(
            tuple(unit for unit in parameters if unit[0] & 31 == avc_record.NAL_SPS),
            tuple(unit for unit in parameters if unit[0] & 31 == avc_record.NAL_PPS),
        )
        return 1

    @property
    def entries(self) -> tuple[bytes, ...]:
        return (_with_body(self._entry, b"avcC", self._record.to_bytes()),)


class HevcForm(CodedForm):
    codec = "h265"

    def __init__(self, entry: bytes) -> None:
        self._entries = [entry]
        self._record = _body(entry, b"hvcC")
        self.length_size = hevc_record.length_size_of(self._record)

    def begins_anew(self, frame: bytes) -> bool:
        return hevc_record.begins_anew(frame, self.length_size)

    @property
    def parameter_id(self) -> int:
        return 0

    def add(self, parameters: Sequence[bytes]) -> int:
        entry = _with_body(self._entries[0], b"hvcC", hevc_record.record_of(self._record, parameters))
        if entry not in self._entries:
            self._entries.append(entry)
        return self._entries.index(entry) + 1

    @property
    def entries(self) -> tuple[bytes, ...]:
        return tuple(self._entries)


def form_of(codec: str | None, entry: bytes, progressive: bool) -> CodedForm | None:
    """The form of a clip's picture; None for codecs, and ways of coding, that frames are not encoded in again here."""
    try:
        if codec == "h264":
            form = AvcForm(entry)
            return form if form.progressive else None
        return HevcForm(entry) if codec == "h265" and progressive else None
    except UnreadableError:
        return None


def _place(entry: bytes, kind: bytes) -> tuple[int, int]:
    """(offset, length) of an atom in a picture's sample entry, its header counted in. Raises UnreadableError."""
    place = _VISUAL_ENTRY
    while place + 8 <= len(entry):
        length, found = struct.unpack_from(">I4s", entry, place)
        if length < 8 or length > len(entry) - place:
            break
        if found == kind:
            return place, length
        place += length
    raise UnreadableError


def _body(entry: bytes, kind: bytes) -> bytes:
    offset, length = _place(entry, kind)
    return entry[offset + 8 : offset + length]


def _with_body(entry: bytes, kind: bytes, body: bytes) -> bytes:
    offset, length = _place(entry, kind)
    made = entry[:offset] + struct.pack(">I4s", 8 + len(body), kind) + body + entry[offset + length :]
    return struct.pack(">I", len(made)) + made[4:]

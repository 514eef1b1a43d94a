"""The seeds' door: the values that their examples import, as small pydantic models."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class StreamRequest(BaseModel):
    """Bytes of a member of an archive: `start_byte` to `end_byte` of the member itself, **inclusive**; None is its end.

    `buffer_size` is the largest chunk in bytes; a streamer chooses the chunks itself where it is not given.
    """

    model_config = ConfigDict(frozen=True)

    archive_path: Path
    file_path: str
    start_byte: int = Field(default=0, ge=0)
    end_byte: int | None = Field(default=None, ge=0)
    buffer_size: int = Field(default=8192, ge=1)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end_byte is not None and self.end_byte < self.start_byte:
            raise ValueError(f"end_byte {self.end_byte} lies before start_byte {self.start_byte}; it is inclusive")
        return self

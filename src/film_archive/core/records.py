"""Records: values that are plain data, printed as JSON and read again.

A record is a frozen dataclass. A field's name is its key (without the underscore at the end that Python's own words
need: `from_` is "from"), and the text below the field says what it means; the pages about JSON are made from both
(`tools/json_docs.py`). Text that is not UTF-8, as file names may be, is shown with escapes under its key and stands
exactly, as hex, under `raw_KEY` beside it (a list of texts beside a list), so nothing is lost on the way.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Any, Self, Union

from film_archive.core.errors import Damaged

_Decode = Callable[[Any], Any]


class Record:
    """What a frozen dataclass inherits to be written as JSON and read again.

    Its fields are text, numbers, rates ("24000/1001"), `Path`, `bytes` (as hex), words (`StrEnum`), other records, tuples
    and mappings of these, or None. What else has a `to_json` of its own can be written, and not be read again.
    """

    __slots__ = ()

    def to_json(self) -> dict[str, Any]:
        """All fields as JSON has them; seconds and the like are rounded to a thousandth."""
        plain: dict[str, Any] = {}
        kind: Any = type(self)
        for field, name in _names(kind):
            value = getattr(self, field)
            if type(value) is str or isinstance(value, Path):
                text = os.fspath(value)
                shown = _shown(text)
                plain[name] = shown
                if shown is not text:
                    plain[f"raw_{name}"] = os.fsencode(text).hex()
            else:
                plain[name] = _plain(value)
                if type(value) is tuple and any(type(item) is str and _shown(item) is not item for item in value):
                    plain[f"raw_{name}"] = [os.fsencode(item).hex() for item in value]
        return plain

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote; keys of later versions are passed over. Raises Damaged where it is not that."""
        try:
            return cls(**dict(_values(cls, data)))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Damaged(f"This is not a {cls.__name__} that was written here ({error!r}).") from error


@functools.cache
def _names(kind: type[Any]) -> tuple[tuple[str, str], ...]:
    """(name, key) of each field."""
    return tuple((field.name, key_of_field(field.name)) for field in dataclasses.fields(kind))


def key_of_field(name: str) -> str:
    """The key of a field in JSON."""
    return name.removesuffix("_")


def _shown(text: str) -> str:
    """The same object where it is UTF-8."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return os.fsencode(text).decode("utf-8", "backslashreplace")
    return text


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, Fraction):
        return f"{value.numerator}/{value.denominator}"
    if isinstance(value, str | Path):
        return _shown(str(value))
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value.to_json()


# Reading


def _values(kind: Any, data: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for field, decode, is_text, required in _decoders(kind):
        name = key_of_field(field)
        if name not in data:
            if required:
                raise KeyError(name)
            continue
        value = data[name]
        if is_text and (raw := data.get(f"raw_{name}")) is not None:
            value = _from_hex(raw)
        yield field, decode(value)


def _from_hex(raw: Any) -> Any:
    """Text, or a list of texts, of which the bytes are given."""
    return [_from_hex(item) for item in raw] if isinstance(raw, list) else os.fsdecode(bytes.fromhex(raw))


@functools.cache
def _decoders(kind: type[Any]) -> tuple[tuple[str, _Decode, bool, bool], ...]:
    """(name, how it is read, whether it may have a `raw_` twin, whether it must be there) of each field."""
    hints = typing.get_type_hints(kind)
    rows = []
    for field in dataclasses.fields(kind):
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        hint = hints[field.name]
        choices = typing.get_args(hint) if _is_union(hint) else (hint,)
        is_text = str in choices or Path in choices or hint == tuple[str, ...]
        rows.append((field.name, _decoder(hint), is_text, required))
    return tuple(rows)


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (Union, types.UnionType)


def _decoder(hint: Any) -> _Decode:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if _is_union(hint):
        (inner,) = (argument for argument in arguments if argument is not type(None))
        decode = _decoder(inner)
        return lambda value: None if value is None else decode(value)
    if origin is tuple:
        decode = _decoder(arguments[0])
        return lambda value: tuple(map(decode, _of_type(value, list)))
    if origin is not None and issubclass(origin, Mapping):
        decode = _decoder(arguments[1])
        return lambda value: {str(key): decode(item) for key, item in _of_type(value, dict).items()}
    if isinstance(hint, type) and issubclass(hint, Record):
        return hint.from_json
    if isinstance(hint, type) and issubclass(hint, StrEnum | Path):
        return lambda value: hint(_of_type(value, str))
    if hint is bytes:
        return bytes.fromhex
    if isinstance(hint, type) and issubclass(hint, Fraction):
        return lambda value: hint(*_two_numbers(_of_type(value, str)))
    if hint is float:
        return lambda value: float(_of_type(value, int | float))
    return lambda value: _of_type(value, hint)


def _two_numbers(text: str) -> tuple[int, int]:
    """Numerator and denominator, so short that nothing large is computed of them."""
    match = re.fullmatch(r"(-?[0-9]{1,40})/(0*[1-9][0-9]{0,39})", text)
    if match is None:
        raise ValueError(f"{text[:40]!r} is no fraction")
    return int(match[1]), int(match[2])


def _of_type(value: Any, kind: Any) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"{str(value)[:40]!r} is no {getattr(kind, '__name__', kind)}")
    return value

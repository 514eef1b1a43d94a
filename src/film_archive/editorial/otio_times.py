"""How long an item of an OpenTimelineIO timeline is in what it stands in, and how fast it plays. Defined here and only here."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from film_archive.editorial.otio_clips import available_range
from film_archive.editorial.otio_values import dict_of, list_of, number_of, range_of, schema_of, text_of

DEEPEST = 64
"""Levels of compositions within compositions that are looked into."""
SOUND = 1000
"""From which rate on a time counts samples and not frames."""
_FASTEST = 100_000


class ItemTimes:
    """Lengths and speeds of a document's items; what is odd about them is put to `odd`."""

    def __init__(self, odd: list[str]) -> None:
        self.odd = odd
        self._lengths: dict[int, Fraction] = {}

    def length(self, item: dict[str, Any], depth: int) -> Fraction:
        """Seconds that an item takes in its parent."""
        known = self._lengths.get(id(item))
        if known is None:
            known = self._lengths[id(item)] = self._counted_length(item, depth)
        return known

    def _counted_length(self, item: dict[str, Any], depth: int) -> Fraction:
        if schema_of(item) == "Transition" or depth > DEEPEST:
            return Fraction(0)
        trimmed = range_of(item.get("source_range")) or available_range(item)
        if trimmed is not None:
            return max(Fraction(0), trimmed.duration.seconds)
        children = [child for child in list_of(item.get("children")) if isinstance(child, dict)]
        lengths = [self.length(child, depth + 1) for child in children]
        if schema_of(item) == "Stack":
            return max(lengths, default=Fraction(0))
        return sum(lengths, Fraction(0))

    def speed(self, item: dict[str, Any]) -> Fraction:
        """Seconds of media for a second that is shown; 0 is a freeze, negative runs backwards."""
        speed = Fraction(1)
        for effect in list_of(item.get("effects")):
            schema = schema_of(effect)
            if schema == "FreezeFrame":
                return Fraction(0)
            if schema == "LinearTimeWarp":
                scalar = number_of(effect.get("time_scalar"))
                if scalar is None or abs(scalar) > _FASTEST:
                    self.odd.append(f"{called(item)} has a time warp without a possible scalar; it is passed over")
                else:
                    speed *= scalar
            elif schema == "TimeEffect":
                self.odd.append(f"{called(item)} has a time effect that is not linear; it is given at normal speed")
            elif schema == "Effect":
                speed *= _remapped(effect)
        return speed


def _remapped(effect: dict[str, Any]) -> Fraction:
    """The speed that Final Cut Pro 7's "Time Remap" filter says, as its adapter leaves it in metadata; 1 for others."""
    fcp = dict_of(dict_of(effect.get("metadata")).get("fcp_xml"))
    if fcp.get("effectid") != "timeremap":
        return Fraction(1)
    parameters = fcp.get("parameter")
    values = {
        str(each.get("parameterid")): each.get("value")
        for each in (parameters if isinstance(parameters, list) else [parameters])
        if isinstance(each, dict)
    }
    try:
        speed = Fraction(str(values.get("speed", "100"))[:40]) / 100
    except (ValueError, ZeroDivisionError):
        return Fraction(1)
    return -speed if str(values.get("reverse", "")).casefold() == "true" and speed > 0 else speed


def called(item: dict[str, Any]) -> str:
    """How an object is named in a sentence."""
    name = text_of(item.get("name"))
    return f"{schema_of(item) or 'an object'} {name[:60]!r}" if name else f"a nameless {schema_of(item) or 'object'}"

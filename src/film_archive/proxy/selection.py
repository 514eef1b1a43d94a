"""Which of a clip's proxies to play: by what the connection carries and by the size at which it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar


class Playable(Protocol):
    """What is chosen among: pixels, and bits a second."""

    @property
    def width(self) -> int: ...

    @property
    def height(self) -> int: ...

    @property
    def bit_rate(self) -> int: ...


Proxy = TypeVar("Proxy", bound=Playable)


def select_proxy(available: Sequence[Proxy], bandwidth: float, display: tuple[int, int]) -> Proxy | None:
    """Of those that fit the bandwidth (bit/s) the smallest that covers the display, else the largest that fits.

    None fits: the one of the lowest bit rate. None available: None.
    """
    if not available:
        return None
    fitting = [proxy for proxy in available if proxy.bit_rate <= bandwidth]
    if not fitting:
        return min(available, key=lambda proxy: proxy.bit_rate)
    width, height = display
    covering = [proxy for proxy in fitting if proxy.width >= width and proxy.height >= height]
    return min(covering, key=_area) if covering else max(fitting, key=_area)


def _area(proxy: Playable) -> int:
    return proxy.width * proxy.height

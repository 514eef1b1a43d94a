"""Numbers with what they count."""

from __future__ import annotations

from film_archive.core.wording import amount


def test_one_and_many() -> None:
    assert [amount(number, "clip") for number in (0, 1, 2)] == ["0 clips", "1 clip", "2 clips"]
    assert [amount(number, "proxy", "proxies") for number in (1, 3)] == ["1 proxy", "3 proxies"]

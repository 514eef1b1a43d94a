"""Names of pulled cuts."""

from __future__ import annotations

import pytest

pytest.importorskip("hypothesis")

from hypothesis import given
from hypothesis import strategies as st

from film_archive.core.errors import UsageError
from film_archive.editorial.naming import DEFAULT, FIELDS, LONGEST, NameTemplate

VALUES = {"event": "7", "reel": "A001", "clip": "A001C003_240612_R1AB", "start": "01000010", "name": "Märchen / 3*", "track": ""}


@pytest.mark.parametrize(
    ("template", "name"),
    [
        (DEFAULT, "007_A001C003_240612_R1AB_01000010"),
        ("{event}_{reel}", "7_A001"),
        ("{event:4}-{reel}", "0007-A001"),
        ("vfx_{event:03}", "vfx_007"),
        ("{name}", "Märchen_3"),
        ("{event}{{x}}", None),
        ("{track}_{event}", "_7"),
        (".{event}", "7"),
        ("{event}.", "7"),
    ],
)
def test_names(template: str, name: str | None) -> None:
    if name is None:
        with pytest.raises(UsageError):
            NameTemplate.parse(template)
    else:
        assert NameTemplate.parse(template).name(VALUES) == name


def test_names_of_shots_are_not_filled_up() -> None:
    assert NameTemplate.parse("{event:06}").name({"event": "SH010"}) == "SH010"
    assert NameTemplate.parse("{event:06}").name({"event": "10"}) == "000010"


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("cut", "one name"),
        ("", "one name"),
        ("{shot}", "no field"),
        ("{event!r}", "no field"),
        ("{event.__class__}", "no field"),
        ("{0}", "no field"),
        ("{}", "no field"),
        ("{event:>9}", "number of digits"),
        ("{event:03x}", "number of digits"),
        ("{event", "no template"),
        ("event}", "no template"),
        ("../{event}", "signs"),
        ("{reel}/{event}", "signs"),
        ("{event}\0", "signs"),
    ],
)
def test_what_is_no_template(template: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        NameTemplate.parse(template)


@pytest.mark.parametrize("values", [{"event": ""}, {"event": "..."}, {"event": "///"}, {"event": "CON"}, {"event": "x" * 300}])
def test_values_that_make_no_name(values: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        NameTemplate.parse("{event}").name(values)


@given(st.dictionaries(st.sampled_from(sorted(FIELDS)), st.text(max_size=60)))
def test_whatever_the_values_a_name_is_one_that_files_can_have(values: dict[str, str]) -> None:
    try:
        name = NameTemplate.parse("{event:03}_{reel}-{name}").name(values)
    except UsageError:
        return
    assert name
    assert not set(name) & set('/\\:*?"<>|\0\n')
    assert name[0] not in ".- "
    assert len(name.encode()) <= LONGEST

"""The options that say how proxies are made, the same for all verbs that make some; what they come to is a `Recipe`."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from film_archive.core.ladder import Rung
    from film_archive.proxy.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class ProxyOptions:
    """As they are given; a field is an option, and its name, with dashes, is the option's."""

    codec: Annotated[
        str | None, typer.Option("--codec", help="h264, or for the edit prores_proxy or dnxhr_lb, with all sound and timecode.")
    ] = None
    preset: Annotated[str, typer.Option("--preset", help="x264's: ultrafast, superfast, veryfast, … veryslow.")] = "superfast"
    hardware: Annotated[
        bool, typer.Option("--hardware", help="Let an encoder of this machine's hardware work, where one does.")
    ] = False
    lut: Annotated[Path | None, typer.Option("--lut", help="Put the pictures through this look-up table (CUBE …).")] = None
    cdl: Annotated[Path | None, typer.Option("--cdl", help="Correct them first by this ASC CDL (.cdl, .cc, .ccc).")] = None
    view: Annotated[
        str | None, typer.Option("--view", help="Show them through this OpenColorIO view: VIEW or DISPLAY/VIEW.")
    ] = None
    source_colorspace: Annotated[
        str | None, typer.Option("--source-colorspace", help="What the view starts from; else what the clip says of itself.")
    ] = None
    config: Annotated[str | None, typer.Option("--config", help="The OpenColorIO config of the view; else one built in.")] = None
    audio_map: Annotated[
        str | None, typer.Option("--audio-map", help="The channels that are heard, counted from 1: 3,4.")
    ] = None
    burn_in: Annotated[
        tuple[str, ...],
        typer.Option(
            "--burn-in",
            help="TEXT@POSITION; TEXT is timecode, frame, clip, or text with {timecode} … in it; POSITION top-left, top-center, "
            "top-right, bottom-left, bottom-center, bottom-right.",
        ),
    ] = ()
    first_number: Annotated[
        int | None, typer.Option("--first-number", help="What {frame} shows for the first frame; else a sequence's own, or 0.")
    ] = None
    poster: Annotated[bool, typer.Option("--poster", help="Make a poster frame too.")] = False
    strip: Annotated[bool, typer.Option("--strip", help="Make a strip for scrubbing too (JPEG and WebVTT).")] = False
    sheet: Annotated[bool, typer.Option("--sheet", help="Make a contact sheet too.")] = False

    def recipe(self, codec: str | None = None) -> Recipe:
        """What they ask for; `codec` is the one where none is named."""
        from film_archive.proxy.recipe import Recipe, Still, channels_of

        wanted = {Still.POSTER: self.poster, Still.STRIP: self.strip, Still.SHEET: self.sheet}
        return Recipe(
            codec=self.codec or codec or "h264",
            preset=self.preset,
            hardware=self.hardware,
            audio_map=() if self.audio_map is None else channels_of(self.audio_map),
            lut=self.lut,
            cdl=self.cdl,
            view=self.view,
            space=self.source_colorspace,
            config=self.config,
            burn_in=tuple(self.burn_in),
            first_number=self.first_number,
            stills=tuple(kind for kind, is_wanted in wanted.items() if is_wanted),
        )


def sizes_of(text: str | None, recipe: Recipe) -> tuple[Rung, ...]:
    """The sizes of --sizes or --proxies, or those of the codec where none are named."""
    from film_archive.core.ladder import parse_sizes
    from film_archive.proxy.recipe import default_sizes

    return tuple(default_sizes(recipe.codec)) if text is None else parse_sizes(text)


def with_proxy_options(verb: Callable[..., int]) -> Callable[..., int]:
    """A verb whose parameter `how` is a `ProxyOptions`: on the command line it has their options in its place."""
    options = inspect.signature(ProxyOptions).parameters
    hints = typing.get_type_hints(ProxyOptions, include_extras=True)
    own = inspect.signature(verb)
    own_hints = typing.get_type_hints(verb, include_extras=True)
    parameters = []
    for name, parameter in own.parameters.items():
        if name == "how":
            parameters += [
                inspect.Parameter(
                    option, inspect.Parameter.KEYWORD_ONLY, annotation=_shown(hints[option]), default=_default(each.default)
                )
                for option, each in options.items()
            ]
        else:
            parameters.append(
                parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=own_hints.get(name, parameter.annotation))
            )

    @functools.wraps(verb)
    def run(**given: Any) -> int:
        how = ProxyOptions(**{name: given.pop(name) for name in options})
        return verb(**given, how=how)

    run.__signature__ = own.replace(parameters=parameters, return_annotation=int)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


def _shown(hint: Any) -> Any:
    """As the parser has it, whose repeated options are lists."""
    kind, *more = typing.get_args(hint)
    return Annotated[(list[str] if kind == tuple[str, ...] else kind, *more)]


def _default(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value

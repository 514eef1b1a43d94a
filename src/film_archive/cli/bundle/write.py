"""`bundle write TIMELINE OUT`: a timeline and its media, in one file or folder."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.output import print_json, say, size_text


def register(app: typer.Typer) -> None:
    app.command("write")(write)


def write(
    named: list[Path] = typer.Argument(
        ...,
        metavar="TIMELINE OUT",
        help="An OTIO timeline (none with --from-edl), and the bundle: NAME.otioz is one file, NAME.otiod a folder.",
    ),
    from_edl: Path | None = typer.Option(
        None, "--from-edl", help="Make the bundle of a list (EDL, ALE, CSV, FCPXML, …) and the media that it means."
    ),
    sources: list[str] = typer.Option(
        [], "--sources", help="With --from-edl: where its media are, archives, folders or files (several, or again for more)."
    ),
    rate: str | None = typer.Option(None, "--rate", help="With --from-edl: what the list counts at: 24, 23.976, 29.97df."),
    mapping: Path | None = typer.Option(
        None, "--mapping", help="With --from-edl: CSV or JSON that says which media is meant where names do not tell."
    ),
    log: Path | None = typer.Option(
        None, "--log", help="With --from-edl: an ALE or CSV list that tells start timecode and reel where clips don't."
    ),
    with_sound: bool = typer.Option(
        False, "--with-sound", help="With --from-edl: put in the recordings whose timecode overlaps the pictures', below sound/."
    ),
    policy: str = typer.Option(
        "error",
        "--media-policy",
        "--policy",
        help="A reference that leads to no file: error, missing or all-missing (OTIO's own names too).",
    ),
    base: Path | None = typer.Option(None, "--media-base", "--base", help="The folder in which relative references begin."),
    rename: bool = typer.Option(False, "--rename", help="Let media that have one name get others; else they are refused."),
    trim: bool = typer.Option(False, "--trim", help="Put in only what the timeline shows of its media, cut without encoding."),
    handles: int = typer.Option(0, "--handles", help="With --trim: so many frames more on each side."),
    proxies: str = typer.Option(
        "none", "--proxies", help="Put proxies in, as further references: thumbnail, preview, editorial, 1280x720@3M, …"
    ),
    mhl: bool = typer.Option(False, "--mhl", help="Put in an ASC MHL: a hash list by which whoever gets it proves each file."),
    digest: list[str] = typer.Option([], "--digest", help="A further digest of each member: md5, sha256, xxh64, c4, blake3."),
    abandon: bool = typer.Option(False, "--abandon", help="Remove what a killed run of this bundle has left, and stop."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only say what would go in, and how large it is."),
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Write an OTIO bundle: all media that a timeline references, and the timeline, which references them there."""
    from film_archive.bundles.policy import MediaReferencePolicy
    from film_archive.cli.create import show_abandoned
    from film_archive.cli.progress import progress
    from film_archive.core.errors import UsageError
    from film_archive.core.ladder import parse_sizes
    from film_archive.core.wording import amount
    from film_archive.workflows.bundling import abandon_bundle, apply_bundle, as_planned, plan_bundle
    from film_archive.workflows.timelines import Cut
    from film_archive.workflows.turnover import Turnover, plan_turnover

    timeline, output, more = _named(named, from_edl)
    if abandon:
        return show_abandoned(abandon_bundle(output), json, output)
    if handles and not trim:
        raise UsageError("--handles says how much more than what is shown goes in; it goes with --trim.")
    if from_edl is None and (sources or rate or mapping or log or with_sound):
        raise UsageError("--sources, --rate, --mapping, --log and --with-sound are for a list; name it with --from-edl.")
    choice, wanted_handles = MediaReferencePolicy.parse(policy), handles if trim else None
    rungs = parse_sizes(proxies)
    if from_edl is not None:
        if rungs or rename or base is not None:
            raise UsageError("--proxies, --rename and --media-base are for timelines; a bundle of a list names its media itself.")
        turnover = Turnover(from_edl, [*sources, *more], rate, wanted_handles, choice, mapping, log, with_sound)
        plan = plan_turnover(turnover, output, mhl=mhl, digests=digest)
    else:
        assert timeline is not None
        cut = Cut(timeline, choice, base, rename=rename)
        plan = plan_bundle(cut, output, proxies=rungs, digests=digest, handles=wanted_handles, mhl=mhl)
    if dry_run:
        planned = as_planned(plan)
        if json:
            print_json({**planned.to_json(), "plan": plan.to_json()})
            return 0
        for step in plan.steps:
            say(f"{size_text(step.size):>10}  {step.member}  {step.path}")
        for sentence in planned.warnings:
            say(sentence)
        sizes = f"{size_text(planned.media_bytes)}; {size_text(planned.bytes)} in all"
        say(f"Would write {output}: {amount(planned.media, 'media file')}, {sizes}.")
        return 0
    with progress() as counted:
        done = apply_bundle(plan, progress=counted)
    if json:
        print_json(done.to_json())
        return 0
    for renamed in done.renamed:
        say(f"renamed: {renamed.path} is media/{renamed.name}")
    for sentence in done.warnings:
        say(sentence)
    made = f", {amount(done.proxies, 'proxy', 'proxies')}" if done.proxies else ""
    files = f"{amount(done.media, 'media file')}, {size_text(done.media_bytes)}{made}"
    say(f"{done.bundle}: {files}, of {amount(done.references, 'reference')}.")
    return 0


def _named(named: list[Path], from_edl: Path | None) -> tuple[Path | None, Path, list[str]]:
    """(timeline, bundle, further sources) of what stands on the command line without an option's name.

    Behind `--sources A B C` only A belongs to the option: B and C stand here, beside the bundle, which is not there yet.
    """
    from film_archive.core.errors import UsageError

    if from_edl is None:
        if len(named) != 2:
            raise UsageError("Name a timeline and the bundle: bundle write TIMELINE OUT.otioz.")
        return named[0], named[1], []
    bundles = [path for path in named if path.suffix.lower() in (".otioz", ".otiod")]
    new = [path for path in bundles if not path.exists()] or bundles[-1:]
    if len(new) != 1:
        raise UsageError("Name one bundle to write, NAME.otioz or NAME.otiod, and the list with --from-edl.")
    rest = list(named)
    rest.remove(new[0])
    return None, new[0], [str(path) for path in rest]

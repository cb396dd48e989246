"""`tocsin investigate`: point Tocsin at logs and know who is affected."""

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, tzinfo
from ipaddress import ip_network
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from tocsin import story
from tocsin.cli.acting import Acting, acting
from tocsin.cli.wired import Wired
from tocsin.detections import queries as detections
from tocsin.events import commands as events
from tocsin.events.ports import Format
from tocsin.events.queries import AccountColumns
from tocsin.events.values import SourceRead
from tocsin.kernel import clock
from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import format_number, gettext as _, ngettext
from tocsin.kernel.redaction import printable
from tocsin.reports import queries as reports
from tocsin.reports.values import Investigation

FOUND = 10  # the exit code that says: there are detections
DAY_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@click.command("investigate")
@click.argument("paths", nargs=-1, required=True)
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder for the findings.")
@click.option(
    "--since", metavar="TIME", help="Leave out what happened before, e.g. 2026-11-01 or 2026-11-01T08:00+01:00."
)
@click.option("--until", metavar="TIME", help="Leave out what happened from then on.")
@click.option("--timezone", default="UTC", show_default=True, help="Zone of stamps that carry none, e.g. Europe/Paris.")
@click.option(
    "--skew", multiple=True, metavar="SOURCE=±N[smh]", help="Correct a clock, of a format or of files: edge-*.log=+2m."
)
@click.option("--trusted-proxy", multiple=True, metavar="NETWORK", help="Believe X-Forwarded-For from here only.")
@click.option("--log-format", metavar="TEXT", help="A web server's log_format / LogFormat line.")
@click.option("--map", "mapping", type=click.Path(path_type=Path, dir_okay=False), help="Mapping for another format.")
@click.option("--accounts", type=click.Path(path_type=Path, dir_okay=False), help="CSV: account, then its other names.")
@click.option("--cohort", multiple=True, metavar="TERMS", help="Take a group in, e.g. platform=android,version<1.4.")
@click.option(
    "--rules", type=click.Path(path_type=Path, file_okay=False), help="Folder of rules to use instead of ours."
)
@click.option(
    "--open", "opens", is_flag=True, help="Declare an incident on what is found, with revision 1 of its scope."
)
@click.option("--incident", type=click.IntRange(1), help="Make the next revision of this incident's scope.")
@click.option("--threads", type=click.IntRange(1, 64), help="Readers side by side (default: one per core).")
@acting
@click.pass_obj
def command(
    wired: Wired,
    *,
    paths: tuple[str, ...],
    out: Path,
    since: str | None,
    until: str | None,
    timezone: str,
    skew: tuple[str, ...],
    trusted_proxy: tuple[str, ...],
    log_format: str | None,
    mapping: Path | None,
    accounts: Path | None,
    cohort: tuple[str, ...],
    rules: Path | None,
    opens: bool,
    incident: int | None,
    threads: int | None,
    acts: Acting,
) -> int:
    """Read logs; say what happened, who is affected and how we know.

    PATHS are files, folders or globs; plain, .gz or .zst. Nothing needs configuring: the format of each file is
    recognised, and said. Ends with 0 when nothing was found, 10 with detections, 2 when nothing was readable.
    """
    if opens and incident is not None:
        raise TocsinError(
            _("--open declares a new incident, --incident goes on with one."), mend=_("Give one of the two.")
        )
    zone = _zone(timezone)
    question = story.Question(
        options=events.ReadingOptions(
            timezone=timezone,
            trusted_proxies=_networks(trusted_proxy),
            since_ms=_moment(since, zone=zone, option="--since"),
            until_ms=_moment(until, zone=zone, option="--until"),
            skew_ms=dict(_skew(each) for each in skew),
        ),
        accounts=accounts,
        cohorts=cohort,
        rules=detections.load_rules(rules) if rules else None,
        command=("tocsin", "investigate", *paths, "--out", str(out)),
        threads=threads,
    )
    formats = (*wired.stated_formats(log_format=log_format, mapping=mapping), *wired.formats)
    investigation = watched(paths, out=out, formats=formats, question=question)
    if opens or incident is not None:
        _record(wired, investigation, incident=incident, acts=acts)
    return FOUND if investigation.detections else 0


def _record(wired: Wired, investigation: Investigation, *, incident: int | None, acts: Acting) -> None:
    """Put what was found into an incident: a new one, or the next revision of ``incident``."""
    with wired.rows():
        by = acts.author()
        if incident is None:
            declared, revision = story.declare(investigation, by=by)
            incident = declared.number
            click.echo(_("Incident {number} declared: {title}.").format(number=incident, title=declared.title))
        else:
            revision = story.revise(investigation, incident=incident, by=by)
    added, removed = (format_number(int(revision.counts[word])) for word in ("added", "removed"))
    click.echo(
        _("Revision {number} of its scope: {added} added, {removed} removed. See: tocsin scope show {incident}").format(
            number=revision.number, added=added, removed=removed, incident=incident
        )
    )


def watched(
    paths: tuple[str, ...], *, out: Path, formats: tuple[Format, ...], question: story.Question
) -> Investigation:
    """Run an investigation with its progress on stderr, then print the answer on stdout."""
    told = Console(stderr=True, highlight=False)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeElapsedColumn(),
        console=told,
        transient=True,
    ) as progress:
        bar = progress.add_task("", total=None)

        def reading(path: Path, done: int, total: int) -> None:
            progress.update(bar, description=printable(path.name)[-40:], completed=done, total=total)

        def accounts(columns: AccountColumns) -> None:
            told.print(Text(_taken(columns), style="dim"))

        def read(source: SourceRead) -> None:
            told.print(_told(source))

        def step(text: str) -> None:
            progress.update(bar, description=_(text), completed=0, total=None)

        investigation = story.investigate(
            paths,
            out=out,
            formats=formats,
            question=question,
            watching=story.Watching(
                reading=reading, accounts=accounts, read=read, rule=lambda rule: step(rule.title), step=step
            ),
        )
    for name in _fitting_nothing(question.options.skew_ms or {}, sources=investigation.sources):
        text = _("--skew {name}: no file that was read is of this format or name.").format(name=printable(name))
        told.print(Text(text, style="yellow"))
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 100)
    console.print(reports.render_terminal(reports.answer(investigation), investigation))
    return investigation


def _taken(columns: AccountColumns) -> str:
    names = ", ".join(printable(name) for name in columns.taken)
    text = _("Accounts by {account}; other names from: {names}").format(account=printable(columns.account), names=names)
    if columns.left:
        left = ", ".join(printable(name) for name in columns.left)
        text += "; " + _("no names, left out: {columns}").format(columns=left)
    return text


def _told(source: SourceRead) -> Text:
    line = ngettext("{file}: {format}, {lines} line", "{file}: {format}, {lines} lines", source.lines).format(
        file=printable(Path(source.path).name), format=_(source.format_title), lines=format_number(source.lines)
    )
    text = Text(line, style="dim")
    if source.rejected:
        text.append(_(", {n} rejected").format(n=format_number(source.rejected)), style="yellow")
    return text


def _fitting_nothing(names: Iterable[str], *, sources: Sequence[SourceRead]) -> list[str]:
    """Return the clock corrections that corrected nothing: most often a name mistyped."""
    return [name for name in names if not any(name == one.format or Path(one.path).match(name) for one in sources)]


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise TocsinError(
            _("There is no time zone of that name."), where=f"--timezone {name}", mend=_("For example: Europe/Paris")
        ) from error


def _moment(text: str | None, *, zone: tzinfo, option: str) -> int | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise TocsinError(
            _("This is not a time."), where=f"{option} {text}", mend=_("For example: 2026-11-01T08:00+01:00")
        ) from error
    return clock.to_ms((moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC))


def _skew(text: str) -> tuple[str, int]:
    name, _equals, amount = text.partition("=")
    unit = DAY_SECONDS.get(amount[-1:], 0)
    digits = amount[:-1] if unit else amount
    try:
        return name, round(float(digits) * (unit or 1) * 1000)
    except ValueError as error:
        raise TocsinError(
            _("This is not a clock correction."), where=f"--skew {text}", mend=_("For example: nginx_combined=+90s")
        ) from error


def _networks(given: tuple[str, ...]) -> tuple[str, ...]:
    for network in given:
        try:
            ip_network(network, strict=False)
        except ValueError as error:
            raise TocsinError(
                _("This is not a network."), where=f"--trusted-proxy {network}", mend=_("For example: 10.0.0.0/8")
            ) from error
    return given

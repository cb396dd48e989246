"""`tocsin contain follow`: what the protected product's own logs show of the accounts a plan contains."""

from pathlib import Path

import click

from tocsin import story
from tocsin.cli import listing
from tocsin.cli.acting import Acting, acting
from tocsin.cli.wired import Wired
from tocsin.containment import queries
from tocsin.containment.commands import ALLOWANCE_SECONDS, Breach, Seen
from tocsin.containment.values import DoneKind
from tocsin.events import commands as events
from tocsin.events.values import SourceRead
from tocsin.kernel import clock
from tocsin.kernel.language import format_datetime, format_number, gettext as _, ngettext
from tocsin.kernel.redaction import printable

BREACHED = 10  # the exit code when containment does not hold for somebody
HELD = 20  # when a stop rule held the plan because of what was seen
SHOWN_MAX = 20
_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.command("follow")
@click.argument("number", metavar="PLAN", type=click.IntRange(1))
@click.argument("paths", nargs=-1, required=True)
@click.option("--accounts", type=_FILE, help="CSV: account, then its other names.")
@click.option("--map", "mapping", type=_FILE, help="Mapping for another format.")
@click.option("--log-format", metavar="TEXT", help="A web server's log_format / LogFormat line.")
@click.option("--timezone", default="UTC", show_default=True, help="Zone of stamps that carry none, e.g. Europe/Paris.")
@click.option("--trusted-proxy", multiple=True, metavar="NETWORK", help="Believe X-Forwarded-For from here only.")
@click.option(
    "--allow-minutes", type=click.FloatRange(0), default=ALLOWANCE_SECONDS / 60, show_default=True,
    help="How long after the beginning of a wave old sessions may still work: the life of an access token.",
)  # fmt: skip
@click.option("--threads", type=click.IntRange(1, 64), help="Readers side by side (default: one per core).")
@acting
@click.pass_obj
def follow(
    wired: Wired,
    *,
    number: int,
    paths: tuple[str, ...],
    accounts: Path | None,
    mapping: Path | None,
    log_format: str | None,
    timezone: str,
    trusted_proxy: tuple[str, ...],
    allow_minutes: float,
    threads: int | None,
    acts: Acting,
) -> int:
    """Learn from logs which accounts of PLAN have done what is asked, and where containment does not hold.

    PATHS are files, folders or globs of the protected product's logs. Name growing files again as often as you like:
    nothing counts twice. Ends with 0, 10 when an old session still works or a suspended account still acts, 20 when
    a stop rule held the plan.
    """
    question = story.Question(
        options=events.ReadingOptions(timezone=timezone, trusted_proxies=trusted_proxy),
        accounts=accounts,
        threads=threads,
    )
    formats = (*wired.stated_formats(log_format=log_format, mapping=mapping), *wired.formats)
    with wired.rows():
        sources, seen = story.follow(
            number, paths, formats=formats, question=question, allowance_seconds=allow_minutes * 60, by=acts.author()
        )
        counts = queries.progress_counts(number)
        left = sum(line.accounts for line in queries.residue(number))
    closed = sum(each.accounts for each in counts if each.state.value == "closed")
    _show(sources, seen=seen)
    words = _("{closed} accounts of plan {number} are safe, {left} are not yet.")
    listing.lines(words.format(closed=format_number(closed), number=number, left=format_number(left)), style="bold")
    return _warned(seen)


def _show(sources: tuple[SourceRead, ...], *, seen: Seen) -> None:
    told = seen.recorded
    lines = sum(source.lines for source in sources)
    listing.console().print(
        listing.pairs(
            [
                (_("lines read"), format_number(lines)),
                (_("facts recorded"), format_number(told.new)),
                (_("known before"), format_number(told.repeated)),
                (_("accounts that became safe"), format_number(told.closed)),
                (_("done, a system has to show it"), format_number(told.done)),
                (_("open again"), format_number(told.reopened)),
            ]
        )
    )


def _warned(seen: Seen) -> int:
    """Say loudly, on standard error, what does not hold; return the exit code."""
    for breach in seen.breaches[:SHOWN_MAX]:
        _loud(_sentence(breach))
    if seen.breaches_count > SHOWN_MAX:
        more = seen.breaches_count - SHOWN_MAX
        _loud(ngettext("and {n} more account", "and {n} more accounts", more).format(n=format_number(more)))
    for account in seen.intruder_accounts[:SHOWN_MAX]:
        words = _("{account}: somebody signed in from an address of the intruder's. It counts as done for nobody.")
        _loud(words.format(account=account))
    if seen.held:
        _loud(_("A stop rule holds the plan: {reason}").format(reason=seen.held))
        return HELD
    return BREACHED if seen.breaches_count or seen.intruder_count else 0


def _sentence(breach: Breach) -> str:
    words = {
        DoneKind.OLD_SESSION_ACTIVE: _("{account}: a session of before still works, last at {at} ({events})."),
        DoneKind.SUSPENDED_ACTING: _("{account}: is suspended and still acts, last at {at} ({events})."),
    }[breach.kind]
    at = format_datetime(clock.from_ms(breach.last_ts), seconds=True)
    seen = ngettext("{n} event", "{n} events", breach.events).format(n=format_number(breach.events))
    return words.format(account=breach.account, at=at, events=seen)


def _loud(text: str) -> None:
    click.echo(click.style(printable(text), fg="red", bold=True), err=True)

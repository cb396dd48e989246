"""`tocsin whatsapp webhook|rates|spend`: what Meta tells us, and what it costs."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import click

from tocsin.cli import listing
from tocsin.cli.acting import Acting, acting
from tocsin.cli.given import secrets_in
from tocsin.cli.wired import Wired
from tocsin.kernel import clock
from tocsin.kernel.language import format_datetime, format_number, gettext as _, gettext_noop
from tocsin.messaging import commands, queries
from tocsin.messaging.queries import SpendBy
from tocsin.messaging.values import App

_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
_DAY = click.DateTime(["%Y-%m-%d"])
_MICROS = 1_000_000
HEADINGS = {
    SpendBy.DAY: gettext_noop("day"),
    SpendBy.NUMBER: gettext_noop("number"),
    SpendBy.BROADCAST: gettext_noop("broadcast"),
    SpendBy.CATEGORY: gettext_noop("category"),
    SpendBy.MARKET: gettext_noop("market"),
}
WHATSAPP = "whatsapp"


@click.group("webhook")
def webhook() -> None:
    """Where webhooks arrive, and those nobody understands."""


@webhook.command("add")
@click.argument("called", metavar="NAME")
@click.option("--secret", required=True, metavar="@FILE|env:VARIABLE", help="Where the secret is read from, once.")
@click.option("--kind", default=WHATSAPP, show_default=True, help="Whose webhooks they are.")
@acting
@click.pass_obj
def add(wired: Wired, called: str, secret: str, kind: str, acts: Acting) -> None:
    """Make a place where webhooks arrive; print its address and, for a Meta app, the token to type in there."""
    with wired.rows():
        made = commands.add_app(called, kind=kind, secrets=[_secret(secret)], by=acts.author())
        app = queries.app(made)
    _print_place(app)


def _print_place(app: App) -> None:
    rows: list[tuple[str, object]] = [(_("callback URL"), f"https://YOUR-HOST/webhooks/v1/{app.id}")]
    if app.kind == WHATSAPP:  # only Meta asks for it
        rows.append((_("verify token"), app.verify_token))
    listing.console().print(listing.pairs(rows))


@webhook.command("list")
@click.option("--tokens", is_flag=True, help="Show the verify tokens too: they are to be typed in at Meta.")
@listing.JSON
@click.pass_obj
def list_apps(wired: Wired, tokens: bool, as_json: bool) -> None:
    """List the places where webhooks arrive, how long two secrets are good, and how many webhooks wait."""
    with wired.rows():
        found, counts = queries.apps(), queries.intake_counts()
    if as_json:
        listing.print_json({"places": [_app_as_json(each, tokens=tokens) for each in found], "webhooks": counts})
        return
    table = listing.table(_("name"), _("kind"), _("path"), _("secrets"), _("verify token") if tokens else "")
    for app in found:
        older = [each.good_until for each in app.secrets if each.good_until is not None]
        secrets = _("one") if not older else _("two, the older until {when}").format(when=format_datetime(older[0]))
        listing.add(
            table, app.name, app.kind, f"/webhooks/v1/{app.id}", secrets, app.verify_token if tokens else ""
        )  # fmt: skip
    listing.console().print(table)
    for state, count in sorted(counts.items()):
        listing.lines(listing.counted(state, count))


@webhook.command("rotate")
@click.argument("called", metavar="NAME")
@click.option("--secret", required=True, metavar="@FILE|env:VARIABLE", help="Where the new secret is read from, once.")
@click.option(
    "--overlap-hours", default=float(commands.OVERLAP_HOURS), show_default=True, type=click.FloatRange(0, 24 * 30),
    help="How long the secret before stays good; 0: not at all.",
)  # fmt: skip
@acting
@click.pass_obj
def rotate(wired: Wired, called: str, secret: str, overlap_hours: float, acts: Acting) -> None:
    """Take a new secret; the one before stays good for a while, so that nothing that is on its way is lost."""
    with wired.rows():
        app = commands.rotate_app(called, secret=_secret(secret), overlap_hours=overlap_hours, by=acts.author())
    older = [each.good_until for each in app.secrets if each.good_until is not None]
    listing.lines(
        _("The secret before is good until {when}.").format(when=format_datetime(older[0])) if older
        else _("Only the new secret is good from now on.")
    )  # fmt: skip


@webhook.command("remove")
@click.argument("called", metavar="NAME")
@click.option("--reason", required=True, help="Why; it goes into the journal.")
@acting
@click.pass_obj
def remove(wired: Wired, called: str, reason: str, acts: Acting) -> None:
    """Take no more webhooks at NAME."""
    with wired.rows():
        commands.remove_app(called, reason=reason, by=acts.author())


def _app_as_json(app: App, *, tokens: bool) -> dict[str, object]:
    said = {**listing.plain(app), "path": f"/webhooks/v1/{app.id}"}
    return {**said, "verify_token": app.verify_token} if tokens else said


@webhook.command("aside")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@listing.JSON
@click.pass_obj
def aside(wired: Wired, limit: int, as_json: bool) -> None:
    """List webhooks that nobody understands, or that could not be taken in, newest first. None is ever dropped."""
    with wired.rows():
        found = queries.intake_aside(limit=limit)
    if as_json:
        for each in found:
            said = {"id": each.id, "received_at": each.received_at.isoformat(), "state": each.state}
            click.echo(json.dumps({**said, "tries": each.tries, "reason": each.reason, "sha256": each.digest}))
        return
    table = listing.table(_("number"), _("received at"), _("state"), _("tries"), _("reason"))
    for each in found:
        listing.add(
            table, each.id, format_datetime(each.received_at, seconds=True), each.state, each.tries, each.reason
        )
    listing.console().print(table)


@webhook.command("show")
@click.argument("number", type=int)
@click.pass_obj
def show(wired: Wired, number: int) -> None:
    """Print a webhook as it came. It may hold telephone numbers and what people wrote."""
    with wired.rows():
        _intake, body = queries.intake_body(number)
    try:
        text = json.dumps(json.loads(body), indent=2, ensure_ascii=True)
    except ValueError:
        text = repr(body)
    click.echo(text)


@webhook.command("retry")
@click.argument("numbers", type=int, nargs=-1, required=True)
@acting
@click.pass_obj
def retry(wired: Wired, numbers: tuple[int, ...], acts: Acting) -> None:
    """Take webhooks in again that were kept aside or failed: what they say may be understood by now."""
    with wired.rows():
        by = acts.author()
        for number in numbers:
            commands.retry_intake(number, by=by)


@click.group("rates")
def rates() -> None:
    """What a message costs: from files with dates, because Meta's prices change."""


@rates.command("import")
@click.argument("file", type=_FILE)
@acting
@click.pass_obj
def import_rates(wired: Wired, file: Path, acts: Acting) -> None:
    """Take in rates from a CSV file: valid_from,currency,market,category,messages_from,price.

    messages_from is the number in its month of the first message a price is for (0: all of them). Nothing is taken in
    when one line is wrong.
    """
    with wired.rows():
        count = commands.import_rates(file, by=acts.author())
    listing.lines(listing.counted(_("rates"), count))


@rates.command("list")
@click.option("--on", type=_DAY, help="Only those in force on this day.")
@listing.JSON
@click.pass_obj
def list_rates(wired: Wired, on: datetime | None, as_json: bool) -> None:
    """List the rates."""
    with wired.rows():
        found = queries.rates(on=on.date() if on else None)
    if as_json:
        listing.print_json(found)
        return
    table = listing.table(_("from"), _("market"), _("category"), _("messages from"), _("price"))
    for each in found:
        price = f"{format_number(each.micros / _MICROS, decimals=6)} {each.currency}"
        listing.add(
            table, each.valid_from_on, each.market, each.category, format_number(each.messages_from), price
        )  # fmt: skip
    listing.console().print(table)


@click.command("spend")
@click.option("--by", type=click.Choice([each.value for each in SpendBy]), default="day", show_default=True)
@click.option("--since", type=_DAY, help="From this day on (UTC); by default the first of this month.")
@click.option("--until", type=_DAY, help="Up to this day, and with it; by default today.")
@click.option("--currency", default="", help="Where there are rates in several.")
@listing.JSON
@click.pass_obj
def spend(wired: Wired, by: str, since: datetime | None, until: datetime | None, currency: str, as_json: bool) -> None:
    """Say what messages cost, each counted once on the day it arrived, by the rates that were imported."""
    today = clock.now().date()
    begin = since.date() if since else today.replace(day=1)
    end = (until.date() if until else today) + timedelta(days=1)
    with wired.rows():
        found = queries.spend(since=_midnight(begin), until=_midnight(end), by=SpendBy(by), currency=currency)
    if as_json:
        rows = [
            {by: each.key, "messages": each.messages, "free": each.free, "unpriced": each.unpriced,
             "cost": f"{each.micros / _MICROS:.6f}", "currency": each.currency}
            for each in found
        ]  # fmt: skip
        click.echo(json.dumps(rows))
        return
    table = listing.table(_(HEADINGS[SpendBy(by)]), _("messages"), _("free"), _("without a rate"), _("cost"))
    for each in found:
        cost = f"{format_number(each.micros / _MICROS, decimals=2)} {each.currency}"
        numbers = (each.messages, each.free, each.unpriced)
        listing.add(table, each.key or "-", *(format_number(number) for number in numbers), cost)
    listing.console().print(table)
    if any(each.unpriced for each in found):
        listing.lines(
            _("Some messages have no rate: import the file that has it with `tocsin whatsapp rates import`."),
            style="yellow",
        )


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _secret(place: str) -> str:
    return secrets_in((f"app_secret={place}",))["app_secret"]

"""`tocsin whatsapp analytics`: what Meta counted of messages, prices and templates."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from tocsin.cli import listing
from tocsin.cli.acting import Acting, acting
from tocsin.cli.whatsapp_asking import Change, asked, number_called, numbered
from tocsin.cli.wired import Wired
from tocsin.kernel import clock
from tocsin.kernel.language import format_datetime, format_number, gettext as _

STEPS = ("half_hour", "day", "month")
_DAYS = click.option("--days", type=click.IntRange(1, 365), default=7, show_default=True, help="So many days back.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
Points = Sequence[Mapping[str, Any]]


@click.group("analytics")
def analytics() -> None:
    """Say what Meta counted. What we counted ourselves: tocsin whatsapp spend."""


@analytics.command("messages")
@numbered
@_DAYS
@click.option("--by", "step", type=click.Choice(STEPS), default="day", show_default=True)
@_JSON
@click.pass_obj
def messages(wired: Wired, called: str, days: int, step: str, as_json: bool) -> None:
    """Say how many messages Meta sent and brought."""
    start, end = _span(days)
    with wired.rows():
        points = asked(wired, number_called(called), lambda meta: meta.analytics.messages(start, end, step=step))
    _print(points, {"sent": _("sent"), "delivered": _("delivered")}, as_json=as_json)


@analytics.command("prices")
@numbered
@_DAYS
@click.option("--by", "step", type=click.Choice(STEPS), default="day", show_default=True)
@_JSON
@click.pass_obj
def prices(wired: Wired, called: str, days: int, step: str, as_json: bool) -> None:
    """Say what Meta charges, by country, category and type of price."""
    start, end = _span(days)
    with wired.rows():
        points = asked(wired, number_called(called), lambda meta: meta.analytics.prices(start, end, step=step))
    columns = {
        "country": _("country"), "pricing_category": _("category"), "pricing_type": _("type"),
        "volume": _("messages"), "cost": _("cost"),
    }  # fmt: skip
    _print(points, columns, as_json=as_json)


@analytics.command("template")
@click.argument("template", metavar="TEMPLATE")
@numbered
@_DAYS
@_JSON
@click.pass_obj
def template(wired: Wired, called: str, template: str, days: int, as_json: bool) -> None:
    """Say how often TEMPLATE was sent, brought and read, in each language. Meta counts once `allow` was given."""
    start, end = _span(days)

    async def counted(meta: Any) -> list[dict[str, Any]]:
        found = {each.provider_id: each.language for each in await meta.templates.found(template)}
        points = await meta.analytics.templates(list(found), start, end)
        return [{**point, "language": found.get(str(point.get("template_id")), "")} for point in points]

    with wired.rows():
        points = asked(wired, number_called(called), counted)
    columns = {"language": _("language"), "sent": _("sent"), "delivered": _("delivered"), "read": _("read")}
    _print(points, columns, as_json=as_json)


@analytics.command("allow")
@numbered
@acting
@click.pass_obj
def allow(wired: Wired, called: str, acts: Acting) -> None:
    """Let Meta count how each template fares. It cannot be taken back."""
    with wired.rows():
        change = Change(wired, called, acts=acts)
        change.made(lambda meta: meta.analytics.allow_templates(), what="template analytics allowed")
    listing.lines(_("Meta counts templates from now on."))


def _span(days: int) -> tuple[datetime, datetime]:
    end = clock.now()
    return end - timedelta(days=days), end


def _print(points: Points, columns: Mapping[str, str], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(points, indent=2))
        return
    table = listing.table(_("from"), *columns.values())
    for point in points:
        start = format_datetime(datetime.fromtimestamp(int(point["start"]), UTC))
        listing.add(table, start, *(_cell(point.get(key, "")) for key in columns))
    listing.console().print(table)


def _cell(value: object) -> str:
    return format_number(value) if isinstance(value, int | float) else str(value)

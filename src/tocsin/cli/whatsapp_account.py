"""`tocsin whatsapp number|block|profile`: what Meta says of a number and its account, and what we change."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from tocsin.cli import listing
from tocsin.cli.acting import Acting, acting
from tocsin.cli.whatsapp_asking import (
    CHANNEL,
    Change,
    address_of,
    asked,
    document,
    joined,
    number_called,
    numbered,
    placed,
)
from tocsin.cli.wired import Wired
from tocsin.customers import commands as customer_commands, queries as customers
from tocsin.kernel.language import format_number, gettext as _, ngettext
from tocsin.messaging.errors import ContentNotUnderstood

PARTLY = 3
_PIN = click.option("--pin", prompt=True, hide_input=True, metavar="DIGITS", help="Six digits; asked for if left out.")


@click.group("number")
def number() -> None:
    """Show what Meta says of a number, and register it."""


@number.command("show")
@numbered
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.pass_obj
def show(wired: Wired, called: str, as_json: bool) -> None:
    """Show status, name, quality, pace, daily limit and health of a number."""
    with wired.rows():
        facts = asked(wired, number_called(called), lambda meta: meta.numbers.facts())
    if as_json:
        keys = (
            "id",
            "number",
            "name",
            "name_status",
            "quality",
            "status",
            "level",
            "tier",
            "can_send",
            "faults",
            "webhook",
        )
        click.echo(json.dumps({key: getattr(facts, key) for key in keys}, ensure_ascii=False, indent=2))
        return
    rows: list[tuple[str, object]] = [
        (_("number"), facts.number), (_("name"), f"{facts.name} ({facts.name_status})"), (_("status"), facts.status),
        (_("quality"), facts.quality), (_("health"), joined([facts.can_send, *facts.faults])), *_limits(facts),
    ]  # fmt: skip
    listing.console().print(listing.pairs(rows))


@number.command("limits")
@numbered
@click.pass_obj
def limits(wired: Wired, called: str) -> None:
    """Say how fast the number may send, how many people a day, and how many templates there may be."""

    async def both(meta: Any) -> tuple[Any, tuple[int, int]]:
        return await meta.numbers.facts(), await meta.templates.room()

    with wired.rows():
        facts, (count, most) = asked(wired, number_called(called), both)
    rows = [*_limits(facts), (_("templates"), f"{format_number(count)} / {format_number(most)}")]
    listing.console().print(listing.pairs(rows))


def _limits(facts: Any) -> list[tuple[str, object]]:
    people = facts.people_per_day
    return [
        (_("messages a second"), f"{format_number(facts.per_second)} ({facts.level or '-'})"),
        (_("people in 24 h"), f"{_('no limit') if people is None else format_number(people)} ({facts.tier or '-'})"),
    ]


@number.command("list")
@numbered
@listing.JSON
@click.pass_obj
def list_numbers(wired: Wired, called: str, as_json: bool) -> None:
    """List every number of the account."""
    with wired.rows():
        found = asked(wired, number_called(called), lambda meta: meta.numbers.every())
    if as_json:
        listing.print_json(found)
        return
    table = listing.table(_("id"), _("number"), _("name"), _("status"), _("quality"), _("level"))
    for each in found:
        listing.add(table, each.id, each.number, each.name, each.status, each.quality, each.level)
    listing.console().print(table)


@number.command("register")
@numbered
@_PIN
@acting
@click.pass_obj
def register(wired: Wired, called: str, pin: str, acts: Acting) -> None:
    """Register the number, so that it can send. The first PIN given becomes its own: keep it."""
    with wired.rows():
        change = Change(wired, called, acts=acts, is_setup=True)
        change.made(lambda meta: meta.numbers.register(pin), what="number registered")
    listing.lines(_("It is registered."))


@number.command("deregister")
@numbered
@click.option("--yes", is_flag=True, help="Do not ask.")
@acting
@click.pass_obj
def deregister(wired: Wired, called: str, yes: bool, acts: Acting) -> None:
    """Take the number off: it cannot send any more."""
    with wired.rows():
        change = Change(wired, called, acts=acts, is_setup=True)
        if not yes:
            click.confirm(_("Take {name} off?").format(name=change.channel.name), abort=True)
        change.made(lambda meta: meta.numbers.deregister(), what="number deregistered")
    listing.lines(_("It is taken off."))


@number.command("code")
@numbered
@click.option("--voice", is_flag=True, help="By a call instead of an SMS.")
@click.option("--language", default="en_US", show_default=True, metavar="CODE")
@acting
@click.pass_obj
def code(wired: Wired, called: str, voice: bool, language: str, acts: Acting) -> None:
    """Have Meta send the code that proves the number is yours."""
    with wired.rows():
        change = Change(wired, called, acts=acts, is_setup=True)
        change.made(lambda meta: meta.numbers.ask_code(by_voice=voice, language=language), what="code asked for")
    listing.lines(_("Give it with: tocsin whatsapp number verify"))


@number.command("verify")
@numbered
@click.option("--code", "given", prompt=True, metavar="DIGITS", help="What Meta sent.")
@acting
@click.pass_obj
def verify(wired: Wired, called: str, given: str, acts: Acting) -> None:
    """Give the code Meta sent."""
    with wired.rows():
        change = Change(wired, called, acts=acts, is_setup=True)
        change.made(lambda meta: meta.numbers.give_code(given), what="number verified")
    listing.lines(_("It is verified. Now: tocsin whatsapp number register"))


@number.command("pin")
@numbered
@_PIN
@acting
@click.pass_obj
def pin(wired: Wired, called: str, pin: str, acts: Acting) -> None:
    """Set the PIN of the number's two-step verification."""
    with wired.rows():
        Change(wired, called, acts=acts, is_setup=True).made(lambda meta: meta.numbers.set_pin(pin), what="PIN set")
    listing.lines(_("The PIN is set."))


@click.group("block")
def block() -> None:
    """List, block and unblock people. Only who wrote within 24 hours can be blocked."""


@block.command("list")
@numbered
@click.option("--reveal", is_flag=True, help="Show addresses whole; the journal keeps that you did.")
@listing.JSON
@acting
@click.pass_obj
def list_blocked(wired: Wired, called: str, reveal: bool, as_json: bool, acts: Acting) -> None:
    """List who is blocked."""
    with wired.rows():
        channel = number_called(called)
        if reveal:
            customer_commands.record_reveal(f"channel:{channel.name}", addresses=0, by=acts.author())
        found = asked(wired, channel, lambda meta: meta.blocked.every())
    shown = [*found] if reveal else [customers.masked(each) for each in found]
    listing.print_json(shown) if as_json else listing.lines(*shown)


@block.command("add")
@CHANNEL
@click.argument("addresses", nargs=-1, required=True, metavar="ADDRESS...")
@acting
@click.pass_obj
def add(wired: Wired, called: str, addresses: tuple[str, ...], acts: Acting) -> int:
    """Block people: telephone numbers with + and country, or business-scoped ids."""
    return _changed(wired, called, addresses, acts, act="block")


@block.command("remove")
@CHANNEL
@click.argument("addresses", nargs=-1, required=True, metavar="ADDRESS...")
@acting
@click.pass_obj
def remove(wired: Wired, called: str, addresses: tuple[str, ...], acts: Acting) -> int:
    """Let people write again."""
    return _changed(wired, called, addresses, acts, act="unblock")


def _changed(wired: Wired, called: str, addresses: Sequence[str], acts: Acting, *, act: str) -> int:
    with wired.rows():
        change = Change(wired, called, acts=acts)
        normal = [address_of(wired, change.channel, each) for each in addresses]
        answer = change.made(
            lambda meta: getattr(meta.blocked, act)(normal), what=f"people {act}ed", people=len(normal)
        )  # fmt: skip
    told = ngettext("Done for {n} person.", "Done for {n} people.", len(answer.done))
    listing.lines(told.format(n=format_number(len(answer.done))))
    for each in answer.failed:
        listing.lines(f"{each.address}: {each.code} {each.detail}", style="red")
    return PARTLY if answer.failed else 0


@click.group("profile")
def profile() -> None:
    """Show and change what people see of the business."""


@profile.command("show")
@numbered
@listing.JSON
@click.pass_obj
def show_profile(wired: Wired, called: str, as_json: bool) -> None:
    """Show the business profile."""
    with wired.rows():
        found = asked(wired, number_called(called), lambda meta: meta.profile.read())
    if as_json:
        listing.print_json(found)
        return
    rows = [(key, joined(value) if isinstance(value, list) else value) for key, value in found.items()]
    listing.console().print(listing.pairs(rows))


@profile.command("set")
@numbered
@click.option("--about", help="One line, 139 characters at most.")
@click.option("--address", help="Where the business is.")
@click.option("--description", help="512 characters at most.")
@click.option("--email", help="Where people can write to.")
@click.option("--website", "websites", multiple=True, help="Up to two addresses.")
@click.option("--vertical", help="Meta's word for the kind of business, e.g. ENTERTAIN.")
@click.option("--file", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="All of it as YAML or JSON.")
@acting
@click.pass_obj
def set_profile(
    wired: Wired, /, called: str, websites: tuple[str, ...], file: Path | None, acts: Acting, **given: str | None
) -> None:
    """Change the business profile; what is not named stays."""
    changes = dict(document(file)) if file else {}
    changes |= {key: value for key, value in given.items() if value is not None}
    changes |= {"websites": list(websites)} if websites else {}
    if not changes:
        raise click.UsageError(_("Say what is to be changed."))
    with wired.rows():
        change = Change(wired, called, acts=acts)
        try:
            change.made(lambda meta: meta.profile.write(changes), what="profile changed", fields=sorted(changes))
        except ContentNotUnderstood as error:
            raise placed(error, file or Path("--")) from error
    listing.lines(_("The profile is changed."))

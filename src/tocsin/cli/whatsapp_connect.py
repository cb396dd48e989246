"""`tocsin whatsapp connect|subscribe|test`: from a number at Meta to the first message that arrived."""

import asyncio
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from tocsin.cli import listing
from tocsin.cli.acting import Acting, acting
from tocsin.cli.given import secrets_in, settings_in
from tocsin.cli.whatsapp_asking import KIND, Change, asked_with, number_called, numbered
from tocsin.cli.wired import Wired
from tocsin.customers.values import AddressKind
from tocsin.journal.values import Author
from tocsin.kernel import clock
from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import gettext as _
from tocsin.kernel.remarks import Standing
from tocsin.messaging import commands, queries
from tocsin.messaging.errors import ChannelNotUnderstood, NoSuchApp
from tocsin.messaging.ports import Sending
from tocsin.messaging.states import MessageState
from tocsin.messaging.values import App, Channel, Content, Draft, LineUpdate, Message, Priority, Purpose
from tocsin.staff.errors import SealBroken, SealKeyMissing

FAULTY = 3
LOOK_SECONDS = 0.5
HELLO = "hello_world/en_US"  # what Meta gives every test account
WEBHOOKS = "/webhooks/v1/"
_STANDING = {Standing.OK: ("ok", "green"), Standing.WARNING: ("!", "yellow"), Standing.FAULT: ("x", "red")}
_OPEN = frozenset({MessageState.CLAIMED, MessageState.UNKNOWN, MessageState.SENT})
_ARRIVED = frozenset({MessageState.DELIVERED, MessageState.READ})
_PUBLIC = click.option("--public-url", metavar="URL", help="Where `tocsin serve` is reached from outside, https://.")


@click.command("connect")
@click.argument("called", metavar="NAME")
@click.option("--phone-number-id", "line", metavar="DIGITS", help="Meta's id of the number (API setup).")
@click.option("--waba-id", "account", metavar="DIGITS", help="Meta's id of the business account.")
@click.option(
    "--secret", "given", multiple=True, metavar="NAME=@FILE|env:VARIABLE",
    help="token and app_secret, read from a file or the environment; asked for if left out.",
)  # fmt: skip
@click.option("--config", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="More settings as YAML.")
@_PUBLIC
@click.option("--check", "only_check", is_flag=True, help="Only look; connect nothing.")
@click.option("--anyway", is_flag=True, help="Connect in spite of faults.")
@click.option("--replace", is_flag=True, help="Change one that is connected; what is not named stays.")
@acting
@click.pass_obj
def connect(
    wired: Wired,
    /,
    *,
    called: str,
    line: str | None,
    account: str | None,
    given: tuple[str, ...],
    config: Path | None,
    public_url: str | None,
    only_check: bool,
    anyway: bool,
    replace: bool,
    acts: Acting,
) -> int:
    """Connect a number under NAME: look whether everything is in order, say what to mend, then keep it.

    Looks at the token and its rights, the number, its name, quality, pace and daily limit, the webhooks and the
    templates. Ends with 0 when messages can go out, 3 when something must be mended first.
    """
    if public_url:
        _check_address(public_url)
    with wired.rows():
        if not (replace or only_check) and any(each.name == called for each in queries.channels()):
            raise ChannelNotUnderstood(
                _("A channel called {name} is connected already.").format(name=called),
                mend=_("Choose another name, or change this one with --replace."),
            )
        kept, sealed = _kept(called) if replace else ({}, {})
        settings = _settings({**kept, **_in_file(config)}, line=line, account=account)
        secrets = _secrets({**sealed, **secrets_in(given)}, with_app=not only_check)
        looked = asked_with(
            wired, called, settings=settings, secrets=secrets, ask=lambda meta: meta.looked_at()
        )  # fmt: skip
        _print_remarks(looked)
        if only_check:
            return FAULTY if looked.faulty else 0
        if looked.faulty and not anyway:
            listing.lines("", _("Not connected: mend what is marked x first, or add --anyway."))
            return FAULTY
        by = acts.author()
        channel = _connected(wired, called, _told(settings, looked), secrets, replace=replace, by=by)
        if looked.templates is not None:
            commands.save_templates(channel.account, looked.templates, complete=True)
        app = _app(called, secrets["app_secret"], by=by)
    _print_webhook(app, public_url)
    listing.lines(_("{name} is connected. Send yourself a message: tocsin whatsapp test --to +...").format(name=called))
    return FAULTY if looked.faulty else 0


@click.command("subscribe")
@numbered
@_PUBLIC
@acting
@click.pass_obj
def subscribe(wired: Wired, called: str, public_url: str | None, acts: Acting) -> None:
    """Have Meta send this account's webhooks: to the application's address, or with --public-url straight to ours.

    Meta asks the address at once whether it is ours, so `tocsin serve` must run and be reachable there.
    """
    with wired.rows():
        change = Change(wired, called, acts=acts, is_setup=True)
        to: dict[str, str] = {}
        if public_url:
            app = _app_of(queries.channel_secrets(change.channel.name)["app_secret"])
            if app is None:
                raise NoSuchApp(_("The number has no place for webhooks."), mend=_("Connect it again with --replace."))
            to = {"address": _callback(app, public_url), "verify_token": app.verify_token}
        change.made(lambda meta: meta.access.subscribe(**to), what="webhooks subscribed")
    listing.lines(_("Meta sends the webhooks of this account."))


@click.command("unsubscribe")
@numbered
@acting
@click.pass_obj
def unsubscribe(wired: Wired, called: str, acts: Acting) -> None:
    """Have Meta send this account's webhooks no more: before another system takes the number over."""
    with wired.rows():
        change = Change(wired, called, acts=acts, is_setup=True)
        change.made(lambda meta: meta.access.unsubscribe(), what="webhooks unsubscribed")
    listing.lines(_("Meta sends no webhooks of this account any more: no status, no answer arrives."))


@click.command("test")
@numbered
@click.option("--to", required=True, metavar="NUMBER", help="Your own telephone number, with + and country.")
@click.option(
    "--template", default="", metavar="NAME/LANGUAGE", help="By default hello_world, or one without variables."
)
@click.option("--text", default="", help="A text instead: only if you wrote to the number within 24 hours.")
@click.option("--seconds", type=click.IntRange(1), default=60, show_default=True, help="Wait so long for its status.")
@acting
@click.pass_obj
def test(wired: Wired, called: str, to: str, template: str, text: str, seconds: int, acts: Acting) -> int:
    """Send one message to yourself and wait for its status. Ends with 0 when it arrived, 3 when not.

    It is sent here, whether or not `tocsin serve` runs; its status comes back only while `tocsin serve` does.
    """
    with wired.rows():
        channel = number_called(called)
        sending = _open(wired, channel, queries.channel_secrets(channel.name))
        address = sending.address(to, kind=AddressKind.PHONE)
        draft = Draft(
            channel=channel.name,
            address=address,
            address_kind=AddressKind.PHONE,
            prepared=sending.prepare(_content(channel, address, template=template, text=text)),
            priority=Priority.CONVERSATION,
            purpose=Purpose.TEST,
        )
        [queued] = commands.queue_messages([draft], by=acts.author())
        if queued is None:
            raise RuntimeError("a draft without a key for once was not queued")
        asyncio.run(_drained(commands.Sender(lambda one, secrets: _open(wired, one, secrets), only=[channel.name])))
        message = queries.message(queued)
        until = time.monotonic() + seconds
        while message.state in _OPEN and time.monotonic() < until:
            time.sleep(LOOK_SECONDS)
            message = queries.message(queued)
    return _print_outcome(message, seconds=seconds)


async def _drained(sender: commands.Sender) -> None:
    await sender.drain(asyncio.Event())


def _open(wired: Wired, channel: Channel, secrets: Mapping[str, str]) -> Sending:
    return wired.channel(channel.kind, name=channel.name, settings=channel.settings, secrets=secrets)


def _content(channel: Channel, address: str, *, template: str, text: str) -> Content:
    """Return what is sent; TocsinError when it is known now that it would not go."""
    if text:
        if not queries.window_open(channel.name, address):
            raise TocsinError(
                _("This number did not write to yours within 24 hours, so no text may go."),
                mend=_("Write to it from your telephone first, while `tocsin serve` runs; or leave --text out."),
            )
        return {"type": "text", "text": {"body": text}}
    name, _slash, language = (_named(channel, template) if template else _usable(channel)).partition("/")
    return {"type": "template", "template": {"name": name, "language": {"code": language}}}


def _named(channel: Channel, template: str) -> str:
    """Return ``name/language`` of the template somebody named; TocsinError when it would wait to be approved."""
    name, _slash, language = template.partition("/")
    known = queries.templates(channel.account)
    named = [each for each in known if each.name == name]
    approved = sorted(each.language for each in named if each.is_approved)
    language = language.replace("-", "_") or ("en_US" if "en_US" in approved or not approved else approved[0])
    if not known or language in approved:
        return f"{name}/{language}"
    asking_again = _("`tocsin whatsapp templates sync` asks Meta for those there are.")
    if not named:
        raise TocsinError(_("There is no template {name}.").format(name=name), mend=asking_again)
    there = ", ".join(f"{each.language} {each.status}" for each in named)
    what = _("The template {name} is not approved in {language}; there is: {there}.")
    raise TocsinError(what.format(name=name, language=language, there=there), mend=asking_again)


def _usable(channel: Channel) -> str:
    """Return a template that may be sent as it is; Meta's own for tests where none is known yet."""
    known = queries.templates(channel.account)
    fit = [f"{each.name}/{each.language}" for each in known if each.is_approved and not _has_variables(each)]
    if fit or not known:
        return min(fit, key=lambda each: (not each.startswith("hello_world/"), each), default=HELLO)
    raise TocsinError(
        _("No template without variables is approved."),
        mend=_("Get one approved (tocsin whatsapp templates), or write to the number first and add --text."),
    )


def _has_variables(template: queries.Template) -> bool:
    """Say whether a wording needs parameters: variables, or a file in its header."""
    parts = json.dumps(list(template.components))
    return "{{" in parts or any(str(each.get("format", "TEXT")).upper() != "TEXT" for each in template.components)


def _print_outcome(message: Message, *, seconds: int) -> int:
    listing.lines(_("Message {id}: {state}.").format(id=message.id, state=message.state), style="bold")
    if message.state in _ARRIVED:
        return 0
    if message.state is MessageState.SENT:
        listing.lines(
            _("Meta took it; no status came within {n} seconds.").format(n=seconds),
            _("Look whether `tocsin serve` runs and Meta reaches it: tocsin whatsapp webhook list."),
        )
    else:
        listing.lines(" ".join(word for word in (message.reason, message.detail) if word), style="red")
    return FAULTY


def _kept(name: str) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    """Return the settings and secrets of a number that is connected, without what Meta is asked for again."""
    settings = queries.channel(name).settings
    asked_again = {"number", "level", "tier", "people_per_day"}
    try:
        secrets = queries.channel_secrets(name)
    except (SealBroken, SealKeyMissing):
        secrets = {}  # what is lost is given again: that is what this command is for
    return {key: value for key, value in settings.items() if key not in asked_again}, secrets


def _in_file(config: Path | None) -> Mapping[str, Any]:
    return settings_in(config, mend=_("`tocsin channel kinds whatsapp` explains every setting.")) if config else {}


def _settings(given: Mapping[str, Any], *, line: str | None, account: str | None) -> dict[str, Any]:
    settings = dict(given)
    for key, value, words in (
        ("phone_number_id", line, _("Meta's id of the number")),
        ("waba_id", account, _("Meta's id of the business account")),
    ):
        if value:
            settings[key] = value
        elif key not in settings:
            settings[key] = click.prompt(words, type=str)
    return settings


def _secrets(given: Mapping[str, str], *, with_app: bool) -> dict[str, str]:
    secrets = dict(given)
    words = {"token": _("Access token"), "app_secret": _("App secret")}
    for key in given:
        if key not in words:
            known = _("Known: {names}.").format(names=", ".join(words))
            raise TocsinError(_("There is no such secret."), where=f"--secret {key}", mend=known)
    for key in ("token", "app_secret") if with_app else ("token",):
        if not secrets.get(key):
            secrets[key] = click.prompt(words[key], hide_input=True, err=True).strip()
    return secrets


def _told(settings: Mapping[str, Any], looked: Any) -> dict[str, Any]:
    """Return the settings with what Meta says of the number, where staff said nothing."""
    number = looked.number
    if number is None:
        return dict(settings)
    told = {"number": number.number, "level": number.level, "tier": number.tier}
    known = {key: value for key, value in told.items() if value and not settings.get(key)}
    return {**settings, **known}


def _connected(
    wired: Wired, name: str, settings: dict[str, Any], secrets: Mapping[str, str], *, replace: bool, by: Author
) -> Channel:
    try:
        sending = wired.channel(KIND, name=name, settings=settings, secrets=secrets)
    except ChannelNotUnderstood:
        # A level or tier of Meta's that nobody here knows: the usual one, until staff say otherwise.
        settings = {key: value for key, value in settings.items() if key not in {"level", "tier"}}
        sending = wired.channel(KIND, name=name, settings=settings, secrets=secrets)
    named: Any = sending
    channel = commands.add_channel(
        name, kind=KIND, line=named.line, account=named.account, portfolio=named.portfolio, settings=settings,
        secrets=secrets, replace=replace, by=by,
    )  # fmt: skip
    people = sending.limits.people_per_day
    # Newer than what webhooks said before: a raise we overslept must not be taken back by an old word.
    facts = {"level": settings.get("level"), "people_per_day": -1 if people is None else people}
    commands.tell_lines([LineUpdate(account=named.account, line=named.line, at=clock.now(), facts=facts)])
    return channel


def _app(name: str, secret: str, *, by: Author) -> App:
    """Return where webhooks of the number's application arrive: one place for all numbers of one application."""
    try:
        found = _app_of(secret)
        if found is not None:
            return found
        if any(each.name == name for each in queries.apps()):
            return commands.rotate_app(name, secret=secret, by=by)
    except (SealBroken, SealKeyMissing):
        with suppress(NoSuchApp):
            commands.remove_app(name, reason="its secrets do not open any more", by=by)
    return queries.app(commands.add_app(name, kind=KIND, secrets=[secret], by=by))


def _app_of(secret: str) -> App | None:
    mine = (each for each in queries.apps() if each.kind == KIND and secret in {one.value for one in each.secrets})
    return next(mine, None)


def _check_address(public_url: str) -> None:
    """Raise TocsinError when Meta would send no webhooks there."""
    if not public_url.startswith(("https://", "http://127.0.0.1:", "http://localhost:")):
        raise TocsinError(
            _("Meta sends webhooks to https:// addresses only."), where="--public-url",
            mend=_("Put a proxy with a valid certificate in front of `tocsin serve`."),
        )  # fmt: skip


def _callback(app: App, public_url: str) -> str:
    _check_address(public_url)
    return public_url.rstrip("/") + WEBHOOKS + str(app.id)


def _print_remarks(looked: Any) -> None:
    for remark in looked.remarks:
        word, colour = _STANDING[remark.standing]
        listing.lines(f"{word:3}{remark.text}" + (f" {remark.mend}" if remark.mend else ""), style=colour)


def _print_webhook(app: App, public_url: str | None) -> None:
    listing.lines("", _("Paste these into Meta's console, under WhatsApp, Configuration, Webhook:"))
    address = _callback(app, public_url) if public_url else f"https://...{WEBHOOKS}{app.id}"
    rows = [(_("callback URL"), address), (_("verify token"), app.verify_token)]
    listing.console().print(listing.pairs(rows), soft_wrap=True)
    listing.lines(_("and subscribe to every field there is."), "")

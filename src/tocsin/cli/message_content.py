"""What a message says, from the options of the command line, in the shape its channel's kind wants."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from tocsin.customers import queries as customers
from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import gettext as _
from tocsin.messaging import queries
from tocsin.messaging.values import Channel, Content
from tocsin.notices import queries as notices
from tocsin.notices.queries import Wording

WHATSAPP = "whatsapp"
MAIL = "email"  # what every kind of channel that sends mail begins with
_WAYS_OUT = ("unsubscribe_url", "unsubscribe_to")  # settings of such a channel


@dataclass(frozen=True, slots=True)
class Said:
    """The options that say what a message says."""

    text: str
    subject: str
    content: Path | None
    template: str
    language: str
    params: Sequence[str]


def wording_of(said: Said, *, channel: Channel) -> Wording:
    """Return the wording the options give; the database must be open, for templates."""
    if sum(map(bool, (said.text, said.content))) > 1 or (said.content and said.template):
        raise click.UsageError(_("Give one of --text, --content and --template."))
    if said.params and not said.template:
        raise click.UsageError(_("--param goes with --template."))
    if said.template and channel.kind != WHATSAPP:
        raise click.UsageError(_("Templates are WhatsApp's; {channel} is {kind}.").format(
            channel=channel.name, kind=channel.kind))  # fmt: skip
    if said.content:
        wording = notices.wording_in(said.content, fallback=said.language)
        return _in_language(wording) if channel.kind.startswith(MAIL) and _says_languages(wording, said) else wording
    if said.template:
        return _template(said, account=channel.account)
    if said.text:
        return notices.one_wording(_text(said, kind=channel.kind), language=said.language or "en")
    raise click.UsageError(_("Say what it says: --text, --content or --template."))


def _says_languages(wording: Wording, said: Said) -> bool:
    """Say whether the languages of a wording were said by somebody, and not assumed."""
    return len(wording.contents) > 1 or bool(said.language)


def _in_language(wording: Wording) -> Wording:
    """Let each mail say its language, so that it is read aloud and laid out rightly."""
    contents = {language: {"language": language, **content} for language, content in wording.contents.items()}
    return Wording(contents, wording.fallback)


def _text(said: Said, *, kind: str) -> Content:
    if kind == WHATSAPP:
        return {"type": "text", "text": {"body": said.text}}
    if kind.startswith(MAIL):
        if not said.subject:
            raise click.UsageError(_("An e-mail needs a --subject."))
        tongue = customers.language(said.language)
        return {"subject": said.subject, "text": said.text, **({"language": tongue} if tongue else {})}
    if kind == "webhook":
        return {"type": said.subject or "message", "data": {"text": said.text}}
    return {"text": said.text}


def check_unsubscribing(wording: Wording, *, channel: Channel) -> None:
    """Raise TocsinError when a campaign would go by mail without a way out: each of its mails would fail by itself."""
    named = any(channel.settings.get(setting) for setting in _WAYS_OUT)
    own = all(content.get("unsubscribe_url") for content in wording.contents.values())
    if channel.kind.startswith(MAIL) and not (named or own):
        raise TocsinError(
            _("A campaign by mail needs a way to unsubscribe, and {name} has none.").format(name=channel.name),
            mend=_("Set unsubscribe_url or unsubscribe_to: `tocsin channel kinds {kind}` explains them.").format(
                kind=channel.kind
            ),
        )


def _template(said: Said, *, account: str) -> Wording:
    """Return the template in every language it is approved in; beside a text, it is what goes when that may not."""
    named = [each for each in queries.templates(account) if each.name == said.template]
    known = sorted(each.language for each in named if each.is_approved)
    asked = said.language.replace("-", "_")
    if named and not known:
        states = ", ".join(f"{each.language} {each.status}" for each in named)
        raise click.UsageError(
            _("The template is not approved: {states}. tocsin whatsapp templates sync asks again.").format(
                states=states
            )
        )
    if asked and known and asked not in known:
        there = ", ".join(known)
        raise click.UsageError(_("The template is not approved in {language}, only in {there}.").format(
            language=said.language, there=there))  # fmt: skip
    codes = known or [asked]
    if not codes[0]:
        raise click.UsageError(
            _("Nothing is known of this template here: add --language, or tocsin whatsapp templates sync.")
        )
    contents = {_tag(code): _filled(said, code) for code in codes}
    return Wording(contents, _tag(asked or next((code for code in codes if code.startswith("en")), codes[0])))


def _tag(code: str) -> str:
    return customers.language(code) or code


def _filled(said: Said, code: str) -> Content:
    template: dict[str, Any] = {"name": said.template, "language": {"code": code}}
    parameters = _parameters(said.params)
    if parameters:
        template["components"] = [{"type": "body", "parameters": parameters}]
    content: Content = {"type": "template", "template": template}
    return {**_text(said, kind=WHATSAPP), "when_shut": content} if said.text else content


def _parameters(params: Sequence[str]) -> list[Mapping[str, str]]:
    """Return ``1=...`` in the order of the numbers, ``name=...`` by their names."""
    found = []
    for param in params:
        name, equals, value = param.partition("=")
        if not equals or not name:
            raise click.UsageError(_("Write --param 1=value or --param name=value."))
        found.append((name, value))
    if all(name.isdecimal() for name, _value in found):
        ordered = sorted(found, key=lambda each: int(each[0]))
        if [int(name) for name, _value in ordered] != list(range(1, len(ordered) + 1)):
            raise click.UsageError(_("Numbered parameters are 1, 2, 3 and so on, each once."))
        return [{"type": "text", "text": value} for _name, value in ordered]
    if any(name.isdecimal() for name, _value in found):
        raise click.UsageError(_("Parameters are either all numbered or all named."))
    return [{"type": "text", "parameter_name": name, "text": value} for name, value in found]

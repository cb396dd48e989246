"""`tocsin channel words|flagged`: what staff choose for a channel beside its settings."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

import click

from tocsin.cli import listing
from tocsin.cli.acting import Acting, acting
from tocsin.cli.message_content import Said, wording_of
from tocsin.cli.wired import Wired
from tocsin.kernel.language import gettext as _, gettext_noop
from tocsin.messaging import commands, queries
from tocsin.messaging.queries import WhenFlagged, Words
from tocsin.messaging.values import Prepared

FLAGGED = {
    WhenFlagged.SEND: gettext_noop("campaigns go on as before"),
    WhenFlagged.SLOW: gettext_noop("campaigns go at a tenth of the pace"),
    WhenFlagged.HOLD: gettext_noop("campaigns wait"),
}
_word = partial(click.option, multiple=True, metavar="WORD")


@click.command("words")
@click.argument("called", metavar="NAME")
@_word("--stop", help="A word that stops, beside those of 26 languages; may be repeated.")
@_word("--start", help="A word by which they want it again.")
@_word("--without", help="A word that is none on this channel.")
@click.option("--everything", is_flag=True, help="A word stops all but security notices, not marketing alone.")
@click.option("--answer", "answers", multiple=True, metavar="LANGUAGE=TEXT", help="What is answered to a stop.")
@click.option("--usual", is_flag=True, help="Only the usual words, and no answer.")
@listing.JSON
@acting
@click.pass_obj
def words(
    wired: Wired, /, called: str, stop: Sequence[str], start: Sequence[str], without: Sequence[str], everything: bool,
    answers: Sequence[str], usual: bool, as_json: bool, acts: Acting,
) -> None:  # fmt: skip
    """Show by which words people stop what NAME sends them, or choose them anew.

    A message of nothing but the word counts, in any of 26 languages. It stops marketing and never a security notice;
    START begins again. An answer goes to who stopped marketing, in the language of the word, once a day.
    """
    with wired.rows():
        if stop or start or without or everything or answers or usual:
            prepared = _prepared(wired, called, answers)
            chosen = Words(tuple(stop), tuple(start), tuple(without), everything=everything, answers=prepared)
            commands.choose_words(called, chosen, by=acts.author())
        known = queries.channel_rules(called).words
    if as_json:
        listing.print_json(known)
        return
    rows: list[tuple[str, object]] = [
        (_("stops"), _("everything but security notices") if known.everything else _("marketing")),
        (_("words beside the usual"), ", ".join(known.stop)),
        (_("to begin again"), ", ".join(("START", *known.start))),
        (_("no such words here"), ", ".join(known.without)),
        *((_("answer in {language}").format(language=name), each.shown) for name, each in known.answers.items()),
    ]
    listing.console().print(listing.pairs([row for row in rows if row[1]]))


def _prepared(wired: Wired, called: str, answers: Sequence[str]) -> Mapping[str, Prepared]:
    """Return the answers by language as the channel sends them."""
    if not answers:
        return {}
    channel, secrets = queries.channel(called), queries.channel_secrets(called)
    sending = wired.channel(channel.kind, name=called, settings=channel.settings, secrets=secrets)
    found = {}
    try:
        for given in answers:
            language, equals, text = given.partition("=")
            if not equals or not text or not language.isalpha():
                raise click.UsageError(_("Write --answer en=TEXT."))
            said = Said(text, subject="Re: STOP", content=None, template="", language=language, params=())
            (content,) = wording_of(said, channel=channel).contents.values()
            found[language] = sending.prepare(content)
    finally:
        asyncio.run(sending.close())
    return found


@click.command("flagged")
@click.argument("called", metavar="NAME")
@click.option("--campaigns", type=click.Choice([each.value for each in WhenFlagged]), help="What becomes of them.")
@acting
@click.pass_obj
def flagged(wired: Wired, called: str, campaigns: str | None, acts: Acting) -> None:
    """Show or choose what becomes of campaigns while the provider warns that the quality of NAME is low.

    Security notices, answers and service messages go on in any case. The usual is slow: a tenth of the pace.
    """
    with wired.rows():
        if campaigns:
            commands.choose_when_flagged(called, WhenFlagged(campaigns), by=acts.author())
        chosen = queries.channel_rules(called).when_flagged
    listing.lines(_("While the provider warns of {name}: {what}.").format(name=called, what=_(FLAGGED[chosen])))

"""`tocsin whatsapp templates`: the wordings Meta approves, each in its languages."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from tocsin.cli import listing
from tocsin.cli.acting import Acting, acting
from tocsin.cli.message_shown import reason_words
from tocsin.cli.whatsapp_asking import CHANNEL, Change, asked, document, joined, number_called, numbered, placed
from tocsin.cli.wired import Wired
from tocsin.kernel.language import format_datetime, format_number, gettext as _, ngettext
from tocsin.messaging import commands, queries
from tocsin.messaging.errors import ContentNotUnderstood

PARTLY = 3
_NAME = click.argument("template", metavar="NAME")
_LANGUAGE = click.option("--language", default="", metavar="CODE", help="Only this language, e.g. en_US.")
_FILE = click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))


@click.group("templates")
def templates() -> None:
    """List, make and change message templates; keep those of need out of Meta's archive."""


@templates.command("list")
@numbered
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.pass_obj
def list_templates(wired: Wired, called: str, as_json: bool) -> None:
    """List the templates as Meta told of them last; `sync` asks again."""
    with wired.rows():
        found = queries.templates(number_called(called).account)
    if as_json:
        keys = (
            "name",
            "language",
            "status",
            "category",
            "quality",
            "reason",
            "held_reason",
            "provider_id",
            "components",
        )
        click.echo(
            json.dumps([{key: getattr(each, key) for key in keys} for each in found], ensure_ascii=False, indent=2)
        )
        return
    table = listing.table(_("name"), _("language"), _("status"), _("category"), _("quality"), _("seen"), _("held"))
    for each in found:
        seen = format_datetime(each.seen_at)
        held = reason_words(each.held_reason)
        row = (each.name, each.language, each.status, each.category, each.quality, seen, held)
        listing.add(table, *row, style="" if each.is_approved else "yellow")
    listing.console().print(table)


@templates.command("sync")
@numbered
@click.pass_obj
def sync(wired: Wired, called: str) -> None:
    """Ask Meta for every template, to the end of its list, and keep what it says."""
    with wired.rows():
        channel = number_called(called)
        _synced(wired, channel.account, asked(wired, channel, lambda meta: meta.templates.every()))


def _synced(_wired: Wired, account: str, found: Sequence[Any]) -> None:
    commands.save_templates(account, found, complete=True)
    told = ngettext("{n} template.", "{n} templates.", len(found)).format(n=format_number(len(found)))
    counts = Counter(each.status for each in found)
    listing.lines(" ".join([told, joined([listing.counted(word, n) for word, n in sorted(counts.items())])]))


@templates.command("show")
@CHANNEL
@_NAME
@_LANGUAGE
@click.pass_obj
def show(wired: Wired, called: str, template: str, language: str) -> None:
    """Show the template NAME with its wording, as JSON that `create` takes."""
    with wired.rows():
        found = asked(wired, number_called(called), lambda meta: meta.templates.found(template, language))
    for each in found:
        said = {
            "name": each.name, "language": each.language, "category": each.category,
            "parameter_format": each.parameter_format or "POSITIONAL", "components": each.components,
        }  # fmt: skip
        click.echo(json.dumps(said, ensure_ascii=False, indent=2))


@templates.command("create")
@CHANNEL
@_FILE
@acting
@click.pass_obj
def create(wired: Wired, called: str, file: Path, acts: Acting) -> None:
    """Submit the template in FILE (YAML or JSON: name, language, category, components) for Meta's review."""
    definition = document(file)
    with wired.rows():
        change = Change(wired, called, acts=acts)
        try:
            made = change.made(
                lambda meta: meta.templates.create(definition), what="template created", template=_named(definition)
            )
        except ContentNotUnderstood as error:
            raise placed(error, file) from error
        _keep(wired, change, str(definition["name"]))
    listing.lines(
        _("{name}: {status}, {category}.").format(name=_named(definition), status=made.status, category=made.category)
    )
    if str(definition["category"]).upper() != made.category:
        listing.lines(_("Meta chose another category: its price and its rules are another's."), style="yellow")


@templates.command("edit")
@CHANNEL
@_FILE
@acting
@click.pass_obj
def edit(wired: Wired, called: str, file: Path, acts: Acting) -> None:
    """Replace the wording of a template by the one in FILE; it cannot be sent again before Meta approved it."""
    definition = document(file)
    with wired.rows():
        change = Change(wired, called, acts=acts)
        try:
            change.made(
                lambda meta: meta.templates.edit(definition), what="template edited", template=_named(definition)
            )
        except ContentNotUnderstood as error:
            raise placed(error, file) from error
        _keep(wired, change, str(definition["name"]))
    listing.lines(_("{name} is under review.").format(name=_named(definition)))


@templates.command("delete")
@CHANNEL
@_NAME
@_LANGUAGE
@click.option("--yes", is_flag=True, help="Do not ask.")
@acting
@click.pass_obj
def delete(wired: Wired, called: str, template: str, language: str, yes: bool, acts: Acting) -> None:
    """Delete the template NAME in one language, or in all. Meta takes the name again after 30 days only."""
    with wired.rows():
        change = Change(wired, called, acts=acts)
        if not yes:
            click.confirm(_("Delete {name} for good?").format(name=template), abort=True)
        count = change.made(
            lambda meta: meta.templates.delete(template, language),
            what="template deleted",
            template=f"{template}/{language}",
        )
        _synced(wired, change.channel.account, asked(wired, change.channel, lambda meta: meta.templates.every()))
    listing.lines(ngettext("{n} language deleted.", "{n} languages deleted.", count).format(n=count))


@templates.command("archive")
@CHANNEL
@_NAME
@_LANGUAGE
@acting
@click.pass_obj
def archive(wired: Wired, called: str, template: str, language: str, acts: Acting) -> int:
    """Archive the template NAME. Meta deletes what is archived 28 days later."""
    return _archived(wired, called, template, language, acts, act="archive", what="template archived")


@templates.command("unarchive")
@CHANNEL
@_NAME
@_LANGUAGE
@acting
@click.pass_obj
def unarchive(wired: Wired, called: str, template: str, language: str, acts: Acting) -> int:
    """Take the template NAME out of the archive before Meta deletes it."""
    return _archived(wired, called, template, language, acts, act="unarchive", what="template unarchived")


def _archived(
    wired: Wired, called: str, template: str, language: str, acts: Acting, *, act: str, what: str
) -> int:  # fmt: skip
    async def archiving(meta: Any) -> Any:
        ids = [each.provider_id for each in await meta.templates.found(template, language)]
        return await getattr(meta.templates, act)(ids)

    with wired.rows():
        change = Change(wired, called, acts=acts)
        answer = change.made(archiving, what=what, template=f"{template}/{language}")
        _keep(wired, change, template)
    listing.lines(ngettext("{n} language done.", "{n} languages done.", len(answer.done)).format(n=len(answer.done)))
    for key, words in answer.failed.items():
        listing.lines(f"{key}: {words}", style="red")
    return PARTLY if answer.failed else 0


@templates.command("unpause")
@CHANNEL
@_NAME
@_LANGUAGE
@acting
@click.pass_obj
def unpause(wired: Wired, called: str, template: str, language: str, acts: Acting) -> None:
    """End a pause of NAME that pacing caused; a pause for low quality ends by itself."""

    async def unpausing(meta: Any) -> None:
        for each in await meta.templates.found(template, language):
            if each.status == "PAUSED":
                await meta.templates.unpause(each.provider_id)

    with wired.rows():
        change = Change(wired, called, acts=acts)
        change.made(unpausing, what="template unpaused", template=f"{template}/{language}")
        _keep(wired, change, template)
    listing.lines(_("{name} is unpaused.").format(name=template))


def _keep(wired: Wired, change: Change, name: str) -> None:
    """Keep what Meta now says of one template."""
    found = asked(wired, change.channel, lambda meta: meta.templates.found(name))
    commands.save_templates(change.channel.account, found, complete=False)


def _named(definition: Any) -> str:
    return f"{definition.get('name', '')}/{definition.get('language', '')}"

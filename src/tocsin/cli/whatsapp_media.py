"""`tocsin whatsapp media`: files at Meta, uploaded once and sent by their id."""

from pathlib import Path
from typing import Any

import click

from tocsin.cli import listing
from tocsin.cli.acting import Acting, acting
from tocsin.cli.whatsapp_asking import CHANNEL, Change, asked, number_called, numbered
from tocsin.cli.wired import Wired
from tocsin.kernel import clock
from tocsin.kernel.language import format_datetime, format_number, gettext as _
from tocsin.messaging import commands, queries

_FILE = click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
_TYPE = click.option("--type", "media_type", default="", metavar="TYPE", help="Its media type, where its name lies.")


@click.group("media")
def media() -> None:
    """Upload files to be sent, and fetch files people sent."""


@media.command("upload")
@CHANNEL
@_FILE
@_TYPE
@click.option("--again", is_flag=True, help="Even if Meta still has it.")
@acting
@click.pass_obj
def upload(wired: Wired, called: str, file: Path, media_type: str, again: bool, acts: Acting) -> None:
    """Upload FILE and print the id it is sent by. Meta keeps it for 30 days; until then it is not uploaded again."""
    with wired.rows():
        change = Change(wired, called, acts=acts)
        name = change.channel.name
        kept = None if again else _kept(wired, change, file, media_type)
        if kept is None:
            made = asked(wired, change.channel, lambda meta: meta.media.upload(file, media_type=media_type))
            kept = queries.KeptFile(
                channel=name, media_id=made.id, media_type=made.media_type, name=file.name, sha256=made.sha256,
                bytes=made.bytes, uploaded_at=clock.now(), expires_at=made.expires_at,
            )  # fmt: skip
            commands.remember_upload(kept, by=change.by)
    click.echo(kept.media_id)
    listing.lines(_("Meta keeps it until {time}.").format(time=format_datetime(kept.expires_at)))


def _kept(wired: Wired, change: Change, file: Path, media_type: str) -> queries.KeptFile | None:
    async def described(meta: Any) -> tuple[str, str]:
        found: tuple[str, str] = meta.media.described(file, media_type=media_type)
        return found

    checked, sha256 = asked(wired, change.channel, described)
    return queries.uploaded_file(change.channel.name, sha256=sha256, media_type=checked)


@media.command("list")
@numbered
@listing.JSON
@click.pass_obj
def list_media(wired: Wired, called: str, as_json: bool) -> None:
    """List the files Meta still has, those it forgets first at the head."""
    with wired.rows():
        found = queries.uploaded_files(number_called(called).name)
    if as_json:
        listing.print_json(found)
        return
    table = listing.table(_("id"), _("file"), _("type"), _("bytes"), _("kept until"))
    for each in found:
        until = format_datetime(each.expires_at)
        listing.add(table, each.media_id, each.name, each.media_type, format_number(each.bytes), until)
    listing.console().print(table)


@media.command("fetch")
@CHANNEL
@click.argument("media_id", metavar="ID")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="Where it is written.")
@click.option("--sha256", default="", metavar="HEX", help="What it must be, as the webhook announced it.")
@click.pass_obj
def fetch(wired: Wired, called: str, media_id: str, out: Path, sha256: str) -> None:
    """Fetch the file ID to --out, and check that it is whole. What people send can be fetched for 7 days."""
    with wired.rows():
        found = asked(wired, number_called(called), lambda meta: meta.media.fetch(media_id, out, sha256=sha256))
    rows = [(_("type"), found.media_type), (_("bytes"), format_number(found.bytes)), ("SHA-256", found.sha256)]
    listing.console().print(listing.pairs(rows))


@media.command("delete")
@CHANNEL
@click.argument("media_id", metavar="ID")
@acting
@click.pass_obj
def delete(wired: Wired, called: str, media_id: str, acts: Acting) -> None:
    """Have Meta forget the file ID; messages that wait with it could not be sent any more."""
    with wired.rows():
        change = Change(wired, called, acts=acts)
        change.made(lambda meta: meta.media.delete(media_id), what="file deleted", media_id=media_id)
        commands.forget_upload(change.channel.name, media_id)
    listing.lines(_("Meta forgot it."))


@media.command("sample")
@CHANNEL
@_FILE
@_TYPE
@acting
@click.pass_obj
def sample(wired: Wired, called: str, file: Path, media_type: str, acts: Acting) -> None:
    """Upload FILE as the sample of a template's header and print the handle that stands in its example."""

    async def sampled(meta: Any) -> str:
        token = await meta.access.token()
        handle: str = await meta.media.sample(token.app, file, media_type=media_type)
        return handle

    with wired.rows():
        change = Change(wired, called, acts=acts)
        handle = change.made(sampled, what="sample uploaded")
    click.echo(handle)

"""`tocsin staff`: the operator's people and their signing keys."""

from pathlib import Path

import click

from tocsin.cli import listing
from tocsin.cli.acting import Acting, acting, passphrase
from tocsin.cli.wired import Wired
from tocsin.kernel.language import format_datetime, gettext as _
from tocsin.staff import commands, queries


@click.group("staff")
def command() -> None:
    """Enrol the operator's people and their signing keys."""


@command.command("enrol")
@click.argument("person")
@click.option(
    "--new-key", type=click.Path(path_type=Path, dir_okay=False), help="Enrol with this key file; made if missing."
)
@click.option(
    "--new-passphrase-file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Read the new key's passphrase here instead of asking.",
)
@click.option("--new-agent", is_flag=True, help="Enrol with an Ed25519 key that ssh-agent holds.")
@acting
@click.pass_obj
def enrol(
    wired: Wired,
    person: str,
    new_key: Path | None,
    new_passphrase_file: Path | None,
    new_agent: bool,
    acts: Acting,
) -> None:
    """Enrol PERSON with a signing key: a file sealed by a passphrase, or one that ssh-agent holds.

    The first person can be enrolled by anybody; after that an enrolled person signs (--as, with --key or --agent).
    """
    if bool(new_key) == new_agent:
        raise click.UsageError(_("Give either --new-key FILE or --new-agent."))
    with wired.rows():
        by = acts.author()
        if new_key:
            sealed_by = passphrase(new_passphrase_file, again=not new_key.exists())
            member = commands.enrol_with_file(person, key_file=new_key, passphrase=sealed_by, by=by)
        else:
            member = commands.enrol_with_agent(person, by=by)
    listing.lines(_("{name} is enrolled with the key {key}.").format(name=member.name, key=member.public_key))


@command.command("list")
@listing.JSON
@click.pass_obj
def list_members(wired: Wired, as_json: bool) -> None:
    """List who is or was enrolled."""
    with wired.rows():
        members = queries.members()
    if as_json:
        listing.print_json(members)
        return
    table = listing.table(_("name"), _("public key"), _("kept in"), _("enrolled"), _("revoked"))
    for member in members:
        revoked = format_datetime(member.revoked_at) if member.revoked_at else ""
        enrolled = format_datetime(member.enrolled_at)
        listing.add(table, member.name, member.public_key, member.kept_in, enrolled, revoked)
    listing.console().print(table)


@command.command("revoke")
@click.argument("person")
@click.option("--reason", required=True, help="Why; it is kept in the journal.")
@acting
@click.pass_obj
def revoke(wired: Wired, person: str, reason: str, acts: Acting) -> None:
    """Revoke PERSON's key: it signs nothing from now on."""
    with wired.rows():
        by = acts.author()
        member = commands.revoke(person, reason=reason, by=by)
    listing.lines(_("The key of {name} is revoked.").format(name=member.name))

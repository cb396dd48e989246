"""`tocsin journal`: the record of our own work, and whether it still holds."""

import json
from pathlib import Path

import click

from tocsin.cli import listing
from tocsin.cli.acting import Acting, acting, said_by
from tocsin.cli.wired import Wired
from tocsin.journal import commands, queries
from tocsin.journal.values import Entry, Fault
from tocsin.kernel.language import format_datetime, format_number, gettext as _, gettext_noop, ngettext
from tocsin.staff import queries as staff

UNSOUND = 1  # the exit code that says: something in the journal does not hold

FAULTS = {
    Fault.ENTRY_MISSING: gettext_noop("an entry is missing, or stands in another's place"),
    Fault.ENTRY_CHANGED: gettext_noop("the entry is not what was numbered"),
    Fault.ENTRY_UNREADABLE: gettext_noop("the entry cannot be read any more"),
    Fault.ACT_SIGNATURE_WRONG: gettext_noop("the person's signature does not belong to this act"),
    Fault.PERSONAL_CHANGED: gettext_noop("a personal value is not what was committed to"),
    Fault.PERSONAL_MISSING: gettext_noop("a personal value is gone, and no entry says it was erased"),
    Fault.HEAD_CHANGED: gettext_noop("the head is not what was signed"),
    Fault.HEAD_SIGNATURE_WRONG: gettext_noop("the head's signature is wrong"),
    Fault.HEAD_KEY_WRONG: gettext_noop("the head was signed with another key"),
    Fault.HEAD_CHAIN_BROKEN: gettext_noop("the head does not point at the one before it"),
    Fault.ROOT_DIFFERS: gettext_noop("the entries do not lead to this head"),
    Fault.HEADS_MISSING: gettext_noop("the newest entries stand under no signed head"),
    Fault.EARLIER_HEAD_DIFFERS: gettext_noop("the history was written anew: a head kept outside says otherwise"),
}


@click.group("journal")
def command() -> None:
    """Verify the record of our own work, or prove one entry of it."""


@command.command("list")
@click.option("--subject", default="", metavar="TEXT", help="Only what was done to this, e.g. incident:<id>.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 100_000))
@listing.JSON
@click.pass_obj
def list_entries(wired: Wired, subject: str, limit: int, as_json: bool) -> None:
    """List the newest entries, oldest first."""
    with wired.rows():
        found = queries.entries(subject=subject, limit=limit)
        names = {str(member.id): member.name for member in staff.members()}
    if as_json:
        shown = ("number", "id", "written_at", "verb", "subject", "by", "facts")
        listing.print_json([{name: getattr(entry, name) for name in shown} for entry in found])
        return
    table = listing.table(_("number"), _("when"), _("what"), _("to what"), _("by"), _("facts"))
    for entry in found:
        number = "-" if entry.number is None else entry.number
        when = format_datetime(entry.written_at, seconds=True)
        listing.add(table, number, when, entry.verb, entry.subject, _by(entry, names=names), _facts(entry))
    listing.console().print(table)


@command.command("verify")
@click.option(
    "--head",
    "files",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="A head, or a witness's file of heads, kept outside this machine.",
)
@click.pass_obj
def verify(wired: Wired, files: tuple[Path, ...]) -> int:
    """Read the whole journal again and say what does not hold.

    Without --head (or a witness that is a file) a history that was written anew and signed again with the stolen key
    cannot be told from the true one. Ends with 0 when everything holds, 1 when something does not.
    """
    earlier = [head for file in files for head in queries.heads_in(file)]
    with wired.rows():
        found = queries.verification_of(earlier=earlier)
    for fault in found.faults:
        listing.lines(f"{fault.where}: {_(FAULTS[fault.fault])}", style="red")
    counted = _("{entries} entries, {heads} signed heads, {earlier} heads kept outside").format(
        entries=format_number(found.entries),
        heads=format_number(found.heads),
        earlier=format_number(found.earlier_heads),
    )
    if found.faults:
        n = len(found.faults)
        listing.lines(
            ngettext("{n} fault in: ", "{n} faults in: ", n).format(n=format_number(n)) + counted, style="bold red"
        )
        return UNSOUND
    listing.lines(_("The journal holds: {counted}.").format(counted=counted), style="green")
    if not found.earlier_heads:
        listing.lines(_("No head kept outside was compared: give one with --head, or name a TOCSIN_WITNESS."))
    return 0


@command.command("prove")
@click.argument("entry")
@click.option("--row", type=click.IntRange(0), help="Prove this row of a batch as well.")
@click.pass_obj
def prove(wired: Wired, entry: str, row: int | None) -> None:
    """Print the proof that ENTRY (number or id) is in the journal, as JSON for docs/verify_journal.py."""
    with wired.rows():
        proof = queries.proof(entry, row=row)
    click.echo(json.dumps(proof, indent=2))


@command.command("grown")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.pass_obj
def grown(wired: Wired, file: Path) -> None:
    """Print the proof that the journal only grew since the newest head in FILE. Ends with 1 when it did not."""
    earlier = max(queries.heads_in(file), key=lambda head: head.size)
    with wired.rows():
        proof = queries.growth_proof(earlier)
    click.echo(json.dumps(proof, indent=2))


@command.command("export")
@click.pass_obj
def export(wired: Wired) -> None:
    """Print every entry and head as lines of JSON for docs/verify_journal.py."""
    with wired.rows():
        for line in queries.history():
            click.echo(line)


@command.command("head")
@click.pass_obj
def head(wired: Wired) -> int:
    """Print the newest signed head; keep it somewhere else for `verify --head`."""
    with wired.rows():
        newest = queries.head()
    if newest is None:
        listing.lines(_("The journal is still empty."))
        return 0
    click.echo(queries.head_line(newest))
    return 0


@command.command("witness")
@click.pass_obj
def witness(wired: Wired) -> int:
    """Show the witness (TOCSIN_WITNESS) every head it has not seen, and say how far it is."""
    with wired.rows():
        commands.number_entries()
        failures = commands.deliver_heads()
        state = queries.witness_state()
    if not state["witness"]:
        listing.lines(
            _("No witness is chosen. Set TOCSIN_WITNESS to file:/other/storage/heads.jsonl or command:PROGRAM.")
        )
        return 0
    for failure in failures:
        listing.lines(failure, style="red")
    listing.lines(_("{witness} has seen {seen} of {size} entries.").format(**state))
    return UNSOUND if failures else 0


@command.command("erase")
@click.argument("person")
@acting
@click.pass_obj
def erase(wired: Wired, person: str, acts: Acting) -> None:
    """Erase what the journal says of PERSON (account:1234, staff:<id>); it stays valid."""
    with wired.rows():
        by = acts.author()
        count = commands.erase_person(person, by=by)
    listing.lines(ngettext("{n} value erased.", "{n} values erased.", count).format(n=format_number(count)))


def _by(entry: Entry, *, names: dict[str, str]) -> str:
    known = str(entry.by.get("staff", ""))
    name = names.get(known, known) or entry.personal.get("by_name", _("(erased)"))
    return said_by(name, entry.by["assurance"])


def _facts(entry: Entry) -> str:
    told = {**entry.facts, **{name: value for name, value in entry.personal.items() if name != "by_name"}}
    erased = {name: _("(erased)") for name in entry.erased}
    return ", ".join(f"{name}={value}" for name, value in {**told, **erased}.items())

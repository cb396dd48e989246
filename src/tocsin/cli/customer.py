"""`tocsin customer`: the people behind the accounts, and whether they can be reached."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

from tocsin.cli import listing
from tocsin.cli.acting import Acting, acting
from tocsin.cli.customer_wishes import object_to, wishes
from tocsin.cli.wired import Wired
from tocsin.customers import commands, queries
from tocsin.customers.errors import NoSuchCustomer
from tocsin.customers.values import Address, AddressKind, Imported, Person, Refusal
from tocsin.kernel.language import format_number, gettext as _, gettext_noop
from tocsin.notices import queries as notices
from tocsin.notices.queries import PeopleToTell
from tocsin.notices.values import Reached, Untold

REFUSED = 3
_REFUSALS = {
    Refusal.NO_ACCOUNT: gettext_noop("lines that name no account and no person"),
    Refusal.NO_ADDRESS: gettext_noop("lines that lead to a person without any address"),
    Refusal.BAD_PHONE: gettext_noop("lines with a telephone number that cannot be read (does --country fit?)"),
    Refusal.BAD_EMAIL: gettext_noop("lines with an e-mail address that cannot be one"),
    Refusal.BAD_LANGUAGE: gettext_noop("lines with a language that is none (write fr, pt-BR)"),
    Refusal.BAD_LINE: gettext_noop(
        "lines that cannot be read at all (more cells than headings, a quotation mark left open)"
    ),
    Refusal.ACCOUNT_OF_ANOTHER: gettext_noop("lines that claim an account which an earlier line gave to somebody else"),
}
UNTOLD = {
    Untold.UNKNOWN_ACCOUNT: gettext_noop("accounts that the address book does not have"),
    Untold.NO_ADDRESS: gettext_noop("accounts of people without any address"),
    Untold.NO_ADDRESS_HERE: gettext_noop("people without an address this channel reaches"),
    Untold.OWNS_ATTACKER_ACCOUNT: gettext_noop("accounts of people who also own an account of the intruder"),
    Untold.NOT_RENDERED: gettext_noop("people whose text this channel does not carry"),
}
KINDS = {
    AddressKind.PHONE: gettext_noop("telephone"),
    AddressKind.EMAIL: gettext_noop("e-mail"),
    AddressKind.WHATSAPP: gettext_noop("WhatsApp id"),
    AddressKind.APP: gettext_noop("your own product"),
}


@click.group("customer")
def command() -> None:
    """Bring in the people behind the accounts, and see whether they can be reached."""


command.add_command(object_to)


@command.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True, allow_dash=True))
@click.option("--country", default="", metavar="CC", help="Whose national telephone numbers these are, e.g. FR.")
@click.option("--refused", type=click.Path(path_type=Path, dir_okay=False), help="Where lines that are refused go.")
@acting
@click.pass_obj
def bring_in(wired: Wired, file: Path, country: str, refused: Path | None, acts: Acting) -> int:
    """Import a CSV whose first line names the columns; - reads standard input.

    Columns: account, person (your own number of the person, where somebody has several accounts), name, language,
    phone, email, whatsapp, app, preferred, country; English and French headings are understood. The same file may be
    imported again: nothing is done twice, and nothing is ever removed. Ends with 3 when something could not be used.
    """
    if country and not queries.known_country(country):
        raise click.UsageError(_("{code} is no country: write two letters, as in FR.").format(code=country))
    with _on_disk(file) as path, wired.rows():
        by = acts.author()
        with _bar() as bar:
            shown = bar.add_task(_("Reading"), total=None)
            imported = commands.import_customers(
                path, country=country, by=by, refused=refused,
                progress=lambda read, total: bar.update(shown, completed=read, total=total),
            )  # fmt: skip
    _print_imported(imported)
    return REFUSED if imported.refused else 0


@command.command("show")
@click.argument("who")
@click.option("--country", default="", metavar="CC", help="Reads a national telephone number, e.g. FR.")
@click.option("--reveal", is_flag=True, help="Show the addresses whole; the journal keeps that you did.")
@listing.JSON
@acting
@click.pass_obj
def show(wired: Wired, who: str, country: str, reveal: bool, as_json: bool, acts: Acting) -> None:
    """Show the person WHO is: their accounts, and how they can be reached.

    WHO is an account, a telephone number, a mail address or an id: of everybody who has it, a family may share one.
    """
    with wired.rows():
        owner = queries.person_of_account(who)
        found = [owner] if owner else queries.people_at(who, country=country)
        if not found:
            raise NoSuchCustomer(
                _("{who} leads to nobody: it is no account and no address of anybody.").format(who=who),
                mend=_("Import the list that has them: tocsin customer import FILE.csv"),
            )
        for person in found if reveal else ():
            commands.record_reveal(f"person:{person.id}", addresses=len(person.addresses), by=acts.author())
        stopped = [wishes(person.addresses) for person in found]
    if as_json:
        told = [
            {**_person_as_json(person, reveal=reveal), "does_not_want": [str(what) for _name, what in unwanted]}
            for person, unwanted in zip(found, stopped, strict=True)
        ]
        listing.print_json(told)
        return
    for place, (person, unwanted) in enumerate(zip(found, stopped, strict=True)):
        listing.lines(*([""] if place else []))
        _print_person(person, wanted_not=unwanted, reveal=reveal)


def _print_person(person: Person, *, wanted_not: list[tuple[str, object]], reveal: bool) -> None:
    rows: list[tuple[str, object]] = [
        (_("name"), person.name or _("not known")),
        (_("language"), person.language or _("not known")),
        (_("accounts"), ", ".join(person.accounts)),
    ]
    rows += [(_(KINDS[each.kind]), _address(each, reveal=reveal)) for each in person.addresses]
    rows += wanted_not
    listing.console().print(listing.pairs(rows))
    if not person.addresses:
        listing.lines(_("There is no way to reach this person."), style="yellow")


def _person_as_json(person: Person, *, reveal: bool) -> dict[str, object]:
    said = [replace(each, value=each.value if reveal else queries.masked(each.value)) for each in person.addresses]
    return {**listing.plain(person), "addresses": said}


def _address(address: Address, *, reveal: bool) -> str:
    said = address.value if reveal else queries.masked(address.value)
    return _("{address} (preferred)").format(address=said) if address.preferred else said


@command.command("reach")
@click.argument("what", metavar="INCIDENT|FOLDER")
@click.option("--revision", type=click.IntRange(1), help="A frozen revision; by default the latest.")
@click.option(
    "--nobody", type=click.Path(path_type=Path, dir_okay=False), help="Where the accounts nobody is told of go."
)
@listing.JSON
@click.pass_obj
def reach(wired: Wired, what: str, revision: int | None, nobody: Path | None, as_json: bool) -> int:
    """Say who of the affected can be reached, and list the accounts that lead to nobody. Nothing is sent.

    Accounts of the intruder are counted, and never told. Ends with 3 when accounts lead to nobody.
    """
    with wired.rows(), _found(what, revision) as found:
        reached = found.reached()
        left = sum(reached.nobody.values())
        file = nobody or Path(f"nobody-{reached.incident}-{reached.revision}.csv" if reached.incident else "nobody.csv")
        if left:
            found.write_nobody(file)
    if as_json:
        listing.print_json({**listing.plain(reached), "nobody_file": file if left else None})
        return REFUSED if left else 0
    _print_reached(reached)
    if left:
        listing.lines("", _("The accounts that lead to nobody are in {file}.").format(file=file))
    return REFUSED if left else 0


def _found(what: str, revision: int | None) -> AbstractContextManager[PeopleToTell]:
    if what.isdecimal() and not Path(what).is_dir():
        return notices.people_to_tell(int(what), number=revision)
    if revision:
        raise click.UsageError(_("A folder of findings has no revisions."))
    return notices.people_of_folder(Path(what))


def _print_reached(reached: Reached) -> None:
    rows: list[tuple[str, object]] = [
        (_("affected accounts"), format_number(reached.accounts - reached.attackers)),
        (_("people who can be reached"), format_number(reached.people)),
    ]
    rows += [(_("by {kind}").format(kind=_(KINDS[kind])), format_number(n)) for kind, n in reached.by_kind.items()]
    rows += [
        (_("who speak {language}").format(language=spoken) if spoken else _("language not known"), format_number(n))
        for spoken, n in reached.by_language.items()
    ]
    rows.append((_("accounts of the intruder, never told"), format_number(reached.attackers)))
    rows += [(_(UNTOLD[reason]), format_number(n)) for reason, n in reached.nobody.items()]
    listing.console().print(listing.pairs(rows))


def _print_imported(imported: Imported) -> None:
    rows: list[tuple[str, object]] = [
        (_("encoding"), _encoding(imported.encoding)),
        (_("columns"), ", ".join(f"{column} = {heading}" for column, heading in imported.columns.items())),
        (_("lines"), format_number(imported.lines)),
        (_("people new"), format_number(imported.made)),
        (_("people changed"), format_number(imported.changed)),
        (_("people as they were"), format_number(imported.unchanged)),
    ]
    if imported.ignored:
        rows.insert(2, (_("headings passed over"), ", ".join(imported.ignored)))
    listing.console().print(listing.pairs(rows))
    for reason, n in imported.refused.items():
        listing.lines(listing.counted(_(_REFUSALS[reason]), n), style="yellow")
    if imported.refused_file:
        listing.lines(_("They are in {file}: mend them there and import that file.").format(file=imported.refused_file))


def _encoding(name: str) -> str:
    words = {
        "utf-8": "UTF-8",
        "utf-8-sig": _("UTF-8 with a mark"),
        "utf-16": "UTF-16",
        "cp1252": "Latin-1 (Windows-1252)",
    }
    return words.get(name, name)


@contextmanager
def _on_disk(file: Path) -> Iterator[Path]:
    """Return the file itself; standard input is kept in one (0600) for the length of the import."""
    if str(file) != "-":
        yield file
        return
    descriptor, name = tempfile.mkstemp(prefix="tocsin-import-")
    try:
        with os.fdopen(descriptor, "wb") as kept:
            shutil.copyfileobj(sys.stdin.buffer, kept)
        yield Path(name)
    finally:
        Path(name).unlink()


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())

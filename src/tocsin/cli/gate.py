"""`tocsin gate`: the list the protected product checks against: built from a file, looked into, trusted, watched."""

import json
from pathlib import Path
from time import monotonic
from typing import Any

import click
from rich.console import Console

from tocsin.cli import contain_shown as shown, listing
from tocsin.cli.wired import Wired
from tocsin.containment import commands, queries
from tocsin.containment.queries import Built, Inspected
from tocsin.journal.values import MACHINE
from tocsin.kernel.clock import from_ms
from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import format_datetime, format_number, gettext as _, gettext_noop, ngettext

REFUSED = 20  # the exit code of a list that a gate would not take
COMBINATIONS_SHOWN = 50
_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
_OUT = click.Path(path_type=Path, dir_okay=False)


@click.group("gate")
def command() -> None:
    """Build, look into and hand on the list that the protected product checks against."""


@command.command("build")
@click.option("--from", "rows_file", type=_FILE, required=True, help="CSV: account,measures,since and more; gzip too.")
@click.option("--out", type=_OUT, required=True, help="The snapshot; what is there is replaced once this one is whole.")
@click.option("--rules", "rules_file", type=_FILE, help="CSV: platform,version_min[,unknown] or client, for everybody.")
@click.option(
    "--valid-days", default=30, show_default=True, type=click.IntRange(1, 3650), help="Then a new one is due."
)
@click.option("--epoch", type=click.IntRange(1, 2**53), help="Its number; by default one more than the last.")
@click.option("--reference", default="", help="What a person who is refused quotes to the help desk.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
def build(
    rows_file: Path,
    out: Path,
    rules_file: Path | None,
    valid_days: int,
    epoch: int | None,
    reference: str,
    as_json: bool,
) -> None:
    """Build and sign a list from a CSV file of accounts; no database is needed.

    Columns: account, measures (apart by ; | + or blanks), since (ISO 8601 with its zone, Unix seconds or milliseconds;
    empty is now), and where needed platform, version_min (update_client) and client (retire_client). Rows of one
    account are merged; a row without account is for everybody. When a line cannot be understood nothing is written.
    """
    began = monotonic()
    with Console(stderr=True).status(_("Starting")) as status:
        built = commands.build_list(
            rows_file, out=out, rules_file=rules_file, valid_days=valid_days, epoch=epoch, reference=reference,
            told=lambda stage: status.update(_(stage)),
        )  # fmt: skip
    seconds = monotonic() - began
    if as_json:
        click.echo(json.dumps(_built_as_json(built, seconds=seconds)))
    else:
        listing.console().print(listing.pairs(_described(built, seconds=seconds)))


def _built_as_json(built: Built, *, seconds: float) -> dict[str, Any]:
    names = (
        "epoch", "accounts", "rows", "nothing", "repeated", "shared", "combinations", "width", "rules", "bytes",
        "sha256",
    )  # fmt: skip
    return {"path": str(built.path), **{name: getattr(built, name) for name in names}, "seconds": round(seconds, 2)}


def _described(built: Built, *, seconds: float) -> list[tuple[str, object]]:
    number = format_number
    rows = [
        (_("list"), built.path),
        (_("epoch"), str(built.epoch)),
        (_("accounts"), number(built.accounts)),
        (_("lines"), number(built.rows)),
        (_("combinations of measures"), number(built.combinations)),
        (_("rules about clients"), number(built.rules)),
        (_("size"), _("{n} bytes, {each} an account").format(n=number(built.bytes), each=_each(built))),
        ("SHA-256", built.sha256),
        (_("time"), _("{seconds} s").format(seconds=number(seconds, decimals=1))),
    ]
    if built.repeated:
        rows.insert(4, (_("lines merged into another"), number(built.repeated)))
    if built.nothing:
        rows.insert(4, (_("lines that ask for nothing"), number(built.nothing)))
    if built.shared:
        rows.insert(4, (_("accounts that share a number, each held to both"), number(built.shared)))
    return rows


def _each(built: Built) -> str:
    return format_number(built.bytes / built.accounts, decimals=2) if built.accounts else "-"


# Why a gate of this installation would not take a list, in the reader's language; the gate itself speaks English.
REFUSALS = {
    "unreadable": gettext_noop("it cannot be read."),
    "not_a_snapshot": gettext_noop("it is no list of a gate."),
    "cut_off": gettext_noop("it is cut off."),
    "malformed": gettext_noop("its header cannot be understood."),
    "hash_mismatch": gettext_noop("its content is not what its header says."),
    "unsigned": gettext_noop("it is not signed."),
    "foreign_key": gettext_noop("it is signed with a key that is not this installation's."),
    "signature_wrong": gettext_noop("its signature is wrong."),
    "other_hash_key": gettext_noop("its accounts are hashed with another key."),
    "other_installation": gettext_noop("it belongs to another installation."),
    "expired": gettext_noop("it is past its time."),
}


@command.command("inspect")
@click.argument("snapshot", type=_FILE)
@listing.JSON
def inspect(snapshot: Path, as_json: bool) -> int:
    """Verify SNAPSHOT as a gate of this installation would, and show what it says.

    Exit code 20 when such a gate would refuse it, with the reason.
    """
    found = queries.inspect_list(snapshot)
    if as_json:
        counts = {str(code): count for code, count in found.counts.items()}
        said = {"path": str(found.path), "bytes": found.bytes, "sha256": found.sha256, "counts": counts}
        trusted = {"public_key": found.public_key, "refused": found.refused or None, "why": found.why or None}
        click.echo(json.dumps({**said, **trusted, "header": found.header}, ensure_ascii=False))
    else:
        _print_inspected(found)
    return REFUSED if found.refused else 0


def _print_inspected(found: Inspected) -> None:
    header = found.header
    until = header["not_after"]
    listing.console().print(
        listing.pairs(
            [
                (_("installation"), header["installation"]),
                (_("epoch"), str(header["epoch"])),
                (_("made at"), format_datetime(header["made_at"], seconds=True)),
                (_("good until"), format_datetime(from_ms(until)) if until else "-"),
                (_("accounts"), format_number(header["n"])),
                (_("size"), _("{n} bytes").format(n=format_number(found.bytes))),
                (_("signed by"), found.public_key),
                ("SHA-256", found.sha256),
                (
                    _("verdict"),
                    _("refused: {why}").format(why=_(REFUSALS.get(found.refused, found.why)))
                    if found.refused
                    else _("believed"),
                ),
            ]
        )
    )
    table = listing.table(_("combination"), _("accounts"), _("asks"))
    for code, count in sorted(found.counts.items(), key=lambda item: -item[1])[:COMBINATIONS_SHOWN]:
        listing.add(table, code, format_number(count), _asks(header, code=code))
    for rule in header["rules"]:
        if rule["everyone"]:
            listing.add(table, "-", _("everybody"), _rule(rule))
    listing.console().print(table)
    more = len(found.counts) - COMBINATIONS_SHOWN
    if more > 0:
        listing.lines(ngettext("and {n} more", "and {n} more", more).format(n=format_number(more)))


def _asks(header: dict[str, Any], *, code: int) -> str:
    if not 1 <= code <= len(header["combinations"]):
        return "?"
    said = []
    for demand in header["combinations"][code - 1]["demands"]:
        rule = demand["rule"]
        since = _("since {moment}").format(moment=format_datetime(demand["since"], seconds=True))
        said.append(_rule(header["rules"][rule]) if rule is not None else f"{shown.word(demand['measure'])} {since}")
    return ", ".join(said)


def _rule(rule: dict[str, Any]) -> str:
    if rule["measure"] == "retire_client":
        return " ".join(part for part in (shown.word("retire_client"), rule["client"], rule["platform"]) if part)
    return f"{shown.word('update_client')} {rule['platform']} {rule['version_min']}"


@command.command("trust")
@click.option("--out", type=_OUT, required=True, help="Where to write it (0600): it holds two secrets.")
@click.option("--pin", "pinned", type=_FILE, multiple=True, help="A snapshot to pin, for gates without `cryptography`.")
@click.option("--channel-trusted", is_flag=True, help="Let such gates take changes that they cannot verify.")
def trust(out: Path, pinned: tuple[Path, ...], channel_trusted: bool) -> None:
    """Write what a gate needs to believe this installation's lists: public key, hash key, the feed's token."""
    pins = [_pin(path) for path in pinned]
    said = commands.export_trust(out, pins=pins, channel_trusted=channel_trusted)
    rows = [(_("written to"), str(out)), (_("installation"), said["installation"]), (_("keys"), said["public_keys"][0])]
    listing.console().print(listing.pairs(rows))
    listing.lines(_("Keep it secret: who has it can find out whether an account is on the list."))


def _pin(path: Path) -> str:
    found = queries.inspect_list(path)
    if found.refused:
        mend = _("Pin a list that this installation signed.")
        raise TocsinError(_("This list would be refused: {why}").format(why=found.why), where=path, mend=mend)
    return found.sha256


@command.command("publish")
@click.pass_obj
def publish(wired: Wired) -> None:
    """Bring the list to where the plans and their progress are now; `tocsin serve` does so by itself."""
    with wired.rows():
        due = queries.list_due()
        count = commands.publish_changes(by=MACHINE)
        published = queries.list_in_force()
    if published is None:
        listing.lines(_("No plan is in force, so there is no list."))
        return
    words = _("Epoch {epoch}: {n} accounts.").format(epoch=published.epoch, n=format_number(published.accounts))
    changed = ngettext("{n} account was changed.", "{n} accounts were changed.", count).format(n=format_number(count))
    listing.lines(words, _("It is a new list.") if due else changed)


@command.command("status")
@listing.JSON
@click.pass_obj
def status(wired: Wired, as_json: bool) -> None:
    """Show the list in force, and what every gate last said that it enforces."""
    with wired.rows():
        published, gates = queries.list_in_force(), queries.gates()
    if as_json:
        listing.print_json({"list": published, "gates": gates})
        return
    if published is None:
        listing.lines(_("No list was published yet."))
        return
    listing.console().print(
        listing.pairs(
            [
                (_("epoch"), str(published.epoch)),
                (_("made at"), format_datetime(published.made_at, seconds=True)),
                (_("accounts"), format_number(published.accounts)),
                (_("plans"), ", ".join(str(number) for number in published.plans) or "-"),
                (_("list"), published.path),
            ]
        )
    )
    table = listing.table(_("gate"), _("enforces"), _("last heard of"), _("state"))
    for each in gates:
        state = _("current") if each.current else _("behind")
        listing.add(table, each.gate, f"{each.epoch}.{each.seq}", format_datetime(each.seen_at, seconds=True), state)
    listing.console().print(table) if gates else listing.lines(_("No gate has reported."))

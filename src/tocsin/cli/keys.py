"""`tocsin keys`: the keys of this installation, rotated without stopping anything."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from tocsin.cli import listing
from tocsin.cli.acting import Acting, acting
from tocsin.cli.wired import Wired
from tocsin.containment import commands as containment
from tocsin.journal.values import Author
from tocsin.kernel.home import home_path
from tocsin.kernel.language import format_datetime, format_number, gettext as _, gettext_noop, ngettext
from tocsin.messaging import commands as messaging
from tocsin.staff import commands, queries
from tocsin.staff.ports import SealedPlace
from tocsin.staff.values import KeyUse, Resealed, SealKey

_USES = {
    KeyUse.SEALS: gettext_noop("seals and opens"),
    KeyUse.NEXT: gettext_noop("opens; seals from the next rotation on"),
    KeyUse.OPENS: gettext_noop("opens what was sealed before"),
}
# What else lies beside the keys that seal, and what its loss costs: these are for the backup too.
_OTHERS = {
    "journal": gettext_noop("signs the heads of the journal; without it no entry can be numbered any more"),
    "events": gettext_noop("hashes session tokens in events; without it new events match no older ones by token"),
    "waves": gettext_noop("orders the waves of a plan; without it a plan under way is ordered anew"),
    "gate": gettext_noop("signs the gate's lists; without it every gate needs to be told to trust a new one"),
    "gate-hash": gettext_noop("hashes accounts in the gate's lists; without it every gate needs the new one"),
    "gate-feed": gettext_noop("lets gates fetch their lists; without it every gate needs the new one"),
}
Counted = tuple[str, Mapping[bytes, int]]  # a place, and how many values each key sealed there
LEFT = 21  # the exit code when something is still sealed by an older key: nothing failed


@click.group("keys")
def command() -> None:
    """See, rotate and check the keys that seal secrets, texts and files."""


@command.command("list")
@listing.JSON
def list_keys(as_json: bool) -> None:
    """List the keys of this installation: what each is for, and its file."""
    folder = home_path() / "keys"
    others = [name for name in _OTHERS if (folder / name).exists()]
    if as_json:
        rest = [{"name": name, "path": folder / name} for name in others]
        listing.print_json([*queries.seal_keys(), *rest])
        return
    table = listing.table(_("key"), _("what it does"), _("made"), _("file"))
    for key in queries.seal_keys():
        listing.add(table, key.name, _(_USES[key.use]), format_datetime(key.made_at), key.path)
    for name in others:
        listing.add(table, name, _(_OTHERS[name]), "", folder / name)
    listing.console().print(table)


@command.command("check")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.pass_obj
def check(wired: Wired, as_json: bool) -> int:
    """Say what is sealed by which key, what would be lost without it, and what is to be mended.

    Ends with 1 when something is to be mended.
    """
    with wired.rows():
        counted = [(place.what, place.counts()) for place in _places()]
    keys = queries.seal_keys()
    faults = [*_faults(keys), *_absent(keys, [counts for _what, counts in counted])]
    if as_json:
        click.echo(json.dumps(_plain(keys, counted, faults)))
    else:
        _print_check(keys, counted, faults)
    return 1 if faults else 0


def _plain(keys: Sequence[SealKey], counted: Sequence[Counted], faults: Sequence[str]) -> dict[str, Any]:
    return {
        "keys": [
            {"name": key.name, "use": key.use, "file": str(key.path), "made_at": key.made_at.isoformat()}
            for key in keys
        ],
        "sealed": [
            {"what": what, "values": {key.hex(): count for key, count in counts.items()}} for what, counts in counted
        ],
        "faults": list(faults),
    }  # fmt: skip


def _print_check(keys: Sequence[SealKey], counted: Sequence[Counted], faults: Sequence[str]) -> None:
    table = listing.table(_("sealed"), *(f"{key.name} ({_word(key)})" for key in keys), _("by a key that is not there"))
    for what, counts in counted:
        known = [counts.get(bytes.fromhex(key.name), 0) for key in keys]
        listing.add(table, _(what), *map(format_number, [*known, sum(counts.values()) - sum(known)]))
    listing.console().print(table)
    for fault in faults:
        listing.lines(fault, style="bold red")
    if not faults and not keys:
        listing.lines(_("Nothing is sealed yet; the key is made when something is."))
    elif not faults:
        listing.lines(_("All that is sealed can be opened. Keep a copy of these files apart from the database."))


@command.command("rotate")
@click.option("--prepare", is_flag=True, help="Only make the next key: to be copied to other machines first.")
@click.option("--keep", is_flag=True, help="Remove no older key: other machines may still seal by it.")
@click.option("--again", is_flag=True, help="Take a new key although something is still sealed by an older one.")
@click.option("--lost", is_flag=True, help="The key is lost for good: make a new one; what it sealed stays closed.")
@click.option("--reason", default="", help="Why; it is kept in the journal.")
@acting
@click.pass_obj
def rotate(
    wired: Wired, prepare: bool, keep: bool, again: bool, lost: bool, reason: str, acts: Acting
) -> int:  # fmt: skip
    """Let a new key seal from now on, and seal anew all data keys that an older one sealed.

    Nothing needs to be stopped: what runs takes up the new key within a second. An older key is removed when
    nothing is sealed by it any more. A rotation that was interrupted goes on when this is run again. Ends with 21
    when something is still sealed by an older key.
    """
    with wired.rows():
        by = acts.author()
        if prepare:
            key = commands.prepare_key(by=by)
            listing.lines(_("The next key {name} opens from now on: {path}").format(name=key.name, path=key.path))
            return 0
        begun = commands.begin_keys(reason=reason, by=by) if lost else None
        rotated = begun or commands.rotate_key(again=again, reason=reason, by=by)
        now = queries.seal_keys()[0]
        text = _("The key {name} seals from now on.") if rotated else _("Going on with the rotation to the key {name}.")
        listing.lines(text.format(name=now.name))
        done = _resealed(keep=keep, by=by)
    return _shown(done)


@command.command("remove")
@click.argument("digits", metavar="NAME")
@click.option("--reason", required=True, help="Why; it is kept in the journal.")
@click.option("--yes", is_flag=True, help="Do not ask: what only this key opens is lost.")
@acting
@click.pass_obj
def remove(wired: Wired, digits: str, reason: str, yes: bool, acts: Acting) -> None:
    """Remove the key NAME though values are still sealed by it: nobody can open them any more."""
    with wired.rows():
        by = acts.author()
        needed = sum(place.counts().get(_bytes(digits), 0) for place in _places())
        if needed and not yes:
            asked = ngettext(
                "{n} value that only this key opens will be lost for good. Go on?",
                "{n} values that only this key opens will be lost for good. Go on?", needed,
            )  # fmt: skip
            click.confirm(asked.format(n=format_number(needed)), abort=True, err=True)
        lost = commands.give_up_key(digits, places=_places(), reason=reason, by=by)
    listing.lines(_("The key {name} is removed. Remove it from your backups too.").format(name=digits))
    for what, count in lost.items():
        listing.lines(_("Lost, {what}: {n}").format(what=_(what), n=format_number(count)))


def _places() -> tuple[SealedPlace, ...]:
    return (*containment.sealed_places(), *messaging.sealed_places())


def _bytes(digits: str) -> bytes:
    try:
        return bytes.fromhex(digits)
    except ValueError as error:
        raise click.UsageError(_("A key is named by 16 hexadecimal digits; see `tocsin keys list`.")) from error


def _resealed(*, keep: bool, by: Author) -> Resealed:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bars: dict[str, TaskID] = {}

        def told(what: str, done: int, wanted: int) -> None:
            if what not in bars:
                bars[what] = progress.add_task(_(what), total=wanted)
            progress.update(bars[what], completed=done)

        return commands.reseal(_places(), keep=keep, told=told, by=by)


def _shown(done: Resealed) -> int:
    for each in done.places:
        if each.moved:
            listing.lines(_("Sealed anew, {what}: {n}").format(what=_(each.what), n=format_number(each.moved)))
        if each.broken:
            text = _("Does not open and was left, {what}: {n}")
            listing.lines(text.format(what=_(each.what), n=format_number(each.broken)), style="bold red")
    for name in done.removed:
        listing.lines(_("The key {name} is removed: nothing needs it. Keep it in the backup as long as older backups "
                        "of the database are kept.").format(name=name))  # fmt: skip
    left = sum(each.left for each in done.places)
    if left:
        text = ngettext("{n} value is still sealed by an older key, which is kept.",
                        "{n} values are still sealed by an older key, which is kept.", left)  # fmt: skip
        listing.lines(
            text.format(n=format_number(left)), _("Run `tocsin keys rotate` again; `tocsin keys check` says more.")
        )
    elif queries.rotation_unfinished():
        listing.lines(_("Older keys are kept. Run `tocsin keys rotate` again to remove them."))
    return LEFT if left else 0


def _word(key: SealKey) -> str:
    words = {KeyUse.SEALS: _("seals"), KeyUse.NEXT: _("next"), KeyUse.OPENS: _("opens")}
    return words[key.use]


def _faults(keys: Sequence[SealKey]) -> Iterator[str]:
    if queries.seal_key_lost():
        yield _("No key seals: restore keys/secrets from the backup, or see `tocsin keys rotate --help`.")
    for path in queries.unusable_seal_keys():
        yield _("{path} holds no key of 32 bytes: restore it from the backup.").format(path=path)
    for key in keys:
        if not key.is_private:
            yield _("{path} can be read by other accounts of this machine: chmod 600 {path}").format(path=key.path)


def _absent(keys: Sequence[SealKey], counted: Sequence[Mapping[bytes, int]]) -> Iterator[str]:
    known = {bytes.fromhex(key.name) for key in keys}
    for name in sorted({name for counts in counted for name in counts} - known):
        n = sum(counts.get(name, 0) for counts in counted)
        text = ngettext("{n} value is sealed by the key {name}, which is not there.",
                        "{n} values are sealed by the key {name}, which is not there.", n)  # fmt: skip
        mend = _("Put its file back from the backup as secrets.back beside the others.")
        yield f"{text.format(n=format_number(n), name=name.hex())} {mend}"

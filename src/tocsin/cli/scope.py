"""`tocsin scope`: who and what an incident affects, in numbered revisions."""

import click

from tocsin.cli import listing
from tocsin.cli.acting import Acting, acting, said_by
from tocsin.cli.wired import Wired
from tocsin.kernel.language import format_datetime, format_number, gettext as _, ngettext
from tocsin.scopes import commands, queries
from tocsin.scopes.values import Certainty, Claim, Decision, Revision, Why

ACCOUNTS_SHOWN = 20


@click.group("scope")
def command() -> None:
    """Show, question, compare and freeze who and what is affected."""


@command.command("show")
@click.argument("incident", type=click.IntRange(1))
@click.option("--revision", "number", type=click.IntRange(1), help="Another than the latest.")
@click.option("--limit", default=ACCOUNTS_SHOWN, show_default=True, type=click.IntRange(0, 100_000))
@listing.JSON
@click.pass_obj
def show(wired: Wired, incident: int, number: int | None, limit: int, as_json: bool) -> None:
    """Show a revision: its counts, its accounts, what it stands on, and who was taken out."""
    with wired.rows():
        every = queries.revisions(incident)
        revision = queries.revision(incident, number=number)
        rows = queries.affected_rows(revision, limit=limit)
        waiting = queries.claims_waiting(incident)
        excluded = queries.exclusions(incident)
    if as_json:
        told = {"revision": revision, "revisions": every, "affected": rows, "excluded": excluded, "claims": waiting}
        listing.print_json(told)
        return
    out = listing.console()
    others = ", ".join(f"{each.number} ({listing.word(each.state)})" for each in every)
    out.print(listing.pairs([*_described(revision), (_("revisions"), others)]))
    table = listing.table(_("account"), _("role"), _("certainty"), _("from"), _("to"), _("data"), _("why"))
    for row in rows:
        role, certainty = listing.word(row["role"]), listing.word(row["certainty"])
        rest = (row[name] for name in ("first_at", "last_at", "data", "reasons"))
        listing.add(table, row["account"], role, certainty, *rest)
    out.print()
    out.print(table)
    if revision.accounts > len(rows):
        more = revision.accounts - len(rows)
        listing.lines(ngettext("and {n} more", "and {n} more", more).format(n=format_number(more)))
    _print_decisions(excluded)
    _print_claims(waiting)


@command.command("why")
@click.argument("incident", type=click.IntRange(1))
@click.argument("account")
@click.option("--revision", "number", type=click.IntRange(1), help="Another than the latest.")
@listing.JSON
@click.pass_obj
def why(wired: Wired, incident: int, account: str, number: int | None, as_json: bool) -> None:
    """Say why ACCOUNT is in, or who took it out, or that no evidence names it."""
    with wired.rows():
        found = queries.why(incident, account=account, number=number)
    if as_json:
        listing.print_json(found)
        return
    listing.lines(_verdict(found), style="bold")
    if found.row:
        shown = [(name, value) for name, value in found.row.items() if value and name != "row_sha256"]
        listing.console().print(listing.pairs(shown))
    for each in found.detections:
        listing.lines(
            f"{each['uid']}  {each['rule_id']} v{each['rule_version']}  {each['suspect']}  {each['severity']}"
        )
        listing.lines(*(f"  {reason}" for reason in each.get("reasons", [])))
    _print_decisions(found.decisions)
    _print_claims(found.claims)


@command.command("diff")
@click.argument("incident", type=click.IntRange(1))
@click.argument("earlier", type=click.IntRange(1), required=False)
@click.argument("later", type=click.IntRange(1), required=False)
@listing.JSON
@click.pass_obj
def diff(wired: Wired, incident: int, earlier: int | None, later: int | None, as_json: bool) -> None:
    """Say what came in, went out or changed between two revisions; the last two unless told."""
    with wired.rows():
        last = later or queries.revision(incident).number
        first = earlier or max(1, last - 1)
        found = queries.difference(incident, earlier=first, later=last)
    if as_json:
        listing.print_json(found)
        return
    listing.lines(_("revision {earlier} to {later}").format(earlier=first, later=last), style="bold")
    for sign, word, names, count in (
        ("+", _("added"), found.added, found.added_count),
        ("-", _("removed"), found.removed, found.removed_count),
        ("~", _("role or certainty changed"), found.changed, found.changed_count),
    ):
        listing.lines(listing.counted(word, count), *(f"  {sign} {name}" for name in names))


@command.command("freeze")
@click.argument("incident", type=click.IntRange(1))
@acting
@click.pass_obj
def freeze(wired: Wired, incident: int, acts: Acting) -> None:
    """Freeze the latest revision: it is checked, given a digest, and never changes again."""
    with wired.rows():
        by = acts.author()
        frozen = commands.freeze_scope(incident, by=by)
    listing.console().print(listing.pairs(_described(frozen)))


@command.command("exclude")
@click.argument("incident", type=click.IntRange(1))
@click.argument("accounts", nargs=-1, required=True)
@click.option("--reason", required=True, help="Why; it is kept with the decision and in the journal.")
@acting
@click.pass_obj
def exclude(
    wired: Wired,
    incident: int,
    accounts: tuple[str, ...],
    reason: str,
    acts: Acting,
) -> None:
    """Take ACCOUNTS out of the scope. It holds as long as the evidence it was decided on stays the same."""
    with wired.rows():
        by = acts.author()
        revision = commands.exclude_accounts(incident, accounts=accounts, reason=reason, by=by)
    listing.console().print(listing.pairs(_described(revision)))


@command.command("claim")
@click.argument("incident", type=click.IntRange(1))
@click.argument("account")
@click.option("--text", default="", help="What the person says.")
@click.option("--accept", is_flag=True, help="Accept the claim: the account comes in.")
@click.option("--reject", is_flag=True, help="Reject the claim.")
@click.option(
    "--certainty",
    type=click.Choice([each.value for each in Certainty]),
    default=Certainty.LIKELY.value,
    show_default=True,
)
@click.option("--reason", default="", help="Why it is accepted or rejected.")
@acting
@click.pass_obj
def claim(
    wired: Wired,
    incident: int,
    account: str,
    text: str,
    accept: bool,
    reject: bool,
    certainty: str,
    reason: str,
    acts: Acting,
) -> None:
    """Record that somebody says ACCOUNT is affected; or decide on it with --accept or --reject."""
    if accept and reject:
        raise click.UsageError(_("Either --accept or --reject."))
    if (accept or reject) and not reason:
        raise click.UsageError(_("A decision needs a --reason."))
    with wired.rows():
        by = acts.author()
        if accept:
            commands.accept_claim(incident, account=account, certainty=Certainty(certainty), reason=reason, by=by)
        elif reject:
            commands.reject_claim(incident, account=account, reason=reason, by=by)
        else:
            commands.claim_account(incident, account=account, text=text, by=by)
        found = queries.why(incident, account=account)
    listing.lines(_verdict(found), style="bold")
    _print_claims(found.claims)


def _described(revision: Revision) -> list[tuple[str, object]]:
    counts = revision.counts
    certainty = ", ".join(listing.counted(listing.word(word), n) for word, n in counts["certainty"].items()) or "-"
    role = ", ".join(listing.counted(listing.word(word), n) for word, n in counts["role"].items()) or "-"
    changes = ", ".join(
        listing.counted(word, counts[key])
        for key, word in (
            ("added", _("added")),
            ("removed", _("removed")),
            ("changed", _("changed")),
            ("excluded", _("excluded")),
            ("lapsed", _("exclusions lapsed, their evidence changed")),
        )
    )
    segments = sum(1 for pin in revision.pins if pin.kind == "segment")
    described: list[tuple[str, object]] = [
        (_("incident"), revision.incident),
        (_("revision"), f"{revision.number} ({listing.word(revision.state)})"),
        (_("opened"), f"{format_datetime(revision.opened_at)}, {said_by(revision.by, revision.assurance)}"),
        (_("accounts"), format_number(revision.accounts)),
        (_("certainty"), certainty),
        (_("role"), role),
        (_("against the one before"), changes),
        (
            _("stands on"),
            _("{sources} sources, {segments} segments").format(sources=len(revision.sources), segments=segments),
        ),
    ]
    if revision.digest and revision.frozen_at:
        described += [(_("frozen"), format_datetime(revision.frozen_at, seconds=True)), (_("digest"), revision.digest)]
    return described


def _verdict(found: Why) -> str:
    values = {"account": found.account, "revision": found.revision}
    if found.row:
        text = _("{account} is in revision {revision}: {role}, {certainty}.")
        return text.format(
            **values, role=listing.word(found.row["role"]), certainty=listing.word(found.row["certainty"])
        )
    if found.decisions and found.decisions[-1].kind == "excluded":
        return _("{account} was taken out; it is not in revision {revision}.").format(**values)
    return _("{account} is not in revision {revision}: no evidence there names it.").format(**values)


def _print_decisions(decisions: list[Decision] | tuple[Decision, ...]) -> None:
    words = {"excluded": _("taken out"), "included": _("taken in")}
    for each in decisions:
        who = said_by(each.by, each.assurance)
        listing.lines(f"{words[each.kind]}: {each.account}, {format_datetime(each.made_at)}, {who}: {each.reason}")


def _print_claims(claims: list[Claim] | tuple[Claim, ...]) -> None:
    for each in claims:
        listing.lines(_("claim ({state}): {account}, {at}: {text}").format(
            state=listing.word(each.state), account=each.account, at=format_datetime(each.made_at), text=each.text
        ))  # fmt: skip

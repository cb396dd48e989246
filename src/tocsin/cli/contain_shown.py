"""What `tocsin contain` prints: dry runs, the funnel as bars, the honest rest, one account's story."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from rich.text import Text

from tocsin.cli import listing
from tocsin.containment.queries import ResidueLine, StepState
from tocsin.containment.values import GATE, AccountStory, FunnelLine, Plan, Watched
from tocsin.kernel.language import format_datetime, format_number, gettext, gettext as _, gettext_noop, ngettext

BAR_COLUMNS = 30
WORDS = {
    "drawn": gettext_noop("drawn, waits for approval"),
    "approved": gettext_noop("approved, may start"),
    "running": gettext_noop("running"),
    "paused": gettext_noop("paused"),
    "closed": gettext_noop("closed"),
    "undone": gettext_noop("undone"),
    "superseded": gettext_noop("superseded"),
    "waiting": gettext_noop("waiting"),
    "begun": gettext_noop("begun"),
    "held": gettext_noop("held"),
    "planned": gettext_noop("planned"),
    "sending": gettext_noop("being sent"),
    "sent": gettext_noop("sent"),
    "confirmed": gettext_noop("in force, read back"),
    "done": gettext_noop("done by the person"),
    "unreachable": gettext_noop("not reachable"),
    "refused": gettext_noop("refused by the system"),
    "exempt": gettext_noop("exempt"),
    "undoing": gettext_noop("being undone"),
    "appealed": gettext_noop("appealed"),
    "reauthenticate": gettext_noop("sign in again"),
    "reset_password": gettext_noop("choose a new password"),
    "revoke_sessions": gettext_noop("end sessions"),
    "update_client": gettext_noop("update the client"),
    "retire_client": gettext_noop("replace the client"),
    "rotate_key": gettext_noop("rotate the key"),
    "suspend": gettext_noop("suspend"),
    "measured": gettext_noop("contained"),
    "none": gettext_noop("nothing is asked"),
    "unknown": gettext_noop("unknown"),
    "principal": gettext_noop("identities"),
    "failed_sign_ins_per_account": gettext_noop("failed sign-ins per account"),
    "resets_per_minute": gettext_noop("password resets in one minute"),
    "complaints_share": gettext_noop("complaints per account"),
    "collateral_share": gettext_noop("needlessly contained, per account"),
    "undone_by_staff": gettext_noop("undone by staff"),
    "released_by_staff": gettext_noop("released by staff"),
    "appeal_upheld": gettext_noop("appeal upheld"),
    "left_the_scope": gettext_noop("no longer in the scope"),
    "signed_in": gettext_noop("signed in"),
    "password_changed": gettext_noop("password changed"),
    "sessions_ended": gettext_noop("sessions ended"),
    "client_seen": gettext_noop("client seen"),
    "key_rotated": gettext_noop("key rotated"),
    "suspended": gettext_noop("suspended"),
    "old_session_active": gettext_noop("a session of before still works"),
    "suspended_acting": gettext_noop("suspended, and still acts"),
    "calls_per_reset": gettext_noop("contacts with support per reset"),
    "calls_per_sign_in": gettext_noop("contacts with support per other sign-in"),
    "mail_lost_share": gettext_noop("share of messages that reach nobody"),
    "mails_per_minute": gettext_noop("messages a minute"),
    "upheld": gettext_noop("upheld"),
    "rejected": gettext_noop("rejected"),
}
OPEN_WORDS = {
    "wave_waiting": gettext_noop("their wave has not begun"),
    "appealed": gettext_noop("they object, and nobody has decided yet"),
    "never_seen": gettext_noop("nothing was heard of them since the containment time"),
    "not_done": gettext_noop("seen since, but they have not done what is asked"),
    "client_not_updated": gettext_noop("seen again with the old client"),
    "old_session_active": gettext_noop("a session of before still works: containment does not hold there"),
    "suspended_acting": gettext_noop("suspended, and still acts: containment does not hold there"),
    "old_password_grace": gettext_noop("changed, but a connected system still takes the old password"),
    "system_waiting": gettext_noop("a system has not shown yet that it holds"),
    "system_unreachable": gettext_noop("a connected system does not know them or does not answer"),
    "system_refused": gettext_noop("a connected system refused"),
}
# What a bar is drawn with, from done to not begun; each reads without colour too.
_BAR = (
    (("closed",), "█", "green"),
    (("done",), "▓", "green"),
    (("confirmed",), "▒", "cyan"),
    (("sent", "sending", "undoing", "appealed"), "░", "yellow"),
    (("unreachable", "refused"), "!", "red"),
    (("exempt", "undone"), "-", "dim"),
    (("planned",), "·", "dim"),
)


def word(value: str) -> str:
    """Return a word of containment in the reader's language; any other as it is."""
    return gettext(WORDS[value]) if value in WORDS else listing.word(value)


def measure_words(text: str) -> str:
    """Return ``update_client android 8.11`` with its first word translated."""
    first, _blank, rest = text.partition(" ")
    return f"{word(first)} {rest}".strip()


def plan_lines(plan: Plan, *, approvals: tuple[int, int]) -> list[tuple[str, object]]:
    """Return what a plan is, in pairs."""
    needed, missing = approvals
    shown: list[tuple[str, object]] = [
        (_("plan"), f"{plan.number} ({word(plan.state)})"),
        (_("incident"), _("{incident}, scope revision {revision}").format(
            incident=plan.incident, revision=plan.revision)),
        (_("policy"), plan.policy_name),
        (_("accounts"), format_number(plan.accounts)),
        (_("containment time"), _containment_time(plan)),
        (_("approvals"), _("{have} of {needed}").format(have=needed - missing, needed=needed)
         + "".join(f"; {each.by}" for each in plan.approvals)),
        (_("digest"), plan.digest),
    ]  # fmt: skip
    if plan.follows:
        shown.append((_("follows plan"), plan.follows))
    if plan.emergency_reason:
        shown.append((_("emergency"), plan.emergency_reason))
    if plan.paused_reason:
        shown.append((_("paused because"), _held_words(plan.paused_reason)))
    return shown


def _containment_time(plan: Plan) -> str:
    if plan.started_at is None and plan.dry_run.get("since") == "start":
        return _("when the plan starts: what was issued before is believed no more")
    return format_datetime(plan.since_at, seconds=True)


def _held_words(reason: str) -> str:
    rule, colon, rest = reason.partition(":")
    return f"{word(rule)}{colon}{rest}" if rule in WORDS else reason


def next_step(plan: Plan, *, needed: int) -> str:
    """Return what comes after drawing: who approves, and how."""
    text = _("Nothing is enforced yet. Next: tocsin contain approve {number} --accounts {n}")
    if needed > 1:
        text = _(
            "Nothing is enforced yet. Next, {people} people who did not draw it: "
            "tocsin contain approve {number} --accounts {n} --as NAME --key FILE"
        )
    return text.format(number=plan.number, n=plan.accounts, people=needed)


def print_dry_run(plan: Plan) -> None:
    """Print everything a person must know before approving."""
    out, run = listing.console(), plan.dry_run
    difference = run["difference"]
    listing.lines(
        _(
            "Plan minus scope: {outside}. Scope minus plan: {missing}. Nothing is asked of {none}, with a reason."
        ).format(
            outside=format_number(difference["outside_scope"]),
            missing=format_number(difference["missing_of_scope"]),
            none=format_number(run["none"]),
        ),
        style="bold",
    )
    out.print(listing.pairs(_counted(run)))
    out.print()
    rules = listing.table(_("rule"), _("measures"), _("contained"), _("exempt"), _("nothing"), _("why"))
    for each in run["rules"]:
        asked = ", ".join(measure_words(m) for m in each["measures"]) or "-"
        counts = (format_number(each[key]) for key in ("measured", "exempt", "none"))
        listing.add(rules, gettext(each["name"]), asked, *counts, each["reason"])
    out.print(rules)
    out.print()
    measures = listing.table(_("measure"), _("platform"), _("accounts"))
    for each in run["measures"]:
        listing.add(measures, measure_words(each["measure"]), word(each["platform"]), format_number(each["accounts"]))
    out.print(measures)
    _print_exemptions(run["exemptions"])
    _print_systems(run["systems"])
    _print_gate(run["gate"], plan=plan)
    _print_collateral(run["collateral"])


def _counted(run: Mapping[str, Any]) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = [
        (_("in the scope"), format_number(run["scope_accounts"])),
        (_("identities the intruder used"), format_number(run["principals"]["scope"])),
        (_("contained"), format_number(run["accounts"])),
        (_("exempt"), format_number(run["exempt"])),
    ]
    if run["follows"]:
        rows += [
            (_("held by earlier plans"), format_number(run["held"])),
            (_("released, no longer in the scope"), format_number(run["released"])),
            (_("contained again, though let out before"), format_number(run["again"])),
        ]
    for name in run["not_at_once"]:
        rows.append(
            (_("goes in waves all the same"), _("{rule}: too many accounts to begin at once").format(rule=name))
        )
    return rows


def _print_exemptions(exemptions: Sequence[Mapping[str, Any]]) -> None:
    if not exemptions:
        return
    listing.lines("", _("Exempt, by name"), style="bold")
    for each in exemptions:
        names = ", ".join(each["names"]) + (", ..." if each["accounts"] > len(each["names"]) else "")
        listing.lines(
            _("{kind}: {reason}. {accounts} of {named} named accounts are in the scope: {names}").format(
                kind=each["kind"], reason=each["reason"], accounts=format_number(each["accounts"]),
                named=format_number(each["named"]), names=names or "-",
            )
        )  # fmt: skip


def _print_systems(systems: Sequence[Mapping[str, Any]]) -> None:
    for each in systems:
        listing.lines("", _("System {name}").format(name=each["name"]), style="bold")
        orders = ", ".join(counted(word(kind), n) for kind, n in each["orders"].items())
        listing.lines(orders, _predicted(each))
        for key, text in (
            ("cannot_undo", _("It cannot undo: {measures}.")),
            ("cannot_read_back", _("It cannot show whether these hold: {measures}.")),
        ):
            if each[key]:
                listing.lines(text.format(measures=", ".join(word(kind) for kind in each[key])), style="yellow")
        listing.lines(*each["warnings"], style="yellow")
        asked = each["asked"]
        if "unreachable" in asked:
            listing.lines(_("It does not answer now: {reason}").format(reason=asked["unreachable"]), style="red")
        elif asked:
            listing.lines(
                _("Of the first {orders} orders it knows {known} accounts and does not know {absent}.").format(
                    orders=asked["orders"], known=asked["known"], absent=asked["absent"]
                ),
                *asked["notes"],
            )


def _predicted(each: Mapping[str, Any]) -> str:
    if each["seconds"] is None:
        return _("It states no limit; it is asked as fast as it answers.")
    return _("It takes about {time} by its own limit of {rate} a second ({source}).").format(
        time=duration(each["seconds"]), rate=format_number(each["per_second"]), source=each["limits_source"] or "-"
    )


def duration(seconds: float) -> str:
    """Return ``1:02:03`` with days before it where there are some."""
    return str(timedelta(seconds=round(seconds)))


def _print_gate(gate: Mapping[str, Any], *, plan: Plan) -> None:
    listing.lines("", _("The gate"), style="bold")
    listing.lines(
        _("It refuses {first} accounts at once and {all} when the last wave has begun; undoing takes seconds.").format(
            first=format_number(gate["first_wave"]), all=format_number(gate["accounts"])
        )
    )
    for rule in gate["everyone"]:
        text = " ".join(rule[key] for key in ("kind", "platform", "version_min", "client") if rule[key])
        listing.lines(_("It asks this of everybody, in the scope or not: {rule}.").format(rule=measure_words(text)),
                      style="yellow")  # fmt: skip
    waves = ", ".join(
        _("wave {number}: {n}").format(number=each.number, n=format_number(each.accounts)) for each in plan.waves
    )
    wait = plan.policy["waves"]["wait_minutes"]
    listing.lines(_("Waves (accounts): {waves}; each is watched for {wait} minutes.").format(
        waves=waves, wait=format_number(wait)))  # fmt: skip


def _print_collateral(shown: Mapping[str, Any]) -> None:
    listing.lines("", _("Whom this may trouble (a prediction from counts and assumptions)"), style="bold")
    rows = [
        (_("must sign in again"), shown["sign_ins"]), (_("must choose a new password"), shown["resets"]),
        (_("must update or replace a client"), shown["updates"]), (_("suspended"), shown["suspended"]),
        (_("keys to rotate"), shown["keys"]), (_("contacts with support"), shown["support_calls"]),
        (_("locked out until a person helps"), shown["locked_out"]), (_("messages about a reset"), shown["mails"]),
        (_("asked to update, platform never seen"), shown["platform_unknown"]),
    ]  # fmt: skip
    listing.console().print(listing.pairs([(name, format_number(n)) for name, n in rows if n]))
    if shown["mails"] and shown["mail_minutes"]:
        n = shown["mail_minutes"]
        listing.lines(
            ngettext("The largest wave's messages take {n} minute.", "The largest wave's messages take {n} minutes.", n)
            .format(n=format_number(n))
        )  # fmt: skip
    assumed = ", ".join(counted(word(name), value) for name, value in sorted(shown["assumptions"].items()))
    listing.lines(_("Assumed: {assumptions}").format(assumptions=assumed), style="dim")


def print_funnel(lines: Sequence[FunnelLine]) -> None:
    """Print one bar a system, measure and platform, and one a system, measure and wave."""
    by_platform = [((line.system, line.measure, line.platform or "unknown"), line.counts) for line in lines]
    by_wave = [((line.system, line.measure, str(line.wave)), line.counts) for line in lines]
    _print_bars(_("platform"), by_platform)
    _print_bars(_("wave"), by_wave)


def _print_bars(title: str, lines: Sequence[tuple[tuple[str, str, str], Mapping[StepState, int]]]) -> None:
    grouped: dict[tuple[str, str, str], Counter[str]] = {}
    for key, counts in lines:
        grouped.setdefault(key, Counter()).update({str(state): n for state, n in counts.items()})
    table = listing.table(_("system"), _("measure"), title, "", _("accounts"))
    for system, measure, last in sorted(grouped, key=lambda key: (key[0] != GATE, key)):
        here = grouped[system, measure, last]
        listing.add(table, system, word(measure), word(last), bar(here), said(here))
    listing.console().print(table)
    listing.lines("")


def bar(counts: Mapping[str, int]) -> str:
    """Return a bar of ``BAR_COLUMNS`` characters; whatever is there at all has at least one of them."""
    total = sum(counts.values())
    if not total:
        return ""
    drawn = ""
    for states, character, _style in _BAR:
        n = sum(counts.get(state, 0) for state in states)
        drawn += character * (max(1, round(BAR_COLUMNS * n / total)) if n else 0)
    return drawn[:BAR_COLUMNS].ljust(BAR_COLUMNS, drawn[-1])


def counted(name: str, n: int | float) -> str:
    """Return a name with a number, as the language sets them."""
    return _("{name}: {n}").format(name=name, n=format_number(n, decimals=3 if 0 < n < 1 else None))


def said(counts: Mapping[str, int]) -> str:
    """Return counts in words, from done to not begun."""
    order = [state for states, _character, _style in _BAR for state in states]
    found = sorted((state for state in counts if counts[state]), key=order.index)
    return ", ".join(counted(word(state), counts[state]) for state in found)


def print_rest(residue: Sequence[ResidueLine]) -> None:
    """Print who is not safe yet, and why: the most numerous reason first."""
    reasons: Counter[str] = Counter()
    for line in residue:
        reasons[line.reason.value] += line.accounts
    total = sum(reasons.values())
    if not total:
        listing.lines(_("Every account is safe or let out."), style="bold")
        return
    text = ngettext("Not yet safe: {n} account.", "Not yet safe: {n} accounts.", total)
    listing.lines(text.format(n=format_number(total)), style="bold")
    table = listing.table(_("accounts"), _("because"))
    for reason, n in reasons.most_common():
        listing.add(table, format_number(n), gettext(OPEN_WORDS.get(reason, reason)))
    listing.console().print(table)


def print_watched(watched: Sequence[Watched]) -> None:
    """Print the stop rules with what is counted now."""
    table = listing.table(_("stop rule"), _("now"), _("limit"))
    for each in watched:
        limit = f"{each.limit:g}" if each.limit else _("off")
        listing.add(table, word(each.rule), f"{each.value:.4g}", limit, style="red" if each.stops else "")
    listing.console().print(table)


def print_story(story: AccountStory) -> None:
    """Print everything a plan knows of one account."""
    asked = ", ".join(
        measure_words(" ".join(p for p in (m.kind.value, m.platform, m.version_min, m.client) if p))
        for m in story.measures
    )
    wave = f"{story.wave} ({word('begun' if story.begun else 'waiting')})" if story.wave else "-"
    rows: list[tuple[str, object]] = [
        (_("account"), story.account), (_("in this plan"), word(story.kept)), (_("rule"), gettext(story.rule)),
        (_("role"), word(story.role)), (_("certainty"), listing.word(story.certainty)),
        (_("platform"), story.platform or word("unknown")), (_("asked"), asked or "-"), (_("wave"), wave),
        (_("state"), f"{word(story.state)} {_held_words(story.reason)}".strip() if story.wave else "-"),
    ]  # fmt: skip
    if story.exempt:
        rows.append((_("exempt"), story.exempt))
    rows += [(word(measure), at) for measure, at in story.measures_done.items()]
    out = listing.console()
    out.print(listing.pairs(rows))
    for step in story.steps:
        listing.lines(f"{step.system}  {word(step.measure)}  {word(step.state)}  {format_datetime(step.state_at)}  "
                      f"{step.reason}")  # fmt: skip
    for fact in story.facts:
        told = " ".join(part for part in (fact.platform, fact.client_version, fact.reference) if part)
        listing.lines(
            f"{format_datetime(fact.done_at, seconds=True)}  {word(fact.kind)}  {fact.by} ({fact.source})  {told}"
        )
    for state, made_at, text in story.appeals:
        listing.lines(_("appeal ({state}), {at}: {text}").format(
            state=word(state), at=format_datetime(made_at), text=text))  # fmt: skip


def legend() -> Text:
    """Return what the characters of a bar mean."""
    parts = (f"{character} {' / '.join(word(state) for state in states)}" for states, character, _style in _BAR)
    return Text("  ".join(parts), style="dim")

"""Changes of the list between two epochs: one account lifted, or done, is let through within seconds."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
from django.db import transaction

from tocsin.containment import gate_epochs, gate_keys, gate_list, gate_plans
from tocsin.containment.gate_demands import DONE_BY_CHANGE, Demands, Rulebook, merged, without
from tocsin.containment.gate_file import ListFile, number_of
from tocsin.containment.gate_plans import Source
from tocsin.containment.values import GateNews, GateStanding, ListReason, PublishedChange
from tocsin.events import queries as events
from tocsin.journal import commands as journal
from tocsin.journal.values import Author
from tocsin.kernel import clock, files
from tocsin.kernel.loading import lazily

models = lazily("tocsin.containment.models")

SHARE_MAX = 0.05  # of the list: with more changes than this a new one is made instead
CHANGES_MIN = 20_000  # unless they are this few
LOOKED_AT_AT_ONCE = 20_000
ITEMS_PER_CHANGE = 10_000  # keeps one change under a few hundred kilobytes


class _TooMany(Exception):
    """There is so much to change that a new list is better."""


@dataclass
class _Published:
    """The list of an epoch as its changes have left it, as every gate knows it."""

    file: ListFile
    book: Rulebook
    seq: int = 0
    done: set[int] = field(default_factory=set)
    placed: dict[int, int] = field(default_factory=dict)  # rank -> code
    added: dict[int, int] = field(default_factory=dict)  # number -> code

    def take(self, change: Mapping[str, Any]) -> None:
        """Carry out a change that was published."""
        for number, rule in sorted(change.get("rules", {}).items(), key=lambda item: int(item[0])):
            self.book.take_rule(int(number), rule)
        for code, combination in sorted(change.get("combinations", {}).items(), key=lambda item: int(item[0])):
            self.book.take_combination(int(code), combination)
        for rank, code in change.get("set", ()):
            self.placed[rank] = code
            self.done.discard(rank)
        self.added.update((int(digits, 16), code) for digits, code in change.get("add", ()))
        for digits in change.get("remove", ()):
            self.added.pop(int(digits, 16), None)
        self.done.update(change.get("done", ()))
        self.seq = change["seq"]

    def standing(self, number: int, *, rank: int) -> Demands:
        """Return what gates ask of an account now."""
        if rank < 0:
            return self.book.demands_of(self.added.get(number, 0))
        asked = self.book.demands_of(self.placed.get(rank, -1) if rank in self.placed else self.file.code_at(rank))
        return without(asked, done=DONE_BY_CHANGE) if rank in self.done else asked


_known: dict[int, _Published] = {}  # of the last epoch only: going through its changes again takes a while


def publish_changes(*, by: Author) -> int:
    """Publish what was done, lifted or asked anew since the last change, and return how many accounts it concerns.

    One account is visible to gates at their next look (served by ``tocsin serve``). When a new list is due, or there is
    too much to change, the list is published instead and 0 returned. Safe to run twice at once, and after a crash.
    """
    with gate_epochs.alone("publishing"):
        reason = gate_list.list_due()
        if reason is None:
            count = _publish_waiting(by=by)
            if count is not None:
                return count
            reason = ListReason.MANY_CHANGES
        gate_list.publish_alone(reason=reason, by=by)
    return 0


def changes_due() -> bool:
    """Whether progress came in that gates may not know of, or a new list is due; two small questions."""
    if gate_list.list_due() is not None:
        return True
    row = models.GateEpoch.objects.order_by("-number").first()
    return row is not None and bool(
        row.plans and models.ContainmentProgress.objects.filter(state_at__gte=_looked_at_until(row)).exists()
    )


def _publish_waiting(*, by: Author) -> int | None:
    """Publish what waits of the last epoch and return the accounts; None, with nothing done, when they are too many."""
    try:
        with transaction.atomic():
            row, count, until = _publish_in_transaction(by=by)
    except _TooMany:
        _known.clear()
        return None
    except BaseException:
        _known.clear()  # it was carried out here, but never committed
        raise
    if until is not None:
        files.write_whole(_followed_path(row.number), until.isoformat())
    return count


def _followed_path(epoch: int) -> Path:
    """Return the file that keeps up to when progress is in the changes of an epoch; else all is looked at again."""
    return gate_list.path_of(epoch).with_suffix(".followed")


def _looked_at_until(row: Any) -> datetime:
    try:
        return datetime.fromisoformat(_followed_path(row.number).read_text(encoding="ascii"))
    except FileNotFoundError:
        began: datetime = row.followed_until
        return began


def _publish_in_transaction(*, by: Author) -> tuple[Any, int, datetime | None]:
    row = models.GateEpoch.objects.select_for_update().order_by("-number").first()
    if row is None:
        return None, 0, None
    until, found = gate_plans.looked_at_until(), gate_plans.sources()
    published, count, looked = _published(row), 0, False
    already = len(published.done) + len(published.placed) + len(published.added)
    for touched in _touched(row, found=found):
        looked = True
        wanted = _wanted(touched, found=found)
        for change in _changes(published, wanted=wanted):
            count += _put_out(change, row=row, published=published)
            if already + count > max(CHANGES_MIN, int(row.accounts * SHARE_MAX)):
                raise _TooMany
    if count:
        journal.write(
            verb="containment.gate_changes_published", subject=f"gate_epoch:{row.number}", by=by,
            facts={"epoch": row.number, "seq": published.seq, "accounts": count},
        )  # fmt: skip
    return row, count, until if looked else None


def _touched(row: Any, *, found: Sequence[Source]) -> Iterator[list[str]]:
    """Yield the accounts with progress that was not looked at yet, so many at once, in order."""
    recent = models.ContainmentProgress.objects.filter(
        plan_id__in=[each.plan_id for each in found], state_at__gte=_looked_at_until(row)
    )
    names, last = recent.values_list("account", flat=True).distinct().order_by("account"), None
    while page := list((names if last is None else names.filter(account__gt=last))[:LOOKED_AT_AT_ONCE]):
        yield page
        last = page[-1]


def _published(row: Any) -> _Published:
    """Return the epoch as gates know it: its file, and the changes since, those not yet known here read now."""
    known = _known.get(row.number)
    if known is None:
        _known.clear()
        file = ListFile(gate_list.path_of(row.number))
        known = _known[row.number] = _Published(file, Rulebook.of_header(file.header))
    for content in (
        models.GateChange.objects.filter(epoch=row, seq__gt=known.seq).order_by("seq").values_list("content", flat=True)
    ):
        known.take(orjson.loads(content))
    return known


def _wanted(touched: Sequence[str], *, found: Sequence[Source]) -> dict[str, tuple[Demands, str]]:
    """Return what each account is to be asked now over all plans, and the reference of the plans that ask."""
    plans = {each.plan_id: each for each in found}
    asked: dict[str, dict[str, Demands]] = {account: {} for account in touched}
    rows = models.ContainmentProgress.objects.filter(plan_id__in=list(plans), account__in=list(touched))
    for row in rows.iterator():
        source = plans[str(row.plan_id)]
        asked[row.account][str(row.plan_id)] = source.standing(
            combination=row.combination, wave=row.wave, state=row.state, done=row.measures_done
        )
    for source in found:
        strangers = [account for account, by_plan in asked.items() if source.plan_id not in by_plan]
        if source.wave and strangers:
            for account, combination, wave in _in_file(source, accounts=strangers):
                asked[account][source.plan_id] = source.standing(combination=combination, wave=wave, state="", done=())
    return {account: _together(by_plan, plans=plans) for account, by_plan in asked.items()}


def _together(by_plan: Mapping[str, Demands], *, plans: Mapping[str, Source]) -> tuple[Demands, str]:
    references = sorted(plans[each].reference for each, demands in by_plan.items() if demands)
    return merged(by_plan.values()), " ".join(references)


def _in_file(source: Source, *, accounts: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """Yield (account, combination, wave) of those that a plan's column file measures."""
    with events.EventStore([], readable=[source.file]) as store:
        store.load("sought", {"account": "VARCHAR"}, [(account,) for account in accounts])
        sql = (
            f"SELECT account, combination, wave FROM read_parquet({events.quoted(str(source.file.resolve()))}) "
            f"SEMI JOIN sought USING (account) WHERE wave BETWEEN 1 AND {source.wave}"
        )
        for row in store.rows(sql):
            yield row["account"], row["combination"], row["wave"]


def _changes(published: _Published, *, wanted: Mapping[str, tuple[Demands, str]]) -> Iterator[dict[str, Any]]:
    """Yield the contents of as many changes as it takes to bring gates to what is wanted."""
    each = _Change(published)
    for account, (demands, reference) in sorted(wanted.items()):
        each.add(account, demands=demands, reference=reference)
        if each.items >= ITEMS_PER_CHANGE:
            yield each.content()
            each = _Change(published)
    if each.items:
        yield each.content()


class _Change:
    """One change while it is put together."""

    def __init__(self, published: _Published) -> None:
        self._published, self._book = published, published.book
        self._rules, self._combinations = len(self._book.rules), len(self._book.combinations)
        self.items = 0
        self._lists: defaultdict[str, list[Any]] = defaultdict(list)

    def add(self, account: str, *, demands: Demands, reference: str) -> None:
        """Put in what brings one account to these demands; nothing where gates ask exactly that already."""
        number = number_of(account)
        rank = self._published.file.rank_of(number)
        if self._published.standing(number, rank=rank) == demands:
            return
        self.items += 1
        if rank < 0:
            digits = f"{number:016x}"
            if demands:
                self._lists["add"].append([digits, self._book.code_of(demands, reference=reference)])
            else:
                self._lists["remove"].append(digits)
        elif demands and demands == without(self._asked_at(rank), done=DONE_BY_CHANGE):
            self._lists["done"].append(rank)
        else:
            self._lists["set"].append([rank, self._book.code_of(demands, reference=reference)])

    def _asked_at(self, rank: int) -> Demands:
        code = self._published.placed.get(rank)
        return self._book.demands_of(self._published.file.code_at(rank) if code is None else code)

    def content(self) -> dict[str, Any]:
        """Return its lists, with the rules and combinations that are new in it."""
        said: dict[str, Any] = dict(self._lists)
        rules = self._book.rules_as_json()
        if len(rules) > self._rules:
            said["rules"] = {str(number): rules[number] for number in range(self._rules, len(rules))}
        codes = range(self._combinations + 1, len(self._book.combinations) + 1)
        if codes:
            said["combinations"] = {str(code): self._book.combination_as_json(code) for code in codes}
        return said


def _put_out(content: Mapping[str, Any], *, row: Any, published: _Published) -> int:
    """Number, sign and store one change, and return how many accounts it concerns."""
    now = clock.now()
    change = {"epoch": row.number, "seq": published.seq + 1, "at": clock.to_ms(now), **content}
    signed = gate_keys.sign_change(change)
    models.GateChange.objects.create(epoch=row, seq=change["seq"], content=signed, made_at=now)
    published.take(change)
    return sum(len(content.get(name, ())) for name in ("done", "set", "add", "remove"))


def changes_after(epoch: int, *, seq: int, limit: int) -> GateNews:
    """Return the changes of an epoch after ``seq``; of another than the one in force, none."""
    last = models.GateEpoch.objects.order_by("-number").values_list("number", flat=True).first() or 0
    if last != epoch:
        return GateNews(last, ())
    rows = models.GateChange.objects.filter(epoch__number=epoch, seq__gt=seq).order_by("seq")[:limit]
    return GateNews(last, tuple(PublishedChange(row.seq, row.content) for row in rows))


def heartbeat(epoch: int, *, seq: int) -> str:
    """Return the signed word that nothing changed after ``seq``: it keeps a gate's list fresh."""
    return gate_keys.sign_change({"epoch": epoch, "seq": seq, "at": clock.to_ms(clock.now())})


def record_enforcing(gate: str, *, epoch: int, seq: int) -> None:
    """Keep what a gate says it enforces; what it says later replaces it. Not journalled: it is a reading."""
    models.GateSeen.objects.update_or_create(gate=gate, defaults={"epoch": epoch, "seq": seq, "seen_at": clock.now()})


def gates() -> tuple[GateStanding, ...]:
    """Return every gate that ever reported, with what it last said."""
    last = models.GateEpoch.objects.order_by("-number").first()
    seqs = models.GateChange.objects.filter(epoch=last).order_by("-seq").values_list("seq", flat=True)
    at_least = (last.number if last else 0, (seqs.first() if last else 0) or 0)
    return tuple(
        GateStanding(row.gate, row.epoch, row.seq, row.seen_at, current=(row.epoch, row.seq) >= at_least)
        for row in models.GateSeen.objects.order_by("gate")
    )

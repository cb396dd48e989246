"""Where the accounts of a plan stand: the funnel by measure, platform, wave and system, and one account's story.

The plan's own counts (``cells`` of its dry run) say how many there are; rows of steps and of progress say where those
are to whom something happened already. Nothing is counted twice, and every line adds up to the plan.
"""

import json
import secrets
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import connection

from tocsin.containment import drawing, plans
from tocsin.containment.errors import NotInPlan
from tocsin.containment.matching import measures_in
from tocsin.containment.policy import word_of
from tocsin.containment.states import StepState, WaveState
from tocsin.containment.values import (
    GATE,
    AccountStory,
    DoneBy,
    DoneFact,
    DoneKind,
    FunnelLine,
    Measure,
    MeasureKind,
    Step,
)
from tocsin.events.queries import EventStore, quoted
from tocsin.kernel.language import gettext as _
from tocsin.kernel.loading import lazily
from tocsin.scopes import queries as scopes

django_models = lazily("django.db.models")
models = lazily("tocsin.containment.models")

_PERSONAL_END = (StepState.UNDONE, StepState.EXEMPT, StepState.APPEALED)
_PROGRESS = """
SELECT combination, platform, wave, state, array_to_json(done)::text, count(*) FROM (
    SELECT combination, platform, wave, state,
        (SELECT coalesce(array_agg(k ORDER BY k), '{}') FROM jsonb_object_keys(measures_done) k) AS done
    FROM tocsin_containmentprogress WHERE plan_id = %s
) p GROUP BY 1, 2, 3, 4, 5
"""


@dataclass(frozen=True, slots=True)
class _Key:
    system: str
    measure: str
    platform: str
    wave: int


@dataclass(frozen=True, slots=True)
class _Moved:
    """Accounts to whom something happened, alike in everything the funnel shows."""

    combination: int
    platform: str
    wave: int
    state: StepState
    done: tuple[str, ...]
    accounts: int


def funnel(number: int) -> tuple[FunnelLine, ...]:
    """Return how many accounts stand where, per system, measure, platform and wave; each line adds up to the plan."""
    stored = plans.row(number)
    lines: dict[_Key, Counter[StepState]] = {}
    at_gate = _gate_states(stored)
    for combination, platform, wave, accounts in stored.dry_run["cells"]:
        for key, _measure in _keys(stored, combination=combination, platform=platform, wave=wave):
            state = at_gate[wave] if key.system == GATE else StepState.PLANNED
            lines.setdefault(key, Counter())[state] += accounts
    for moved in _moved(stored):
        for key, measure in _keys(stored, combination=moved.combination, platform=moved.platform, wave=moved.wave):
            if key.system == GATE:
                lines[key][at_gate[moved.wave]] -= moved.accounts
                lines[key][_state_at_gate(moved, measure=measure, begun=at_gate[moved.wave])] += moved.accounts
    for key, state, accounts in _steps(stored):
        if key in lines:
            lines[key][StepState.PLANNED] -= accounts
            lines[key][state] += accounts
    return tuple(
        FunnelLine(k.system, k.measure, k.platform, k.wave, {s: n for s, n in sorted(counts.items()) if n})
        for k, counts in sorted(lines.items(), key=lambda item: (item[0].system != GATE, str(item[0])))
    )


def _keys(stored: Any, *, combination: int, platform: str, wave: int) -> Iterator[tuple[_Key, Measure]]:
    entry: Mapping[str, Any] = stored.combinations[combination]
    for measure in measures_in(entry):
        for system in entry["systems"][measure.kind.value]:
            yield _Key(system, measure.kind.value, platform, wave), measure


def _gate_states(stored: Any) -> dict[int, StepState]:
    """Return, per wave, where the gate's list is: planned, sent (published), confirmed (some gate enforces it)."""
    epoch = models.GateEpoch.objects.order_by("-number").first()
    states = {}
    for wave in stored.waves.all():
        state = StepState.PLANNED
        if (
            wave.state != WaveState.WAITING
            and epoch
            and stored.number in epoch.plans
            and epoch.made_at >= wave.begun_at
        ):
            enforced = models.GateSeen.objects.filter(epoch__gte=epoch.number).exists()
            state = StepState.CONFIRMED if enforced else StepState.SENT
        states[wave.number] = state
    return states


def _moved(stored: Any) -> Iterator[_Moved]:
    with connection.cursor() as cursor:
        cursor.execute(_PROGRESS, [stored.id])
        for combination, platform, wave, state, done, accounts in cursor.fetchall():
            yield _Moved(combination, platform, wave, StepState(state), tuple(json.loads(done)), accounts)


def _state_at_gate(moved: _Moved, *, measure: Measure, begun: StepState) -> StepState:
    if moved.state in _PERSONAL_END or moved.state is StepState.CLOSED:
        return moved.state
    return StepState.DONE if measure.kind.value in moved.done else begun


def _steps(stored: Any) -> Iterator[tuple[_Key, StepState, int]]:
    found = models.ContainmentStep.objects.filter(plan=stored).values("system", "measure", "platform", "wave", "state")
    for each in found.annotate(accounts=django_models.Count("id")).order_by():
        key = _Key(each["system"], each["measure"], each["platform"], each["wave"])
        yield key, StepState(each["state"]), each["accounts"]


def account_state(number: int, account: str) -> AccountStory:
    """Return everything a plan knows of one account; NotInPlan when it is not even in the scope the plan stands on."""
    stored = plans.row(number)
    row = _row_of(stored, account=account)
    progress = models.ContainmentProgress.objects.filter(plan=stored, account=account).first()
    wave = next((each for each in stored.waves.all() if each.number == row["wave"]), None)
    measures = measures_in(stored.combinations[row["combination"]]) if row["combination"] is not None else ()
    rules = stored.policy["rules"]
    appeals = models.ContainmentAppeal.objects.filter(plan=stored, account=account).order_by("id")
    facts = models.ContainmentDone.objects.filter(account=account).order_by("done_at")
    return AccountStory(
        plan=number, account=account, kept=row["kept"], role=row["role"] or "", certainty=row["certainty"] or "",
        platform=row["platform"] or "", rule=rules[row["rule"]]["name"] if row["rule"] >= 0 else "",
        exempt=row["exempt"] or "", wave=row["wave"], begun=bool(wave and wave.state != WaveState.WAITING),
        measures=measures, state=StepState(progress.state) if progress else StepState.PLANNED,
        reason=progress.reason if progress else "", measures_done=dict(progress.measures_done) if progress else {},
        steps=tuple(_step_of(each, number=number) for each in _step_rows(stored, account=account)),
        facts=tuple(_fact_of(each) for each in facts),
        appeals=tuple((each.state, each.made_at, each.text) for each in appeals),
    )  # fmt: skip


def _row_of(stored: Any, *, account: str) -> dict[str, Any]:
    path = drawing.measures_file(stored)
    with EventStore([], scratch=path.parent) as store:
        found = store.rows(
            f"SELECT * FROM read_parquet({quoted(str(path.resolve()))}) WHERE account = $account", {"account": account}
        )
    if not found:
        raise NotInPlan(
            _("{account} is not in the scope plan {number} stands on.").format(account=account, number=stored.number),
            mend=_("`tocsin scope why {incident} ACCOUNT` says what is known of an account.").format(
                incident=stored.incident.number
            ),
        )
    return found[0]


def _step_rows(stored: Any, *, account: str) -> Any:
    return models.ContainmentStep.objects.filter(plan=stored, account=account).order_by("system", "measure")


def _step_of(each: Any, *, number: int) -> Step:
    return Step(
        plan=number, account=each.account, system=each.system, measure=MeasureKind(each.measure),
        state=StepState(each.state), state_at=each.state_at, wave=each.wave, tries=each.tries, reason=each.reason,
    )  # fmt: skip


def _fact_of(each: Any) -> DoneFact:
    return DoneFact(
        account=each.account, kind=DoneKind(each.kind), done_at=each.done_at, by=DoneBy(each.by), source=each.source,
        platform=each.platform, client_version=each.client_version, reference=each.reference,
    )  # fmt: skip


def export_accounts(number: int, *, to: Path) -> int:
    """Write every account of a plan as CSV: what becomes of it and why; return how many lines. Cells are harmless."""
    stored = plans.row(number)
    path = drawing.measures_file(stored)
    with EventStore([], scratch=path.parent) as store:
        return _export(store, stored=stored, file=quoted(str(path.resolve())), to=to)


def _export(store: EventStore, *, stored: Any, file: str, to: Path) -> int:
    words = [" + ".join(word_of(measure) for measure in measures_in(each)) for each in stored.combinations]
    rules = [each["name"] for each in stored.policy["rules"]]
    store.load("told", {"combination": "INTEGER", "measures": "VARCHAR"}, list(enumerate(words)))
    store.load("ruled", {"rule": "SMALLINT", "name": "VARCHAR"}, list(enumerate(rules)))
    columns = ", ".join(
        f"{scopes.cell_sql(source)} AS {name}"
        for name, source in (
            ("account", "account"), ("kept", "kept"), ("measures", "measures"), ("rule", "name"),
            ("exempt", "exempt"), ("role", "role"), ("certainty", "certainty"), ("platform", "platform"),
            ("client_version", "client_version"),
        )
    )  # fmt: skip
    joined = f"read_parquet({file}) LEFT JOIN told USING (combination) LEFT JOIN ruled USING (rule)"
    sql = f"SELECT {columns}, wave FROM {joined}"
    aside = scopes.evidence_folder() / f".exporting-{secrets.token_hex(8)}"
    store.copy_csv(f"{sql} ORDER BY 1", aside)
    shutil.move(aside, to)  # the evidence folder may be on another disk
    return store.count(f"SELECT 1 FROM read_parquet({file})")

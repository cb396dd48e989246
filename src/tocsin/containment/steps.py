"""Making the steps of a begun wave: one row per measure, account and connected system, from the plan's column file."""

import json
from collections.abc import Iterator
from typing import Any

from django.db import connection, transaction

from tocsin.containment import plans
from tocsin.containment.states import PlanState, StepState, WaveState
from tocsin.containment.values import GATE, Plan
from tocsin.events import queries as events
from tocsin.journal import commands as journal
from tocsin.journal.values import Author
from tocsin.kernel import clock, ids
from tocsin.kernel.loading import lazily
from tocsin.scopes import queries as scopes

models = lazily("tocsin.containment.models")

ROWS_AT_ONCE = 50_000
_RISK = "CASE certainty WHEN 'confirmed' THEN 0 WHEN 'likely' THEN 1 ELSE 2 END"
# What a person did already, or was let off, is not asked of them again. Sessions can be opened anew by a thief, and
# a suspension is nobody's to do, so those two are always sent.
_INSERT = """
INSERT INTO tocsin_containmentstep (id, plan_id, account, system, measure, details, platform, wave, state, state_at,
                                    tries, next_try_at, claimed_by, reason)
SELECT made.id, %(plan)s, made.account, made.system, made.measure, made.details::jsonb, made.platform, %(wave)s,
       %(state)s, %(now)s, 0, %(now)s, '', ''
  FROM unnest(%(ids)s::uuid[], %(accounts)s::text[], %(systems)s::text[], %(measures)s::text[], %(details)s::text[],
              %(platforms)s::text[]) AS made(id, account, system, measure, details, platform)
 WHERE NOT EXISTS (
       SELECT 1 FROM tocsin_containmentprogress known
        WHERE known.plan_id = %(plan)s AND known.account = made.account
          AND (known.state IN ('exempt', 'undone')
               OR (made.measure NOT IN ('revoke_sessions', 'suspend')
                   AND (known.state IN ('done', 'closed') OR known.measures_done ? made.measure))))
ON CONFLICT (plan_id, account, system, measure) DO NOTHING
RETURNING system, measure
"""


def waves_without_steps() -> list[tuple[int, int]]:
    """Return (plan, wave) of every begun wave of a running plan whose steps are not all made yet, oldest first."""
    found = models.ContainmentWave.objects.filter(
        plan__state=PlanState.RUNNING, state=WaveState.BEGUN, steps_made_at=None
    ).order_by("begun_at", "id")
    return [(plan, wave) for plan, wave in found.values_list("plan__number", "number")]


def make_steps(plan: int, *, wave: int, by: Author) -> int:
    """Make the steps of one begun wave and return how many are new.

    Pages of 50,000, a transaction each, the riskiest accounts first; after an interruption the same call goes on, since
    a step exists once. Steps a later revision or a fact of done made needless are left out.
    """
    known = plans.plan(plan)
    made, counts = 0, dict[str, int]()
    for page in _pages(known, wave=wave):
        with transaction.atomic():
            for system, measure in _insert(known, wave=wave, page=page):
                counts[f"{system} {measure}"] = counts.get(f"{system} {measure}", 0) + 1
                made += 1
    with transaction.atomic():
        if made > ROWS_AT_ONCE // 50:
            with connection.cursor() as cursor:  # else the planner takes a table that has just grown for a small one
                cursor.execute("ANALYZE tocsin_containmentstep")
        begun = models.ContainmentWave.objects.filter(plan_id=known.id, number=wave, steps_made_at=None)
        if begun.update(steps_made_at=clock.now()):
            facts = {"plan": plan, "wave": wave, "steps": counts, "measures_sha256": known.measures_sha256}
            journal.write(
                verb="containment.steps_made", subject=f"containment_plan:{known.id}", by=by, facts=facts
            )  # fmt: skip
    return made


def _insert(plan: Plan, *, wave: int, page: dict[str, list[Any]]) -> list[tuple[str, str]]:
    fresh = [ids.new_id() for _account in page["account"]]  # in order of risk, because they sort by time of birth
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT,
            {
                "plan": plan.id, "wave": wave, "state": StepState.PLANNED, "now": clock.now(), "ids": fresh,
                "accounts": page["account"], "systems": page["system"], "measures": page["measure"],
                "details": page["details"], "platforms": page["platform"],
            },
        )  # fmt: skip
        return list(cursor.fetchall())


def _pages(plan: Plan, *, wave: int) -> Iterator[dict[str, list[Any]]]:
    """Yield pages of the wave's accounts joined to what is wanted of them on connected systems, riskiest first."""
    wanted = _wanted(plan)
    if not wanted:
        return
    with events.EventStore([scopes.evidence_path(plan.measures_sha256)]) as store:
        typed = {"combination": "INTEGER", "place": "INTEGER", "system": "VARCHAR", "measure": "VARCHAR"}
        store.load("wanted", typed | {"details": "VARCHAR"}, wanted)
        store.temporary(
            "wave_steps",
            "SELECT account, coalesce(platform, '') AS platform, system, measure, details, "
            f"row_number() OVER (ORDER BY {_RISK}, account, place) - 1 AS n "
            "FROM events JOIN wanted USING (combination) WHERE wave = $wave AND exempt IS NULL",
            {"wave": wave},
        )
        names = ("account", "platform", "system", "measure", "details")
        for start in range(0, store.count("SELECT 1 FROM wave_steps"), ROWS_AT_ONCE):
            rows = store.rows(
                f"SELECT {', '.join(names)} FROM wave_steps WHERE n >= $start AND n < $end ORDER BY n",
                {"start": start, "end": start + ROWS_AT_ONCE},
            )
            yield {name: [row[name] for row in rows] for name in names}


def _wanted(plan: Plan) -> list[tuple[int, int, str, str, str]]:
    """Return (combination, place, system, measure, details as JSON): once a system and measure, never the gate."""
    wanted: dict[tuple[int, str, str], tuple[int, int, str, str, str]] = {}
    for number, combination in enumerate(plan.combinations):
        for place, measure in enumerate(combination["measures"]):
            kind = str(measure["kind"])
            details = {name: value for name, value in measure.items() if name != "kind" and value}
            for system in combination["systems"].get(kind, ()):
                if system != GATE:
                    row = (number, place, str(system), kind, json.dumps(details, sort_keys=True))
                    wanted.setdefault((number, str(system), kind), row)
    return list(wanted.values())

"""From an approved plan to a refusal at the gate, for forty million accounts.

Usage: python -m tests.benchmark.plan_to_refusal [--accounts 40000000] [--record docs/benchmarks/plan-to-refusal.md]

A frozen scope of that many accounts lies in the evidence folder of a home of its own. Measured apart: drawing the plan
(nothing is enforced by it), the two signed approvals, and from there on what the promise of five minutes is about:
starting, publishing the list, opening it in a gate, the first refusal.
"""

import argparse
import os
import platform
import resource
import secrets
import tempfile
import time
from pathlib import Path

import duckdb

from tocsin.containment import commands, queries
from tocsin.incidents import commands as incidents
from tocsin.incidents.values import Severity
from tocsin.kernel import clock
from tocsin.kernel.loading import lazily
from tocsin.project import database, database_place
from tocsin.scopes import evidence
from tocsin.staff import commands as staff, queries as people
from tocsin_gate import Gate

incident_models, scope_models = lazily("tocsin.incidents.models"), lazily("tocsin.scopes.models")
ACCOUNTS = 40_000_000
PASSPHRASE = "correct horse battery staple"
SCOPE = """
COPY (
    SELECT 'u' || lpad(i::VARCHAR, 8, '0') AS account, 'victim' AS role,
        CASE WHEN i % 3 = 0 THEN 'confirmed' ELSE 'precaution' END AS certainty, 'FR' AS country,
        '2026-11-15T00:00:00.000Z' AS first_at, '2026-11-15T00:00:00.000Z' AS last_at, 'profile' AS data,
        CASE i % 3 WHEN 0 THEN 'android' WHEN 1 THEN 'ios' ELSE 'windows' END AS platform,
        '8.' || (i % 14)::VARCHAR || '.2' AS client_version, 'seen' AS reasons, 'd1' AS detections
    FROM range({accounts}) t(i)
) TO '{file}' (FORMAT parquet, COMPRESSION zstd)
"""
POLICY = """\
policy: everybody
title: Sessions were stolen
leaked: [session]
rules:
  - name: old Android clients
    when: {platform: android, version_below: "8.11"}
    measures: [reauthenticate, {update_client: {platform: android, version_min: "8.11"}}]
  - name: everybody else in the scope
    measures: [reauthenticate, revoke_sessions]
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=ACCOUNTS)
    parser.add_argument("--record", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TOCSIN_HOME"] = folder
        os.environ.pop("TOCSIN_DATABASE_URL", None)

        with database.opened():
            rows = measured(Path(folder), accounts=asked.accounts)
        database_place.remove()
    lines = [
        f"## {clock.now():%Y-%m-%d}: {asked.accounts:,} accounts",
        "",
        f"`python -m tests.benchmark.plan_to_refusal --accounts {asked.accounts}`, DuckDB {duckdb.__version__}, "
        f"Python {platform.python_version()}, {os.cpu_count()} cores, load average at the end {os.getloadavg()[0]:.1f}, "
        f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024:,} MiB.",
        "",
        "| step | wall, s | CPU, s |",
        "|---|---:|---:|",
        *(f"| {name} | {wall:.1f} | {cpu:.1f} |" for name, wall, cpu in rows),
        "",
    ]
    print("\n".join(lines))
    if asked.record:
        with asked.record.open("a", encoding="utf-8") as writing:
            writing.write("\n" + "\n".join(lines))


def measured(home: Path, *, accounts: int) -> list[tuple[str, float, float]]:
    """Return (step, wall seconds, CPU seconds)."""

    authors = {}
    for name in ("Ada", "Bo", "Cy"):
        by = authors.get("Ada", people.asserted_author(name))
        staff.enrol_with_file(name, key_file=home / name, passphrase=PASSPHRASE, by=by)
        authors[name] = people.author_with_file(name, key_file=home / name, passphrase=PASSPHRASE)
    incident = frozen_scope(home, accounts=accounts, by=authors["Ada"])
    policy = home / "policy.yml"
    policy.write_text(POLICY, encoding="utf-8")
    told: list[tuple[str, float, float]] = []

    def step(name, act):
        wall, cpu = time.monotonic(), time.process_time()
        made = act()
        told.append((name, time.monotonic() - wall, time.process_time() - cpu))
        return made

    plan = step(
        "drawing the plan",
        lambda: commands.draw_plan(incident, policy=queries.read_policy(str(policy)), systems={}, by=authors["Ada"]),
    )
    assert plan.accounts == accounts
    for name in ("Bo", "Cy"):
        step(
            f"approval of {name}",
            lambda name=name: commands.approve_plan(plan.number, typed_count=accounts, by=authors[name]),
        )
    step("starting", lambda: commands.start_plan(plan.number, emergency_reason="benchmark", by=authors["Ada"]))
    published = step("publishing the list", lambda: commands.publish_list(reason="benchmark", by=authors["Ada"]))
    gate = step("opening it in a gate", lambda: Gate(published.path, trust=queries.trust()))
    refused = step("the first refusal", lambda: gate.check("u00000004", token_issued_at=1_700_000_000))
    assert not refused.allow
    assert gate.check("u99999999", token_issued_at=1_700_000_000).allow
    assert published.accounts == accounts
    after = [each for each in told if each[0] != "drawing the plan" and not each[0].startswith("approval")]
    told.append(("**from approved plan to refusal**", sum(w for _n, w, _c in after), sum(c for _n, _w, c in after)))
    return told


def frozen_scope(home: Path, *, accounts: int, by) -> int:
    """Put an incident with one frozen revision of that many accounts into the rows, and return its number."""

    made = incidents.declare_incident("benchmark", severity=Severity("high"), leads=[], facts=[], by=by)
    aside = home / f"scope-{secrets.token_hex(4)}.parquet"
    if os.fork() == 0:  # a process of its own: its memory is not ours
        duckdb.connect().execute(SCOPE.format(accounts=accounts, file=aside))
        os._exit(0)
    os.wait()
    pinned = evidence.pin(aside, kind="accounts", name="accounts.parquet")
    aside.unlink()
    row = scope_models.ScopeRevision.objects.create(
        incident=incident_models.Incident.objects.get(number=made.number), number=1, state="draft", accounts_sha256=pinned.sha256,
        accounts=accounts, rows_root="", counts={}, sources=[], opened_at=clock.now(), by=by.name,
        assurance=by.assurance,
    )  # fmt: skip
    scope_models.ScopePin.objects.create(
        revision=row, kind="accounts", name=pinned.name, sha256=pinned.sha256, bytes=pinned.bytes
    )
    row.state, row.frozen_at, row.digest = "frozen", clock.now(), "0" * 64
    row.save()
    return made.number


if __name__ == "__main__":
    main()

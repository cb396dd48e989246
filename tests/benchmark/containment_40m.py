"""How long it takes to draw 40 million accounts into a plan, and the memory it needs: ``python containment_40m.py``.

Writes a synthetic scope (Parquet, the columns of a revision) into a scratch folder, draws it through a policy with
platforms, versions, roles and a list of exempt accounts, and prints seconds, peak resident memory and the counts, which
must come to exactly the scope. ``TOCSIN_BENCHMARK_ACCOUNTS`` sets another number.
"""

import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import duckdb

from tocsin.containment import drawing, policy_file
from tocsin.containment.matching import ScopeRows

ACCOUNTS = int(os.environ.get("TOCSIN_BENCHMARK_ACCOUNTS", "40000000"))
POLICY = """
policy: benchmark
exempt:
  - {accounts: [u00000007, u00000019], kind: service, reason: robots}
rules:
  - {when: {role: attacker}, measures: [suspend], at_once: true}
  - when: {platform: android, version_below: "8.11"}
    measures: [reauthenticate, {update_client: {platform: android, version_min: "8.11"}}]
  - {when: {certainty: confirmed, data: credentials}, measures: [reset_password, revoke_sessions]}
  - {when: {certainty: precaution, platform: windows}, measures: none, reason: other keys}
  - {measures: [revoke_sessions, reauthenticate]}
"""
SCOPE = """
COPY (
    SELECT 'u' || lpad(i::VARCHAR, 8, '0') AS account, CASE WHEN i % 100000 = 0 THEN 'attacker' ELSE 'victim' END AS role,
        CASE WHEN i % 3 = 0 THEN 'precaution' ELSE 'confirmed' END AS certainty, 'FR' AS country,
        '2023-11-15T00:00:00.000Z' AS first_at, '2023-11-15T00:00:00.000Z' AS last_at,
        CASE WHEN i % 2 = 0 THEN 'profile;credentials' ELSE 'profile' END AS data,
        CASE i % 4 WHEN 0 THEN 'android' WHEN 1 THEN 'ios' WHEN 2 THEN 'windows' END AS platform,
        '8.' || (i % 14)::VARCHAR || '.2' AS client_version, 'seen' AS reasons, 'd1' AS detections
    FROM range({accounts}) t(i)
) TO '{file}' (FORMAT parquet, COMPRESSION zstd)
"""


def main() -> int:
    """Draw, and print what it took; 1 when the plan is not exactly the scope."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TOCSIN_HOME"] = folder
        file = drawing.scopes.evidence_folder() / "scope.parquet"
        if os.fork() == 0:  # a process of its own: its memory is not ours
            duckdb.connect().execute(SCOPE.format(accounts=ACCOUNTS, file=file))
            os._exit(0)
        os.wait()
        policy = policy_file.policy_of(POLICY, file=Path(folder) / "policy.yml")
        began = time.monotonic()
        drawn = drawing.draw(ScopeRows(file), policy=policy, connectors={}, incident_id="benchmark")
        seconds = time.monotonic() - began
        size = drawing.scopes.evidence_path(drawn.sha256).stat().st_size
    counts = {kept: drawn.count(kept) for kept in (drawing.MEASURED, drawing.EXEMPT, drawing.NONE)}
    used = resource.getrusage(resource.RUSAGE_SELF)
    peak = used.ru_maxrss * 1024
    processor = used.ru_utime + used.ru_stime
    print(
        f"{ACCOUNTS:,} accounts: {seconds:.1f} s ({processor:.0f} s of processor), peak {peak / 1e9:.2f} GB, file {size / 1e6:.0f} MB, {counts}"
    )
    print(f"outside the scope: {drawn.outside_scope}, missing of it: {drawn.missing_of_scope}")
    whole = sum(counts.values()) == ACCOUNTS and not drawn.outside_scope and not drawn.missing_of_scope
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())

"""The evidence of many detections gathered in one pass is the evidence asked for one by one."""

from tests.contract.scopes.conftest import ATTACK, HOME, START, Logs

from tocsin.detections import queries as detections


def test_evidence_gathered_by_rule_is_the_evidence_of_each_statement(logs: Logs) -> None:
    for number in range(60):
        for machine in range(3):
            address = {"src_endpoint_ip": f"203.0.113.{machine}", "src_network": "203.0.113.0/24", "user_agent": "x"}
            logs.login(ATTACK + number * 1000, f"tried{number}", success=number % 20 == 0, **address)
        logs.login(START + number, f"tried{number}", **HOME)
    logs.draft()
    assert logs.store is not None
    rules = detections.shipped_rules()
    found = detections.detect(logs.store, rules=rules)
    assert len(found) >= 3
    for table, known in (("together", rules), ("alone", ())):
        detections.gather_evidence(logs.store, found, table=table, columns="source_id, line", rules=known)
    together, alone = (logs.store.rows(f"SELECT * FROM {table} ORDER BY ALL") for table in ("together", "alone"))
    assert together == alone
    counted = logs.store.rows("SELECT n, count(*) AS events FROM together GROUP BY n ORDER BY n")
    assert [row["events"] for row in counted] == [one.events for one in found]


def test_a_detection_whose_statement_is_not_its_rules_is_asked_by_its_statement(logs: Logs) -> None:
    logs.login(ATTACK, "ann", **HOME)
    logs.draft()
    assert logs.store is not None
    rule = detections.rule_by_id("brute_force")
    assert rule is not None
    altered = logs.detect(rule.kind, rule.suspect_type, "198.51.100.7", where="account = 'ann'")
    detections.gather_evidence(logs.store, [altered], table="asked", columns="account", rules=[rule])
    assert logs.store.rows("SELECT account, proven FROM asked") == [{"account": "ann", "proven": True}]

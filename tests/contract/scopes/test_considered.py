"""Who looked suspicious and was cleared, and by which numbers."""

from tests.contract.scopes.conftest import ATTACK, HOME, HOUR, OFFENDER, OFFICE, START, Logs

from tocsin.detections.values import AccountRole, Kind, SuspectType
from tocsin.kernel import language


def cleared(logs: Logs) -> dict[str, dict[str, object]]:
    """Return suspect -> the numbers it was cleared by; every sentence must take its numbers."""
    considered = logs.draft().considered
    assert all(language.render(line.reason.text, line.reason.values) for line in considered)
    return {line.suspect: dict(line.reason.values) for line in considered}


def test_an_office_where_many_people_sign_in_is_cleared(logs: Logs) -> None:
    for number in range(100):
        logs.login(START + number, f"worker{number % 10}", success=number % 8 > 0, **OFFICE)
    assert cleared(logs)["192.0.2.10"] == {"failures": 13, "successes": 87, "accounts": 10}


def test_a_customer_who_forgot_the_password_is_cleared(logs: Logs) -> None:
    logs.login(START, "ann", **HOME)
    for number in range(15):
        logs.login(ATTACK + number, "ann", success=False, **HOME)
    logs.login(ATTACK + HOUR, "ann", **HOME)
    assert cleared(logs)["198.51.100.7"] == {"failures": 15, "account": "ann"}


def test_an_address_that_only_fails_is_not_cleared(logs: Logs) -> None:
    for number in range(15):
        logs.login(ATTACK + number, "ann", success=False, **HOME)
    assert cleared(logs) == {}


def test_a_crawler_known_by_its_address_is_cleared(logs: Logs) -> None:
    for number in range(300):
        logs.add(START + number, src_kind="bot", **HOME)
    assert cleared(logs)["198.51.100.7"] == {"requests": 300}


def test_a_partner_key_with_a_constant_rate_is_cleared(logs: Logs) -> None:
    for tick in range(0, 10 * HOUR, HOUR // 20):
        logs.add(START + tick, actor_credential_uid="pk_partner", **HOME)
    assert cleared(logs)["pk_partner"]["per_hour"] == 20


def test_a_key_used_in_bursts_is_not_cleared(logs: Logs) -> None:
    for hour in range(10):
        for number in range(100 if hour == 5 else 11):
            logs.add(START + hour * HOUR + number, actor_credential_uid="pk_partner", **HOME)
    assert cleared(logs) == {}


def test_support_staff_at_their_usual_network_are_cleared(logs: Logs) -> None:
    for number in range(40):
        logs.staff_read(START + number, ("maja", "erik", "lars")[number % 3], f"cust{number}", **OFFICE)
    assert cleared(logs)["maja"] == {"owners": 14, "network": "192.0.2.0/24", "colleagues": 2}


def test_a_roaming_phone_is_cleared(logs: Logs) -> None:
    for number in range(4):
        network = {**HOME, "src_network": f"198.51.{number}.0/24"}
        logs.add(START + number, account="ann", actor_session_uid="s1", device_uid="phone", **network)
    assert cleared(logs)["ann"] == {"networks": 4, "country": "FR"}


def test_whoever_is_a_suspect_is_not_cleared(logs: Logs) -> None:
    for number in range(100):
        logs.login(START + number, f"worker{number % 10}", success=number % 8 > 0, **OFFENDER)
    logs.detect(
        Kind.CREDENTIAL_STUFFING, SuspectType.ADDRESS, "203.0.113.66", where="class_uid = 3002 AND status_id = 2",
        accounts=AccountRole.INSTRUMENT, first_ts=START, last_ts=START + HOUR,
    )  # fmt: skip
    assert "203.0.113.66" not in cleared(logs)

"""Reached, not reached, or unknowable: what complete logs exclude and missing ones do not."""

import pytest
from tests.contract.scopes.conftest import ATTACK, HOME, HOUR, OFFENDER, START, Logs

from tocsin.detections.values import AccountRole, Kind, SuspectType
from tocsin.scopes.values import DataReach, ScopeDraft


def intrusion(logs: Logs, **columns: object) -> None:
    """One account's profile is read on a day on which payments are logged too."""
    logs.every_hour(account="ann", data_category="payment", route="/v1/payments", **HOME)
    logs.every_hour(account="ann", data_category="profile", source_id="web", **HOME)
    logs.add(ATTACK, **{"account": "eve", "data_category": "profile", "source_id": "web", **OFFENDER, **columns})
    logs.detect(
        Kind.SESSION_THEFT, SuspectType.ACCOUNT, "eve", where="account = 'eve'", accounts=AccountRole.INSTRUMENT
    )


def line(draft: ScopeDraft, kind: str) -> DataReach:
    """Return the line of one kind of data."""
    return next(line for line in draft.data if line.data_kind == kind)


def reach(draft: ScopeDraft) -> dict[str, str]:
    """Return kind -> reach."""
    return {line.data_kind: line.reach.value for line in draft.data}


def remove(logs: Logs, first_ts: int, last_ts: int, source_id: str = "product") -> None:
    """Lose a stretch of one stream."""
    logs.events[:] = [
        event for event in logs.events if not (event["source_id"] == source_id and first_ts <= event["ts"] < last_ts)
    ]


def test_complete_logs_without_access_exclude_a_kind_of_data(logs: Logs) -> None:
    intrusion(logs)
    draft = logs.draft()
    assert reach(draft) == {
        "profile": "reached", "payment": "not_reached", "contact": "not_reached", "password": "not_reached"
    }  # fmt: skip
    assert line(draft, "payment").covered == ((ATTACK, START + 24 * HOUR - HOUR // 12),)


def test_an_hour_removed_inside_the_window_makes_that_kind_unknowable(logs: Logs) -> None:
    intrusion(logs)
    remove(logs, ATTACK + 3 * HOUR, ATTACK + 8 * HOUR)
    payment = line(logs.draft(), "payment")
    assert payment.reach.value == "unknowable"
    assert payment.gaps == ((ATTACK + 3 * HOUR - HOUR // 12, ATTACK + 8 * HOUR),)
    assert payment.covered[0] == (ATTACK, ATTACK + 3 * HOUR - HOUR // 12)
    assert payment.reason.values["streams"] == "product.log"


def test_an_hour_removed_before_the_window_changes_nothing(logs: Logs) -> None:
    intrusion(logs)
    remove(logs, START + 3 * HOUR, START + 8 * HOUR)
    assert reach(logs.draft())["payment"] == "not_reached"


def test_a_gap_does_not_unread_what_was_read(logs: Logs) -> None:
    intrusion(logs)
    remove(logs, ATTACK + 3 * HOUR, ATTACK + 8 * HOUR)
    remove(logs, ATTACK + 3 * HOUR, ATTACK + 8 * HOUR, source_id="web")
    assert reach(logs.draft())["profile"] == "reached"


@pytest.mark.parametrize(("first", "last"), [(0, 14), (20, 24)])
def test_a_stream_that_begins_late_or_ends_early_cannot_exclude(logs: Logs, first: int, last: int) -> None:
    intrusion(logs)
    remove(logs, START + first * HOUR, START + last * HOUR)
    assert reach(logs.draft())["payment"] == "unknowable"


def test_a_kind_that_no_log_tells_apart_is_unknowable(logs: Logs) -> None:
    intrusion(logs)
    for event in logs.events:
        event["data_category"] = None
    assert set(reach(logs.draft()).values()) == {"unknowable"}


def test_unreadable_lines_of_the_stream_make_a_kind_unknowable(logs: Logs) -> None:
    intrusion(logs)
    assert reach(logs.draft(sources=logs.sources(rejected=50)))["payment"] == "unknowable"


def test_refused_reading_is_not_reached(logs: Logs) -> None:
    intrusion(logs, data_category="payment", source_id="product", status_id=2)
    logs.add(ATTACK, account="eve", **OFFENDER)
    assert reach(logs.draft())["payment"] == "not_reached"


def test_an_unknown_outcome_is_unknowable(logs: Logs) -> None:
    intrusion(logs)
    logs.add(ATTACK, account="eve", data_category="payment", status_id=0, **OFFENDER)
    logs.detections.clear()
    logs.detect(
        Kind.SESSION_THEFT, SuspectType.ACCOUNT, "eve", where="account = 'eve'", accounts=AccountRole.INSTRUMENT,
        proof="status_id IN (0, 1)",
    )  # fmt: skip
    assert reach(logs.draft())["payment"] == "unknowable"


def test_stored_objects_of_unknown_content_exclude_nothing(logs: Logs) -> None:
    intrusion(logs)
    logs.add(
        ATTACK, format="aws_cloudtrail", actor_type="cloud", actor_user_uid="role/web", object_type="s3_object",
        object_id="bucket/dump.sql", api_operation="GetObject", **OFFENDER,
    )  # fmt: skip
    logs.detect(Kind.API_ABUSE, SuspectType.PRINCIPAL, "role/web", where="actor_user_uid = 'role/web'")
    draft = logs.draft()
    assert reach(draft)["payment"] == "unknowable"
    assert reach(draft)["profile"] == "reached"


def test_the_window_runs_from_the_intruders_first_event_and_knowing_from_the_first_detection(logs: Logs) -> None:
    intrusion(logs)
    draft = logs.draft()
    assert draft.window == (ATTACK, ATTACK + HOUR)
    assert draft.aware_ts == ATTACK + HOUR

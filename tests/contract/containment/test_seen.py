"""Facts of done from the protected product's own logs: read as they are, believed only as far as they say."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tocsin import story, wiring
from tocsin.journal.values import MACHINE
from tocsin.kernel.loading import lazily

models = lazily("tocsin.containment.models")

SINCE = datetime(2026, 3, 2, 12, tzinfo=UTC)  # what the fixture's plans begin at


def at(minutes: float) -> str:
    return (SINCE + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


def signed(
    minutes: float, account: str, *, event: str = "login", result: str = "success", **more: Any
) -> dict[str, Any]:
    return {
        "time": at(minutes), "event": event, "account": account, "result": result, "ip": "192.0.2.7", "session": None,
        "reason": None, "platform": "web", "app_version": None,
    } | more  # fmt: skip


def used(minutes: float, session: str, *, account: str | None = None, status: int = 200, **more: Any) -> dict[str, Any]:
    return {
        "ts": at(minutes), "ip": "192.0.2.8", "account": account, "session": session, "method": "GET",
        "path": "/v1/home", "status": status, "bytes": 10, "ua": "Larkwave/8.10.2 Android/14", "platform": "android",
        "app_version": "8.10.2", "ms": 3,
    } | more  # fmt: skip


@pytest.fixture
def follow(tmp_path: Path) -> Callable[..., story.containment_commands.Seen]:
    """Return a function that writes logs and follows them."""

    def followed(plan: Any, *, auth: list[dict[str, Any]] = (), api: list[dict[str, Any]] = ()) -> Any:
        files = []
        for name, rows in (("auth.jsonl", auth), ("api.jsonl", api)):
            if rows:
                path = tmp_path / name
                with path.open("a", encoding="utf-8") as file:
                    file.writelines(json.dumps(row) + "\n" for row in rows)
                files.append(path)
        return story.follow(plan.number, files, formats=wiring.formats(), allowance_seconds=300, by=MACHINE)[1]

    return followed


def asks(*kinds: str, **details: str) -> dict[str, Any]:
    listed = [{"kind": kind} | (details if kind.endswith("_client") else {}) for kind in kinds]
    return {"measures": listed, "systems": {kind: ["gate"] for kind in kinds}}


def stands(plan: Any, account: str) -> tuple[str, str]:
    row = models.ContainmentProgress.objects.get(plan=plan, account=account)
    return row.state, row.reason


def test_sign_ins_and_changed_passwords_are_facts_and_failures_are_none(plans: Callable[..., Any], follow: Any):
    plan = plans([asks("reauthenticate"), asks("reset_password")], {"u1": 0, "u2": 0, "u3": 1, "u4": 1})
    seen = follow(plan, auth=[
        signed(-30, "u1"), signed(10, "u1"), signed(11, "u2", result="failure", reason="wrong_password"),
        signed(12, "u3", event="password_changed"), signed(13, "u4", event="password_reset_requested"),
        signed(14, "stranger"),
    ])  # fmt: skip
    assert seen.recorded.new == 2 and seen.recorded.closed == 2
    assert stands(plan, "u1") == ("closed", "") and stands(plan, "u3") == ("closed", "")
    assert models.ContainmentProgress.objects.count() == 2
    assert seen.breaches == () and seen.minutes == 4


def test_a_growing_log_adds_only_what_is_new(plans: Callable[..., Any], follow: Any):
    plan = plans([asks("reauthenticate")], {"u1": 0, "u2": 0})
    assert follow(plan, auth=[signed(10, "u1")]).recorded.new == 1
    again = follow(plan, auth=[signed(20, "u2")])
    assert (again.recorded.new, again.recorded.repeated, again.recorded.closed) == (1, 1, 1)


def test_a_new_client_counts_from_its_version_on(plans: Callable[..., Any], follow: Any):
    plan = plans([asks("update_client", platform="android", version_min="8.11")], {"u1": 0, "u2": 0, "u3": 0})
    follow(plan, api=[
        used(5, "s1", account="u1", app_version="8.11.0"), used(5, "s2", account="u2"),
        used(5, "s3", account="u3", app_version="8.11.0", status=403),
    ])  # fmt: skip
    assert stands(plan, "u1")[0] == "closed"
    assert stands(plan, "u2") == ("planned", "client_not_updated")
    assert not models.ContainmentProgress.objects.filter(account="u3").exists()


def test_an_old_session_that_still_works_is_told_loudly(plans: Callable[..., Any], follow: Any):
    plan = plans([asks("revoke_sessions")], {"u1": 0, "u2": 0, "u3": 0, "u4": 0})
    seen = follow(
        plan,
        auth=[signed(-60, name, session=f"old-{name}") for name in ("u1", "u2", "u3", "u4")] + [signed(8, "u4", session="old-u4")],
        api=[
            used(3, "old-u1"),  # within the allowance
            used(30, "old-u1"), used(31, "old-u1"),
            used(30, "old-u2", status=401), used(31, "old-u2", status=302),
            used(30, "fresh-u3", account="u3"),
            used(30, "old-u4"),  # signed in again under the same name
        ],
    )  # fmt: skip
    assert [(each.account, each.kind.value, each.events) for each in seen.breaches] == [("u1", "old_session_active", 2)]
    assert stands(plan, "u1") == ("planned", "old_session_active")


def test_nothing_is_a_breach_before_a_wave_begins(plans: Callable[..., Any], follow: Any):
    plan = plans([asks("revoke_sessions"), asks("suspend")], {"u1": 0, "u2": 1})
    models.ContainmentWave.objects.update(begun_at=None, state="waiting")
    seen = follow(plan, auth=[signed(-60, "u1", session="old")], api=[used(30, "old"), used(31, "x", account="u2")])
    assert seen.breaches == () and seen.minutes == 0


def test_a_suspended_account_that_acts_is_a_breach(plans: Callable[..., Any], follow: Any):
    plan = plans([asks("suspend")], {"u1": 0, "u2": 0})
    seen = follow(plan, api=[used(30, "s", account="u1"), used(30, "t", account="u2", status=403)])
    assert [(each.account, each.kind.value) for each in seen.breaches] == [("u1", "suspended_acting")]
    assert stands(plan, "u1") == ("planned", "suspended_acting")


def test_minutes_tell_what_stop_rules_look_at(plans: Callable[..., Any], follow: Any):
    plan = plans([asks("reset_password")], {"u1": 0, "u2": 0})
    follow(plan, auth=[
        signed(10, "u1", result="failure", reason="wrong_password"), signed(10.2, "u1", result="failure", reason="wrong_password"),
        signed(10.4, "u1", event="password_changed"), signed(10.5, "u1"), signed(10.6, "stranger", result="failure"),
    ])  # fmt: skip
    (minute,) = models.ContainmentMinute.objects.all()
    assert (minute.sign_ins, minute.failures, minute.resets) == (1, 2, 1)


def test_what_comes_from_the_intruders_addresses_makes_nobody_safe(
    plans: Callable[..., Any], follow: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("tocsin.containment.seen._addresses", lambda _revision: ["203.0.113.9"])
    plan = plans([asks("reauthenticate")], {"u1": 0, "u2": 0})
    seen = follow(plan, auth=[signed(10, "u1", ip="203.0.113.9"), signed(11, "u2")])
    assert seen.intruder_accounts == ("u1",)
    assert list(models.ContainmentProgress.objects.values_list("account", flat=True)) == ["u2"]


def test_sessions_that_ended_are_told_from_one_session_that_did(plans: Callable[..., Any], follow: Any):
    names = {
        "u1": "sessions_revoked", "u2": "revoke_all_sessions", "u3": "user.session.clear", "u4": "logout_everywhere",
        "u5": "user.session.end", "u6": "logout", "u7": "session_started",
    }  # fmt: skip
    plan = plans([asks("revoke_sessions")], dict.fromkeys(names, 0))
    follow(plan, auth=[signed(10, account, event=event) for account, event in names.items()])
    closed = models.ContainmentProgress.objects.filter(plan=plan, state="closed").values_list("account", flat=True)
    assert sorted(closed) == ["u1", "u2", "u3", "u4"]


def test_an_identity_of_staff_is_found_by_the_name_the_log_gives_it(plans: Callable[..., Any], follow: Any):
    plan = plans([asks("reset_password")], {"ravi@larkwave.example": 0}, role="principal")
    tools = {
        "staff": "ravi@larkwave.example",
        "session": "f" * 32,
        "ip": "192.0.2.12",
        "device": "lt-1",
        "method": None,
    }
    rows = [
        {"time": at(n), **tools, "event": event, "result": "success", "factor": "totp", "path": None, "status": None}
        for n, event in ((20, "login"), (21, "password_changed"))
    ]
    follow(plan, auth=rows)
    assert stands(plan, "ravi@larkwave.example") == ("closed", "")

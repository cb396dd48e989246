"""Mail providers' webhooks, in the forms their documents show, verified and put into one form."""

import base64
import hmac
import json
from pathlib import Path
from uuid import UUID

import pytest

from tocsin.integrations.email_provider.receiving import RECEIVING
from tocsin.messaging.values import Aside, Objection, Reason, StatusKind, StatusUpdate, Verdict
from tocsin.project import settings

pytest.importorskip("anymail")
OURS = UUID("0199d0c4-5a7c-7f3e-8d7e-6f3f0a1b2c3d")
ADDRESS = "https://tocsin.example/webhooks/v1/app1?provider="


@pytest.fixture(autouse=True)
def _django(tmp_path: Path) -> None:
    settings.use_database(settings.parameters_of_socket(str(tmp_path), role="nobody", database="none"))


def updates(provider: str, told: object):
    headers = {"content-type": "application/json", ":path": f"/webhooks/v1/app1?provider={provider}"}
    return RECEIVING.updates(json.dumps(told).encode(), headers=headers)


def postmark(**changes: object) -> dict[str, object]:
    return {
        "RecordType": "Delivery", "MessageID": "pm-1", "Recipient": "bob@example.org", "Metadata": {"tocsin_id": str(OURS)},
        "DeliveredAt": "2026-09-01T10:00:00Z", "Details": "250 2.0.0 OK", **changes,
    }  # fmt: skip


def test_a_delivery_is_of_our_message():
    (update,) = updates("postmark", postmark())
    assert isinstance(update, StatusUpdate)
    assert (update.message_id, update.provider_id, update.status) == (OURS, "pm-1", StatusKind.DELIVERED)


def test_a_bounce_says_why_without_the_address():
    told = postmark(
        RecordType="Bounce", Type="HardBounce", Email="bob@example.org", BouncedAt="2026-09-01T10:00:00Z",
        Details="smtp;550 5.1.1 bob@example.org is unknown", Description="unable to deliver",
    )  # fmt: skip
    (update,) = updates("postmark", told)
    assert isinstance(update, StatusUpdate) and update.status is StatusKind.BOUNCED
    assert (update.verdict, update.reason) == (Verdict.DEAD, Reason.NOT_REACHABLE)
    assert "bob" not in update.detail and "5.1.1" in update.detail


def test_a_complaint_stops_and_an_opening_proves_nothing():
    told = postmark(RecordType="SpamComplaint", Type="SpamComplaint", Email="bob@example.org")
    (update,) = updates("postmark", {**told, "BouncedAt": "2026-09-01T10:00:00Z"})
    assert isinstance(update, StatusUpdate)
    assert (update.status, update.verdict) == (StatusKind.COMPLAINED, Verdict.STOPPED)
    assert updates("postmark", postmark(RecordType="Open", ReceivedAt="2026-09-01T10:00:00Z")) == ()


def test_several_events_at_once_are_all_read():
    told = [
        {"event": "sent", "time": 1433333949, "MessageID": 194, "email": "bob@example.org",
         "Payload": json.dumps({"tocsin_id": str(OURS)})},
        {"event": "unsub", "time": 1433333949, "MessageID": 194, "email": "bob@example.org"},
    ]  # fmt: skip
    first, second = updates("mailjet", told)
    assert isinstance(first, StatusUpdate) and first.message_id == OURS
    assert isinstance(second, Objection) and second.stopped


@pytest.mark.parametrize("told", [None, [], {}, "x", {"RecordType": "Delivery"}, [{"event": 3}], {"event-data": []}])
@pytest.mark.parametrize("provider", ["postmark", "sparkpost", "mailgun", "brevo", "mailjet", "mailersend", "nobody"])
def test_nothing_that_is_told_breaks_it(provider: str, told: object):
    assert all(isinstance(each, Aside | StatusUpdate | Objection) for each in updates(provider, told))


def test_a_name_and_password_or_a_signature_must_come_back():
    body = json.dumps(postmark()).encode()
    given = {"authorization": "Basic " + base64.b64encode(b"hook:hush").decode(), "content-type": "application/json"}
    asked = {"address": ADDRESS + "postmark"}
    assert RECEIVING.verified(given, body, secrets=["old:old", "hook:hush"], **asked)
    assert not RECEIVING.verified(given, body, secrets=["hook:other"], **asked)
    assert not RECEIVING.verified({"content-type": "application/json"}, body, secrets=["hook:hush"], **asked)
    assert not RECEIVING.verified(given, body, secrets=["hook:hush"], address=ADDRESS + "nobody")
    assert not RECEIVING.verified(given, body, secrets=[""], **asked)

    made = hmac.new(b"signing", b"1700000000tok", "sha256").hexdigest()
    told = {"signature": {"timestamp": "1700000000", "token": "tok", "signature": made}, "event-data": {}}
    body = json.dumps(told).encode()
    headers = {"content-type": "application/json"}
    assert RECEIVING.verified(headers, body, secrets=["signing"], address=ADDRESS + "mailgun")
    assert not RECEIVING.verified(headers, body, secrets=["other"], address=ADDRESS + "mailgun")

"""Did she get it, and how do you know: the answer fits the state, and says no more than is known."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from tocsin.cli import message_shown as shown
from tocsin.cli.message_shown import Answer
from tocsin.customers.values import AddressKind
from tocsin.messaging.queries import MessageState
from tocsin.messaging.values import (
    Attempt,
    Inbound,
    Message,
    Priority,
    Proof,
    Proven,
    Purpose,
    Reason,
    Status,
    StatusKind,
    Trace,
)

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
MESSAGE = Message(
    id=UUID(int=1), channel="wa", address="+33612345678", address_kind=AddressKind.PHONE, state=MessageState.SENT,
    reason="", detail="", priority=Priority.SECURITY, purpose=Purpose.SECURITY, template="", digest="ab",
    provider_id="wamid.1", person_id=None, account="ada", broadcast="", tries=1, queued_at=AT, state_at=AT,
    next_try_at=None, sent_at=AT, delivered_at=None, read_at=None,
)  # fmt: skip


def traced(message: Message = MESSAGE, **parts: object) -> Trace:
    usual: dict[str, object] = {"attempts": (), "statuses": (), "inbound": (), "proofs": ()}
    return Trace(message=message, **(usual | parts))  # type: ignore[arg-type]


def printed(capsys: pytest.CaptureFixture[str], trace: Trace) -> str:
    shown.print_trace(trace, beside=(), reveal=False)
    return capsys.readouterr().out


def proof(what: str, proven: Proven, number: int | None) -> Proof:
    return Proof(what, proven, "", 0, 1, (), "", UUID(int=2), number)


@pytest.mark.parametrize(
    ("state", "answer", "begins"),
    [
        (MessageState.QUEUED, Answer.NOT_YET, "Not yet"),
        (MessageState.CLAIMED, Answer.NOT_YET, "Not yet"),
        (MessageState.RETRYING, Answer.NOT_YET, "Not yet"),
        (MessageState.WITHHELD, Answer.NO, "No:"),
        (MessageState.UNKNOWN, Answer.NOT_KNOWN, "Not known"),
        (MessageState.SENT, Answer.NOT_KNOWN, "Not known"),
        (MessageState.FAILED, Answer.NO, "No:"),
        (MessageState.DELIVERED, Answer.YES, "Yes:"),
        (MessageState.BOUNCED, Answer.NO, "No:"),
        (MessageState.READ, Answer.YES, "Yes:"),
    ],
)
def test_every_state_has_its_answer(state: MessageState, answer: Answer, begins: str):
    message = replace(MESSAGE, state=state, reason=Reason.REFUSED.value)
    assert shown.answer(message) is answer
    assert shown.sentence(message).startswith(begins)


def test_every_reason_is_said_in_words():
    for reason in Reason:
        assert shown.reason_words(reason.value) != reason.value
    assert shown.reason_words("something_new") == "something_new"


def test_a_mail_without_a_bounce_is_not_called_delivered():
    message = replace(MESSAGE, address_kind=AddressKind.EMAIL)
    assert "Mail servers report failures only" in shown.sentence(message)
    assert shown.answer(message) is Answer.NOT_KNOWN


def test_a_message_that_failed_without_a_reason_says_that_nobody_knows_why():
    assert "nobody knows why" in shown.sentence(replace(MESSAGE, state=MessageState.FAILED))


def test_the_answer_comes_first_then_its_grounds(capsys: pytest.CaptureFixture[str]):
    attempt = Attempt(1, AT, AT, AT, MessageState.SENT, "", 0, "", "wamid.1", fallback=True, digest="ab")
    status = Status(StatusKind.DELIVERED, AT, AT, 0, "", "utility", "regular")
    reply = Inbound(UUID(int=3), "wa", MESSAGE.address, "text", AT + timedelta(minutes=1), "wamid.1")
    delivered = replace(MESSAGE, state=MessageState.DELIVERED, delivered_at=AT)
    proofs = (proof("queued", Proven.PROVEN, 7), proof("attempt 1", Proven.PROVEN, 8))
    out = printed(capsys, traced(delivered, attempts=(attempt,), statuses=(status,), inbound=(reply,), proofs=proofs))
    lines = out.splitlines()
    assert lines[0].startswith("Yes: the provider reports that it arrived (2 March 2026, 12:00:00 UTC).")
    assert "answered this very message" in lines[1]
    assert "the template went out instead" in lines[2]
    assert "Proven by the journal entries 7, 8" in lines[3]
    assert MESSAGE.address not in out


def test_a_row_that_was_changed_is_said_loudly(capsys: pytest.CaptureFixture[str]):
    out = printed(
        capsys, traced(proofs=(proof("queued", Proven.PROVEN, None), proof("status read", Proven.CHANGED, 8)))
    )
    assert "NOT what the journal says: status read." in out
    assert "numbers its newest entries in a moment" in out


def test_what_programs_get_is_masked_too():
    inbound = Inbound(UUID(int=3), "wa", MESSAGE.address, "text", AT, "")
    told = shown.as_json(traced(inbound=(inbound,)), reveal=False)
    assert (told["answer"], told["message"]["address"]) == ("not_known", "+33*******78")
    assert MESSAGE.address not in str(told)
    assert shown.as_json(traced(), reveal=True)["message"]["address"] == MESSAGE.address


def test_what_happened_in_one_second_stands_in_its_order(capsys: pytest.CaptureFixture[str]):
    claimed_at = AT + timedelta(milliseconds=500)  # ours has fractions, the provider's whole seconds
    attempt = Attempt(1, claimed_at, AT, AT, MessageState.SENT, "", 0, "", "wamid.1", fallback=False, digest="ab")
    kinds = (StatusKind.READ, StatusKind.DELIVERED, StatusKind.SENT)
    statuses = tuple(Status(kind, AT, AT, 0, "", "", "") for kind in kinds)
    out = printed(capsys, traced(attempts=(attempt,), statuses=statuses))
    steps = ("attempt 1", "provider: sent", "provider: delivered", "provider: read")
    assert sorted(steps, key=out.index) == list(steps)


def test_a_list_fits_a_terminal_of_100_columns(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shown.listing, "PIPE_COLUMNS", 100)
    shown.print_list([replace(MESSAGE, channel="whatsapp-main")], reveal=True)
    row = capsys.readouterr().out.split("\n", 1)[1]
    assert "2026-03-02 12:00Z" in row
    assert str(MESSAGE.id) in row
    assert MESSAGE.address in row


def test_a_list_fits_a_terminal_of_80_columns_in_two_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(shown.listing, "PIPE_COLUMNS", 80)
    withheld = replace(MESSAGE, state=MessageState.WITHHELD, reason=Reason.CANCELLED.value)
    shown.print_list([withheld], reveal=False)
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"{MESSAGE.id}  2026-03-02 12:00Z  +33*******78"
    assert second.strip() == f"{MESSAGE.channel}: not sent: somebody cancelled it"


def test_nothing_is_said_to_have_stayed_here_when_nobody_knows(capsys: pytest.CaptureFixture[str]):
    died, window = Reason.SENDER_DIED.value, Reason.WINDOW_SHUT.value
    unknown = Attempt(1, AT, None, AT, MessageState.UNKNOWN, died, 0, "", "", fallback=False, digest="ab")
    withheld = replace(unknown, state=MessageState.WITHHELD, reason=window)
    assert "no byte" not in printed(capsys, traced(attempts=(unknown,)))
    assert "no byte" in printed(capsys, traced(attempts=(withheld,)))


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("template_not_usable 132001", "the template cannot be used at present (132001)"),
        ("template_paused", "the provider calls it PAUSED"),
        ("somebody's own word", "somebody's own word"),
    ],
)
def test_why_something_is_held_is_said_in_words(reason: str, words: str):
    assert shown.reason_words(reason) == words

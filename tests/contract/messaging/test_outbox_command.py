"""`tocsin outbox`: what waits, the switches, and what a person decides."""

import json
from typing import Any

import pytest

from tocsin.messaging.states import MessageState
from tocsin.project import main


def tocsin(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main.run(list(arguments))
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def test_the_outbox_shows_what_waits_and_lets_a_person_stop_decide_and_cancel(
    committed_outbox: Any, capsys: pytest.CaptureFixture[str]
):
    outbox = committed_outbox
    first, second, third = outbox.queue(count=3)
    for message in outbox.claim(1).messages:
        outbox.settle(message, begun=True)
    assert tocsin(capsys, "outbox", "pause", "main", "--reason", "wrong wording", "--as", "mona")[0] == 0
    _code, out, _err = tocsin(capsys, "outbox", "status")
    assert "wrong wording" in out
    assert "tocsin outbox unknown" in out
    (state,) = json.loads(tocsin(capsys, "outbox", "status", "--json", "--all")[1])["channels"]
    assert (state["counts"], state["paused_reason"]) == ({"queued": 2, "unknown": 1}, "wrong wording")

    _code, out, _err = tocsin(capsys, "outbox", "unknown", "--older-than-seconds", "0")
    assert str(first) in out
    assert "+34600000000" not in out
    (listed,) = json.loads(tocsin(capsys, "outbox", "unknown", "--older-than-seconds", "0", "--json")[1])
    assert (listed["id"], listed["reason"]) == (str(first), "no_answer")
    decide = ("outbox", "unknown", str(first), "--reason", "she called", "--as", "mona")
    assert tocsin(capsys, *decide, "--give-up")[0] == 0
    code, _out, err = tocsin(capsys, *decide, "--resend")
    assert (code, "failed" in err) == (2, True)
    assert outbox.state(first) is MessageState.FAILED

    assert tocsin(capsys, "outbox", "cancel", str(second), "--reason", "wrong", "--as", "mona")[0] == 0
    assert outbox.state(second) is MessageState.WITHHELD
    assert tocsin(capsys, "outbox", "resume", "main", "--as", "mona")[0] == 0
    assert [message.id for message in outbox.claim().messages] == [third]


def test_while_everything_is_paused_no_channel_is_said_to_send(
    committed_outbox: Any, capsys: pytest.CaptureFixture[str]
):
    committed_outbox.queue()
    assert tocsin(capsys, "outbox", "pause", "--reason", "a drill", "--as", "mona")[0] == 0
    for arguments in (("outbox", "status"), ("channel", "list")):
        said = " ".join(tocsin(capsys, *arguments)[1].split())
        assert "no: everything is paused" in said
        assert " yes " not in said


@pytest.mark.parametrize(
    "arguments",
    [
        ("cancel", "--reason", "x"),
        ("unknown", "--resend"),
        ("unknown", "01a202f9-3eb1-7221-a029-2328b9459139"),
        ("unknown", "01a202f9-3eb1-7221-a029-2328b9459139", "--resend", "--give-up"),
        ("pause",),
    ],
)
def test_half_an_order_is_refused_before_anything_happens(arguments: tuple[str, ...], capsys: Any):
    assert tocsin(capsys, "outbox", *arguments)[0] == 2

"""Waiting for what becomes of a message: a script can tell from the exit code that it did not go."""

from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from tests.unit.cli.test_message_shown import MESSAGE

from tocsin.cli import message_send
from tocsin.messaging.queries import MessageState
from tocsin.messaging.values import Reason


@pytest.mark.parametrize(
    ("state", "did_not_go"),
    [
        (MessageState.DELIVERED, False),
        (MessageState.UNKNOWN, False),
        (MessageState.WITHHELD, True),
        (MessageState.FAILED, True),
        (MessageState.BOUNCED, True),
    ],
)
def test_waiting_tells_whether_a_message_did_not_go(
    state: MessageState, did_not_go: bool, monkeypatch: pytest.MonkeyPatch
):
    ended = replace(MESSAGE, state=state, reason=Reason.REFUSED.value)
    monkeypatch.setattr(message_send.queries, "message", lambda _id: ended)
    assert message_send._wait([UUID(int=1)], seconds=1, reports=True) is did_not_go


def test_a_list_with_roles_says_which_accounts_are_the_intruders(tmp_path: Path) -> None:
    (tmp_path / "affected.csv").write_text("account,role,certainty\nada,victim,confirmed\n'=mal,attacker,confirmed\n")
    assert message_send._lines(tmp_path / "affected.csv") == (["ada", "=mal"], {"=mal"})
    for written_anew in (
        "account;role\nada;victim\n=mal;attacker\n",
        "Account,Role\nada,Victim\n=mal, Attacker \n",
        '"role"\t"account"\n\tada\nattacker\t=mal\nvictim\t\n',
    ):
        (tmp_path / "anew.csv").write_text(written_anew, encoding="utf-8-sig")
        assert message_send._lines(tmp_path / "anew.csv") == (["ada", "=mal"], {"=mal"}), written_anew
    (tmp_path / "plain.txt").write_text("ada\nbob\n")
    assert message_send._lines(tmp_path / "plain.txt") == (["ada", "bob"], set())

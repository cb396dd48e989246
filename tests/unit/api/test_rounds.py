"""The rounds of the server: whatever goes wrong in one, it goes on."""

import threading
from unittest.mock import Mock

import pytest

from tocsin.api import rounds


def test_a_round_goes_on_after_a_fault_nobody_thought_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(rounds, "TROUBLE_SECONDS", 0.0)
    monkeypatch.setattr(rounds, "connection", Mock())
    stop, calls = threading.Event(), []

    def look() -> None:
        calls.append(len(calls))
        if len(calls) == 1:
            raise KeyError("+34600000001")
        stop.set()

    rounds._again(look, stop)
    assert calls == [0, 1]
    assert "KeyError" in caplog.text
    assert "+34600000001" not in caplog.text

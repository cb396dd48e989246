"""A real mail server: what it takes, what it refuses, and what its own reports tell us of our messages later."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from email import message_from_bytes
from email.policy import default
from typing import Any
from uuid import UUID, uuid4

import exim
import pytest

from tocsin.customers.values import AddressKind
from tocsin.integrations.email import channel, reports
from tocsin.messaging.ports import TransportError
from tocsin.messaging.values import Accepted, Outgoing, Purpose, Reason, StatusKind, StatusUpdate, Verdict

TEXT = "Grüße\n.\n..\n.hidden\nFrom here on\n" + "a" * 3000 + "\n日本語\nend"


@pytest.fixture(scope="module")
def server() -> Iterator[exim.Exim]:
    if not exim.is_here():
        pytest.skip("exim4 is not installed, or this is not the superuser (Debian: exim4-daemon-light)")
    with exim.running() as running:
        yield running


def run(server: exim.Exim, work: Callable[[channel.Email], Awaitable[Any]], **settings: Any) -> Any:
    given = {
        "host": "127.0.0.1", "port": server.port, "security": "none", "from": "alarm@larkwave.example",
        "reports_delivery": True, "timeout_seconds": 30, **settings,
    }  # fmt: skip

    async def whole() -> Any:
        email = channel.connect("mail", settings=given, secrets={})
        try:
            return await work(email)
        finally:
            await email.close()

    return asyncio.run(whole())


def message(address: str, *, text: str = TEXT) -> Outgoing:
    content = {"subject": "Grüße aus Zürich", "text": text, "html": "<p>é</p>\n.\n"}
    return Outgoing(uuid4(), address, AddressKind.EMAIL, content, 1, Purpose.SERVICE)


def test_what_it_takes_arrives_whole_and_its_reports_settle_each_message(server: exim.Exim):
    told = {name: message(f"{name}@example.org") for name in ("bob", "møller", "gone", "full")}

    async def work(email: channel.Email) -> list[Accepted]:
        return [await email.send(each) for each in told.values()]

    run(server, work)
    for raw in server.people(2):
        mail = message_from_bytes(raw, policy=default)
        plain = mail.get_body(("plain",))
        assert plain.get_content().replace("\r\n", "\n").strip("\n") == TEXT
        assert mail["Subject"] == "Grüße aus Zürich"
    found: dict[UUID | None, StatusUpdate] = {}
    for raw in server.returned(4):
        (update,) = reports.updates(raw)
        assert isinstance(update, StatusUpdate)
        found[update.message_id] = update
    by_name = {name: found[each.id] for name, each in told.items()}
    assert {by_name[name].status for name in ("bob", "møller")} == {StatusKind.DELIVERED}
    assert (by_name["gone"].status, by_name["gone"].reason) == (StatusKind.BOUNCED, Reason.NOT_REACHABLE)
    assert (by_name["full"].status, by_name["full"].reason) == (StatusKind.BOUNCED, Reason.TRY_LATER)
    assert by_name["full"].code == 552 and "full@" not in by_name["full"].detail


@pytest.mark.parametrize(
    ("name", "verdict", "reason"),
    [
        ("nobody", Verdict.DEAD, Reason.NOT_REACHABLE),
        ("grey", Verdict.LATER, Reason.TRY_LATER),
        ("listed", Verdict.DEAD, Reason.REFUSED_BY_POLICY),
    ],
)
def test_what_it_refuses_at_once_is_known_at_once(server: exim.Exim, name: str, verdict: Verdict, reason: Reason):
    with pytest.raises(TransportError) as caught:
        run(server, lambda email: email.send(message(f"{name}@example.org")))
    assert (caught.value.verdict, caught.value.reason) == (verdict, reason)
    assert name not in caught.value.detail.replace("Greylisted", "").replace("block list", "")


def test_what_is_too_long_is_never_begun(server: exim.Exim):
    with pytest.raises(TransportError) as caught:
        run(server, lambda email: email.send(message("bob@example.org", text="a" * 2_000_000)))
    assert caught.value.verdict is Verdict.OUR_MISTAKE


def test_more_connections_than_it_allows_cost_no_message(server: exim.Exim):
    async def work(email: channel.Email) -> list[Any]:
        return await asyncio.gather(
            *(email.send(message("many@example.org")) for _ in range(12)), return_exceptions=True
        )

    ends = run(server, work, connections=6)
    assert all(isinstance(end, Accepted) for end in ends), [repr(end) for end in ends]

"""One click, a page for people, and a mail: who wants no more gets none, and security notices still arrive."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import pytest
from tests.contract.messaging.conftest import MONA
from tests.contract.messaging.receiving.conftest import Hooks, models
from tests.contract.messaging.receiving.test_receiver import Client, Wired, kept

from tocsin.api.app import Api
from tocsin.customers.values import AddressKind
from tocsin.integrations.email import unsubscribing
from tocsin.integrations.email.receiving import RECEIVING as MAILS
from tocsin.integrations.email_provider.receiving import RECEIVING as PROVIDERS
from tocsin.kernel import clock
from tocsin.messaging import commands
from tocsin.messaging.values import Draft, IntakeBody, Prepared, Priority, Purpose, Update

ONE_CLICK = unsubscribing.ONE_CLICK.encode()
FORM = {"content-type": "application/x-www-form-urlencoded"}
MULTIPART = (
    b'--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--\r\n'  # RFC 8058, 8.2
)


class Mailing(Wired):
    def webhook(self, kind: str) -> Any:
        return PROVIDERS if kind == "email_provider" else MAILS


@pytest.fixture
def client(hooks: Hooks) -> Client:
    commands.add_channel("mail", kind="email", line="a via b", settings={}, secrets={}, by=MONA)
    return Client(commands.add_app("bounces", kind="email", secrets=["hush", "older"], by=MONA))


def asked(client: Client, query: str = "", *, method: str = "POST", body: bytes = ONE_CLICK, language: str = "") -> Any:
    async def ask() -> Any:
        api = Api(wired=Mailing())
        try:
            headers = {**FORM, "accept-language": language}
            return await client.ask(api, method, body, query=query, headers=headers)
        finally:
            await asyncio.to_thread(api.close)

    return asyncio.run(ask())


def queued(purpose: Purpose, *, address: str = "bob@example.org") -> UUID:
    content = {"subject": "a", "text": "b"}
    draft = Draft("mail", address, AddressKind.EMAIL, Prepared(content), priority=Priority.BULK, purpose=purpose)
    (message,) = commands.queue_messages([draft], by=MONA)
    assert message is not None
    return message


def query(message: UUID, *, key: str = "hush") -> str:
    url = unsubscribing.address("https://x.example/?u={message}&p={proof}", message_id=message, key=key)
    return url.partition("?")[2]


def taken_in() -> None:
    def read(_kind: str, body: bytes, headers: Mapping[str, str]) -> Sequence[Update]:
        return MAILS.updates(body, headers=headers)

    commands.take_intake(read)


def objections() -> list[tuple[str, str]]:
    return list(models.PersonObjection.objects.values_list("address", "purpose"))


@pytest.mark.parametrize("body", [ONE_CLICK, MULTIPART])
def test_one_click_stops_what_the_message_was_and_nothing_else(client: Client, body: bytes) -> None:
    message = queued(Purpose.MARKETING)
    answered = asked(client, query(message, key="older"), body=body)
    assert answered.status == 200 and kept() == 1
    taken_in()
    assert objections() == [("bob@example.org", "marketing")]
    assert models.WebhookIntake.objects.get().state == "done"


def test_looking_at_the_address_stops_nothing_and_shows_a_page_in_ones_language(client: Client) -> None:
    message = queued(Purpose.MARKETING)
    page = asked(client, query(message), method="GET", body=b"", language="fr-CH, en;q=0.5")
    assert page.status == 200 and not kept()
    assert page.headers["content-type"] == "text/html; charset=utf-8" and "script" not in page.body.decode()
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert b'lang="fr"' in page.body and b'method="post"' in page.body
    done = asked(client, query(message), language="de")
    assert done.status == 200 and b'lang="en"' in done.body and b"<form" not in done.body
    taken_in()
    assert objections() == [("bob@example.org", "marketing")]


def test_what_somebody_made_up_is_refused_and_nothing_is_kept(client: Client) -> None:
    message, other = queued(Purpose.MARKETING), queued(Purpose.MARKETING, address="eve@example.org")
    mixed = query(message).replace(str(message), str(other))
    for wrong in (query(message, key="guessed"), mixed, f"u={message}", "u=x&p=y", "", "u=%00&p=%ff"):
        assert asked(client, wrong).status == 401
        assert asked(client, wrong, method="GET", body=b"").status == 403
    assert asked(client, query(message), body=b"List-Unsubscribe=No").status == 401
    assert asked(client, query(message), body=ONE_CLICK + b"x" * 5000).status == 401
    assert not kept()


def test_a_wish_by_mail_does_the_same(client: Client) -> None:
    message = queued(Purpose.MARKETING)
    raw = f"From: Bob <bob@elsewhere.example>\nTo: u@larkwave.example\nSubject: unsubscribe {message}\n\n".encode()
    taken = MAILS.updates(raw, headers={})
    assert [update.message_id for update in taken] == [message]
    commands.store_intake([IntakeBody(client.path.rpartition("/")[2], clock.now(), raw)])
    taken_in()
    assert objections() == [("bob@example.org", "marketing")]  # to whom we sent it, not who wrote


def test_a_provider_that_looks_first_finds_somebody(client: Client) -> None:
    place = Client(commands.add_app("provider", kind="email_provider", secrets=["x:y"], by=MONA))
    assert asked(place, "provider=mandrill", method="HEAD", body=b"").status == 200
    assert asked(place, "provider=unisender_go", method="GET", body=b"").status == 200
    assert asked(place, "provider=nobody", method="GET", body=b"").status == 403
    assert not kept()

"""Gateways that tell by asking an address they filled in: the query is the body, and is kept sealed alone."""

import asyncio
from typing import Any

import pytest
from tests.contract.messaging.conftest import MONA
from tests.contract.messaging.receiving.conftest import Hooks, models
from tests.contract.messaging.receiving.test_receiver import Client, Wired, kept

from tocsin.api.app import Api
from tocsin.integrations.sms.kannel.receiving import RECEIVING as KANNEL
from tocsin.integrations.sms.kannel.spelling import report_token
from tocsin.integrations.whatsapp.receiving import RECEIVING as WHATSAPP
from tocsin.messaging import commands, queries

ANSWER = "token={}&from=%2B33612345678&to=%2B33755500006&message=k1&text=a+secret+text"


class TwoKinds(Wired):
    def webhook(self, kind: str) -> Any:
        return KANNEL if kind == "kannel" else WHATSAPP


@pytest.fixture
def client(hooks: Hooks) -> Client:
    return Client(commands.add_app("sms", kind="kannel", secrets=["hush", "older"], by=MONA))


def asked(client: Client, query: str, *, path: str = "", method: str = "GET", body: bytes = b"") -> Any:
    async def ask() -> Any:
        api = Api(wired=TwoKinds())
        try:
            return await client.ask(api, method, body, query=query, path=path)
        finally:
            await asyncio.to_thread(api.close)

    return asyncio.run(ask())


def test_an_answer_is_durable_before_it_is_answered_and_its_query_stands_nowhere_in_the_open(client: Client) -> None:
    answered = asked(client, ANSWER.format("older"))
    assert (answered.status, answered.body) == (200, b"")  # Kannel would send a text back to the person
    row = models.WebhookIntake.objects.get()
    assert queries.intake_body(row.id)[1] == ANSWER.format("older").encode()
    assert row.headers == {":path": client.path}
    assert b"secret" not in bytes(row.sealed)


def test_a_wrong_token_is_refused_and_nothing_is_kept(hooks: Hooks, client: Client) -> None:
    wrong = [ANSWER.format("x"), ANSWER.format(""), "", ANSWER.format(report_token("hush", "")), "hub.mode=subscribe"]
    assert {asked(client, query).status for query in wrong} == {401}
    assert asked(client, ANSWER.format("hush"), path="/webhooks/v1/nobody").status == 403
    # A place of another kind takes nothing by a query.
    assert asked(client, ANSWER.format("s"), path=f"/webhooks/v1/{hooks.app}").status == 403
    assert not kept()


def test_a_long_answer_comes_in_and_one_beyond_all_measure_does_not(client: Client) -> None:
    assert asked(client, ANSWER.format("hush") + "%D0%9F" * 1000).status == 200
    assert asked(client, ANSWER.format("hush") + "%D0%9F" * 4000).status == 414
    assert kept() == 1


def test_a_form_that_is_posted_is_taken_as_well(client: Client) -> None:
    assert asked(client, "", method="POST", body=ANSWER.format("hush").encode()).status == 200
    assert asked(client, "", method="POST", body=ANSWER.format("x").encode()).status == 401
    assert kept() == 1

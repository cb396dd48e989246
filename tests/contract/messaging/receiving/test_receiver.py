"""The receiver as a server calls it (ASGI), with a real database behind it."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection
from tests.contract.messaging.conftest import MONA
from tests.contract.messaging.receiving.conftest import NOW, Hooks, models, read

from tocsin.api import webhooks_in
from tocsin.api.app import Api
from tocsin.integrations.whatsapp.receiving import RECEIVING
from tocsin.kernel import clock
from tocsin.messaging import commands, queries
from tocsin.messaging.errors import ChannelNotUnderstood
from tocsin.project.database_place import Place
from tocsin.staff.errors import SealBroken

SECRET = "s"


class Wired:
    def webhook(self, _kind: str) -> Any:
        return RECEIVING


@dataclass(frozen=True)
class Answered:
    status: int
    body: bytes
    headers: Mapping[str, str]


class Client:
    """Asks the application as a server would."""

    def __init__(self, app: str) -> None:
        self.path = f"/webhooks/v1/{app}"

    async def ask(
        self, api: Api, method: str, body: bytes = b"", *, headers: Mapping[str, str] | None = None, query: str = "",
        pieces: Sequence[bytes] = (), path: str = "",
    ) -> Answered:  # fmt: skip
        sent: list[dict[str, Any]] = []
        parts = list(pieces) or [body]
        incoming = [
            {"type": "http.request", "body": part, "more_body": number < len(parts) - 1}
            for number, part in enumerate(parts)
        ]

        async def receive() -> dict[str, Any]:
            return incoming.pop(0) if incoming else {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        scope = {
            "type": "http", "method": method, "path": path or self.path, "query_string": query.encode(),
            "scheme": "http",
            "headers": [(name.encode(), value.encode()) for name, value in (headers or {}).items()],
        }  # fmt: skip
        await api(scope, receive, send)
        start = sent[0]
        said = {name.decode(): value.decode() for name, value in start["headers"]}
        return Answered(start["status"], b"".join(each.get("body", b"") for each in sent[1:]), said)

    async def post(self, api: Api, body: bytes, *, secret: str | None = SECRET, **more: Any) -> Answered:
        signature = "" if secret is None else hmac.digest(secret.encode(), body, hashlib.sha256).hex()
        headers = {} if secret is None else {"X-Hub-Signature-256": f"sha256={signature}"}
        return await self.ask(api, "POST", body, headers=headers, **more)


def run(ask: Callable[[Api], Awaitable[Any]]) -> Any:
    async def whole() -> Any:
        api = Api(wired=Wired())
        try:
            return await ask(api)
        finally:
            await asyncio.to_thread(api.close)

    return asyncio.run(whole())


@pytest.fixture
def client(hooks: Hooks) -> Client:
    return Client(hooks.app)


def kept() -> int:
    return int(models.WebhookIntake.objects.count())


def test_a_signed_body_is_durable_and_sealed_when_it_is_answered(hooks: Hooks, client: Client) -> None:
    body = json.dumps(hooks.messages(messages=[hooks.text("a secret of Ana")])).encode()
    assert run(lambda api: client.post(api, body)).status == 200
    row = models.WebhookIntake.objects.get()
    assert (row.app, row.state, bytes(row.digest)) == (hooks.app, "waiting", hashlib.sha256(body).digest())
    assert b"Ana" not in bytes(row.sealed)
    assert queries.intake_body(row.id)[1] == body


def test_a_missing_wrong_or_odd_signature_is_refused_and_nothing_is_kept(client: Client) -> None:
    async def asked(api: Api) -> set[int]:
        answers = [await client.post(api, b"{}", secret=secret) for secret in (None, "", "another")]
        odd = ("sha256=", "sha256=\xe9", "sha1=00", "", "sha256=" + "0" * 64)
        answers += [await client.ask(api, "POST", b"{}", headers={"X-Hub-Signature-256": each}) for each in odd]
        return {each.status for each in answers}

    assert run(asked) == {401}
    assert not kept()


def test_an_application_that_does_not_exist_is_told_the_same_as_a_wrong_signature(client: Client) -> None:
    async def both(api: Api) -> list[Answered]:
        wrong = await client.post(api, b"{}", secret="x")
        unknown = await client.post(api, b"{}", path="/webhooks/v1/nobody")
        return [wrong, unknown, await client.post(api, b"{}", path="/webhooks/v1/")]

    wrong, unknown, without = run(both)
    assert wrong == unknown == without
    assert (wrong.status, kept()) == (401, 0)


def test_a_signature_is_over_the_bytes_and_not_over_what_they_mean(client: Client) -> None:
    body = b'{"a":1}'
    signature = "sha256=" + hmac.digest(SECRET.encode(), body, hashlib.sha256).hex()
    answered = run(lambda api: client.ask(api, "POST", b'{"a": 1}', headers={"X-Hub-Signature-256": signature}))
    assert answered.status == 401


def test_both_secrets_are_good_while_one_is_rotated_and_only_the_new_one_after(hooks: Hooks, client: Client) -> None:
    with clock.fixed(NOW):
        commands.rotate_app("meta", secret="new", overlap_hours=2, by=MONA)

    async def statuses(api: Api) -> list[int]:
        return [(await client.post(api, b"{}", secret=secret)).status for secret in ("s", "new", "other")]

    with clock.fixed(NOW + timedelta(hours=1)):
        assert run(statuses) == [200, 200, 401]
    with clock.fixed(NOW + timedelta(hours=2)):
        assert run(statuses) == [401, 200, 401]


def test_a_secret_replaced_while_nothing_came_is_not_good_for_the_next_webhook(client: Client) -> None:
    async def statuses(api: Api) -> list[int]:
        assert (await client.post(api, b"{}")).status == 200
        await asyncio.to_thread(_replaced)
        api._webhooks._known._looked_at -= webhooks_in.APPS_SECONDS
        return [(await client.post(api, b"{}", secret=secret)).status for secret in (SECRET, "new")]

    assert run(statuses) == [401, 200]


def test_a_new_secret_is_looked_for_when_a_signature_is_not_known(client: Client) -> None:
    async def statuses(api: Api) -> list[int]:
        assert (await client.post(api, b"{}")).status == 200
        await asyncio.to_thread(_replaced)
        api._webhooks._known._looked_at -= webhooks_in.APPS_SECONDS_LEAST
        return [(await client.post(api, b"{}", secret="new")).status]

    assert run(statuses) == [200]


def _replaced() -> None:
    try:
        commands.rotate_app("meta", secret="new", overlap_hours=0, by=MONA)
    finally:
        connection.close()


def test_an_application_without_a_secret_cannot_be_made(hooks: Hooks) -> None:
    for secrets in ([], [""], ["a", ""], ["a", "b", "c"]):
        with pytest.raises(ChannelNotUnderstood):
            commands.add_app("other", kind="whatsapp", secrets=secrets, by=MONA)


def test_an_application_added_now_is_known_now(hooks: Hooks, client: Client) -> None:
    async def added(api: Api) -> int:
        assert (await client.post(api, b"{}")).status == 200
        made = await asyncio.to_thread(_added)
        api._webhooks._known._looked_at -= webhooks_in.APPS_SECONDS_LEAST
        return (await client.post(api, b"{}", path=f"/webhooks/v1/{made}")).status

    assert run(added) == 200


def _added() -> str:
    try:
        return commands.add_app("late", kind="whatsapp", secrets=["s"], by=MONA)
    finally:
        connection.close()


def test_a_challenge_is_answered_to_who_knows_the_token_only(hooks: Hooks, client: Client) -> None:
    token = queries.app(hooks.app).verify_token

    async def asked(api: Api) -> list[Answered]:
        queries = [
            f"hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token={token}",
            "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=guess",
            f"hub.mode=unsubscribe&hub.challenge=1158201444&hub.verify_token={token}",
            f"hub.mode=subscribe&hub.verify_token={token}",
            f"hub.mode=subscribe&hub.challenge={'x' * 600}&hub.verify_token={token}",
            "",
        ]
        return [await client.ask(api, "GET", query=query) for query in queries]

    right, *wrong = run(asked)
    assert (right.status, right.body) == (200, b"1158201444")
    assert right.headers["content-type"].startswith("text/plain")
    assert {each.status for each in wrong} == {403}


def test_a_body_above_three_megabytes_is_refused_whether_its_length_is_told_or_not(client: Client) -> None:
    large = b"x" * (webhooks_in.BODY_BYTES_MAX + 1)

    async def asked(api: Api) -> list[int]:
        told = await client.ask(api, "POST", headers={"content-length": str(len(large))})
        odd = await client.ask(api, "POST", headers={"content-length": "-1"})
        whole = await client.post(api, large)
        in_pieces = await client.ask(api, "POST", pieces=[large[: 1 << 20]] * 4)
        return [told.status, odd.status, whole.status, in_pieces.status]

    assert run(asked) == [413, 413, 413, 413]
    assert not kept()


def test_a_body_in_pieces_is_one_body_and_one_that_is_cut_off_none(client: Client) -> None:
    body = b'{"entry": []}'
    signature = "sha256=" + hmac.digest(SECRET.encode(), body, hashlib.sha256).hex()
    headers = {"x-hub-signature-256": signature}
    answered = run(lambda api: client.ask(api, "POST", headers=headers, pieces=[body[:4], b"", body[4:]]))
    assert (answered.status, kept()) == (200, 1)


def test_bodies_that_never_end_have_room_for_so_much_together_and_give_it_back(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks_in, "BODIES_BYTES_MAX", 1000)
    ending = asyncio.Event()

    def slow(body: bytes) -> Callable[[], Awaitable[dict[str, Any]]]:
        first = [{"type": "http.request", "body": body, "more_body": True}]

        async def receive() -> dict[str, Any]:
            if first:
                return first.pop()
            await ending.wait()
            return {"type": "http.disconnect"}

        return receive

    async def send(_message: dict[str, Any]) -> None:
        pass

    async def asked(api: Api) -> list[int]:
        scope = {"type": "http", "method": "POST", "path": client.path, "query_string": b"", "headers": []}
        held = [asyncio.create_task(api(dict(scope), slow(b"x" * 500), send)) for _ in range(2)]
        await asyncio.sleep(0)
        refused = await client.post(api, b'{"entry": []}', pieces=[b'{"entry"', b": []}"])
        ending.set()
        await asyncio.gather(*held)
        return [refused.status, (await client.post(api, b'{"entry": []}')).status]

    assert run(asked) == [503, 200]


def test_other_methods_are_not_allowed(client: Client) -> None:
    async def asked(api: Api) -> set[int]:
        return {(await client.ask(api, method)).status for method in ("PUT", "DELETE", "PATCH")}

    assert run(asked) == {405}


def test_who_only_looks_whether_there_is_anybody_is_told_nothing(client: Client) -> None:
    answered = run(lambda api: client.ask(api, "HEAD"))
    assert (answered.status, answered.body, kept()) == (200, b"", 0)


def test_too_many_headers_and_too_long_an_address_are_refused(client: Client) -> None:
    async def asked(api: Api) -> list[int]:
        many = await client.ask(api, "POST", headers={f"x-{number}": "1" for number in range(65)})
        long = await client.ask(api, "GET", query="x" * webhooks_in.ADDRESS_CHARACTERS_MAX)
        return [many.status, long.status]

    assert run(asked) == [431, 414]


def test_of_other_kinds_the_asked_address_is_kept_and_nothing_that_proves_who_sent_it(client: Client) -> None:
    made = commands.add_app("sms", kind="sms", secrets=["s"], by=MONA)
    body = b"MessageSid=1"
    signature = "sha256=" + hmac.digest(SECRET.encode(), body, hashlib.sha256).hex()
    headers = {"x-hub-signature-256": signature, "content-type": "text/plain", "authorization": "Basic x"}
    path = f"/webhooks/v1/{made}"
    answered = run(lambda api: client.ask(api, "POST", body, headers=headers, path=path, query="id=7"))
    assert answered.status == 200
    assert models.WebhookIntake.objects.get().headers == {"content-type": "text/plain", ":path": f"{path}?id=7"}


def test_while_the_database_is_away_nothing_is_answered_with_200_and_that_is_said_once(
    server: Place, url: str, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    name = url.partition("@/")[2].partition("?")[0]

    def allow(is_allowed: bool) -> None:
        with psycopg.connect(
            host=str(server.socket_folder), user="tocsin", dbname="postgres", autocommit=True
        ) as session:  # fmt: skip
            session.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {is_allowed}")
            if not is_allowed:
                session.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
                )  # fmt: skip

    async def outage(api: Api) -> list[int]:
        statuses = [(await client.post(api, b"{}")).status]
        await asyncio.to_thread(allow, False)
        statuses += [(await client.post(api, b"{}")).status for _ in range(3)]
        await asyncio.to_thread(allow, True)
        return [*statuses, (await client.post(api, b"{}")).status]

    assert run(outage) == [200, 503, 503, 503, 200]
    said = [each.getMessage() for each in caplog.records if "could not be kept" in each.getMessage()]
    assert said == ["1 webhooks could not be kept and will come again: OperationalError"]
    with psycopg.connect(url) as session:
        assert session.execute("SELECT count(*) FROM tocsin_webhookintake").fetchone() == (2,)


def test_a_burst_is_kept_by_few_statements(
    hooks: Hooks, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    batches: list[int] = []
    store = commands.store_intake

    def counting(bodies: Sequence[Any]) -> None:
        batches.append(len(bodies))
        store(bodies)

    monkeypatch.setattr(commands, "store_intake", counting)

    async def burst(api: Api) -> list[Answered]:
        return await asyncio.gather(*(client.post(api, b'{"n":%d}' % number) for number in range(300)))

    assert {each.status for each in run(burst)} == {200}
    assert (sum(batches), kept()) == (300, 300)
    assert len(batches) < 30


def test_the_same_webhook_twice_within_a_second_is_one_message(hooks: Hooks, client: Client) -> None:
    body = json.dumps(hooks.messages(messages=[hooks.text()])).encode()

    async def twice(api: Api) -> list[Answered]:
        return await asyncio.gather(client.post(api, body), client.post(api, body))

    assert [each.status for each in run(twice)] == [200, 200]
    with ThreadPoolExecutor(2) as workers:
        taken = [workers.submit(_taken_by_one) for _ in range(2)]
        assert sum(each.result() for each in taken) == 2
    assert models.InboundMessage.objects.count() == 1


def _taken_by_one() -> int:
    try:
        return commands.take_intake(read, limit=1)
    finally:
        connection.close()


def test_an_application_whose_secrets_do_not_open_keeps_no_other_from_receiving(hooks: Hooks):
    commands.add_app("another", kind="whatsapp", secrets=["t"], by=MONA)
    models.WebhookApp.objects.filter(name="another").update(sealed=b"sealed by a key that is lost")
    assert [app.name for app in queries.apps_that_open()] == ["meta"]
    models.WebhookApp.objects.update(sealed=b"sealed by a key that is lost")
    with pytest.raises(SealBroken):
        queries.apps_that_open()

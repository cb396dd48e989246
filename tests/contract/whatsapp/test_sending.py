"""Every outbound type reaches the other side as it was written, and limits come back as what they mean."""

import hashlib

import orjson
import pytest

from tocsin.customers.values import AddressKind
from tocsin.integrations.whatsapp.contents import prepare
from tocsin.messaging.ports import OutcomeUnknown, TransportError
from tocsin.messaging.values import Reason, Verdict

THEIRS = "+33612345678"
TEXT = {"type": "text", "text": {"body": "Your password was read. Change it."}}
NOTICE = {
    "name": "breach_notice",
    "language": "en-US",
    "category": "utility",
    "components": [
        {"type": "HEADER", "format": "TEXT", "text": "About your account"},
        {"type": "BODY", "text": "Hello {{1}}, change your password.", "example": {"body_text": [["Ada"]]}},
    ],
}
SENT_NOTICE = {
    "type": "template",
    "template": {
        "name": "breach_notice",
        "language": {"code": "en-US"},
        "components": [{"type": "body", "parameters": [{"type": "text", "text": "Ada"}]}],
    },
}


def opened(world, *, phone=THEIRS):
    """Let somebody have written a moment ago."""
    person = world.people.remember(phone.lstrip("+"))
    person.wrote_at[next(iter(world.numbers))] = world.clock.now()


def body_of(entry):
    return orjson.loads(entry.body)


@pytest.mark.parametrize(
    "content",
    [
        TEXT,
        {"type": "location", "location": {"latitude": 48.85, "longitude": 2.35, "name": "Paris"}},
        {"type": "contacts", "contacts": [{"name": {"formatted_name": "A B", "first_name": "A"}}]},
        {"type": "image", "image": {"link": "https://example.org/a.png", "caption": "Look"}},
        {
            "type": "interactive",
            "interactive": {
                "type": "button",
                "body": {"text": "Was it you?"},
                "action": {"buttons": [{"type": "reply", "reply": {"id": "y", "title": "Yes"}}]},
            },
        },
        {
            "type": "interactive",
            "interactive": {
                "type": "list",
                "body": {"text": "What do you see?"},
                "action": {"button": "Choose", "sections": [{"rows": [{"id": "1", "title": "Nothing"}]}]},
            },
        },
        {
            "type": "interactive",
            "interactive": {
                "type": "cta_url",
                "body": {"text": "Read more"},
                "action": {
                    "name": "cta_url",
                    "parameters": {"display_text": "See", "url": "https://example.org/incident"},
                },
            },
        },
    ],
    ids=lambda content: content["type"],
)
def test_what_is_prepared_arrives_as_it_was_written(content, simulated):
    async def use(peer):
        opened(peer.world)
        accepted = await peer.send(content)
        [entry] = peer.received()
        return accepted, entry

    accepted, entry = simulated(use)
    assert accepted.provider_id == entry.id
    kind = content["type"]
    assert body_of(entry)[kind] == content[kind]


def test_a_person_without_a_number_is_reached_by_their_business_scoped_id(simulated):
    async def use(peer):
        opened(peer.world)
        name = peer.world.people.user_id_of(THEIRS.lstrip("+"))
        await peer.send(TEXT, to=peer.channel.address(name, kind=AddressKind.WHATSAPP))
        return name, body_of(peer.received()[0])

    name, sent = simulated(use)
    assert (sent["recipient"], "to" in sent) == (name, False)


def test_a_shut_window_is_told_and_its_template_goes(simulated):
    async def use(peer):
        await peer.account.templates.create(NOTICE)
        prepared = prepare({**TEXT, "when_shut": SENT_NOTICE})
        with pytest.raises(TransportError) as shut:
            await peer.send(prepared.content)
        await peer.send(prepared.fallback)
        return shut.value, [entry.type for entry in peer.received()]

    error, types = simulated(use)
    assert (error.verdict, error.reason, error.permanent) == (Verdict.WINDOW_SHUT, Reason.WINDOW_SHUT, False)
    assert types == ["template"]


def test_a_line_too_fast_and_a_person_written_too_often_are_told_apart(simulated):
    async def use(peer):
        opened(peer.world)
        verdicts = []
        for _message in range(60):
            try:
                await peer.send(TEXT)
            except TransportError as error:
                verdicts.append(error.verdict)
        return set(verdicts)

    assert simulated(use, level="HIGH") == {Verdict.SLOW_PAIR}
    assert Verdict.SLOW_LINE in simulated(use, level="COEXISTENCE")


def test_a_wrong_token_holds_the_account_and_loses_nothing(simulated):
    async def use(peer):
        peer.world.settings.token = "another"
        with pytest.raises(TransportError) as refused:
            await peer.send(TEXT)
        return refused.value

    error = simulated(use)
    assert (error.verdict, error.permanent, error.code) == (Verdict.HOLD_ACCOUNT, False, 190)


def test_a_template_that_is_paused_is_held(simulated):
    async def use(peer):
        made = await peer.account.templates.create(NOTICE)
        peer.world.templates[made.id].status = "PAUSED"
        with pytest.raises(TransportError) as refused:
            await peer.send(SENT_NOTICE)
        return refused.value

    assert simulated(use).verdict is Verdict.HOLD_TEMPLATE


def test_an_answer_lost_after_the_message_was_taken_is_unknown_and_counted_once(simulated):
    async def use(peer):
        opened(peer.world)
        await _plan(peer, {"on": "messages", "kind": "drop_after_accept", "share": 1.0})
        with pytest.raises(OutcomeUnknown):
            await peer.send(TEXT)
        return len(peer.received())

    assert simulated(use) == 1


def test_media_is_uploaded_sent_and_fetched_whole(simulated, tmp_path):
    sent, back = tmp_path / "notice.pdf", tmp_path / "back.pdf"
    sent.write_bytes(b"%PDF-1.7" + b"x" * 300_000)

    async def use(peer):
        opened(peer.world)
        uploaded = await peer.account.media.upload(sent)
        await peer.send({"type": "document", "document": {"id": uploaded.id, "filename": "n.pdf"}})
        fetched = await peer.channel.fetch_media(uploaded.id, back, sha256=uploaded.sha256)
        return uploaded, fetched, peer.world.clock.now()

    uploaded, fetched, now = simulated(use)
    assert back.read_bytes() == sent.read_bytes()
    assert fetched.sha256 == uploaded.sha256 == hashlib.sha256(sent.read_bytes()).hexdigest()
    assert fetched.media_type == "application/pdf"
    assert uploaded.expires_at.timestamp() - now == pytest.approx(30 * 86_400, abs=60)
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []


async def _plan(peer, *rules):
    session = peer.account._graph.session()
    async with session.post(f"{peer.world.address}/_simulator/faults", json={"rules": list(rules)}) as answer:
        assert answer.status == 200, await answer.text()

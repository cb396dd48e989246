"""Marketing templates by the endpoint Meta made for them, and what happens where the two sides disagree."""

from uuid import uuid4

import orjson
import pytest

from tocsin.customers.values import AddressKind
from tocsin.integrations.whatsapp.channel import payload
from tocsin.integrations.whatsapp.contents import prepare
from tocsin.integrations.whatsapp.sent_templates import Wording
from tocsin.messaging.ports import TransportError
from tocsin.messaging.values import Outgoing, Purpose, Verdict

BODY = [{"type": "BODY", "text": "Twenty percent off everything this week."}]
SALE = {"type": "template", "template": {"name": "sale", "language": {"code": "fr"}}}


def outgoing(category="MARKETING", *, is_apart=True, number=1):
    known = Wording(category, BODY)
    content = prepare(SALE, is_apart=is_apart, known=lambda _name, _language: known).content
    return Outgoing(
        id=uuid4(), address="+33612345678", address_kind=AddressKind.PHONE, content=content, number=number,
        purpose=Purpose.MARKETING,
    )  # fmt: skip


def with_template(peer, category="MARKETING"):
    template = {"name": "sale", "language": "fr", "category": category, "components": BODY}
    return peer.account.templates.create(template)


def test_a_marketing_template_goes_apart_where_the_account_wants_it(simulated):
    async def use(peer):
        await with_template(peer)
        peer.world.records.marketing_apart = True
        with pytest.raises(TransportError) as refused:
            await peer.channel.send(outgoing(is_apart=False))
        accepted = await peer.channel.send(outgoing())
        return refused.value, accepted, peer.received()

    refused, accepted, received = simulated(use)
    assert (refused.code, refused.verdict) == (131063, Verdict.HOLD_TEMPLATE)
    assert [each.id for each in received] == [accepted.provider_id]
    assert "by" not in orjson.loads(received[0].body)


def test_one_whose_category_changed_meanwhile_goes_by_the_usual_way_at_the_next_try(simulated):
    async def use(peer):
        await with_template(peer, "UTILITY")
        with pytest.raises(TransportError) as refused:
            await peer.channel.send(outgoing())
        await peer.channel.send(outgoing(number=2))
        return refused.value

    refused = simulated(use)
    assert (refused.code, refused.verdict, refused.permanent) == (134100, Verdict.RETRY_FEW, False)


@pytest.mark.parametrize(("category", "is_apart"), [("UTILITY", True), ("MARKETING", False)])
def test_everything_else_goes_as_ever(category, is_apart):
    message = outgoing(category, is_apart=is_apart)
    assert "by" not in message.content
    assert orjson.loads(payload(message))["type"] == "template"

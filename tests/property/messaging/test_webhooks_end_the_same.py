"""The same webhooks in any order, any number of times and in any batches end in the same rows."""

from datetime import timedelta
from typing import Any

from django.db import connection
from hypothesis import HealthCheck, Phase, given, settings, strategies as st
from tests.contract.messaging.conftest import Outbox
from tests.contract.messaging.receiving.conftest import NOW, Hooks, models, read

from tocsin.kernel import clock
from tocsin.messaging import commands, queries
from tocsin.messaging.values import Accepted

TABLES = (
    "webhookintake", "inboundmessage", "inboundmedia", "messagebody", "servicewindow", "addressname",
    "addresschange", "personobjection",
    "messagetemplate", "messageprice", "messagestatus", "messageattempt", "outboundmessage", "pairpace",
)  # fmt: skip
STAMP = int(NOW.timestamp())
CHANGED = 50  # seconds: when the first person got another number, and with it another scoped id
LATER = NOW + timedelta(hours=1)
PRICING = {"pricing_model": "PMP", "type": "regular", "category": "utility"}
# Webhooks name who changes number by both names, as Meta does; the other person's leave one out now and then.
# A person before and after the change: telephone number and scoped id.
NAMES = {0: [("34600000001", "ES.1"), ("34600000002", "ES.2")], 1: [("34600000003", "ES.3")] * 2}

seconds = st.integers(0, 99).filter(lambda at: at != CHANGED)
person = st.sampled_from([0, 1])
wrote = st.tuples(st.just("wrote"), seconds, person, st.sampled_from(["both", "phone", "scoped", "contact"]))
became = st.tuples(
    st.just("became"),
    seconds,
    person,
    st.sampled_from(["sent", "delivered", "read", "failed", "played"]),
    st.booleans(),
)
stopped = st.tuples(st.just("stopped"), seconds, person, st.sampled_from(["stop", "resume"]))
template = st.tuples(st.just("template"), seconds, st.sampled_from(["APPROVED", "PAUSED", "ARCHIVED", "ODD"]))
line = st.tuples(st.just("line"), seconds, st.sampled_from(["DISABLE", "REINSTATE"]))
worlds = st.lists(
    st.one_of(wrote, became, stopped, template, line), min_size=1, max_size=12, unique_by=lambda each: each[:3]
)


class World:
    """Webhooks of what happened, as Meta writes them."""

    def __init__(self, hooks: Hooks, ours: list[Any]) -> None:
        self.hooks, self.ours = hooks, ours

    def payload(self, happened: Any) -> dict[str, Any]:
        told: dict[str, Any] = getattr(self, happened[0])(*happened[1:])
        return told

    @staticmethod
    def name(who: int, at: int) -> tuple[str, str]:
        return NAMES[who][at > CHANGED]

    def wrote(self, at: int, who: int, how: str) -> dict[str, Any]:
        phone, scoped = self.name(who, at)
        names = {
            "both": {"from": phone, "from_user_id": scoped}, "phone": {"from": phone},
            "scoped": {"from_user_id": scoped}, "contact": {},
        }[how if who == 1 or how == "contact" else "both"]  # fmt: skip
        contacts = [{"wa_id": phone, "user_id": scoped}] if how == "contact" else []
        message = {"id": f"wamid.{at}.{who}", "timestamp": str(STAMP + at), "type": "text", "text": {"body": str(at)}}
        return self.hooks.messages(messages=[message | names], contacts=contacts)

    def became(self, at: int, who: int, status: str, is_priced: bool) -> dict[str, Any]:
        phone, scoped = self.name(who, at)
        told = {
            "id": f"wamid.ours.{who}", "status": status, "timestamp": str(STAMP + at), "recipient_id": phone,
            "recipient_user_id": scoped, "biz_opaque_callback_data": str(self.ours[who]),
        }  # fmt: skip
        told |= {"pricing": PRICING} if is_priced and status != "failed" else {}
        return self.hooks.messages(statuses=[told])

    def stopped(self, at: int, who: int, value: str) -> dict[str, Any]:
        said = {
            "wa_id": self.name(who, at)[0],
            "value": value,
            "category": "marketing_messages",
            "timestamp": STAMP + at,
        }
        value_of = {"metadata": {"phone_number_id": "1"}, "user_preferences": [said]}
        return self.hooks.change("user_preferences", value_of)

    def template(self, at: int, event: str) -> dict[str, Any]:
        value = {
            "event": event,
            "message_template_name": "t",
            "message_template_language": "en",
            "message_template_id": 1,
        }
        return self.hooks.change("message_template_status_update", value, time=STAMP + at)

    def line(self, at: int, state: str) -> dict[str, Any]:
        value = {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": state}}
        return self.hooks.change("account_update", value, time=STAMP + at)

    def changed(self) -> list[dict[str, Any]]:
        (phone, scoped), (phone_now, scoped_now) = NAMES[0]
        number = {"type": "user_changed_number", "wa_id": phone_now}
        scope = {"type": "user_changed_user_id", "previous_user_id": scoped, "user_id": scoped_now}
        common = {"type": "system", "timestamp": str(STAMP + CHANGED)}
        return [
            self.hooks.messages(messages=[{**common, "id": "wamid.c1", "from": phone, "system": number}]),
            self.hooks.messages(messages=[{**common, "id": "wamid.c2", "from_user_id": scoped, "system": scope}]),
        ]


def rows_of(model: str, *fields: str) -> list[Any]:
    return sorted(getattr(models, model).objects.values_list(*fields), key=repr)


def ended(ours: list[Any]) -> dict[str, Any]:
    """Return the rows, without what only says when we heard of something."""
    number = {message: place for place, message in enumerate(ours)}
    health = dict(models.MessagingChannel.objects.get(name="main").health)
    health.pop("told_at", None)
    return {
        "intake": {state for (state,) in rows_of("WebhookIntake", "state")},
        "inbound": rows_of("InboundMessage", "provider_id", "address", "address_kind", "at", "kind", "digest"),
        "windows": rows_of("ServiceWindow", "channel", "address", "last_inbound_at"),
        "names": rows_of("AddressName", "kind", "value", "other_kind", "other_value"),
        "changes": rows_of("AddressChange", "kind", "value", "other", "at"),
        "objections": rows_of("PersonObjection", "kind", "address", "purpose", "since_at", "lifted_at"),
        "templates": rows_of("MessageTemplate", "name", "status", "held_reason"),
        "line": (health, queries.channel("main").held_reason),
        "prices": sorted(
            (number[message], *rest)
            for message, *rest in models.MessagePrice.objects.values_list("message_id", "category", "price_type", "market", "at")
        ),
        "messages": [
            (each.state, each.reason, each.sent_at, each.delivered_at, each.read_at)
            for each in (queries.message(message) for message in ours)
        ],
        "statuses": sorted((number[message], status, at) for message, status, at in
                           models.MessageStatus.objects.values_list("message_id", "status", "at")),
    }  # fmt: skip


def lived(hooks: Hooks, world: list[Any], order: list[int], batches: list[int]) -> dict[str, Any]:
    """Take a world in, in this order and in batches of these sizes, and return how it ended."""
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE " + ", ".join(f"tocsin_{table}" for table in TABLES))
    models.MessagingChannel.objects.update(health={}, held_until=None, held_reason="")
    with clock.fixed(NOW):
        outbox: Outbox = object.__new__(Outbox)
        ours = outbox.queue(*(outbox.draft(address=f"+{NAMES[who][0][0]}") for who in (0, 1)))
        for claimed in outbox.claim(10).messages:
            outbox.settle(claimed, accepted=Accepted(f"wamid.ours.{ours.index(claimed.id)}"))
    told = World(hooks, ours)
    payloads = [told.payload(each) for each in world] + told.changed()
    waiting = [payloads[number % len(payloads)] for number in order]
    sizes = iter(batches)
    with clock.fixed(LATER):
        while waiting:
            size = next(sizes, 3)
            hooks.store(*waiting[:size], at=LATER)
            del waiting[:size]
            commands.take_intake(read)
    return ended(ours)


@settings(
    max_examples=20,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data(), world=worlds)
def test_any_order_any_repetition_and_any_batches_end_in_the_same_rows(
    hooks: Hooks, data: st.DataObject, world: list[Any]
) -> None:  # fmt: skip
    count = len(world) + 2
    once = list(range(count))
    again = data.draw(st.permutations(once + data.draw(st.lists(st.sampled_from(once), max_size=6))))
    first = lived(hooks, world, once, [1] * count)
    second = lived(hooks, world, again, data.draw(st.lists(st.integers(1, 9), max_size=6)))
    assert second == first
    assert first["intake"] == {"done"}

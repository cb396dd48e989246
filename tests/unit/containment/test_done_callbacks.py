"""What a product reports: read whole or not at all."""

import json
from contextlib import suppress

import hypothesis
import hypothesis.strategies as some
import pytest

from tocsin.containment.callbacks import FACTS_MAX, facts_of
from tocsin.containment.errors import CallbackNotUnderstood
from tocsin.containment.values import DoneBy, DoneKind

RIGHT = {"account": "u1", "kind": "password_changed", "at": "2026-03-02T13:00:00+01:00", "id": "c-1"}


def read(*told):
    return facts_of(json.dumps({"done": told}).encode(), source="shop")


def test_a_fact_is_read_with_its_time_in_utc():
    (fact,) = read(RIGHT)
    assert (fact.account, fact.kind, fact.by, fact.source, fact.reference) == (
        "u1", DoneKind.PASSWORD_CHANGED, DoneBy.WEBHOOK, "shop", "c-1",
    )  # fmt: skip
    assert fact.done_at.isoformat() == "2026-03-02T12:00:00+00:00"


def test_a_client_is_what_makes_a_sighting_count_once():
    (fact,) = read(
        RIGHT | {"kind": "client_seen", "platform": "Android", "client": "com.example", "client_version": "8.11"}
    )
    assert (fact.platform, fact.client_version, fact.reference) == ("android", "8.11", "com.example")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"account": ""}, "done[1].account"), ({"account": 7}, "done[1].account"), ({"account": "a\x00"}, "done[1].account"),
        ({"account": "a\ud800"}, "done[1].account"),
        ({"kind": "old_session_active"}, "done[1].kind"), ({"kind": []}, "done[1].kind"), ({"kind": None}, "done[1].kind"),
        ({"at": "2026-03-02T13:00:00"}, "done[1].at"), ({"at": 5}, "done[1].at"), ({"at": "soon"}, "done[1].at"), ({"at": "2999-01-01T00:00:00Z"}, "done[1].at"),
        ({"platform": "x" * 2000}, "done[1].platform"),
    ],
)  # fmt: skip
def test_one_wrong_fact_refuses_the_whole_report_and_says_where(change, place):
    with pytest.raises(CallbackNotUnderstood) as refused:
        read(RIGHT, RIGHT | change)
    assert refused.value.where == place


def test_too_many_facts_are_refused():
    with pytest.raises(CallbackNotUnderstood):
        read(*[RIGHT] * (FACTS_MAX + 1))


JSON = some.recursive(
    some.none() | some.booleans() | some.floats(allow_nan=False) | some.text(max_size=5),
    lambda inner: (
        some.lists(inner, max_size=3) | some.dictionaries(some.sampled_from(["done", "account", "kind", "at"]), inner)
    ),
    max_leaves=8,
)


@hypothesis.given(told=JSON | some.binary(max_size=20))
def test_nothing_that_is_sent_raises_anything_else(told):
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    with suppress(CallbackNotUnderstood):
        facts_of(body, source="shop")

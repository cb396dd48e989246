"""The leaves of journal batches: canonical JSON, whichever writer wrote it."""

from datetime import UTC, datetime
from uuid import UUID

from hypothesis import example, given, strategies

from tocsin.messaging.batches import status_leaf
from tocsin.messaging.bodies import canonical

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
STAMP = "2026-01-02T03:04:05.000000+00:00"
MESSAGE = UUID(int=7)


@given(strategies.text(strategies.characters(min_codepoint=0, exclude_categories=())))
@example('a "quoted" \\ word')
@example("\x7f \x00 \x1f \t\n\r\b\f")
@example("é \u2028 😀")
@example("\ud800")
def test_a_leaf_is_the_canonical_list_of_its_parts_whatever_a_provider_said(said):
    leaf = status_leaf(
        message_id=MESSAGE, status="failed", at=AT, received_at=AT, code=-1, detail=said, category="", price_type=said
    )
    assert leaf == canonical(["status", str(MESSAGE), "failed", STAMP, STAMP, -1, said, "", said])

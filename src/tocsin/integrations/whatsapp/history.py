"""What became of a message, asked of Meta instead of told by webhooks: for those that were lost for good.

Meta's OpenAPI file has it (message_history); whether an account may ask is Meta's to say.
"""

from collections.abc import Mapping
from typing import Any

from tocsin.integrations.whatsapp.errors import verdict_of
from tocsin.integrations.whatsapp.graph import Graph
from tocsin.integrations.whatsapp.message_webhooks import NO_CODE, STATUSES
from tocsin.integrations.whatsapp.webhook_parts import mapping, moment, text
from tocsin.messaging.values import StatusKind, StatusUpdate


class History:
    """What one number's messages went through."""

    def __init__(self, graph: Graph, line: str) -> None:
        self._graph, self._line = graph, line

    async def of(self, provider_id: str) -> list[StatusUpdate]:
        """Return every word Meta kept on one message, the earliest first; RefusedByMeta when it knows none of it."""
        asked = {"message_id": provider_id, "fields": "id,message_id"}
        answer = await self._graph.get(f"{self._line}/message_history", asked)
        found: list[StatusUpdate] = []
        for row in answer.get("data") or ():
            async for edge in self._graph.pages(f"{text(row.get('id'))}/events"):
                update = self._update(mapping(edge.get("node")), provider_id)
                found += [update] if update else []
        return sorted(found, key=lambda each: each.at)

    def _update(self, node: Mapping[str, Any], provider_id: str) -> StatusUpdate | None:
        kind = STATUSES.get(text(node.get("delivery_status")).lower())
        at = moment(node.get("occurrence_timestamp")) or moment(node.get("status_timestamp"))
        if kind is None or at is None:
            return None
        if kind is not StatusKind.FAILED:
            return StatusUpdate(provider_id=provider_id, status=kind, at=at, line=self._line)
        # The history does not say why.
        verdict, reason, _wait = verdict_of(NO_CODE)
        return StatusUpdate(
            provider_id=provider_id, status=kind, at=at, line=self._line, verdict=verdict, reason=reason
        )  # fmt: skip

"""What Meta counted: messages sent and delivered, what they cost, how templates fared."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from tocsin.integrations.whatsapp.graph import Graph

TEMPLATES_AT_ONCE = 10
STEPS: Mapping[str, str] = {"half_hour": "HALF_HOUR", "day": "DAY", "month": "MONTH"}
_PRICE_STEPS: Mapping[str, str] = {"half_hour": "HALF_HOUR", "day": "DAILY", "month": "MONTHLY"}
DIMENSIONS = ("PRICING_CATEGORY", "PRICING_TYPE", "COUNTRY")


class Analytics:
    """The counts of one account, in steps of half an hour, a day or a month."""

    def __init__(self, graph: Graph, account: str) -> None:
        self._graph, self._account = graph, account

    async def messages(self, start: datetime, end: datetime, *, step: str) -> list[dict[str, Any]]:
        """Return ``start``, ``end`` (epoch seconds), ``sent`` and ``delivered`` of each step."""
        field = f"analytics.{_span(start, end)}.granularity({STEPS[step]})"
        answer = await self._graph.get(self._account, {"fields": field})
        return list((answer.get("analytics") or {}).get("data_points") or ())

    async def prices(self, start: datetime, end: datetime, *, step: str) -> list[dict[str, Any]]:
        """Return ``volume`` and ``cost`` of delivered messages by category, type of price and country of each step."""
        field = (
            f"pricing_analytics.{_span(start, end)}.granularity({_PRICE_STEPS[step]})"
            f".dimensions({orjson.dumps(DIMENSIONS).decode()})"
        )
        answer = await self._graph.get(self._account, {"fields": field})
        data = (answer.get("pricing_analytics") or {}).get("data") or ()
        return [point for part in data for point in part.get("data_points") or ()]

    async def templates(self, ids: Sequence[str], start: datetime, end: datetime) -> list[dict[str, Any]]:
        """Return ``sent``, ``delivered`` and ``read`` of templates by day; Meta asks to allow this once (see docs)."""
        points: list[dict[str, Any]] = []
        for first in range(0, len(ids), TEMPLATES_AT_ONCE):
            asked = {
                "start": str(int(start.timestamp())),
                "end": str(int(end.timestamp())),
                "granularity": "DAILY",
                "template_ids": orjson.dumps(list(ids[first : first + TEMPLATES_AT_ONCE])).decode(),
                "metric_types": orjson.dumps(["sent", "delivered", "read"]).decode(),
            }
            async for part in self._graph.pages(f"{self._account}/template_analytics", asked):
                points += part.get("data_points") or ()
        return points

    async def allow_templates(self) -> None:
        """Let Meta count how templates fare; it cannot be taken back."""
        await self._graph.call("POST", self._account, params={"is_enabled_for_insights": "true"})


def _span(start: datetime, end: datetime) -> str:
    return f"start({int(start.timestamp())}).end({int(end.timestamp())})"

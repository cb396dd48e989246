"""The business numbers of an account: what Meta says of them, and their registration."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tocsin.integrations.whatsapp.graph import Graph
from tocsin.integrations.whatsapp.settings import LEVELS, TIERS

FIELDS = (
    "id,display_phone_number,verified_name,name_status,quality_rating,status,throughput,code_verification_status,"
    "platform_type,is_on_biz_app,webhook_configuration,whatsapp_business_manager_messaging_limit,health_status"
)


@dataclass(frozen=True, slots=True)
class NumberFacts:
    """One number as Meta sees it; words Meta adds later are kept as they are."""

    id: str
    number: str  # E.164 with the plus sign
    name: str
    name_status: str
    quality: str
    status: str
    level: str
    tier: str
    can_send: str  # AVAILABLE, LIMITED or BLOCKED
    faults: tuple[str, ...]  # Meta's words on what keeps it from sending
    webhook: str  # where webhooks of this number go, or empty

    @property
    def per_second(self) -> float:
        """Return the messages a second it may send."""
        return LEVELS.get(self.level, LEVELS["STANDARD"])

    @property
    def people_per_day(self) -> int | None:
        """Return how many people its portfolio may begin to write to in 24 h; None is no limit."""
        return TIERS.get(self.tier, TIERS["TIER_250"])


class Numbers:
    """The numbers of one account, and one of them in particular."""

    def __init__(self, graph: Graph, *, line: str, account: str) -> None:
        self._graph, self._line, self._account = graph, line, account

    async def every(self) -> list[NumberFacts]:
        """Return every number of the account."""
        path, asked = f"{self._account}/phone_numbers", {"fields": FIELDS}
        return [facts_of(row) async for row in self._graph.pages(path, asked)]

    async def facts(self) -> NumberFacts:
        """Return what Meta says of this number."""
        return facts_of(await self._graph.get(self._line, {"fields": FIELDS}))

    async def register(self, pin: str) -> None:
        """Register the number; the first PIN of six digits given becomes its own."""
        await self._graph.call("POST", f"{self._line}/register", body={"messaging_product": "whatsapp", "pin": pin})

    async def deregister(self) -> None:
        """Take the number off: it cannot send any more."""
        await self._graph.call("POST", f"{self._line}/deregister", body={"messaging_product": "whatsapp"})

    async def ask_code(self, *, by_voice: bool, language: str) -> None:
        """Have Meta send the code that proves the number is ours."""
        body = {"code_method": "VOICE" if by_voice else "SMS", "language": language}
        await self._graph.call("POST", f"{self._line}/request_code", body=body)

    async def give_code(self, code: str) -> None:
        """Give Meta the code it sent."""
        await self._graph.call("POST", f"{self._line}/verify_code", body={"code": code})

    async def set_pin(self, pin: str) -> None:
        """Set the PIN of the two-step verification."""
        await self._graph.call("POST", self._line, body={"pin": pin})


def facts_of(row: Mapping[str, Any]) -> NumberFacts:
    """Return a number of Meta's list."""
    health = _object(row, "health_status")
    digits = re.sub(r"\D", "", str(row.get("display_phone_number", "")))
    return NumberFacts(
        id=str(row.get("id", "")),
        number=f"+{digits}" if digits else "",
        name=str(row.get("verified_name", "")),
        name_status=str(row.get("name_status", "")),
        quality=str(row.get("quality_rating", "")),
        status=str(row.get("status", "")),
        level="COEXISTENCE" if row.get("is_on_biz_app") else str(_object(row, "throughput").get("level", "")),
        tier=str(row.get("whatsapp_business_manager_messaging_limit") or row.get("messaging_limit_tier") or ""),
        can_send=str(health.get("can_send_message", "")),
        faults=tuple(_faults(health)),
        webhook=str(_object(row, "webhook_configuration").get("phone_number", "")),
    )


def _object(row: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = row.get(key)
    return found if isinstance(found, Mapping) else {}


def _faults(health: Mapping[str, Any]) -> list[str]:
    told = []
    for entity in health.get("entities") or ():
        kind = str(entity.get("entity_type", "")).lower()
        for error in entity.get("errors") or ():
            words = [str(error.get(key, "")) for key in ("error_description", "possible_solution")]
            told.append(f"{kind}: {' '.join(word for word in words if word)}")
        told += [f"{kind}: {words}" for words in entity.get("additional_info") or ()]
    return told

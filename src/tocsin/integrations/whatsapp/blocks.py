"""People a number blocked. Meta does it for some and not for others, and then answers with an error and both lists."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from tocsin.integrations.whatsapp.errors import RefusedByMeta, told
from tocsin.integrations.whatsapp.graph import Graph

AT_ONCE = 1_000
PARTLY = 139100


@dataclass(frozen=True, slots=True)
class NotDone:
    """One person Meta did not block or unblock, with its code and words."""

    address: str
    code: int
    detail: str


@dataclass(frozen=True, slots=True)
class Changed:
    """For whom it was done and for whom not."""

    done: Sequence[str]
    failed: Sequence[NotDone]


class Blocked:
    """The people one number blocked: at most 64,000, and only those who wrote in the last 24 hours can be added."""

    def __init__(self, graph: Graph, line: str) -> None:
        self._graph, self._path = graph, f"{line}/block_users"

    async def every(self) -> list[str]:
        """Return everybody who is blocked: telephone numbers where Meta tells them, else business-scoped ids."""
        return [_named(row) async for row in self._graph.pages(self._path)]

    async def block(self, addresses: Sequence[str]) -> Changed:
        """Block people, given in E.164 or as business-scoped ids."""
        return await self._change("POST", addresses, "added_users")

    async def unblock(self, addresses: Sequence[str]) -> Changed:
        """Let people write again."""
        return await self._change("DELETE", addresses, "removed_users")

    async def _change(self, method: str, addresses: Sequence[str], field: str) -> Changed:
        done: list[str] = []
        failed: list[NotDone] = []
        for start in range(0, len(addresses), AT_ONCE):
            asked = [_asked(address) for address in addresses[start : start + AT_ONCE]]
            body = {"messaging_product": "whatsapp", "block_users": asked}
            try:
                answer = await self._graph.call(method, self._path, body=body)
            except RefusedByMeta as error:
                answer = _both_lists(error)
            lists = answer.get("block_users") or {}
            done += [str(row.get("input", "")) for row in lists.get(field) or ()]
            failed += [_not_done(row) for row in lists.get("failed_users") or ()]
        return Changed(done, failed)


def _both_lists(error: RefusedByMeta) -> dict[str, Any]:
    """Return the answer that stands beside an error; raise the error when nothing does."""
    found = orjson.loads(error.body)
    if error.refusal.code != PARTLY or not isinstance(found.get("block_users"), dict):
        raise error
    return dict(found)


def _asked(address: str) -> dict[str, str]:
    return {"user": address} if address.startswith("+") else {"user_id": address}


def _named(row: Mapping[str, Any]) -> str:
    phone = str(row.get("wa_id") or "")
    return f"+{phone}" if phone.isdigit() else phone or str(row.get("user_id", ""))


def _not_done(row: Mapping[str, Any]) -> NotDone:
    errors = row.get("errors") or [{}]
    data = errors[0].get("error_data") or {}
    words = told(str(errors[0].get("message", "")), str(data.get("details", "")))
    return NotDone(str(row.get("input", "")), int(errors[0].get("code") or 0), words)

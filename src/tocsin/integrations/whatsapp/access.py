"""What a token may do, and where webhooks of an account go."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tocsin.integrations.whatsapp.graph import Graph

SENDS, MANAGES = "whatsapp_business_messaging", "whatsapp_business_management"


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """What Meta says of a token. ``expires_at`` is None for one that does not run out."""

    is_valid: bool
    app: str
    application: str
    kind: str
    scopes: frozenset[str]
    accounts: Mapping[str, frozenset[str]]  # scope -> ids it is granted for; empty: for all
    expires_at: datetime | None
    fault: str


@dataclass(frozen=True, slots=True)
class Subscription:
    """An application that gets the account's webhooks; ``override`` is an address of this account alone."""

    app: str
    name: str
    override: str


class Access:
    """The token, the applications and the webhooks of one account."""

    def __init__(self, graph: Graph, account: str) -> None:
        self._graph, self._account = graph, account

    async def token(self) -> TokenFacts:
        """Return what our token may do."""
        data = (await self._graph.get("debug_token", {"input_token": self._graph.reach.token})).get("data") or {}
        granted = {
            str(each.get("scope", "")): frozenset(str(target) for target in each.get("target_ids") or ())
            for each in data.get("granular_scopes") or ()
        }
        runs_out = int(data.get("expires_at") or 0)
        return TokenFacts(
            is_valid=bool(data.get("is_valid")),
            app=str(data.get("app_id", "")),
            application=str(data.get("application", "")),
            kind=str(data.get("type", "")),
            scopes=frozenset(str(each) for each in data.get("scopes") or ()),
            accounts=granted,
            expires_at=datetime.fromtimestamp(runs_out, UTC) if runs_out else None,
            fault=str((data.get("error") or {}).get("message", "")),
        )

    async def account_facts(self) -> dict[str, Any]:
        """Return name, status and verification of the account."""
        fields = "id,name,currency,account_review_status,business_verification_status,owner_business_info"
        return await self._graph.get(self._account, {"fields": fields})

    async def subscriptions(self) -> list[Subscription]:
        """Return the applications that get the account's webhooks."""
        found = []
        async for row in self._graph.pages(f"{self._account}/subscribed_apps"):
            app = row.get("whatsapp_business_api_data") or {}
            found.append(
                Subscription(
                    str(app.get("id", "")), str(app.get("name", "")), str(row.get("override_callback_uri", ""))
                )
            )
        return found

    async def subscribe(self, *, address: str = "", verify_token: str = "") -> None:
        """Subscribe our application to the account's webhooks; with an address they go there, which Meta verifies."""
        body = {"override_callback_uri": address, "verify_token": verify_token} if address else None
        await self._graph.call("POST", f"{self._account}/subscribed_apps", body=body)

    async def unsubscribe(self) -> None:
        """End our application's webhooks of the account."""
        await self._graph.call("DELETE", f"{self._account}/subscribed_apps")

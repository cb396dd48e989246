"""Microsoft Entra ID through Microsoft Graph v1.0: force a new password, revoke sign-in sessions, disable accounts.

From the published Microsoft Graph documentation: "Update user" with ``passwordProfile``, "user: revokeSignInSessions",
"passwordProfile resource type", "user: delta", "Combine multiple requests in one HTTP call using JSON batching",
"Microsoft Graph service-specific throttling limits" (3,000 writes in 2.5 minutes for an app in a tenant) and "throttling
guidance". Batches of 20 save round trips, not quota: reads travel in batches, each write alone.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

import orjson

from tocsin.containment.ports import Abilities, Holding, Order, Outcome, ReadBack, Remark
from tocsin.containment.values import DoneBy, DoneFact, DoneKind, MeasureKind
from tocsin.integrations.http_calls.calls import (
    AGAIN_SECONDS,
    Authorise,
    Later,
    Line,
    NoAnswer,
    NotReached,
    Reply,
    Wire,
    wire_of,
)
from tocsin.integrations.http_calls.gathering import Gathered
from tocsin.integrations.http_calls.moments import from_iso, to_iso
from tocsin.integrations.http_calls.order_by_order import (
    PERSON_KINDS,
    OrderByOrder,
    Settling,
    absent,
    held_already,
    in_its_words,
    refused,
    refused_by,
    remark,
    shown,
    taken,
)
from tocsin.integrations.http_calls.pacing import Pace
from tocsin.integrations.http_calls.settings import HTTP_SETTINGS, Settings
from tocsin.integrations.http_calls.signing_in import ClientCredentials
from tocsin.kernel.language import gettext as _, gettext_noop

SETTINGS: Mapping[str, str] = {
    "tenant": gettext_noop("id or domain of the tenant"),
    "client_id": gettext_noop("application (client) id"),
    "account_attribute": gettext_noop("what the accounts are called: id (default) or userPrincipalName"),
    "with_mfa": gettext_noop("yes: a second factor is asked for before the password is changed"),
    "federated_domains": gettext_noop("domains whose passwords another system keeps, a list"),
    "lag_seconds": gettext_noop("seconds a change may take to be seen; 300 if left out"),
    "graph": gettext_noop("address of Microsoft Graph, for national clouds"),
    "login": gettext_noop("address of the sign-in service, for national clouds"),
    **HTTP_SETTINGS,
}
SECRETS: Mapping[str, str] = {"client_secret": gettext_noop("secret of the application")}

WRITES_PER_SECOND = 3_000 / 150
BATCH = 20
DELTA_PAGES = 50  # of one call; the cursor says where to go on
_SELECT = (
    "id,userPrincipalName,accountEnabled,passwordProfile,lastPasswordChangeDateTime,signInSessionsValidFromDateTime,"
    "onPremisesSyncEnabled,externalUserState"
)
_OBJECT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def connect(name: str, *, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> "Entra":
    """Return the connector; SystemNotUnderstood says which setting is wrong."""
    given = Settings(name, settings=settings, secrets=secrets, known=SETTINGS, known_secrets=SECRETS)
    graph = given.address("graph", default="https://graph.microsoft.com")
    login = given.address("login", default="https://login.microsoftonline.com")
    ceiling = given.number("per_second", default=None, least=0.01)
    source = _("documented: 3,000 writes in 2.5 minutes for an app in a tenant")
    form = {
        "grant_type": "client_credentials",
        "client_id": given.text("client_id"),
        "client_secret": given.secret("client_secret"),
        "scope": f"{graph}/.default",
    }
    address = f"{login}/{quote(given.text('tenant'), safe='')}/oauth2/v2.0/token"
    paces = {
        "write": Pace(per_second=WRITES_PER_SECOND, source=source, ceiling=ceiling),
        "read": Pace(per_second=None, source=source, ceiling=ceiling),
        "sign_in": Pace(per_second=None, source=source),
    }
    return Entra(
        name,
        wire=wire_of(given, base=f"{graph}/v1.0", paces=paces),
        authorise=ClientCredentials(address, form=lambda: form),
        attribute=given.choice("account_attribute", of=("id", "userPrincipalName"), default="id"),
        flag="forceChangePasswordNextSignIn" + ("WithMfa" if given.flag("with_mfa", default=False) else ""),
        federated=frozenset(domain.lower() for domain in given.words("federated_domains", default="")),
        lag_seconds=given.number("lag_seconds", default=300) or 0.0,
    )


class Entra(OrderByOrder):
    """One tenant."""

    workers = 2 * BATCH

    def __init__(
        self,
        name: str,
        *,
        wire: Wire,
        authorise: Authorise,
        attribute: str,
        flag: str,
        federated: frozenset[str],
        lag_seconds: float,
    ) -> None:
        super().__init__(name, wire=wire, authorise=authorise)
        self._attribute, self._flag, self._federated = attribute, flag, federated
        self._settling = Settling(seconds=lag_seconds)

    def abilities(self) -> Abilities:
        """Return what a tenant can and cannot do."""
        return Abilities(
            takes=PERSON_KINDS,
            undoes=frozenset({MeasureKind.RESET_PASSWORD, MeasureKind.SUSPEND}),
            reads_back=PERSON_KINDS,
            warnings=(
                _("Revoked sessions may go on for some minutes, and access tokens for up to an hour."),
                _("Passwords that Active Directory or another system keeps must be changed there: these are refused."),
                _("Guests keep their sessions and passwords in their own tenant: these are refused."),
                _("Ended sessions cannot be restored."),
            ),
        )

    async def take(self, line: Line, order: Order) -> Outcome:
        """Take one measure on one account unless it is in force or done."""
        found = await self._account(line, order)
        if found is None:
            return absent(order)
        if self._settling.is_fresh(order):
            return held_already(order)
        kind = order.measure.kind
        if kind is MeasureKind.RESET_PASSWORD:
            if self._is_flagged(found) or _is_after(found, "lastPasswordChangeDateTime", order):
                return held_already(order)
            if reason := self._kept_elsewhere(found):
                return refused(order, reason)
            return await self._patch(line, order, found, {"passwordProfile": {self._flag: True}})
        if kind is MeasureKind.SUSPEND:
            if found.get("accountEnabled") is False:
                return held_already(order)
            if found.get("onPremisesSyncEnabled"):
                return refused(order, _("the account is kept by another system: disable it there"))
            return await self._patch(line, order, found, {"accountEnabled": False})
        if _valid_from(found) >= int(order.since_at.timestamp()):
            return held_already(order)
        if found.get("externalUserState"):
            return refused(order, _("a guest's sessions are kept by their own tenant"))
        return self._settled(order, await line.write("POST", f"{_at(found)}/revokeSignInSessions"))

    async def look(self, line: Line, order: Order) -> ReadBack:
        """Read back what holds of one order."""
        found = await self._account(line, order)
        if found is None:
            return ReadBack(order, Holding.ABSENT)
        changed_at = from_iso(found.get("lastPasswordChangeDateTime"))
        has_changed = changed_at is not None and changed_at > order.since_at
        kind = order.measure.kind
        if kind is MeasureKind.RESET_PASSWORD:
            if not self._is_flagged(found) and has_changed:
                return ReadBack(order, Holding.DONE, done_at=changed_at)
            holds = self._is_flagged(found)
        elif kind is MeasureKind.SUSPEND:
            holds = found.get("accountEnabled") is False
        else:
            holds = _valid_from(found) >= int(order.since_at.timestamp())
            if holds and kind is MeasureKind.REAUTHENTICATE and has_changed:
                return ReadBack(order, Holding.DONE, done_at=changed_at)
        if not holds and self._settling.is_fresh(order):
            return ReadBack(order, Holding.UNKNOWN, reason=_("a change may take minutes to be seen"))
        return ReadBack(order, Holding.IN_FORCE if holds else Holding.NOT_IN_FORCE)

    async def lift(self, line: Line, order: Order) -> Outcome:
        """Lift one measure; an ended session cannot be restored."""
        found = await self._account(line, order)
        if found is None:
            return absent(order)
        if order.measure.kind is MeasureKind.SUSPEND:
            if found.get("accountEnabled") is True:
                return held_already(order)
            return await self._patch(line, order, found, {"accountEnabled": True}, is_lifting=True)
        if not self._is_flagged(found):
            return held_already(order)
        return await self._patch(line, order, found, {"passwordProfile": {self._flag: False}}, is_lifting=True)

    async def facts_since(self, line: Line, cursor: str) -> tuple[Sequence[DoneFact], str]:
        """Return passwords changed, from the delta of accounts; at most ``DELTA_PAGES`` pages a call.

        The cursor is ``MOMENT LINK``: where the first round began and the link to go on with. A link that Graph has
        forgotten (410, after days) begins a new round.
        """
        begun, _blank, link = cursor.partition(" ")
        begun_at = from_iso(begun)
        address = link or "/users/delta?$select=id,userPrincipalName,lastPasswordChangeDateTime"
        facts: list[DoneFact] = []
        for _page in range(DELTA_PAGES):
            if link and not link.startswith(f"{self._wire.base}/users/delta?"):
                raise NotReached(_("its changes continue at another address, which is not followed"))
            reply = await line.read(address)
            if reply.status == 410 and link:
                return facts, begun
            if not reply.is_success:
                raise NotReached(
                    _("its changes cannot be read: {reason}").format(reason=in_its_words(reply, _words(reply)))
                )
            told = reply.told()
            facts += [fact for row in told.get("value", []) if (fact := self._fact(row, begun_at)) is not None]
            is_last = "@odata.deltaLink" in told
            address = link = str(told.get("@odata.deltaLink") or told.get("@odata.nextLink") or "")
            if is_last or not link:
                break
        return facts, f"{begun} {link}"

    async def examine(self, line: Line) -> Sequence[Remark]:
        """Look whether accounts can be seen."""
        nobody = await line.read(f"/users/00000000-0000-0000-0000-000000000000?$select={_SELECT}")
        rights = _("Grant User.ReadWrite.All, User-PasswordProfile.ReadWrite.All and User.RevokeSessions.All.")
        return (
            remark(
                _("accounts can be read"),
                otherwise=_("accounts cannot be read"),
                is_right=nobody.status == 404,
                mend=rights,
            ),
        )

    def _fact(self, row: Mapping[str, Any], begun_at: datetime | None) -> DoneFact | None:
        changed_at, account = from_iso(row.get("lastPasswordChangeDateTime")), row.get(self._attribute)
        if changed_at is None or not account or "@removed" in row or (begun_at and changed_at < begun_at):
            return None
        reference = f"{row.get('id')}:{to_iso(changed_at)}"
        return DoneFact(
            str(account), DoneKind.PASSWORD_CHANGED, changed_at, DoneBy.CONNECTOR, self.name, reference=reference
        )

    async def _account(self, line: Line, order: Order) -> dict[str, Any] | None:
        """Return the account, read together with others; names that are no account (``delta``) are never asked for."""
        if not _OBJECT_ID.fullmatch(order.account) and "@" not in order.account:
            return None
        if "users" not in line.shared:
            line.shared["users"] = Gathered(
                lambda questions: _batched(line, questions), most=BATCH, before=lambda: line.turn("read"), missing=None
            )
        gathered: Gathered[Reply | None] = line.shared["users"]
        reply = await gathered.one(f"/users/{quote(order.account, safe='')}?$select={_SELECT}")
        if reply is None:
            raise Later(_("the answer to a batch left this account out"), seconds=AGAIN_SECONDS)
        try:
            reply = line.judged(reply, pace="read")
        except NoAnswer as lost:
            raise Later(str(lost), seconds=AGAIN_SECONDS) from lost
        found = shown(order, reply, _words(reply)) or {}
        names = {str(found.get("id")).lower(), str(found.get("userPrincipalName")).lower()}
        return found if order.account.lower() in names else None

    async def _patch(
        self, line: Line, order: Order, found: Mapping[str, Any], change: Mapping[str, Any], *, is_lifting: bool = False
    ) -> Outcome:
        reply = await line.write("PATCH", _at(found), body=change)
        if is_lifting:
            self._settling.forget(order)
            return _outcome(order, reply)
        return self._settled(order, reply)

    def _settled(self, order: Order, reply: Reply) -> Outcome:
        if reply.is_success:
            self._settling.note(order)
        return _outcome(order, reply)

    def _is_flagged(self, found: Mapping[str, Any]) -> bool:
        return bool((found.get("passwordProfile") or {}).get(self._flag))

    def _kept_elsewhere(self, found: Mapping[str, Any]) -> str:
        """Return why a password cannot be asked for here; empty when it can."""
        domain = str(found.get("userPrincipalName") or "").rpartition("@")[2].lower()
        if found.get("onPremisesSyncEnabled") or domain in self._federated:
            return _("its password is kept by another system: change it there")
        if found.get("externalUserState"):
            return _("a guest's password is kept by their own tenant")
        return ""


async def _batched(line: Line, questions: Sequence[str]) -> Mapping[str, Reply | None]:
    """Return the answers to up to 20 GETs asked in one call; one that is missing was not answered."""
    requests = [{"id": str(n), "method": "GET", "url": question} for n, question in enumerate(questions)]
    reply = await line.ask("POST", "/$batch", body={"requests": requests}, has_turn=True)
    if not reply.is_success:
        raise NotReached(_("a batch is refused: {reason}").format(reason=in_its_words(reply, _words(reply))))
    found: dict[str, Reply | None] = {}
    for each in reply.told().get("responses", []):
        headers = {str(name).title(): str(value) for name, value in (each.get("headers") or {}).items()}
        body = orjson.dumps(each.get("body"))
        found[questions[int(each["id"])]] = Reply(int(each["status"]), headers, body)
    return found


def _outcome(order: Order, reply: Reply) -> Outcome:
    if reply.is_success:
        return taken(order)
    return absent(order) if reply.status == 404 else refused_by(order, reply, _words(reply))


def _words(reply: Reply) -> str:
    """Return Graph's error code; its message repeats the account."""
    try:
        return str((reply.told().get("error") or {}).get("code") or "")
    except NoAnswer:
        return ""


def _at(found: Mapping[str, Any]) -> str:
    return f"/users/{quote(str(found['id']), safe='')}"


def _valid_from(found: Mapping[str, Any]) -> int:
    moment = from_iso(found.get("signInSessionsValidFromDateTime"))
    return int(moment.timestamp()) if moment else 0


def _is_after(found: Mapping[str, Any], field: str, order: Order) -> bool:
    moment = from_iso(found.get(field))
    return moment is not None and moment > order.since_at

"""Keycloak: required actions, logout and disabling through the admin REST API, read back account by account.

From the published source of Keycloak (``UserResource``, ``RealmAdminResource`` and the representations beside them):
``requiredActions`` of a PUT replaces the list, so it is read, changed and written whole; ``POST .../logout`` sets the
account's ``notBefore`` (seconds) to now and ends its online sessions; access tokens already issued live to their end.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from tocsin.containment.ports import Abilities, Holding, Order, Outcome, ReadBack, Remark
from tocsin.containment.values import DoneBy, DoneFact, DoneKind, MeasureKind
from tocsin.integrations.http_calls.calls import Line, NoAnswer, NotReached, Reply, Wire, wire_of
from tocsin.integrations.http_calls.moments import from_iso, onward
from tocsin.integrations.http_calls.order_by_order import (
    PERSON_KINDS,
    NotAllowed,
    OrderByOrder,
    absent,
    held_already,
    in_its_words,
    is_nameable,
    refused,
    refused_by,
    remark,
    shown,
    taken,
)
from tocsin.integrations.http_calls.pacing import Pace
from tocsin.integrations.http_calls.settings import HTTP_SETTINGS, Settings
from tocsin.integrations.http_calls.signing_in import ClientCredentials
from tocsin.kernel import clock
from tocsin.kernel.language import gettext as _, gettext_noop

SETTINGS: Mapping[str, str] = {
    "url": gettext_noop("address of Keycloak, with /auth where it has one: https://id.example.com"),
    "realm": gettext_noop("realm of the accounts"),
    "client_id": gettext_noop("confidential client whose service account may manage users"),
    "token_realm": gettext_noop("realm of that client; the same realm if left out"),
    "account_attribute": gettext_noop("what the accounts are called: id (default), username or email"),
    "access_token_seconds": gettext_noop("seconds an access token lives at most; read from the realm if left out"),
    "sign_ins": gettext_noop("yes: ask for sign-ins too, not only for changed passwords"),
    **HTTP_SETTINGS,
}
SECRETS: Mapping[str, str] = {"client_secret": gettext_noop("secret of the client")}

UPDATE_PASSWORD = "UPDATE_PASSWORD"
ACCESS_TOKEN_SECONDS_DEFAULT = 300.0  # of a new realm
EVENTS_PAGE = 200


def connect(name: str, *, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> "Keycloak":
    """Return the connector; SystemNotUnderstood says which setting is wrong."""
    given = Settings(name, settings=settings, secrets=secrets, known=SETTINGS, known_secrets=SECRETS)
    base, realm = given.address("url"), given.text("realm")
    token_realm = given.text("token_realm", default=realm)
    form = {
        "grant_type": "client_credentials",
        "client_id": given.text("client_id"),
        "client_secret": given.secret("client_secret"),
    }
    pace = Pace(
        per_second=None,
        source=_("no limit is documented"),
        ceiling=given.number("per_second", default=None, least=0.01),
    )
    token_address = f"{base}/realms/{quote(token_realm, safe='')}/protocol/openid-connect/token"
    return Keycloak(
        name,
        wire=wire_of(given, base=f"{base}/admin/realms/{quote(realm, safe='')}", paces={"write": pace}),
        authorise=ClientCredentials(token_address, form=lambda: form),
        attribute=given.choice("account_attribute", of=("id", "username", "email"), default="id"),
        access_token_seconds=given.number("access_token_seconds", default=None),
        asks_sign_ins=given.flag("sign_ins", default=False),
    )


class Keycloak(OrderByOrder):
    """One realm."""

    calls_per_order = 3

    def __init__(
        self,
        name: str,
        *,
        wire: Wire,
        authorise: ClientCredentials,
        attribute: str,
        access_token_seconds: float | None,
        asks_sign_ins: bool,
    ) -> None:
        super().__init__(name, wire=wire, authorise=authorise)
        self._attribute, self._token_seconds, self._asks_sign_ins = attribute, access_token_seconds, asks_sign_ins

    def abilities(self) -> Abilities:
        """Return what a realm can and cannot do."""
        return Abilities(
            takes=PERSON_KINDS,
            undoes=frozenset({MeasureKind.RESET_PASSWORD, MeasureKind.SUSPEND}),
            reads_back=PERSON_KINDS,
            warnings=(
                _(
                    "Access tokens already issued live to their end (5 minutes by default): let the gate refuse them, or wait."
                ),
                _("A required action is asked at the next sign-in; it ends no session by itself."),
                _("Clients with direct access grants get an error instead of the password page."),
                _("Ended sessions cannot be restored."),
            ),
        )

    async def take(self, line: Line, order: Order) -> Outcome:
        """Take one measure on one account unless it is in force or done."""
        found = await self._account(line, order)
        if found is None:
            return absent(order)
        if order.measure.kind is MeasureKind.RESET_PASSWORD:
            return await self._require_password(line, order, found)
        if order.measure.kind is MeasureKind.SUSPEND:
            if found.get("enabled") is False:
                return held_already(order)
            return await self._put(line, order, {**found, "enabled": False})
        if _not_before(found) >= int(order.since_at.timestamp()):
            return held_already(order)
        return _settled(order, await line.write("POST", f"{_at(found)}/logout"))

    async def look(self, line: Line, order: Order) -> ReadBack:
        """Read back what holds of one order."""
        found = await self._account(line, order)
        if found is None:
            return ReadBack(order, Holding.ABSENT)
        if order.measure.kind is MeasureKind.RESET_PASSWORD:
            if UPDATE_PASSWORD in _required(found):
                return ReadBack(order, Holding.IN_FORCE)
            changed_at = await self._password_set_at(line, order, found)
            is_done = changed_at is not None and changed_at > order.since_at
            return (
                ReadBack(order, Holding.DONE, done_at=changed_at) if is_done else ReadBack(order, Holding.NOT_IN_FORCE)
            )
        if order.measure.kind is MeasureKind.SUSPEND:
            return ReadBack(order, Holding.IN_FORCE if found.get("enabled") is False else Holding.NOT_IN_FORCE)
        return await self._sessions_ended(line, order, found)

    async def lift(self, line: Line, order: Order) -> Outcome:
        """Lift one measure; an ended session cannot be restored."""
        found = await self._account(line, order)
        if found is None:
            return absent(order)
        if order.measure.kind is MeasureKind.SUSPEND:
            if found.get("enabled") is True:
                return held_already(order)
            return await self._put(line, order, {**found, "enabled": True})
        if UPDATE_PASSWORD not in _required(found):
            return held_already(order)
        left = [each for each in _required(found) if each != UPDATE_PASSWORD]
        return await self._put(line, order, {**found, "requiredActions": left})

    async def facts_since(self, line: Line, cursor: str) -> tuple[Sequence[DoneFact], str]:
        """Return passwords changed (and sign-ins, where asked for) from the realm's stored events.

        The cursor is an ISO 8601 time. Only what people did themselves is an event; what staff did is found by reading
        back.
        """
        types = [UPDATE_PASSWORD, "UPDATE_CREDENTIAL", *(["LOGIN"] if self._asks_sign_ins else [])]
        query = f"type={'&type='.join(types)}&dateTo={clock.to_ms(clock.now())}"
        begun_at = from_iso(cursor)
        query += f"&dateFrom={clock.to_ms(begun_at)}" if begun_at else ""
        facts: list[DoneFact] = []
        moments: list[datetime | None] = []
        first = 0
        while True:
            page = self._events(await line.read(f"/events?{query}&first={first}&max={EVENTS_PAGE}"))
            facts += [fact for event in page if (fact := await self._fact(line, event)) is not None]
            moments += [clock.from_ms(int(event.get("time") or 0)) for event in page]
            if len(page) < EVENTS_PAGE:
                break
            first += EVENTS_PAGE
        return sorted(facts, key=lambda fact: fact.done_at), onward(cursor, moments)

    async def examine(self, line: Line) -> Sequence[Remark]:
        """Look whether accounts, events and the realm can be seen."""
        nobody = await line.read("/users/00000000-0000-0000-0000-000000000000")
        events = await line.read("/events/config")
        saved = events.told() if events.is_success else {}
        saves = saved.get("eventsEnabled") is True and UPDATE_PASSWORD in (saved.get("enabledEventTypes") or [])
        realm = await line.read("")
        sees_life = self._token_seconds is not None or (realm.is_success and "accessTokenLifespan" in realm.told())
        return (
            remark(
                _("accounts can be read"),
                otherwise=_("accounts cannot be read"),
                is_right=nobody.status == 404,
                mend=_("Give the client the role manage-users."),
            ),
            remark(
                _("changed passwords are saved as events, and can be read"),
                otherwise=_("changed passwords cannot be read from events"),
                is_right=saves,
                mend=_("Save UPDATE_PASSWORD and UPDATE_CREDENTIAL in the realm; give the client view-events."),
                else_warning=True,
            ),
            remark(
                _("the life of access tokens is known"),
                otherwise=_("how long access tokens live cannot be read"),
                is_right=sees_life,
                mend=_("Give the client view-realm, or set access_token_seconds; 5 minutes are taken."),
                else_warning=True,
            ),
        )

    def _events(self, reply: Reply) -> list[dict[str, Any]]:
        if not reply.is_success:
            raise NotReached(_("its events cannot be read: {reason}").format(reason=in_its_words(reply, "")))
        return reply.listed()

    async def _fact(self, line: Line, event: Mapping[str, Any]) -> DoneFact | None:
        kind = _done_kind(event)
        account, at = event.get("userId"), event.get("time")
        if kind is None or not account or not isinstance(at, int):
            return None
        if self._attribute != "id":
            found = await line.read(f"/users/{quote(str(account), safe='')}")
            account = found.told().get(self._attribute) if found.is_success else None
            if not account:
                return None
        reference = str(event.get("id") or f"{at}:{event.get('userId')}:{event.get('type')}")
        moment = clock.from_ms(at)
        return DoneFact(str(account), kind, moment, DoneBy.CONNECTOR, self.name, reference=reference)

    async def _account(self, line: Line, order: Order) -> dict[str, Any] | None:
        """Return the full representation, or None when the realm does not know the account."""
        identity: str | None = order.account
        if self._attribute != "id":
            reply = await line.read("/users", params={self._attribute: order.account, "exact": "true"})
            rows = reply.listed() if reply.is_success else []
            same = [row for row in rows if str(row.get(self._attribute, "")).lower() == order.account.lower()]
            if not reply.is_success:
                raise NotAllowed(_("accounts cannot be searched: {reason}").format(reason=in_its_words(reply, "")))
            identity = str(same[0]["id"]) if len(same) == 1 else None
        if not identity or not is_nameable(identity):
            return None
        reply = await line.read(f"/users/{quote(identity, safe='')}")
        found = shown(order, reply, _words(reply))
        return found if found and found.get("id") == identity else None

    async def _require_password(self, line: Line, order: Order, found: dict[str, Any]) -> Outcome:
        if UPDATE_PASSWORD in _required(found):
            return held_already(order)
        changed_at = await self._password_set_at(line, order, found)
        if changed_at is not None and changed_at > order.since_at:
            return held_already(order, _("the password was changed since"))
        if changed_at is None and not found.get("federationLink"):
            return refused(
                order, _("the account has no password here: it signs in through another system or a passkey")
            )
        return await self._put(line, order, {**found, "requiredActions": [*_required(found), UPDATE_PASSWORD]})

    async def _password_set_at(self, line: Line, order: Order, found: Mapping[str, Any]) -> datetime | None:
        """Return when the password was last set; of one that a user federation keeps, only when that was since."""
        reply = await line.read(f"{_at(found)}/credentials")
        rows = reply.listed() if reply.is_success else []
        dates = [row["createdDate"] for row in rows if row.get("type") == "password" and row.get("createdDate")]
        if dates or not found.get("federationLink"):
            return clock.from_ms(max(dates)) if dates else None
        person, since = quote(str(found["id"]), safe=""), clock.to_ms(order.since_at)
        query = f"type={UPDATE_PASSWORD}&type=UPDATE_CREDENTIAL&user={person}&dateFrom={since}&max=20"
        reply = await line.read(f"/events?{query}")
        if not reply.is_success:  # asked again and again, nobody would ever see it done
            raise NotAllowed(
                _("its password is kept by a user federation, and events cannot be read to see it changed")
            )
        kinds = [(_done_kind(event), event.get("time")) for event in reply.listed()]
        seen = [at for kind, at in kinds if kind is DoneKind.PASSWORD_CHANGED and isinstance(at, int)]
        return clock.from_ms(max(seen)) if seen else None

    async def _put(self, line: Line, order: Order, representation: Mapping[str, Any]) -> Outcome:
        return _settled(order, await line.write("PUT", _at(representation), body=representation))

    async def _sessions_ended(self, line: Line, order: Order, found: Mapping[str, Any]) -> ReadBack:
        not_before = _not_before(found)
        if not_before < int(order.since_at.timestamp()):
            return ReadBack(order, Holding.NOT_IN_FORCE)
        reply = await line.read(f"{_at(found)}/sessions")
        if not reply.is_success:
            raise NoAnswer(_("its sessions cannot be read"))
        starts = [int(row.get("start", 0)) for row in reply.listed()]
        if any(start < not_before * 1000 for start in starts):
            return ReadBack(order, Holding.NOT_IN_FORCE, reason=_("a session from before is still there"))
        ends_at = clock.from_ms(not_before * 1000) + timedelta(seconds=await self._access_token_seconds(line))
        if clock.now() < ends_at:
            return ReadBack(order, Holding.UNKNOWN, reason=_("access tokens issued before have not all run out yet"))
        if starts and order.measure.kind is MeasureKind.REAUTHENTICATE:
            return ReadBack(order, Holding.DONE, done_at=clock.from_ms(min(starts)))
        return ReadBack(order, Holding.IN_FORCE)

    async def _access_token_seconds(self, line: Line) -> float:
        """Return how long an access token of the realm lives; without the right to see the realm, the default."""
        if self._token_seconds is None:
            reply = await line.read("")
            told = reply.told() if reply.is_success else {}
            self._token_seconds = float(told.get("accessTokenLifespan") or ACCESS_TOKEN_SECONDS_DEFAULT)
        return self._token_seconds


def _done_kind(event: Mapping[str, Any]) -> DoneKind | None:
    """Return what an event says a person did; nothing for an attempt that failed."""
    details = event.get("details") or {}
    if event.get("error"):
        return None
    if event.get("type") == "UPDATE_CREDENTIAL" and details.get("credential_type") == "password":
        return DoneKind.PASSWORD_CHANGED
    return {UPDATE_PASSWORD: DoneKind.PASSWORD_CHANGED, "LOGIN": DoneKind.SIGNED_IN}.get(str(event.get("type")))


def _settled(order: Order, reply: Reply) -> Outcome:
    if reply.is_success:
        return taken(order)
    if reply.status == 404:
        return absent(order)
    return refused_by(order, reply, _words(reply))


def _words(reply: Reply) -> str:
    try:
        told = reply.told()
    except NoAnswer:
        return ""
    return str(told.get("errorMessage") or told.get("error") or "")


def _at(found: Mapping[str, Any]) -> str:
    return f"/users/{quote(str(found['id']), safe='')}"


def _required(found: Mapping[str, Any]) -> list[str]:
    return [str(each) for each in found.get("requiredActions") or []]


def _not_before(found: Mapping[str, Any]) -> int:
    return int(found.get("notBefore") or 0)

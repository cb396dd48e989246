"""Okta: expire passwords, end sessions and tokens, suspend; read back from the account and the System Log.

From Okta's published management API description (``expirePassword``, ``revokeUserSessions``, ``suspendUser``,
``unsuspendUser``, ``getUser``, ``listLogEvents``) and "Rate limit best practices". Temporary passwords are never made:
they would be handed to us. Okta lists no sessions of an account, so that they ended is read in the System Log.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from joserfc import jwk, jwt
from joserfc.errors import JoseError

from tocsin.containment.ports import Abilities, Holding, Order, Outcome, ReadBack, Remark
from tocsin.containment.values import DoneBy, DoneFact, DoneKind, MeasureKind
from tocsin.integrations.http_calls.calls import Authorise, Line, NoAnswer, NotReached, Reply, Wire, wire_of
from tocsin.integrations.http_calls.gathering import Gathered
from tocsin.integrations.http_calls.moments import from_iso, onward, to_iso
from tocsin.integrations.http_calls.order_by_order import (
    PERSON_KINDS,
    OrderByOrder,
    Settling,
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
from tocsin.integrations.http_calls.signing_in import ClientCredentials, FixedHeader
from tocsin.kernel import clock
from tocsin.kernel.language import gettext as _, gettext_noop

SETTINGS: Mapping[str, str] = {
    "url": gettext_noop("address of the organisation: https://example.okta.com"),
    "client_id": gettext_noop("service app, when it signs in with private_key_jwt instead of an API token"),
    "key_id": gettext_noop("kid of the app's key, as Okta shows it"),
    "account_attribute": gettext_noop("what the accounts are called: id (default) or login"),
    "share": gettext_noop("share of the limits Okta states that we may use, 0.05 to 1; 0.5 if left out"),
    "log_lag_seconds": gettext_noop("seconds the System Log may take to show what was done; 120 if left out"),
    **HTTP_SETTINGS,
}
SECRETS: Mapping[str, str] = {
    "api_token": gettext_noop("API token (SSWS) of an admin that may manage users and read the System Log"),
    "private_key": gettext_noop("private key of the service app, PEM or JWK"),
}

# Of the smallest organisation, each counted apart by Okta, until a header says more.
CALLS_A_MINUTE_DEFAULT = {"write": 600, "read": 600, "log": 60, "sign_in": 600}
SCOPES = "okta.users.manage okta.users.read okta.logs.read"
SESSIONS_CLEARED = "user.session.clear"
PASSWORD_UPDATED = "user.account.update_password"
LOG_PAGE = 1000
LOG_ACCOUNTS = 40  # asked of the log in one query: its limit is the tightest, an address must stay below 8 KiB
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_GONE = "DEPROVISIONED"


def connect(name: str, *, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> "Okta":
    """Return the connector; SystemNotUnderstood says which setting is wrong."""
    given = Settings(name, settings=settings, secrets=secrets, known=SETTINGS, known_secrets=SECRETS)
    base = given.address("url")
    share = given.number("share", default=0.5, least=0.05) or 0.5
    if share > 1:
        raise given.wrong("share", _("it is too small or too large."))
    ceiling = given.number("per_second", default=None, least=0.01)
    source = _("documented default of the smallest organisation, share {share:.0%}").format(share=share)
    paces = {
        kind: Pace(per_second=calls * share / 60, source=source, share=share, ceiling=ceiling)
        for kind, calls in CALLS_A_MINUTE_DEFAULT.items()
    }
    lag = given.number("log_lag_seconds", default=120) or 0.0
    return Okta(
        name,
        wire=wire_of(given, base=base, paces=paces),
        authorise=_sign_in(given, base),
        attribute=given.choice("account_attribute", of=("id", "login"), default="id"),
        lag_seconds=lag,
    )


def _sign_in(given: Settings, base: str) -> Authorise:
    if given.has_secret("api_token"):
        return FixedHeader(f"SSWS {given.secret('api_token')}")
    if not given.has_secret("private_key"):
        raise given.wrong(
            "api_token", _("the secret is missing."), mend=_("Give api_token, or client_id and private_key.")
        )
    client_id, address = given.text("client_id"), f"{base}/oauth2/v1/token"
    return ClientCredentials(address, form=_assertions(given, client_id=client_id, address=address))


def _assertions(given: Settings, *, client_id: str, address: str) -> Callable[[], Mapping[str, str]]:
    """Return what posts a signed assertion (RFC 7523, private_key_jwt) with RS256."""
    try:
        key = jwk.RSAKey.import_key(given.secret("private_key"))
    except (JoseError, ValueError, TypeError):
        raise given.wrong("private_key", _("it is not an RSA private key in PEM or JWK.")) from None
    header = {"alg": "RS256"} | ({"kid": given.text("key_id")} if given.text("key_id", default="") else {})

    def form() -> Mapping[str, str]:
        now = int(time.time())
        claims = {"iss": client_id, "sub": client_id, "aud": address, "iat": now, "exp": now + 300, "jti": str(uuid4())}
        return {
            "grant_type": "client_credentials",
            "scope": SCOPES,
            "client_assertion_type": _ASSERTION,
            "client_assertion": jwt.encode(header, claims, key),
        }

    return form


class Okta(OrderByOrder):
    """One organisation. Accounts are Okta ids (``00u...``) or log-ins: Okta takes both in an address."""

    workers = LOG_ACCOUNTS

    def __init__(self, name: str, *, wire: Wire, authorise: Authorise, attribute: str, lag_seconds: float) -> None:
        super().__init__(name, wire=wire, authorise=authorise)
        self._attribute = attribute
        self._settling = Settling(seconds=lag_seconds)

    def abilities(self) -> Abilities:
        """Return what an organisation can and cannot do."""
        return Abilities(
            takes=PERSON_KINDS,
            undoes=frozenset({MeasureKind.SUSPEND}),
            reads_back=PERSON_KINDS,
            warnings=(
                _("An expired password ends no session: ask for revoke_sessions as well."),
                _("Sessions that applications opened for themselves go on until they end them."),
                _("That sessions ended is read in the System Log, which may take minutes."),
                _("An expired password cannot be unexpired; ended sessions cannot be restored."),
            ),
        )

    async def take(self, line: Line, order: Order) -> Outcome:
        """Take one measure on one account unless it is in force or done."""
        found = await self._account(line, order)
        if found is None:
            return absent(order)
        status = found.get("status")
        if order.measure.kind is MeasureKind.RESET_PASSWORD:
            if (
                status == "PASSWORD_EXPIRED"
                or _is_after(found.get("passwordChanged"), order)
                or _may_be_done(found, order)
            ):
                return held_already(order)
            if status not in {"ACTIVE", "RECOVERY", "LOCKED_OUT"}:
                return refused(order, _("the account's status is {status}").format(status=status))
            provider = (found.get("credentials") or {}).get("provider") or {}
            if provider.get("type") in {"FEDERATION", "SOCIAL"}:
                return refused(order, _("its password is kept by another system: change it there"))
            return await self._write(line, order, found, "POST", "/lifecycle/expire_password")
        if order.measure.kind is MeasureKind.SUSPEND:
            if status == "SUSPENDED":
                return held_already(order)
            if status != "ACTIVE":
                return refused(order, _("the account's status is {status}").format(status=status))
            return await self._write(line, order, found, "POST", "/lifecycle/suspend")
        if self._settling.is_fresh(order) or await self._cleared_at(line, order, found):
            return held_already(order)
        ended = await self._write(line, order, found, "DELETE", "/sessions", params={"oauthTokens": "true"})
        self._settling.note(order)
        return ended

    async def look(self, line: Line, order: Order) -> ReadBack:
        """Read back what holds of one order."""
        found = await self._account(line, order)
        if found is None:
            return ReadBack(order, Holding.ABSENT)
        status = found.get("status")
        if order.measure.kind is MeasureKind.RESET_PASSWORD:
            if status == "PASSWORD_EXPIRED":
                return ReadBack(order, Holding.IN_FORCE)
            changed_at = from_iso(found.get("passwordChanged"))
            if status in {"ACTIVE", "LOCKED_OUT"} and changed_at is not None and changed_at > order.since_at:
                return ReadBack(order, Holding.DONE, done_at=changed_at)
            if _may_be_done(found, order):
                return ReadBack(order, Holding.UNKNOWN, reason=_("Okta does not keep when this password was changed"))
            return ReadBack(order, Holding.NOT_IN_FORCE, reason=_("status {status}").format(status=status))
        if order.measure.kind is MeasureKind.SUSPEND:
            return ReadBack(order, Holding.IN_FORCE if status == "SUSPENDED" else Holding.NOT_IN_FORCE)
        return await self._sessions_ended(line, order, found)

    async def lift(self, line: Line, order: Order) -> Outcome:
        """Unsuspend; nothing else can be lifted."""
        found = await self._account(line, order)
        if found is None:
            return absent(order)
        if found.get("status") == "ACTIVE":
            return held_already(order)
        return await self._write(line, order, found, "POST", "/lifecycle/unsuspend")

    async def facts_since(self, line: Line, cursor: str) -> tuple[Sequence[DoneFact], str]:
        """Return passwords people changed themselves, from the System Log. The cursor is an ISO 8601 time.

        Without a cursor Okta goes back seven days.
        """
        begun_at = from_iso(cursor)
        params = {
            "filter": f'eventType eq "{PASSWORD_UPDATED}" and outcome.result eq "SUCCESS"',
            "until": to_iso(clock.now()),
            "limit": str(LOG_PAGE),
            "sortOrder": "ASCENDING",
            **({"since": to_iso(begun_at)} if begun_at else {}),
        }
        events = await self._log(line, params)
        facts = [fact for event in events if (fact := self._fact(event)) is not None]
        return facts, onward(cursor, (from_iso(event.get("published")) for event in events))

    async def examine(self, line: Line) -> Sequence[Remark]:
        """Look whether accounts and the System Log can be seen."""
        nobody = await line.read("/api/v1/users/00u0000000000000000")
        log = await line.read("/api/v1/logs", params={"limit": "1"}, pace="log")
        return (
            remark(
                _("accounts can be read"),
                otherwise=_("accounts cannot be read"),
                is_right=nobody.status == 404,
                mend=_("Grant okta.users.manage and okta.users.read."),
            ),
            remark(
                _("events can be read"),
                otherwise=_("events cannot be read"),
                is_right=log.is_success,
                mend=_("Grant okta.logs.read."),
            ),
        )

    def _fact(self, event: Mapping[str, Any]) -> DoneFact | None:
        actor = event.get("actor") or {}
        at, person = from_iso(event.get("published")), actor.get("id")
        targets = {each.get("id") for each in event.get("target") or [] if isinstance(each, dict)}
        if at is None or not person or person not in targets:  # somebody else set it: read back, not believed
            return None
        reference = str(event.get("uuid") or "")
        account = str(actor.get("alternateId") or "") if self._attribute == "login" else str(person)
        return DoneFact(account, DoneKind.PASSWORD_CHANGED, at, DoneBy.CONNECTOR, self.name, reference=reference)

    async def _log(self, line: Line, params: Mapping[str, str], *, has_turn: bool = False) -> list[dict[str, Any]]:
        """Return every event of a bounded query, following the ``next`` links of the same host only."""
        reply = await line.read("/api/v1/logs", params=params, pace="log", has_turn=has_turn)
        events: list[dict[str, Any]] = []
        while True:
            if not reply.is_success:
                raise NotReached(
                    _("its log cannot be read: {reason}").format(reason=in_its_words(reply, _words(reply)))
                )
            page = reply.listed()
            events += page
            following = _next_link(reply)
            if not page or following is None:
                return events
            if not following.startswith(f"{self._wire.base}/api/v1/logs?"):
                raise NotReached(_("its log continues at another address, which is not followed"))
            reply = await line.read(following, pace="log")

    async def _account(self, line: Line, order: Order) -> dict[str, Any] | None:
        if not is_nameable(order.account) or order.account == "me":  # "me" is ourselves
            return None
        reply = await line.read(f"/api/v1/users/{quote(order.account, safe='')}")
        found = shown(order, reply, _words(reply))
        if found is None or found.get("status") == _GONE:
            return None
        login = str((found.get("profile") or {}).get("login") or "")
        # Okta also finds people by the beginning of their log-in: that may be somebody else.
        return found if order.account == found.get("id") or order.account.lower() == login.lower() else None

    async def _write(
        self,
        line: Line,
        order: Order,
        found: Mapping[str, Any],
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
    ) -> Outcome:
        reply = await line.write(method, f"/api/v1/users/{quote(str(found['id']), safe='')}{path}", params=params)
        if reply.is_success:
            return taken(order)
        return absent(order) if reply.status == 404 else refused_by(order, reply, _words(reply))

    async def _cleared_at(self, line: Line, order: Order, found: Mapping[str, Any]) -> datetime | None:
        """Return when somebody first ended the account's sessions since the containment time."""
        key = f"cleared since {order.since_at}"
        if key not in line.shared:
            line.shared[key] = Gathered(
                lambda accounts: self._clearings(line, accounts, since=to_iso(order.since_at)),
                most=LOG_ACCOUNTS,
                before=lambda: line.turn("log"),
                missing=None,
            )
        gathered: Gathered[datetime | None] = line.shared[key]
        return await gathered.one(str(found["id"]))

    async def _clearings(self, line: Line, accounts: Sequence[str], *, since: str) -> Mapping[str, datetime | None]:
        """Return for each account when its sessions were first ended since a time, in one query."""
        named = " or ".join(f'target.id eq "{account}"' for account in accounts)
        params = {
            "filter": f'eventType eq "{SESSIONS_CLEARED}" and outcome.result eq "SUCCESS" and ({named})',
            "since": since,
            "until": to_iso(clock.now()),
            "limit": str(LOG_PAGE),
            "sortOrder": "ASCENDING",
        }
        found: dict[str, datetime | None] = {}
        for event in await self._log(line, params, has_turn=True):
            for target in event.get("target") or []:
                found.setdefault(str(target.get("id")), from_iso(event.get("published")))
        return found

    async def _sessions_ended(self, line: Line, order: Order, found: Mapping[str, Any]) -> ReadBack:
        cleared_at = await self._cleared_at(line, order, found)
        if cleared_at is None and self._settling.is_fresh(order):
            return ReadBack(order, Holding.UNKNOWN, reason=_("the System Log does not show it yet"))
        if cleared_at is None:
            return ReadBack(order, Holding.NOT_IN_FORCE)
        signed_in_at = from_iso(found.get("lastLogin"))
        if order.measure.kind is MeasureKind.REAUTHENTICATE and signed_in_at and signed_in_at > cleared_at:
            return ReadBack(order, Holding.DONE, done_at=signed_in_at)
        return ReadBack(order, Holding.IN_FORCE)


def _is_after(text: object, order: Order) -> bool:
    moment = from_iso(text)
    return moment is not None and moment > order.since_at


def _may_be_done(found: Mapping[str, Any], order: Order) -> bool:
    """Say whether a password that a directory keeps may have been changed: nobody is asked twice on a mere no."""
    is_back = found.get("status") == "ACTIVE" and _is_after(found.get("statusChanged"), order)
    return is_back and not found.get("passwordChanged")


def _next_link(reply: Reply) -> str | None:
    """Return the address of ``Link: <...>; rel="next"`` (RFC 8288), one header a link as Okta sends them."""
    links = reply.headers.getall("Link", []) if hasattr(reply.headers, "getall") else []
    for link in ",".join(links).split(","):
        address, _semicolon, relation = link.partition(";")
        if 'rel="next"' in relation:
            return address.strip().strip("<>")
    return None


def _words(reply: Reply) -> str:
    """Return Okta's error code; its summary repeats the account."""
    try:
        return str(reply.told().get("errorCode") or "")
    except NoAnswer:
        return ""

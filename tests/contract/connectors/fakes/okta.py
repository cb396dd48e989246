"""Okta's management API, from ``okta/okta-management-openapi-spec`` (dist/current/management-minimal.yaml, 2026.06.3):

- ``getUser`` (id or login), ``expirePassword`` -> PASSWORD_EXPIRED, ``suspendUser`` (ACTIVE only), ``unsuspendUser``
  (SUSPENDED only), ``revokeUserSessions`` (``oauthTokens``, ``forgetDevices``; 204), ``listLogEvents`` (``since``,
  ``until``, ``after``, ``filter``, ``q``, ``limit`` 0..1000, ``sortOrder``), schemas ``User``, ``LogEvent``, ``Error``
- security schemes ``apiToken`` (``Authorization: SSWS``) and ``oauth2`` with scopes per operation; "Implement OAuth for
  Okta with a service app": ``/oauth2/v1/token`` with ``private_key_jwt`` (RFC 7523)
- "Rate limit best practices": ``X-Rate-Limit-Limit``, ``-Remaining``, ``-Reset`` (UTC epoch seconds) on every answer; 429
  with ``E0000047``. Okta sends no ``Retry-After`` there.
- "Link header": ``self`` and ``next`` as separate ``Link`` headers; a bounded log query ends without ``next``
"""

import base64
import json
import re
import time
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime

from aiohttp import web
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from fakes.serving import Fake, Trouble

NEEDS = {"GET users": "okta.users.read", "GET logs": "okta.logs.read"}
CLAUSE = re.compile(r'^(eventType|outcome\.result|target\.id|actor\.id) eq "([^"]*)"$')


def iso(seconds: float | None = None) -> str:
    moment = datetime.fromtimestamp(time.time() if seconds is None else seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def error(status: int, code: str, summary: str, **headers: str) -> web.Response:
    told = {
        "errorCode": code,
        "errorSummary": summary,
        "errorLink": code,
        "errorId": uuid.uuid4().hex,
        "errorCauses": [],
    }
    return web.json_response(told, status=status, headers=headers)


class FakeOkta(Fake):
    api_token = "00-token-of-an-admin"

    def __init__(self) -> None:
        super().__init__()
        self.users: dict[str, dict] = {}
        self.sessions: dict[str, int] = {}
        self.log: list[dict] = []
        self.log_lag_seconds = 0.0
        self.limit = self.log_limit = 60_000  # a minute
        self.remaining: int | None = None
        self.app_key = None  # public key of the service app
        self.tokens: dict[str, set[str]] = {}

    def routes(self) -> Iterable[web.RouteDef]:
        one = "/api/v1/users/{id}"
        return [
            web.post("/oauth2/v1/token", self.token),
            web.get("/api/v1/logs", self.checked(self.list_log)),
            web.get(one, self.checked(self.get_user)),
            web.post(one + "/lifecycle/expire_password", self.checked(self.expire)),
            web.post(one + "/lifecycle/suspend", self.checked(self.suspend)),
            web.post(one + "/lifecycle/unsuspend", self.checked(self.unsuspend)),
            web.delete(one + "/sessions", self.checked(self.revoke)),
        ]

    def headers(self, request: web.Request | None = None) -> dict[str, str]:
        limit = self.log_limit if request is not None and request.path == "/api/v1/logs" else self.limit
        remaining = limit - 1 if self.remaining is None else self.remaining
        return {
            "X-Rate-Limit-Limit": str(limit),
            "X-Rate-Limit-Remaining": str(remaining),
            "X-Rate-Limit-Reset": str(int(time.time()) + 60),
        }

    def throttled(self, trouble: Trouble) -> web.Response:
        summary = "API call exceeded rate limit due to too many requests."
        reset = str(int(time.time() + float(trouble.headers.get("Retry-After", "0"))))
        return error(429, "E0000047", summary, **{"X-Rate-Limit-Reset": reset, "X-Rate-Limit-Remaining": "0"})

    # What people do there.

    def add(self, login: str, *, status: str = "ACTIVE", provider: str = "OKTA") -> str:
        identity = "00u" + uuid.uuid5(uuid.NAMESPACE_DNS, login).hex[:17]
        old = iso(time.time() - 86_400)
        self.users[identity] = {
            "id": identity, "status": status, "created": old, "activated": old, "statusChanged": old, "lastLogin": old,
            "lastUpdated": old, "passwordChanged": old, "type": {"id": "oty1"},
            "profile": {"login": login, "email": login, "firstName": "Ada", "lastName": "Member"},
            "credentials": {"provider": {"type": provider, "name": provider}},
        }  # fmt: skip
        self.sessions[identity] = 2
        return identity

    def changes_password(self, identity: str, *, by: str | None = None) -> None:
        self.users[identity] |= {"status": "ACTIVE", "passwordChanged": iso()}
        self._event("user.account.update_password", identity, actor=by or identity)

    def signs_in(self, identity: str) -> None:
        self.users[identity]["lastLogin"] = iso()
        self.sessions[identity] += 1
        self._event("user.session.start", identity, actor=identity)

    def _event(self, kind: str, target: str, *, actor: str = "00uADMIN") -> None:
        def shown(identity: str) -> dict:
            login = self.users[identity]["profile"]["login"] if identity in self.users else "admin@x.example"
            return {"id": identity, "type": "User", "alternateId": login, "displayName": "A", "detailEntry": None}

        self.log.append({
            "uuid": str(uuid.uuid4()), "published": iso(), "eventType": kind, "version": "0", "severity": "INFO",
            "displayMessage": kind, "actor": shown(actor), "target": [shown(target)],
            "outcome": {"result": "SUCCESS", "reason": None}, "_seen_at": time.time() + self.log_lag_seconds,
        })  # fmt: skip

    # What it answers.

    async def token(self, request: web.Request) -> web.Response:
        form = dict(await request.post())
        refusal = {"error": "invalid_client", "error_description": "The client_assertion is invalid."}
        kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        if form.get("grant_type") != "client_credentials" or form.get("client_assertion_type") != kind:
            return web.json_response({"error": "unsupported_grant_type"}, status=400)
        head, claims, signature = str(form.get("client_assertion")).split(".")
        told = json.loads(_decoded(claims))
        try:
            self.app_key.verify(_decoded(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256())
        except Exception:  # noqa: BLE001 - whatever is wrong with it
            return web.json_response(refusal, status=401)
        right = told["iss"] == told["sub"] == "0oaapp" and told["aud"] == f"{self.url}/oauth2/v1/token"
        if not right or not time.time() < told["exp"] <= time.time() + 3600:
            return web.json_response(refusal, status=401)
        token = uuid.uuid4().hex
        self.tokens[token] = set(str(form["scope"]).split())
        return web.json_response(
            {"token_type": "Bearer", "expires_in": 3600, "access_token": token, "scope": form["scope"]}
        )

    def checked(self, act):
        async def checked(request: web.Request) -> web.Response:
            scheme, _blank, token = request.headers.get("Authorization", "").partition(" ")
            noun = "logs" if "logs" in request.path else "users"
            needed = NEEDS.get(f"{request.method} {noun}", "okta.users.manage")
            if not (scheme == "SSWS" and token == self.api_token) and not (scheme == "Bearer" and token in self.tokens):
                return error(401, "E0000011", "Invalid token provided")
            if scheme == "Bearer" and needed not in self.tokens[token]:
                return error(403, "E0000006", "You do not have permission to perform the requested action")
            if noun == "logs":
                return await act(request)
            named = request.match_info["id"]
            found = [user for user in self.users.values() if named.lower() in _names(user)]
            if not found:
                return error(404, "E0000007", f"Not found: Resource not found: {named} (User)")
            if request.method != "GET" and await request.read():
                return error(400, "E0000003", "The request body was not well-formed.")
            allowed = {"oauthTokens", "forgetDevices"} if request.method == "DELETE" else set()
            if set(request.query) - allowed:
                return error(400, "E0000001", "Api validation failed: query")
            return await act(request, found[0])

        return checked

    async def get_user(self, request: web.Request, user: dict) -> web.Response:
        return web.json_response(user)

    async def expire(self, request: web.Request, user: dict) -> web.Response:
        if user["status"] not in {"ACTIVE", "RECOVERY", "LOCKED_OUT", "PASSWORD_EXPIRED"}:
            return error(403, "E0000038", "This operation is not allowed in the user's current status.")
        if not self.does_nothing:
            user |= {"status": "PASSWORD_EXPIRED", "statusChanged": iso()}
            self._event("user.account.expire_password", user["id"])
        return web.json_response(user)

    async def suspend(self, request: web.Request, user: dict) -> web.Response:
        return self._moved(user, of="ACTIVE", to="SUSPENDED")

    async def unsuspend(self, request: web.Request, user: dict) -> web.Response:
        return self._moved(user, of="SUSPENDED", to="ACTIVE")

    def _moved(self, user: dict, *, of: str, to: str) -> web.Response:
        if user["status"] != of:
            return error(400, "E0000001", "Api validation failed: suspendUser")
        if not self.does_nothing:
            user |= {"status": to, "statusChanged": iso()}
        return web.Response(status=200)

    async def revoke(self, request: web.Request, user: dict) -> web.Response:
        assert request.query.get("oauthTokens") == "true", "refresh tokens would live on"
        if not self.does_nothing:
            self.sessions[user["id"]] = 0
            self._event("user.session.clear", user["id"])
        return web.Response(status=204)

    async def list_log(self, request: web.Request) -> web.Response:
        query = request.query
        if set(query) - {"since", "until", "after", "filter", "q", "limit", "sortOrder"}:
            return error(400, "E0000001", "Api validation failed: query")
        limit = int(query.get("limit", 100))
        groups = [part.strip("()").split(" or ") for part in query.get("filter", "").split(" and ") if part]
        clauses = [[CLAUSE.match(part) for part in group] for group in groups]
        if not 0 <= limit <= 1000 or any(None in group for group in clauses) or len(request.raw_path) > 8000:
            return error(400, "E0000053", "Invalid filter")
        found = [
            {key: value for key, value in event.items() if key != "_seen_at"}
            for event in self.log
            if event["_seen_at"] <= time.time()
            and event["published"] >= query.get("since", "")
            and event["published"] <= query.get("until", "9")
            and all(any(_holds(event, clause[1], clause[2]) for clause in group) for group in clauses)
        ]
        first = int(query.get("after", 0))
        page = found[first : first + limit]
        response = web.json_response(page)
        response.headers.add("Link", f'<{self.url}{request.raw_path}>; rel="self"')
        if first + limit < len(found):
            following = request.url.update_query(after=str(first + limit))
            response.headers.add("Link", f'<{self.url}{following.raw_path_qs}>; rel="next"')
        return response


def _names(user: dict) -> set[str]:
    """Return id, log-in and log-in shortname, as ``getUser`` finds people; log-ins are without case."""
    login = user["profile"]["login"].lower()
    return {user["id"].lower(), login, login.partition("@")[0]}


def _holds(event: dict, field: str, value: str) -> bool:
    if field == "eventType":
        return event["eventType"] == value
    if field == "outcome.result":
        return event["outcome"]["result"] == value
    if field == "actor.id":
        return event["actor"]["id"] == value
    return any(target["id"] == value for target in event["target"])


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))

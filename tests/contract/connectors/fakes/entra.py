"""Microsoft Graph v1.0 for accounts, from ``microsoftgraph/microsoft-graph-docs`` (and -contrib) on GitHub:

- api/user-get, user resource: properties such as ``passwordProfile``, ``lastPasswordChangeDateTime`` and
  ``signInSessionsValidFromDateTime`` are "Returned only on $select"
- api/user-update: PATCH, 204; ``passwordProfile`` of resources/passwordprofile (three properties); objects mastered on
  premises refuse it with 400 ``Request_BadRequest``
- api/user-revokesigninsessions: POST without content, sets ``signInSessionsValidFromDateTime`` to now, "a small delay of a
  few minutes"; its known issue: 200 with ``{"value": true}`` instead of 204
- api/user-delta: ``$select``, ``nextLink``, ``deltaLink``; concepts/delta-query-overview: 410 when the token is forgotten
- concepts/json-batching: ``requests`` with ``id``, ``method``, ``url``; at most 20; answers in any order, each with status
- concepts/throttling: 429 with ``Retry-After``; concepts/auth-v2-service: the token endpoint, scope ``/.default``
"""

import random
import time
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from urllib.parse import parse_qs, unquote, urlsplit

from aiohttp import web

from fakes.serving import Fake, Trouble, is_json

DEFAULT = {"id", "displayName", "userPrincipalName", "givenName", "surname", "mail"}
ON_SELECT = {
    "accountEnabled", "passwordProfile", "lastPasswordChangeDateTime", "signInSessionsValidFromDateTime",
    "onPremisesSyncEnabled", "externalUserState", "userType",
}  # fmt: skip
PROFILE = {"forceChangePasswordNextSignIn", "forceChangePasswordNextSignInWithMfa", "password"}
WRITABLE = {"accountEnabled", "passwordProfile", "displayName", "givenName", "surname"}


def iso(seconds: float | None = None) -> str:
    return datetime.fromtimestamp(time.time() if seconds is None else seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def error(status: int, code: str, message: str, **headers: str) -> tuple[int, dict, dict]:
    inner = {"date": iso(), "request-id": str(uuid.uuid4()), "client-request-id": str(uuid.uuid4())}
    return status, headers, {"error": {"code": code, "message": message, "innerError": inner}}


class FakeEntra(Fake):
    tenant, client_id, client_secret = "contoso.example", "11111111-aaaa", "s3cret~of-the-app"

    def __init__(self) -> None:
        super().__init__()
        self.users: dict[str, dict] = {}
        self.seen: dict[str, tuple[float, dict]] = {}  # what reads show until a moment, while replicas lag
        self.lag_seconds = 0.0
        self.tokens: dict[str, float] = {}
        self.changed: list[str] = []  # ids in the order of change, for delta
        self.forgets_delta = False
        self.page = 100
        self.batch_items: list[str] = []

    def routes(self) -> Iterable[web.RouteDef]:
        return [
            web.post("/{tenant}/oauth2/v2.0/token", self.token),
            web.post("/v1.0/$batch", self.batch),
            web.get("/v1.0/users/delta", self.delta),
            web.route("*", "/v1.0/{rest:.*}", self.alone),
        ]

    def throttled(self, trouble: Trouble) -> web.Response:
        status, headers, body = error(429, "TooManyRequests", "Too many requests", **trouble.headers)
        return web.json_response(body, status=status, headers=headers)

    # What people do there.

    def add(self, name: str, **more: object) -> str:
        identity = str(uuid.uuid5(uuid.NAMESPACE_DNS, name))
        old = iso(time.time() - 86_400)
        self.users[identity] = {
            "id": identity, "userPrincipalName": f"{name}@contoso.example", "displayName": "Ada", "accountEnabled": True,
            "passwordProfile": {"forceChangePasswordNextSignIn": False, "forceChangePasswordNextSignInWithMfa": False, "password": None},
            "lastPasswordChangeDateTime": old, "signInSessionsValidFromDateTime": old, "onPremisesSyncEnabled": None,
            "externalUserState": None, "userType": "Member", **more,
        }  # fmt: skip
        self.changed.append(identity)
        return identity

    def changes_password(self, identity: str) -> None:
        profile = {
            "forceChangePasswordNextSignIn": False,
            "forceChangePasswordNextSignInWithMfa": False,
            "password": None,
        }
        self.users[identity] |= {"passwordProfile": profile, "lastPasswordChangeDateTime": iso()}
        self.changed.append(identity)

    def _changes(self, identity: str, **change: object) -> None:
        if self.does_nothing:
            return
        if self.lag_seconds:
            self.seen[identity] = (time.time() + self.lag_seconds, dict(self.users[identity]))
        self.users[identity] |= change
        self.changed.append(identity)

    # What it answers.

    async def token(self, request: web.Request) -> web.Response:
        form = dict(await request.post())
        right = (
            request.match_info["tenant"] == self.tenant
            and form.get("grant_type") == "client_credentials"
            and form.get("scope") == f"{self.url}/.default"
            and (form.get("client_id"), form.get("client_secret")) == (self.client_id, self.client_secret)
        )
        if not right:
            told = {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided."}
            return web.json_response(told, status=401)
        token = uuid.uuid4().hex
        self.tokens[token] = time.time() + 3599
        return web.json_response(
            {"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": token}
        )

    def _is_signed_in(self, request: web.Request) -> bool:
        scheme, _blank, token = request.headers.get("Authorization", "").partition(" ")
        return scheme == "Bearer" and self.tokens.get(token, 0) > time.time()

    async def alone(self, request: web.Request) -> web.Response:
        if not self._is_signed_in(request):
            return _response(error(401, "InvalidAuthenticationToken", "Access token is empty or has expired."))
        body = await request.read()
        if body and not is_json(request):
            return _response(error(400, "RequestBodyRead", "The content type is not supported."))
        return _response(
            self._one(request.method, request.raw_path.removeprefix("/v1.0"), await request.json() if body else None)
        )

    async def batch(self, request: web.Request) -> web.Response:
        if not self._is_signed_in(request):
            return _response(error(401, "InvalidAuthenticationToken", "Access token is empty or has expired."))
        requests = (await request.json())["requests"]
        ids = [each["id"] for each in requests]
        if not is_json(request) or len(requests) > 20 or len(set(ids)) < len(ids):
            return _response(error(400, "BadRequest", "Number of batch request steps exceeds the maximum value of 20."))
        responses = []
        for each in requests:
            if "body" in each and "Content-Type" not in each.get("headers", {}):
                return _response(error(400, "BadRequest", "Content-Type must be provided with a body."))
            self.batch_items.append(each["url"])
            trouble = self._next_trouble(f"{each['method']} {each['url']}")
            if trouble and trouble.kind == "throttled":
                status, headers, body = error(429, "TooManyRequests", "Too many requests", **trouble.headers)
            else:
                status, headers, body = self._one(each["method"], each["url"], each.get("body"))
            responses.append({"id": each["id"], "status": status, "headers": headers, "body": body})
        random.shuffle(responses)
        return web.json_response({"responses": responses})

    def _one(self, method: str, url: str, body: dict | None) -> tuple[int, dict, dict | None]:
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        words = [unquote(word) for word in parts.path.strip("/").split("/")]
        if words[0] != "users" or len(words) not in {2, 3}:
            return error(400, "BadRequest", "Resource not found for the segment")
        found = [user for user in self.users.values() if words[1] in {user["id"], user["userPrincipalName"]}]
        if not found:
            return error(404, "Request_ResourceNotFound", f"Resource '{words[1]}' does not exist")
        user = found[0]
        if len(words) == 3:
            if (method, words[2]) != ("POST", "revokeSignInSessions") or body is not None:
                return error(405, "Request_BadRequest", "Specified HTTP method is not allowed for the request target.")
            self._changes(user["id"], signInSessionsValidFromDateTime=iso())
            return 200, {}, {"@odata.context": "https://graph/v1.0/$metadata#Edm.Boolean", "value": True}
        if method == "GET":
            return self._shown(user, query)
        return self._patched(user, body) if method == "PATCH" else error(405, "Request_BadRequest", "not allowed")

    def _shown(self, user: dict, query: dict) -> tuple[int, dict, dict]:
        until, before = self.seen.get(user["id"], (0, {}))
        user = before if time.time() < until else user
        wanted = set(query["$select"][0].split(",")) if "$select" in query else DEFAULT
        if set(query) - {"$select", "$expand"} or wanted - DEFAULT - ON_SELECT:
            return error(400, "BadRequest", "Could not find a property on type 'microsoft.graph.user'.")
        return 200, {}, {key: user.get(key) for key in sorted(wanted)}

    def _patched(self, user: dict, body: dict | None) -> tuple[int, dict, dict | None]:
        if not body or set(body) - WRITABLE or set(body.get("passwordProfile") or {}) - PROFILE:
            return error(400, "Request_BadRequest", "A property is invalid.")
        if user["onPremisesSyncEnabled"]:
            words = "Unable to update the specified properties for on-premises mastered Directory Sync objects."
            return error(400, "Request_BadRequest", words)
        change = dict(body)
        if "passwordProfile" in change:
            assert "password" not in change["passwordProfile"], "nobody may be handed a password"
            change["passwordProfile"] = user["passwordProfile"] | change["passwordProfile"]
        self._changes(user["id"], **change)
        return 204, {}, None

    async def delta(self, request: web.Request) -> web.Response:
        if not self._is_signed_in(request):
            return _response(error(401, "InvalidAuthenticationToken", "Access token is empty or has expired."))
        query = request.query
        token = query.get("$deltatoken") or query.get("$skiptoken")
        if token and self.forgets_delta:
            return _response(error(410, "syncStateNotFound", "Resync required."))
        if token and "$select" in query:
            return _response(error(400, "BadRequest", "The token already holds the query."))
        if not token and "lastPasswordChangeDateTime" not in query.get("$select", ""):
            return _response(error(400, "BadRequest", "select"))
        first = int(token or 0)
        ids = list(dict.fromkeys(self.changed[first : first + self.page]))
        fields = ("id", "userPrincipalName", "lastPasswordChangeDateTime")
        value = [{key: self.users[identity][key] for key in fields} for identity in ids]
        following = min(first + self.page, len(self.changed))
        is_last = following == len(self.changed)
        name, kind = ("$deltatoken", "@odata.deltaLink") if is_last else ("$skiptoken", "@odata.nextLink")
        return web.json_response({"value": value, kind: f"{self.url}/v1.0/users/delta?{name}={following}"})


def _response(told: tuple[int, dict, dict | None]) -> web.Response:
    status, headers, body = told
    return web.Response(status=status) if body is None else web.json_response(body, status=status, headers=headers)

"""Keycloak's admin REST API, from its published source and documentation (keycloak/keycloak on GitHub):

- ``services/.../admin/UserResource.java``: ``updateUser`` (204; 400 ``User is read only!``; ``requiredActions`` of a body
  replaces the list, ids of actions that do not exist are ignored; a body with ``attributes`` and without ``email`` takes
  the e-mail address away), ``getUser``, ``logout`` (notBefore = now in seconds, every online session ended, 204),
  ``getSessions``, ``credentials``
- ``core/.../idm/AbstractUserRepresentation``, ``UserRepresentation``, ``UserSessionRepresentation``,
  ``CredentialRepresentation``, ``EventRepresentation``: the fields; Jackson refuses unknown ones
- ``UsersResource.getUsers``: ``username``, ``email``, ``exact``; ``RealmAdminResource.getEvents``: ``type`` (many),
  ``dateFrom``, ``dateTo`` (yyyy-MM-dd or epoch milliseconds), ``first``, ``max`` (100 by default), newest first;
  ``getRealmEventsConfig``
- "Securing applications", service accounts: the token endpoint with ``client_credentials``
"""

import base64
import re
import time
import uuid
from collections.abc import Iterable
from urllib.parse import unquote

from aiohttp import web

from fakes.serving import Fake, Trouble, is_json

USER_FIELDS = set(
    "self id origin createdTimestamp username enabled totp emailVerified firstName lastName email federationLink"
    " serviceAccountClientId attributes credentials disableableCredentialTypes requiredActions federatedIdentities"
    " realmRoles clientRoles clientConsents notBefore applicationRoles socialLinks groups access userProfileMetadata".split()
)
ACTIONS = {"UPDATE_PASSWORD", "VERIFY_EMAIL", "CONFIGURE_TOTP", "UPDATE_PROFILE", "TERMS_AND_CONDITIONS"}
EVENT_QUERY = {"type", "client", "user", "dateFrom", "dateTo", "ipAddress", "first", "max", "direction"}


def now_ms() -> int:
    return int(time.time() * 1000)


class FakeKeycloak(Fake):
    realm, client_id, client_secret = "shop", "tocsin", "s3cret-of-the-client"

    def __init__(self) -> None:
        super().__init__()
        self.users: dict[str, dict] = {}
        self.passwords: dict[str, dict] = {}
        self.sessions: dict[str, list[dict]] = {}
        self.events: list[dict] = []
        self.tokens: dict[str, float] = {}
        self.token_seconds = 60
        self.access_token_lifespan = 300
        self.sees_realm = self.sees_events = self.saves_events = True
        self.forbidden: set[str] = set()

    def routes(self) -> Iterable[web.RouteDef]:
        users = f"/admin/realms/{self.realm}/users"
        return [
            web.post(f"/realms/{self.realm}/protocol/openid-connect/token", self.token),
            web.get(f"/admin/realms/{self.realm}", self.admin(self.get_realm)),
            web.get(f"/admin/realms/{self.realm}/events", self.admin(self.get_events)),
            web.get(f"/admin/realms/{self.realm}/events/config", self.admin(self.get_events_config)),
            web.get(users, self.admin(self.search)),
            web.get(users + "/{id}", self.admin(self.get_user)),
            web.put(users + "/{id}", self.admin(self.put_user)),
            web.post(users + "/{id}/logout", self.admin(self.logout)),
            web.get(users + "/{id}/sessions", self.admin(self.get_sessions)),
            web.get(users + "/{id}/credentials", self.admin(self.get_credentials)),
        ]

    def throttled(self, trouble: Trouble) -> web.Response:
        return web.Response(status=429, headers=trouble.headers, text="Too Many Requests")  # a proxy before it

    # What people do there.

    def add(self, account: str, *, password: bool = True, **more: object) -> str:
        """Make an account with an old password and an old session; return its id."""
        identity = str(uuid.uuid5(uuid.NAMESPACE_DNS, account))
        old = now_ms() - 86_400_000
        self.users[identity] = {
            "id": identity,
            "createdTimestamp": old,
            "username": account,
            "enabled": True,
            "totp": False,
            "emailVerified": True,
            "firstName": "Ada",
            "lastName": "Member",
            "email": f"{account}@example.com",
            "attributes": {"plan": ["family"]},
            "disableableCredentialTypes": [],
            "requiredActions": [],
            "notBefore": 0,
            **more,
        }
        if password:
            self.passwords[identity] = {
                "id": str(uuid.uuid4()),
                "type": "password",
                "createdDate": old,
                "credentialData": "{}",
            }
        self.sessions[identity] = [self._session(identity, old)]
        return identity

    def _session(self, identity: str, start: int) -> dict:
        return {
            "id": str(uuid.uuid4()), "username": self.users[identity]["username"], "userId": identity,
            "ipAddress": "192.0.2.7", "start": start, "lastAccess": start, "rememberMe": False,
            "clients": {str(uuid.uuid4()): "shop-app"}, "transientUser": False,
        }  # fmt: skip

    def changes_password(self, identity: str, *, at_ms: int | None = None) -> None:
        at = at_ms or now_ms()
        if identity in self.passwords:  # a user federation keeps the others
            self.passwords[identity]["createdDate"] = at
        actions = self.users[identity]["requiredActions"]
        self.users[identity]["requiredActions"] = [action for action in actions if action != "UPDATE_PASSWORD"]
        self._event(identity, "UPDATE_PASSWORD", at)
        self._event(identity, "UPDATE_CREDENTIAL", at, credential_type="password")

    def signs_in(self, identity: str, *, at_ms: int | None = None) -> None:
        at = at_ms or now_ms()
        self.sessions[identity].append(self._session(identity, at))
        self._event(identity, "LOGIN", at)

    def _event(self, identity: str, kind: str, at: int, **details: str) -> None:
        self.events.append({
            "id": str(uuid.uuid4()), "time": at, "type": kind, "realmId": self.realm, "clientId": "shop-app",
            "userId": identity, "ipAddress": "192.0.2.7",
            "details": {"username": self.users[identity]["username"], **details},
        })  # fmt: skip

    # What it answers.

    async def token(self, request: web.Request) -> web.Response:
        if request.content_type != "application/x-www-form-urlencoded":
            return web.json_response({"error": "invalid_request"}, status=415)
        form = dict(await request.post())
        given = form.get("client_id"), form.get("client_secret")
        basic = request.headers.get("Authorization", "")
        if basic.startswith("Basic "):
            given = tuple(unquote(part) for part in base64.b64decode(basic[6:]).decode().split(":", 1))
        if form.get("grant_type") != "client_credentials":
            return web.json_response({"error": "unsupported_grant_type"}, status=400)
        if given != (self.client_id, self.client_secret):
            told = {"error": "unauthorized_client", "error_description": "Invalid client or Invalid client credentials"}
            return web.json_response(told, status=401)
        token = uuid.uuid4().hex
        self.tokens[token] = time.time() + self.token_seconds
        return web.json_response({
            "access_token": token, "expires_in": self.token_seconds, "refresh_expires_in": 0, "token_type": "Bearer",
            "not-before-policy": 0, "scope": "profile email",
        })  # fmt: skip

    def admin(self, act):
        async def checked(request: web.Request) -> web.Response:
            scheme, _blank, token = request.headers.get("Authorization", "").partition(" ")
            if scheme != "Bearer" or self.tokens.get(token, 0) < time.time():
                return web.json_response({"error": "HTTP 401 Unauthorized"}, status=401)
            identity = request.match_info.get("id")
            if identity is not None and identity not in self.users:
                return web.json_response({"error": "User not found"}, status=404)
            if identity in self.forbidden:
                return web.json_response({"error": "HTTP 403 Forbidden"}, status=403)
            return await act(request)

        return checked

    async def get_realm(self, request: web.Request) -> web.Response:
        told = {"realm": self.realm} | ({"accessTokenLifespan": self.access_token_lifespan} if self.sees_realm else {})
        return web.json_response(told)

    async def search(self, request: web.Request) -> web.Response:
        query = request.query
        assert set(query) <= {"username", "email", "exact", "first", "max", "briefRepresentation", "search"}, query
        key = "username" if "username" in query else "email"
        found = [
            user
            for user in self.users.values()
            if (
                query[key].lower() == user[key].lower()
                if query.get("exact") == "true"
                else query[key].lower() in user[key]
            )
        ]
        return web.json_response(found[:100])

    async def get_user(self, request: web.Request) -> web.Response:
        return web.json_response({**self.users[request.match_info["id"]], "access": {"manage": True, "view": True}})

    async def put_user(self, request: web.Request) -> web.Response:
        if not is_json(request):
            return web.json_response({"error": "HTTP 415 Unsupported Media Type"}, status=415)
        body = await request.json()
        if unknown := set(body) - USER_FIELDS:
            return web.json_response({"error": f'Unrecognized field "{unknown.pop()}"'}, status=400)
        user = self.users[request.match_info["id"]]
        if user.get("federationLink") and user.get("origin") == "READ_ONLY":
            return web.json_response({"errorMessage": "User is read only!"}, status=400)
        if self.does_nothing:
            return web.Response(status=204)
        if body.get("enabled") is not None:
            user["enabled"] = body["enabled"]
        if body.get("attributes") is not None:
            user["attributes"] = body["attributes"]
            user["email"] = body.get("email")
        for field in ("firstName", "lastName", "email", "username", "emailVerified"):
            if body.get(field) is not None:
                user[field] = body[field]
        if body.get("requiredActions") is not None:
            user["requiredActions"] = [action for action in sorted(ACTIONS) if action in body["requiredActions"]]
        return web.Response(status=204)

    async def logout(self, request: web.Request) -> web.Response:
        if await request.read():
            return web.json_response({"error": "unexpected body"}, status=400)
        identity = request.match_info["id"]
        if not self.does_nothing:
            self.users[identity]["notBefore"] = int(time.time())
            self.sessions[identity] = []
        return web.Response(status=204)

    async def get_sessions(self, request: web.Request) -> web.Response:
        return web.json_response(self.sessions[request.match_info["id"]])

    async def get_credentials(self, request: web.Request) -> web.Response:
        password = self.passwords.get(request.match_info["id"])
        return web.json_response([password] if password else [])

    async def get_events_config(self, request: web.Request) -> web.Response:
        if not self.sees_events:
            return web.json_response({"error": "HTTP 403 Forbidden"}, status=403)
        types = ["LOGIN", "UPDATE_PASSWORD", "UPDATE_CREDENTIAL"]
        return web.json_response(
            {"eventsEnabled": self.saves_events, "eventsExpiration": 0, "enabledEventTypes": types}
        )

    async def get_events(self, request: web.Request) -> web.Response:
        if not self.sees_events:
            return web.json_response({"error": "HTTP 403 Forbidden"}, status=403)
        query = request.query
        if unknown := set(query) - EVENT_QUERY:
            return web.json_response({"error": f"unknown parameter {unknown}"}, status=400)
        bounds = []
        for name in ("dateFrom", "dateTo"):
            text = query.get(name, "")
            if text and not re.fullmatch(r"\d{4}-\d\d-\d\d|\d+", text):
                return web.json_response({"error": f"Invalid value for '{name}'"}, status=400)
            bounds.append(int(text) if text.isdigit() else None)
        types = query.getall("type", [])
        found = [
            event
            for event in sorted(self.events, key=lambda event: -event["time"])
            if (not types or event["type"] in types)
            and query.get("user", event["userId"]) == event["userId"]
            and (bounds[0] is None or event["time"] >= bounds[0])
            and (bounds[1] is None or event["time"] <= bounds[1])
        ]
        first = int(query.get("first", 0))
        return web.json_response(found[first : first + int(query.get("max", 100))])

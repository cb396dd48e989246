"""Signing in to another system: an OAuth 2.0 token for its own sake (RFC 6749, section 4.4), or a fixed header."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from tocsin.integrations.http_calls.calls import Line, NoAnswer, NotReached, Request
from tocsin.kernel import clock
from tocsin.kernel.language import gettext as _

_EARLY_SECONDS = 30  # a token is renewed before it runs out, so that it does not run out on the way


class FixedHeader:
    """The same ``Authorization`` at every call."""

    def __init__(self, value: str) -> None:
        self._value = value

    async def __call__(self, line: Line, request: Request) -> Mapping[str, str]:
        """Return the header."""
        return {"Authorization": self._value}


class ClientCredentials:
    """A bearer token by client credentials; kept from batch to batch, asked for again shortly before it runs out.

    ``form`` returns what is posted (it may sign an assertion, so it is made afresh), ``address`` is the token endpoint.
    """

    def __init__(
        self,
        address: str,
        *,
        form: Callable[[], Mapping[str, str]],
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._address, self._form, self._headers = address, form, headers or {}
        self._token = ""
        self._until: datetime | None = None

    async def __call__(self, line: Line, request: Request) -> Mapping[str, str]:
        """Return the header, after signing in where there is no token that lasts."""
        async with line.signing_in:
            if self._until is None or clock.now() >= self._until:
                await self._sign_in(line)
        return {"Authorization": f"Bearer {self._token}"}

    def renew(self) -> None:
        """Forget the token: the system does not take it any more."""
        self._until = None

    async def _sign_in(self, line: Line) -> None:
        try:
            reply = await line.post_form(self._address, self._form(), headers=self._headers)
            told = reply.told() if reply.is_success else {}
        except NoAnswer as lost:
            raise NotReached(_("no answer when signing in")) from lost
        token, lasts = told.get("access_token"), told.get("expires_in", 60)
        if not isinstance(token, str) or not token or not isinstance(lasts, int | float):
            raise NotReached(_("signing in is refused, HTTP {status}").format(status=reply.status))
        self._token = token
        self._until = clock.now() + timedelta(seconds=max(lasts - min(_EARLY_SECONDS, lasts / 2), 0))

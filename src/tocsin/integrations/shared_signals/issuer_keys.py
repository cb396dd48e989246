"""The keys of a stream's issuer: given once as a file, or fetched from its JWKS address and fetched again when needed."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import Key, KeySet

from tocsin.containment.errors import StreamNotUnderstood
from tocsin.kernel.language import gettext as _

FETCH_FLOOR_SECONDS = 60.0  # whoever sends tokens with invented key ids must not make us ask all the time
KEYS_MAX = 100
RSA_BITS_MIN = 2048  # as the interoperability profile demands

Fetch = Callable[[str], Any]  # an address -> its JSON; raises whatever an outage raises as FetchFailed


class FetchFailed(Exception):
    """The address did not answer with JSON."""


class IssuerKeys:
    """Finds a key by its id. One object for each stream, shared by threads.

    An unknown id makes the address be asked again, at most once in ``FETCH_FLOOR_SECONDS``; when it does not answer,
    the keys of before go on being believed.
    """

    def __init__(
        self, settings: Mapping[str, Any], *, fetch: Fetch, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._address = str(settings.get("jwks_url") or "")
        self._fetch, self._monotonic = fetch, monotonic
        self._keys = [] if self._address else keys_in(settings.get("jwks"))
        self._asked_at: float | None = None
        self._lock = threading.Lock()

    def __call__(self, kid: str | None) -> Key | None:
        """Return the key of this id; without an id, the only key there is."""
        with self._lock:
            found = self._found(kid)
            if found is None and self._address and self._may_ask():
                self._ask()
                found = self._found(kid)
            return found

    def _found(self, kid: str | None) -> Key | None:
        if kid is None:
            return self._keys[0] if len(self._keys) == 1 else None
        named = [key for key in self._keys if key.as_dict(private=False).get("kid") == kid]
        return named[0] if len(named) == 1 else None

    def _may_ask(self) -> bool:
        return self._asked_at is None or self._monotonic() - self._asked_at >= FETCH_FLOOR_SECONDS

    def _ask(self) -> None:
        self._asked_at = self._monotonic()
        try:
            self._keys = keys_in(self._fetch(self._address))
        except (FetchFailed, StreamNotUnderstood):
            return


def read_file(path: Path) -> dict[str, Any]:
    """Return the JWK set in a file, its public keys only."""
    try:
        keys = keys_in(json.loads(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise _not_a_set() from error
    if not keys:
        raise _not_a_set()
    return {"keys": [key.as_dict(private=False) for key in keys]}


def keys_in(jwks: Any) -> list[Key]:
    """Return the public keys of a JWK set (RFC 7517); symmetric and short ones are not taken."""
    listed = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed) or len(listed) > KEYS_MAX:
        raise _not_a_set()
    public = [each for each in listed if each.get("kty") in ("EC", "OKP") or _long_enough(each)]
    try:
        return list(KeySet.import_key_set({"keys": public})) if public else []
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise _not_a_set() from error


def _long_enough(jwk: Mapping[str, Any]) -> bool:
    """Say whether this is an RSA key of at least ``RSA_BITS_MIN`` bits, by its modulus (RFC 7518, section 6.3.1.1)."""
    modulus = str(jwk.get("n", ""))
    return jwk.get("kty") == "RSA" and len(modulus.rstrip("=")) * 6 >= RSA_BITS_MIN


def _not_a_set() -> StreamNotUnderstood:
    return StreamNotUnderstood(
        _("These are no keys of an issuer: a JWK set (RFC 7517) with public keys is needed."),
        mend=_("Give the file or address that the transmitter names as its jwks_uri."),
    )

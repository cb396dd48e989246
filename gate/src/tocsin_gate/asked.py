"""What a door asks the gate, and how it is read from a request."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from tocsin_gate.gate import Gate
from tocsin_gate.rulebook import Moment
from tocsin_gate.values import Decision

_NO = {"", "0", "false", "no"}


class Unclear(ValueError):
    """A request says the same thing twice: somebody may be speaking for the proxy. It is refused."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One question; the fields mean what they mean in ``Gate.check``."""

    account: str | None = None
    token_issued_at: Moment | None = None
    platform: str | None = None
    client_version: str | None = None
    sensitive: bool = False
    client: str | None = None
    password_changed_at: Moment | None = None

    def of(self, gate: Gate) -> Decision:
        """Put it to a gate."""
        return gate.check(
            self.account,
            token_issued_at=self.token_issued_at,
            platform=self.platform,
            client_version=self.client_version,
            sensitive=self.sensitive,
            client=self.client,
            password_changed_at=self.password_changed_at,
        )


def moment_of(text: str | None) -> float | None:
    """Return the Unix seconds of a header: seconds or ISO 8601 with a zone; None for anything else."""
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.astimezone(UTC).timestamp() if moment.tzinfo else None


@cache
def _names_of(reader: "HeaderReader") -> frozenset[str]:
    return reader.names


@dataclass(frozen=True, slots=True)
class HeaderReader:
    """Reads a question from headers that a **trusted** proxy sets, overwriting what a client sent under these names.

    Header names are lower case. Paths below ``open_paths`` (log-in, password reset, static files) are not asked about;
    those below ``sensitive_paths`` are sensitive without the header.
    """

    account: str = "x-tocsin-account"
    token_issued_at: str = "x-tocsin-token-issued-at"
    password_changed_at: str = "x-tocsin-password-changed-at"
    platform: str = "x-tocsin-platform"
    client_version: str = "x-tocsin-client-version"
    client: str = "x-tocsin-client"
    sensitive: str = "x-tocsin-sensitive"
    open_paths: tuple[str, ...] = ()
    sensitive_paths: tuple[str, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """The headers it looks at."""
        return frozenset(
            {
                self.account,
                self.token_issued_at,
                self.password_changed_at,
                self.platform,
                self.client_version,
                self.client,
                self.sensitive,
            }
        )

    def read(self, headers: Iterable[tuple[str, str]], *, path: str = "/") -> Asked | None:
        """Return the question, or None for a path that is open; raises ``Unclear``.

        ``headers`` are (lower-case name, value as latin-1 text) as WSGI has them; values are UTF-8 underneath.
        """
        if self.open_paths and is_open(path, self.open_paths):
            return None
        wanted, found = _names_of(self), dict[str, str]()
        for name, value in headers:
            if name in wanted:
                if name in found:
                    raise Unclear(name)
                # These two only: as latin-1, the last byte of an `à` looks like a blank to Python.
                found[name] = value.strip(" \t")
        return Asked(
            account=_text(found.get(self.account)),
            token_issued_at=moment_of(found.get(self.token_issued_at)),
            password_changed_at=moment_of(found.get(self.password_changed_at)),
            platform=_text(found.get(self.platform)),
            client_version=_text(found.get(self.client_version)),
            client=_text(found.get(self.client)),
            sensitive=found.get(self.sensitive, "").lower() not in _NO or self._is_sensitive(path),
        )

    def _is_sensitive(self, path: str) -> bool:
        return bool(self.sensitive_paths) and any(below(path, place) for place in self.sensitive_paths)


def is_open(path: str, places: Iterable[str]) -> bool:
    """Tell whether a path is a place that is not asked about; ``/log-in/../payout`` is none, whoever resolves it."""
    return not {".", ".."} & set(path.split("/")) and any(below(path, place) for place in places)


def below(path: str, place: str) -> bool:
    """Tell whether a path is a place or lies under it."""
    return path == place or path.startswith(place.rstrip("/") + "/")


def _text(value: str | None) -> str | None:
    """Return a header's UTF-8; nothing for an empty one."""
    if not value:
        return None
    return value if value.isascii() else value.encode("latin-1", "surrogateescape").decode("utf-8", "surrogateescape")

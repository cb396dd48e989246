"""Settings of a connected system, read strictly: an unknown name or a wrong value is said with its place."""

import ipaddress
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from yarl import URL

from tocsin.containment.errors import SystemNotUnderstood
from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import gettext as _, gettext_noop

HTTP_SETTINGS: Mapping[str, str] = {
    "ca_file": gettext_noop("PEM file of the authorities that sign its certificate; the machine's own if left out"),
    "plain_http": gettext_noop("yes: allow http:// to another machine, so that secrets cross the network in the open"),
    "proxy": gettext_noop("address of a proxy, http://host:port"),
    "timeout_seconds": gettext_noop("seconds to wait for one answer; 30 if left out"),
    "per_second": gettext_noop("calls a second at most, whatever it says it allows"),
    "in_flight": gettext_noop("calls under way at once; 8 if left out"),
}
_YES, _NO = {"yes", "true", "1", "on"}, {"no", "false", "0", "off", ""}


class Settings:
    """Settings and secrets of one system by name; every reader raises SystemNotUnderstood with the place."""

    def __init__(
        self,
        name: str,
        *,
        settings: Mapping[str, Any],
        secrets: Mapping[str, str],
        known: Mapping[str, str],
        known_secrets: Mapping[str, str],
    ) -> None:
        self.name = name
        self._settings = {key: value for key, value in settings.items() if value is not None}
        self._secrets = secrets
        for given, names in ((settings, known), (secrets, known_secrets)):
            for key in given:
                if key not in names:
                    raise self.wrong(
                        key, _("there is no such setting."), mend=_("Known: {names}."), names=sorted(names)
                    )

    def wrong(self, key: str, what: str, *, mend: str = "", names: Sequence[str] = ()) -> TocsinError:
        """Return the error for setting ``key``; the value itself is never repeated, it may be a secret."""
        place = _("system {name}, setting {key}").format(name=self.name, key=key)
        return SystemNotUnderstood(what, where=place, mend=mend.format(names=", ".join(names)))

    def text(self, key: str, *, default: str | None = None) -> str:
        """Return a text; without ``default`` it must be there."""
        given = self._settings.get(key, default)
        if isinstance(given, list | dict):
            raise self.wrong(key, _("it must be one text."))
        value = "" if given is None else str(given).strip()
        if not value and default is None:
            raise self.wrong(key, _("it is missing."), mend=_("Set it when the system is added."))
        return value

    def words(self, key: str, *, default: str | None = None) -> list[str]:
        """Return a list of words, given as a list or as a text with commas."""
        given = self._settings.get(key)
        parts = given if isinstance(given, list) else self.text(key, default=default).split(",")
        return [str(part).strip() for part in parts if str(part).strip()]

    def secret(self, key: str) -> str:
        """Return a secret that must be there."""
        secret = self._secrets.get(key, "").strip()  # a file ends with a line break, and a header may hold none
        if not secret:
            raise self.wrong(key, _("the secret is missing."), mend=_("Give it when the system is added."))
        return secret

    def has_secret(self, key: str) -> bool:
        """Say whether a secret was given."""
        return bool(self._secrets.get(key))

    def number(self, key: str, *, default: float | None, least: float = 0.0) -> float | None:
        """Return a number of at least ``least``."""
        if key not in self._settings or self._settings[key] == "":
            return default
        try:
            value = float(self._settings[key])
        except (TypeError, ValueError):
            raise self.wrong(key, _("it must be a number.")) from None
        if not least <= value < float("inf"):
            raise self.wrong(key, _("it is too small or too large."))
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        """Return a yes or no."""
        word = str(self._settings.get(key, default)).strip().lower()
        if word not in _YES | _NO:
            raise self.wrong(key, _("it must be yes or no."))
        return word in _YES

    def choice(self, key: str, *, of: Sequence[str], default: str) -> str:
        """Return one of a few words."""
        word = self.text(key, default=default)
        if word not in of:
            raise self.wrong(key, _("it is not one of the words allowed."), mend=_("Write one of {names}."), names=of)
        return word

    def address(self, key: str, *, default: str | None = None) -> str:
        """Return an http(s) address without a trailing slash; plain http only to this machine unless it is allowed."""
        text = self.text(key, default=default)
        try:
            url = URL(text)
        except ValueError:
            raise self.wrong(key, _("it is not an address.")) from None
        if url.scheme not in {"http", "https"} or not url.host:
            raise self.wrong(key, _("it must begin with https:// and name a host."))
        if url.user or url.password or url.query_string or url.fragment:
            raise self.wrong(key, _("it must hold no name, password, query or fragment."))
        if url.scheme == "http" and not is_this_machine(url.host) and not self.flag("plain_http", default=False):
            raise self.wrong(
                key, _("http:// would send secrets in the open."), mend=_("Write https://, or set plain_http to yes.")
            )
        return str(url).rstrip("/")

    def proxy(self) -> str | None:
        """Return the address of a proxy, or None; settings are shown and kept in the journal, so it holds no password."""
        text = self.text("proxy", default="")
        try:
            url = URL(text)
        except ValueError:
            raise self.wrong("proxy", _("it is not an address.")) from None
        if url.user or url.password:
            raise self.wrong("proxy", _("it must hold no name, password, query or fragment."))
        return text or None

    def ca_file(self) -> str | None:
        """Return the file of authorities, which must exist, or None."""
        path = self.text("ca_file", default="")
        if path and not Path(path).is_file():
            raise self.wrong("ca_file", _("there is no such file."))
        return path or None


def is_this_machine(host: str) -> bool:
    """Say whether a host name or address is the loopback."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

"""What staff say of a directory, checked before anything is connected."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ldap3.core.exceptions import LDAPException
from ldap3.operation.search import parse_filter
from ldap3.utils.dn import parse_dn

from tocsin.containment.errors import SystemNotUnderstood
from tocsin.containment.values import MeasureKind
from tocsin.kernel.language import gettext as _, gettext_noop

SETTINGS: Mapping[str, str] = {
    "address": gettext_noop("ldaps://host or ldap://host, with a port where it is not 636 or 389"),
    "starttls": gettext_noop("true: turn to TLS after connecting to ldap://"),
    "ca_file": gettext_noop("certificates to believe instead of the system's"),
    "unencrypted": gettext_noop(
        "true: allow a plain connection to another machine; the password can then be overheard"
    ),
    "bind_dn": gettext_noop("the entry Tocsin binds as; it needs to read the accounts and to write pwdReset, no more"),
    "base": gettext_noop("below which entry the accounts are"),
    "filter": gettext_noop("which entries are accounts, as an LDAP filter; (objectClass=person) when not said"),
    "account_attribute": gettext_noop("the attribute that holds the account as your logs name it; uid when not said"),
    "account_template": gettext_noop(
        "how the attribute is written when it is more than the account: {account}@example"
    ),
    "measures": gettext_noop("reset_password, suspend or both; reset_password when not said"),
    "connections": gettext_noop("how many connections work side by side; 8 when not said"),
    "timeout_seconds": gettext_noop("how long to wait for an answer; 15 when not said"),
    "old_password_grace_minutes": gettext_noop(
        "for how long the directory still takes the old password after a change"
    ),
}
SECRETS: Mapping[str, str] = {"password": gettext_noop("the password of bind_dn")}

TAKEN = frozenset({MeasureKind.RESET_PASSWORD, MeasureKind.SUSPEND})
CONNECTIONS_MAX = 64


@dataclass(frozen=True, slots=True)
class Settings:
    """A directory, and which of its entries are accounts."""

    host: str
    port: int
    use_ssl: bool
    starttls: bool
    ca_file: str | None
    bind_dn: str
    base: str
    filter: str
    account_attribute: str
    before: str  # of the account_template, what stands before the account and after it
    after: str
    measures: frozenset[MeasureKind]
    connections: int
    timeout_seconds: int

    def value_of(self, account: str) -> str:
        """Return how the directory writes an account."""
        return f"{self.before}{account}{self.after}"

    def account_of(self, value: str) -> str | None:
        """Return the account a value of the attribute means, or None when it is not written as the template says."""
        if len(value) < len(self.before) + len(self.after):
            return None
        if not (value.startswith(self.before) and value.endswith(self.after)):
            return None
        return value[len(self.before) : len(value) - len(self.after)]


def read(name: str, *, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> Settings:
    """Return the settings of the directory ``name``; SystemNotUnderstood says which one is wrong."""
    unknown = sorted(set(settings) - set(SETTINGS)) + sorted(set(secrets) - set(SECRETS))
    if unknown:
        raise _wrong(name, unknown[0], _("There is no such setting."))
    if not secrets.get("password"):
        raise _wrong(name, "password", _("The password is missing."))
    host, port, use_ssl = _address(name, settings)
    starttls = _flag(name, "starttls", settings)
    if use_ssl and starttls:
        raise _wrong(name, "starttls", _("An ldaps:// address is encrypted already."))
    if not (use_ssl or starttls or _flag(name, "unencrypted", settings) or _is_loopback(host)):
        raise _wrong(name, "address", _("The password would travel in the clear."))
    before, found, after = _text(name, "account_template", settings, default="{account}").partition("{account}")
    if not found or "{" in before + after or "}" in before + after:
        raise _wrong(name, "account_template", _("It must hold {account} once and no other braces."))
    return Settings(
        host=host, port=port, use_ssl=use_ssl, starttls=starttls, ca_file=_ca_file(name, settings),
        bind_dn=_dn(name, "bind_dn", settings), base=_dn(name, "base", settings), filter=_filter(name, settings),
        account_attribute=_attribute(name, settings), before=before, after=after, measures=_measures(name, settings),
        connections=_whole(name, "connections", settings, default=8, most=CONNECTIONS_MAX),
        timeout_seconds=_whole(name, "timeout_seconds", settings, default=15, most=600),
    )  # fmt: skip


def _address(name: str, settings: Mapping[str, Any]) -> tuple[str, int, bool]:
    parts = urlsplit(_text(name, "address", settings))
    try:
        port = parts.port
    except ValueError:
        port = 0
    if parts.scheme not in ("ldap", "ldaps") or not parts.hostname or port == 0 or parts.username or parts.query:
        raise _wrong(name, "address", _("It must be like ldaps://directory.example or ldap://directory.example:389."))
    use_ssl = parts.scheme == "ldaps"
    return parts.hostname, port or (636 if use_ssl else 389), use_ssl


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _ca_file(name: str, settings: Mapping[str, Any]) -> str | None:
    if not settings.get("ca_file"):
        return None
    path = Path(_text(name, "ca_file", settings)).expanduser()
    if not path.is_file():
        raise _wrong(name, "ca_file", _("There is no file {path}.").format(path=path))
    return str(path)


def _dn(name: str, setting: str, settings: Mapping[str, Any]) -> str:
    text = _text(name, setting, settings)
    try:
        parse_dn(text)
    except LDAPException as error:
        raise _wrong(name, setting, _("It is not the name of an entry, like dc=example,dc=org.")) from error
    return text


def _filter(name: str, settings: Mapping[str, Any]) -> str:
    text = _text(name, "filter", settings, default="(objectClass=person)")
    try:
        parse_filter(text, None, auto_escape=False, auto_encode=False, validator=None, check_names=False)
    except LDAPException as error:
        raise _wrong(name, "filter", _("It is not an LDAP filter, like (objectClass=person).")) from error
    return text


def _attribute(name: str, settings: Mapping[str, Any]) -> str:
    text = _text(name, "account_attribute", settings, default="uid")
    if not (text.isascii() and text.replace("-", "").isalnum() and text[0].isalpha()):
        raise _wrong(name, "account_attribute", _("It is not the name of an attribute."))
    return text


def _measures(name: str, settings: Mapping[str, Any]) -> frozenset[MeasureKind]:
    listed = settings.get("measures", [MeasureKind.RESET_PASSWORD])
    known = {str(kind) for kind in TAKEN}
    if not isinstance(listed, list) or not listed or not all(each in known for each in listed):
        raise _wrong(name, "measures", _("It must list some of: {kinds}.").format(kinds=", ".join(sorted(known))))
    return frozenset(MeasureKind(each) for each in listed)


def _text(name: str, setting: str, settings: Mapping[str, Any], *, default: str = "") -> str:
    value = settings.get(setting, default)
    if not isinstance(value, str) or not value:
        raise _wrong(name, setting, _("It must be a text and not empty."))
    return value


def _flag(name: str, setting: str, settings: Mapping[str, Any]) -> bool:
    value = settings.get(setting, False)
    if not isinstance(value, bool):
        raise _wrong(name, setting, _("It must be true or false."))
    return value


def _whole(name: str, setting: str, settings: Mapping[str, Any], *, default: int, most: int) -> int:
    value = settings.get(setting, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise _wrong(name, setting, _("It must be a whole number from 1 to {most}.").format(most=most))
    return value


def _wrong(name: str, setting: str, what: str) -> SystemNotUnderstood:
    return SystemNotUnderstood(
        what, where=f"{name}: {setting}", mend=_("`tocsin connector kinds ldap` explains every setting.")
    )

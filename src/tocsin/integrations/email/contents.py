"""What can be sent as a mail: ``{"subject", "text", "html"?, "headers"?, "unsubscribe_url"?, "language"?}``."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from yarl import URL

from tocsin.integrations.email import mime
from tocsin.kernel.language import gettext as _
from tocsin.messaging.errors import ContentNotUnderstood
from tocsin.messaging.values import Content, Prepared

SUBJECT_CHARACTERS_MAX = 250
BODY_OCTETS_MAX = 10_000_000
HEADER_CHARACTERS_MAX = 900  # a line may have 998 octets (RFC 5322, 2.1.1)
_KNOWN = ("subject", "text", "html", "headers", "unsubscribe_url", "language")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}")  # BCP 47, in short
_OURS = frozenset({
    "from", "to", "cc", "bcc", "sender", "subject", "date", "message-id", "reply-to", "return-path", "mime-version",
    "content-type", "content-transfer-encoding", "content-disposition", "content-id", "content-language",
    "dkim-signature", "received", "list-unsubscribe", "list-unsubscribe-post", "arc-seal", "authentication-results",
    "x-tocsin-id",
})  # fmt: skip
_MESSAGE_ID = re.compile(r"[\x21-\x3b\x3d\x3f-\x7e]{1,240}")


@dataclass(frozen=True, slots=True)
class Made:
    """A content that was checked."""

    subject: str
    text: str
    html: str
    headers: Sequence[mime.Header]
    unsubscribe_url: str
    language: str = ""


def prepared(content: Content) -> Prepared:
    """Return what sending this needs, or raise ContentNotUnderstood with the place."""
    made(content)
    return Prepared(content=dict(content), shown=f"{content['subject']}\n\n{content['text']}")


def made(content: Content) -> Made:
    """Return the parts of a content, checked; ContentNotUnderstood names the place."""
    for key in content:
        if key not in _KNOWN:
            raise _wrong(_("there is no such part."), where=key)
    subject = _text(content, "subject")
    if not mime.is_clean(subject):
        raise _wrong(_("it holds a line end or another control character."), where="subject")
    if len(subject) > SUBJECT_CHARACTERS_MAX:
        raise _wrong(_("it is longer than {n} characters.").format(n=SUBJECT_CHARACTERS_MAX), where="subject")
    html = _text(content, "html") if content.get("html") is not None else ""
    url = _text(content, "unsubscribe_url") if content.get("unsubscribe_url") is not None else ""
    if url and not is_https(url):
        raise _wrong(_("it must begin with https:// and name a host."), where="unsubscribe_url")
    tongue = content.get("language", "")
    if tongue != "" and not (isinstance(tongue, str) and _LANGUAGE.fullmatch(tongue)):
        raise _wrong(_("it must be a language, such as fr or pt-BR."), where="language")
    return Made(subject, _text(content, "text"), html, _headers(content.get("headers", {})), url, tongue)


def is_https(text: str) -> bool:
    """Say whether a text is an address that may stand in List-Unsubscribe."""
    try:
        url = URL(text)
    except ValueError:
        return False
    return url.scheme == "https" and bool(url.host) and mime.is_clean(text) and not set(text) & set("<> ,")


def is_message_id(text: str) -> bool:
    """Say whether a text may stand between the angle brackets of a message id."""
    return bool(_MESSAGE_ID.fullmatch(text))


def _headers(given: Any) -> Sequence[mime.Header]:
    if not isinstance(given, Mapping):
        raise _wrong(_("it must be a mapping of names to texts."), where="headers")
    for name, value in given.items():
        place = f"headers.{name}" if isinstance(name, str) and mime.is_name(name) else "headers"
        if place == "headers":
            raise _wrong(_("a name of a header holds letters, digits and hyphens."), where=place)
        if name.lower() in _OURS or name.lower().startswith(("content-", "arc-", "resent-")):
            raise _wrong(_("this header is ours to write."), where=place)
        if not isinstance(value, str) or not mime.is_clean(value) or len(value) > HEADER_CHARACTERS_MAX:
            raise _wrong(_("it must be one short line of text."), where=place)
    return tuple((name, mime.encoded(value)) for name, value in given.items())


def _text(content: Content, key: str) -> str:
    value = content.get(key)
    if not isinstance(value, str) or not value.strip():
        raise _wrong(_("it must be a text that is not empty."), where=key)
    try:
        octets = len(value.encode())
    except UnicodeEncodeError:
        raise _wrong(_("it holds half characters."), where=key) from None
    if octets > BODY_OCTETS_MAX or "\0" in value:
        raise _wrong(_("it is too long, or holds NUL."), where=key)
    return value


def _wrong(what: str, *, where: str) -> ContentNotUnderstood:
    return ContentNotUnderstood(what, where=where)

"""Contents of outbound messages: Meta's message object, checked against Meta's limits before it is queued.

A content is the object without ``messaging_product``, ``recipient_type`` and address. Beside it may stand ``when_shut``,
a template of the same form, sent instead when the person's 24 hours are over; and ``category``, where the account may
send texts without a template (Direct Send). Limits: Meta's pages messages/* and business-phone-numbers/media.
"""

from collections.abc import Callable, Mapping
from typing import Any

from tocsin.integrations.whatsapp.interactive import TEXT_OF_BODY, check_interactive
from tocsin.integrations.whatsapp.reading import Part
from tocsin.integrations.whatsapp.sent_templates import Checked, Wording, check_template
from tocsin.kernel.language import gettext as _
from tocsin.messaging.values import Content, Prepared

TEXT_CHARACTERS_MAX = 4_096
CAPTION_CHARACTERS_MAX = 1_024
CONTACTS_MAX = 257
DIRECT_CHARACTERS_MAX = 1_024
BY, MARKETING = "by", "marketing_messages"  # which endpoint a content goes by, where not by the usual one
_BESIDE = ("type", "context", "when_shut", "category", "message_send_ttl_seconds")
_NAME_PARTS = ("first_name", "last_name", "middle_name", "suffix", "prefix")
Known = Callable[[str, str], Wording | None]  # (name, language) -> the template's wording; None when it is not known


def nothing_known(_name: str, _language: str) -> Wording | None:
    """Say that no template is known: their parameters are not counted, and their category stays open."""
    return None


def prepare(
    content: Content, *, is_direct: bool = False, is_apart: bool = False, known: Known = nothing_known
) -> Prepared:
    """Return what sending this needs; ContentNotUnderstood names the place that is wrong.

    ``is_direct``: the account may send texts without a template; ``is_apart``: marketing goes by an endpoint of its own.
    """
    given = Part(content, "")
    kind = given.choice("type", [*_CHECKS, "template"])
    given.only(*_BESIDE, kind)
    part = _body_of(given, kind)
    sent = {key: value for key, value in content.items() if key != "when_shut"}
    if given.has("context"):
        given.part("context").text("message_id")
    if kind == "template":
        return _prepared_template(given, part, sent, known, is_apart=is_apart)
    shown = _CHECKS[kind](part)
    if given.has("category"):
        return _prepared_direct(given, kind, sent, shown, is_direct=is_direct)
    fallback = _fallback(given, known, is_apart=is_apart)
    return Prepared(
        content=sent,
        needs_window=True,
        fallback=fallback.content if fallback else None,
        fallback_template=fallback.template if fallback else "",
        category="service",
        shown=shown,
    )


def _body_of(given: Part, kind: str) -> Part:
    if kind != "contacts":
        return given.part(kind)
    return Part({"contacts": given.value.get(kind)}, "")


def _prepared_template(given: Part, part: Part, sent: Mapping[str, Any], known: Known, *, is_apart: bool) -> Prepared:
    for key in ("when_shut", "category"):
        if given.has(key):
            raise given.wrong(key, _("a template needs none: it may go at any time."))
    checked = check_template(part, known=known)
    return Prepared(
        content={**sent, "template": checked.content, **_way(checked, is_apart=is_apart)},
        template=f"{checked.name}/{checked.language}",
        category=checked.category,
        shown=checked.shown,
    )


def _way(checked: Checked, *, is_apart: bool) -> Mapping[str, Any]:
    """Return the mark of a message that goes by the marketing endpoint; it is no part of what is sent."""
    return {BY: MARKETING} if is_apart and checked.category.upper() == "MARKETING" else {}


def _fallback(given: Part, known: Known, *, is_apart: bool) -> Prepared | None:
    if not given.has("when_shut"):
        return None
    other = given.part("when_shut")
    other.only("type", "template")
    other.choice("type", ["template"])
    checked = check_template(other.part("template"), known=known)
    return Prepared(
        content={"type": "template", "template": checked.content, **_way(checked, is_apart=is_apart)},
        template=f"{checked.name}/{checked.language}",
    )


def _prepared_direct(given: Part, kind: str, sent: Content, shown: str, *, is_direct: bool) -> Prepared:
    """Return a text that goes without a template and without a window: Meta makes the template itself (Direct Send)."""
    category = given.choice("category", ["utility", "authentication"])
    if not is_direct:
        raise given.wrong(
            "category",
            _("this number may not send texts without a template."),
            mend=_("Send a template; or set direct_send to yes once Meta has allowed it for the account."),
        )
    if kind not in {"text", "interactive"}:
        raise given.wrong("type", _("only texts and interactive messages may go without a template."))
    if given.has("when_shut"):
        raise given.wrong("when_shut", _("a text of this category may go at any time."))
    if len(shown) > DIRECT_CHARACTERS_MAX:
        told = _("it has {n} characters, WhatsApp allows {most}.")
        raise given.wrong(kind, told.format(n=len(shown), most=DIRECT_CHARACTERS_MAX))
    return Prepared(content=sent, category=category, shown=shown)


def _text(part: Part) -> str:
    part.only("body", "preview_url")
    return part.text("body", longest=TEXT_CHARACTERS_MAX)


def check_file(part: Part, *also: str) -> None:
    """Check a media object: a file at Meta by its id, or an address Meta fetches."""
    if part.has("url"):
        raise part.wrong("url", _("there is no such field here."), mend=_("An address is written as link."))
    part.only("id", "link", *also)
    if part.has("id") == part.has("link"):
        raise part.wrong("", _("either id or link is needed, and not both."))
    if part.has("link"):
        part.address("link")
    else:
        part.matching("id", r"[0-9]{1,64}", what=_("it must be the id of an uploaded file, which is digits."))


def _captioned(part: Part) -> str:
    check_file(part, "caption")
    return part.text("caption", longest=CAPTION_CHARACTERS_MAX, needed=False)


def _document(part: Part) -> str:
    check_file(part, "caption", "filename")
    named = part.text("filename", longest=240, needed=False)
    return part.text("caption", longest=CAPTION_CHARACTERS_MAX, needed=False) or named


def _audio(part: Part) -> str:
    check_file(part, "voice")
    return ""


def _sticker(part: Part) -> str:
    check_file(part)
    return ""


def check_location(part: Part) -> str:
    """Check a place on the map; return its name."""
    part.only("latitude", "longitude", "name", "address")
    part.number("latitude", least=-90, most=90)
    part.number("longitude", least=-180, most=180)
    return part.text("name", longest=1_000, needed=False) or part.text("address", longest=1_000, needed=False)


def _contacts(part: Part) -> str:
    names = []
    for card in part.parts("contacts", most=CONTACTS_MAX):
        name = card.part("name")
        names.append(name.text("formatted_name"))
        if not any(name.has(key) for key in _NAME_PARTS):
            told = _("one more part of the name is needed: {names}.").format(names=", ".join(_NAME_PARTS))
            raise name.wrong("", told)
        for phone in card.parts("phones", least=0):
            phone.text("phone")
    return ", ".join(names)


def _reaction(part: Part) -> str:
    part.only("message_id", "emoji")
    part.text("message_id")
    return part.text("emoji", may_be_empty=True, longest=32)  # empty takes an earlier one back


def _interactive(part: Part) -> str:
    check_interactive(part, check_file=check_file)
    body = part.value.get("body")
    return str(body.get(TEXT_OF_BODY, "")) if isinstance(body, Mapping) else ""


_CHECKS: Mapping[str, Callable[[Part], str]] = {
    "text": _text,
    "image": _captioned,
    "video": _captioned,
    "audio": _audio,
    "document": _document,
    "sticker": _sticker,
    "location": check_location,
    "contacts": _contacts,
    "reaction": _reaction,
    "interactive": _interactive,
}

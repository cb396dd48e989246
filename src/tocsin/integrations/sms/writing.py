"""What every way of sending SMS asks of a number and of a text."""

from tocsin.customers import queries as customers
from tocsin.customers.values import AddressKind
from tocsin.integrations.channel_settings import ChannelSettings
from tocsin.integrations.sms.segments import PlainLetters, Segments, outside, plain, segments
from tocsin.kernel.language import format_number, gettext as _, gettext_noop
from tocsin.messaging.errors import AddressNotUnderstood, ContentNotUnderstood
from tocsin.messaging.values import Content, Prepared

PLAIN_LETTERS = gettext_noop(
    "signs: write quotation marks, dashes and the like so that a text takes fewer SMS; accents: letters such as ê too"
)
LETTERS_SHOWN = 6
CHARACTERS_MAX = 1600  # providers refuse longer ones (Twilio: 21617)


def number_of(text: str, *, kind: AddressKind, country: str) -> str:
    """Return a telephone number in E.164; AddressNotUnderstood otherwise. ``country`` is of those without one."""
    if kind is not AddressKind.PHONE:
        raise AddressNotUnderstood(
            _("SMS reaches telephone numbers only."), mend=_("Name a channel that reaches such an address.")
        )
    number = customers.phone(text, country=country)
    if number is None:
        raise AddressNotUnderstood(
            _("This is not a telephone number with its country."), mend=_("Write it as +33612345678.")
        )
    return number


def plain_letters(given: ChannelSettings) -> PlainLetters:
    """Return the setting of this name; ChannelNotUnderstood when it is none of the words."""
    return PlainLetters(given.choice("plain_letters", of=list(PlainLetters), default=PlainLetters.NO))


def prepared(
    content: Content, *, letters: PlainLetters = PlainLetters.NO, parts_max: int | None = None
) -> Prepared:  # fmt: skip
    """Return what sending ``{"text"}`` needs. ``category`` says how it is carried: ``gsm7-2``, ``ucs2-1``."""
    text = plain(_text_of(content), letters=letters)
    carried = segments(text)
    if parts_max is not None and carried.count > parts_max:
        raise ContentNotUnderstood(
            _("it becomes {parts} SMS, and the channel allows {n}.").format(parts=carried.count, n=parts_max),
            where="text",
            mend=_("Write a shorter one, without letters outside the basic alphabet, or raise parts_max."),
        )
    return Prepared(
        content={**content, "text": text}, category=f"{carried.encoding}-{carried.count}", shown=text,
        parts=carried.count, remark=_dearer(text, carried=carried),
    )  # fmt: skip


def _dearer(text: str, *, carried: Segments) -> str:
    """Return which letters make a text more SMS than it need be, or nothing."""
    fewer = segments(plain(text, letters=PlainLetters.ACCENTS)).count
    if fewer >= carried.count:
        return ""
    found = outside(text)
    shown = " ".join(each if each.isprintable() and not each.isspace() else f"U+{ord(each):04X}" for each in found)
    return _("{letters} make it {n} SMS instead of {fewer}: write them otherwise, or set plain_letters.").format(
        letters=shown if len(found) <= LETTERS_SHOWN else shown[: 2 * LETTERS_SHOWN] + "...",
        n=format_number(carried.count), fewer=format_number(fewer),
    )  # fmt: skip


def _text_of(content: Content) -> str:
    for key in content:
        if key != "text":
            raise ContentNotUnderstood(
                _("there is no such part."), where=key, mend=_("An SMS is a text and nothing else: write only text.")
            )
    text = content.get("text")
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        raise ContentNotUnderstood(
            _("it must be a text that is not empty."), where="text", mend=_("Write what the person is to read.")
        )
    if len(text) > CHARACTERS_MAX or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ContentNotUnderstood(
            _("it is longer than {n} characters.").format(n=CHARACTERS_MAX),
            where="text",
            mend=_("Write a shorter one."),
        )
    return text

"""What every way of sending SMS asks of a number and of a text."""

from tocsin.customers import queries as customers
from tocsin.customers.values import AddressKind
from tocsin.integrations.sms.segments import segments
from tocsin.kernel.language import gettext as _
from tocsin.messaging.errors import AddressNotUnderstood, ContentNotUnderstood
from tocsin.messaging.values import Content, Prepared

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


def prepared(content: Content, *, parts_max: int | None = None) -> Prepared:
    """Return what sending ``{"text"}`` needs. ``category`` says how it is carried: ``gsm7-2``, ``ucs2-1``."""
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
    carried = segments(text)
    if parts_max is not None and carried.count > parts_max:
        raise ContentNotUnderstood(
            _("it becomes {parts} SMS, and the channel allows {n}.").format(parts=carried.count, n=parts_max),
            where="text",
            mend=_("Write a shorter one, without letters outside the basic alphabet, or raise parts_max."),
        )
    return Prepared(content=dict(content), category=f"{carried.encoding}-{carried.count}", shown=text)

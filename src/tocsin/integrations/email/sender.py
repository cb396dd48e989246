"""Who mails are from, whoever carries them: the settings and headers that SMTP and a provider's interface share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from yarl import URL

from tocsin.customers.values import AddressKind
from tocsin.integrations.channel_settings import ChannelSettings
from tocsin.integrations.email import contents, layout, mime, unsubscribing
from tocsin.integrations.email.addresses import normal_address
from tocsin.integrations.email.lookups import Lookups, servers_of
from tocsin.kernel import language
from tocsin.kernel.language import gettext as _, gettext_noop
from tocsin.messaging.errors import AddressNotUnderstood
from tocsin.messaging.values import Content, Outgoing, Prepared, Purpose

MESSAGE = unsubscribing.PLACE_OF_MESSAGE
SETTINGS: Mapping[str, str] = {
    "from": gettext_noop("address the mails are from"),
    "from_name": gettext_noop("name shown beside it"),
    "reply_to": gettext_noop("address answers go to; the one they are from if left out"),
    "unsubscribe_url": gettext_noop(
        "https address for one-click unsubscribing; {message} stands for the message's id, {proof} for what proves it"
    ),
    "unsubscribe_to": gettext_noop(
        "e-mail address for unsubscribing, for mail programs that write instead; what arrives there ends in Tocsin"
    ),
    "html": gettext_noop("yes: a mail that was written as text also gets an HTML part made from it"),
    "colour": gettext_noop("colour of its frame, such as #14532d"),
    "foot": gettext_noop("text at its end, such as the company's name and address"),
    "dns_servers": gettext_noop(
        "name servers `channel check` asks, ADDRESS or ADDRESS:PORT; the machine's own if left out"
    ),
}
SECRETS: Mapping[str, str] = {
    "unsubscribe_key": gettext_noop("secret of the place where bounces arrive, when unsubscribe_url leads there"),
}


@dataclass(frozen=True, slots=True)
class Identity:
    """Who mails are from, and how one gets no more of them."""

    address: str
    name: str
    reply_to: str
    unsubscribe_url: str
    unsubscribe_to: str
    unsubscribe_key: str = field(repr=False)
    dns_servers: Sequence[tuple[str, int]]
    look: layout.Look | None = None  # of the HTML made for texts; None: none is made

    @property
    def domain(self) -> str:
        """Return the domain people see."""
        return self.address.rpartition("@")[2]

    def lookups(self) -> Lookups:
        """Return questions to the DNS."""
        return Lookups(self.dns_servers)

    def html(self, made: contents.Made, message: Outgoing) -> str:
        """Return the HTML of a mail: its own, or where the channel wants one, what is made from the text; else empty."""
        if made.html or self.look is None:
            return made.html
        way = self.unsubscribe_address(message, url=made.unsubscribe_url)
        with language.use(
            made.language[:2] if made.language[:2] in unsubscribing.LANGUAGES else unsubscribing.LANGUAGES[0]
        ):
            words = _("Get no more of these mails")
        return layout.page(
            made.text, subject=made.subject, look=self.look, language=made.language, unsubscribe=(words, way)
        )

    def unsubscribe_address(self, message: Outgoing, *, url: str) -> str:
        """Return where a person gets no more of what sells something; empty where there is no such address."""
        if message.purpose is not Purpose.MARKETING:
            return ""
        return url or unsubscribing.address(self.unsubscribe_url, message_id=message.id, key=self.unsubscribe_key)

    def unsubscribing(self, message: Outgoing, *, url: str) -> list[mime.Header]:
        """Return the headers with which a person gets no more, for what sells something; empty where there is no way.

        One click (RFC 8058) comes first, a mail (RFC 2369, RFC 6068) after it; ``url`` is the content's own, if any.
        """
        if message.purpose is not Purpose.MARKETING:
            return []
        told = self.unsubscribe_address(message, url=url)
        ways = [f"<{URL(told)}>"] if told else []
        if self.unsubscribe_to:
            ways.append(f"<mailto:{self.unsubscribe_to}?subject=unsubscribe%20{message.id}>")
        found = [("List-Unsubscribe", ", ".join(ways))] if ways else []
        return found + ([("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")] if told else [])


def identity(given: ChannelSettings) -> Identity:
    """Return who mails are from; ChannelNotUnderstood says which setting is wrong."""
    name, url = given.text("from_name", default=""), given.text("unsubscribe_url", default="")
    if not mime.is_clean(name):
        raise given.wrong("from_name", _("it holds a line end or another control character."))
    if url and not contents.is_https(url.replace(MESSAGE, "0").replace(unsubscribing.PLACE_OF_PROOF, "0")):
        raise given.wrong("unsubscribe_url", _("it must begin with https:// and name a host."))
    if (unsubscribing.PLACE_OF_PROOF in url) != given.has_secret("unsubscribe_key"):
        raise given.wrong("unsubscribe_url", _("{proof} in it and the secret unsubscribe_key belong together."))
    try:
        servers = servers_of(given.words("dns_servers", default=""))
    except ValueError as error:
        raise given.wrong("dns_servers", _("it is no address of a machine.")) from error
    return Identity(
        address=address_in(given, "from"),
        name=name,
        reply_to=address_in(given, "reply_to", default=""),
        unsubscribe_url=url,
        unsubscribe_to=address_in(given, "unsubscribe_to", default=""),
        unsubscribe_key=given.secret("unsubscribe_key") if given.has_secret("unsubscribe_key") else "",
        dns_servers=servers,
        look=_look(given, name=name),
    )


def _look(given: ChannelSettings, *, name: str) -> layout.Look | None:
    colour = given.text("colour", default=layout.DEFAULT_COLOUR)
    if not layout.COLOUR.fullmatch(colour):
        raise given.wrong("colour", _("it must be # and six hexadecimal digits."))
    if not given.flag("html", default=False):
        return None
    return layout.Look(name=name, colour=colour, foot=given.text("foot", default=""))


def address_in(given: ChannelSettings, key: str, *, default: str | None = None) -> str:
    """Return the address in a setting, in its one normal form."""
    text = given.text(key, default=default)
    try:
        return normal_address(text) if text else ""
    except AddressNotUnderstood as error:
        raise given.wrong(key, error.what, mend=error.mend) from error


class ReachesByMail:
    """What every channel of mail does alike, however its mails travel."""

    reaches: Sequence[AddressKind] = (AddressKind.EMAIL,)

    def address(self, text: str, *, kind: AddressKind) -> str:
        """Return an address in its one normal form."""
        if kind is not AddressKind.EMAIL:
            raise AddressNotUnderstood(
                _("E-mail reaches e-mail addresses only."),
                mend=_("Name another channel with --channel, or an e-mail address of the person."),
            )
        return normal_address(text)

    def prepare(self, content: Content) -> Prepared:
        """Return what sending this needs; ContentNotUnderstood names the place."""
        return contents.prepared(content)

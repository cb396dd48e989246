"""What can go wrong with messages and channels."""

from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import gettext_noop


class NoSuchChannel(TocsinError):
    """No channel has this name."""


class NoSuchMessage(TocsinError):
    """There is no message of this id."""


class ChannelNotUnderstood(TocsinError):
    """A setting or secret of a channel is missing or wrong."""


class ContentNotUnderstood(TocsinError):
    """What is to be sent is not what the channel can carry, with the place in it."""

    usual_mend = gettext_noop("What each channel carries stands in docs/howto/messages.md.")


class AddressNotUnderstood(TocsinError):
    """An address is not one this channel can reach."""

    usual_mend = gettext_noop("Name a channel that reaches such an address: `tocsin channel list`.")


class NotDecidable(TocsinError):
    """A person decides about unknown messages only, and once."""


class WebhookNotVerified(TocsinError):
    """What came in is not signed by the one it claims to be from."""


class RatesNotUnderstood(TocsinError):
    """A file of prices has a line that cannot be used."""


class NoSuchApp(TocsinError):
    """No application whose webhooks come in has this name or id."""


class NoSuchIntake(TocsinError):
    """No webhook's body is kept under this number, or its text was erased."""

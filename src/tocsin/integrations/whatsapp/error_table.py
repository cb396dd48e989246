"""What each error code of the WhatsApp Cloud API means for a message, as data: one line a code.

Source: Meta's page support/error-codes (September 2026). Meta asks to build on the code and its details, not on HTTP
status or title. Which verdict a code gets is ours where the page does not say.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tocsin.kernel.language import gettext_noop as _
from tocsin.messaging.values import Reason, Verdict

DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Known:
    """One code: what it means for the message, why, in which words, and how long it is to wait at least."""

    verdict: Verdict
    reason: Reason
    words: str
    wait_seconds: float | None = None


V, R = Verdict, Reason
_TOKEN = _("The access token is not valid or has run out.")
_RIGHT = _("The access token lacks a right to this number or account.")
_GROUP = _("Groups are not for this number, or the group does not exist.")
_CALL = _("Calls are not for this number, or not for this person.")
_FLOW = _("The flow cannot be used or changed so.")
_MARKETING = _("Marketing templates of this account go by another way: set marketing_messages to yes.")
_NO_CALLBACK = _(
    "Meta asked the address for webhooks whether it is ours and got no right answer: `tocsin serve` must run, be reached "
    "there from outside with a public certificate, and know the verify token."
)
_NO_CODE = _("This number gets no registration code: it is not being moved here.")
_PIN = _("The number's registration or its PIN is not in order.")

# fmt: off
CODES: Mapping[int, Known] = {
    0: Known(V.HOLD_ACCOUNT, R.TRY_LATER, _TOKEN),
    1: Known(V.RETRY_FEW, R.TRY_LATER, _("Meta calls the request invalid, or had an error of its own.")),
    2: Known(V.RETRY, R.TRY_LATER, _("Meta's service is down or overloaded.")),
    3: Known(V.HOLD_ACCOUNT, R.TRY_LATER, _("The application may not use this part of the API.")),
    4: Known(V.SLOW_LINE, R.RATE_LIMITED, _("The application called the API too often."), 60.0),
    10: Known(V.HOLD_ACCOUNT, R.TRY_LATER, _RIGHT),
    33: Known(V.HOLD_LINE, R.TRY_LATER, _("The business number was deleted, or its id is wrong.")),
    100: Known(V.OUR_MISTAKE, R.OUR_MISTAKE, _("A parameter is not one Meta accepts.")),
    190: Known(V.HOLD_ACCOUNT, R.TRY_LATER, _TOKEN),
    368: Known(V.HOLD_ACCOUNT, R.TRY_LATER, _("Meta restricted the account for breaking its policies.")),
    613: Known(V.SLOW_LINE, R.RATE_LIMITED, _("The application called this part of the API too often."), 60.0),
    2200: Known(V.OUR_MISTAKE, R.OUR_MISTAKE, _NO_CALLBACK),
    80007: Known(V.SLOW_LINE, R.RATE_LIMITED, _("The business account called the API too often."), 60.0),
    130403: Known(V.DEAD, R.REFUSED, _("We have blocked this person.")),
    130429: Known(V.SLOW_LINE, R.RATE_LIMITED, _("The number sends faster than Meta allows it.")),
    130472: Known(V.DEAD, R.REFUSED_BY_POLICY, _("Meta keeps marketing from this person, for an experiment.")),
    130497: Known(V.DEAD, R.REFUSED_BY_POLICY, _("The business may not write to people in this country.")),
    131000: Known(V.RETRY_FEW, R.TRY_LATER, _("Something went wrong at Meta.")),
    131005: Known(V.HOLD_ACCOUNT, R.TRY_LATER, _RIGHT),
    131008: Known(V.OUR_MISTAKE, R.OUR_MISTAKE, _("A parameter that is needed is missing.")),
    131009: Known(V.OUR_MISTAKE, R.OUR_MISTAKE, _("The value of a parameter is not one Meta accepts.")),
    131016: Known(V.RETRY, R.TRY_LATER, _("Meta's service is down or overloaded.")),
    131020: Known(V.OUR_MISTAKE, R.OUR_MISTAKE, _GROUP),
    131021: Known(V.DEAD, R.REFUSED, _("The recipient is the sending number itself.")),
    131026: Known(V.DEAD, R.NOT_REACHABLE, _("The person is not on WhatsApp, or cannot be reached there.")),
    131030: Known(V.DEAD, R.REFUSED, _("A test number may only write to the numbers on its list.")),
    131031: Known(V.HOLD_ACCOUNT, R.TRY_LATER, _("The business account is locked.")),
    131037: Known(V.HOLD_LINE, R.TRY_LATER, _("The number's display name is not approved.")),
    131041: Known(V.OUR_MISTAKE, R.OUR_MISTAKE, _GROUP),
    131042: Known(V.HOLD_ACCOUNT, R.TRY_LATER, _("The business account's payment is not in order.")),
    131044: Known(V.HOLD_ACCOUNT, R.TRY_LATER, _("The business account's payment is not in order.")),
    131045: Known(V.HOLD_LINE, R.TRY_LATER, _("The number is not registered.")),
    131047: Known(V.WINDOW_SHUT, R.WINDOW_SHUT, _("The person did not write within 24 hours: only a template may go.")),
    131048: Known(V.HOLD_LINE, R.TRY_LATER, _("Too many people blocked or reported this number.")),
    131049: Known(V.LATER, R.REFUSED_BY_POLICY, _("Meta limits how much marketing this person gets."), DAY_SECONDS),
    131050: Known(V.STOPPED, R.REFUSED_BY_PERSON, _("The person stopped our marketing messages.")),
    131051: Known(V.OUR_MISTAKE, R.OUR_MISTAKE, _("Messages of this type cannot be sent.")),
    131052: Known(V.DEAD, R.REFUSED, _("A file the person sent could not be fetched; ask them to send it again.")),
    131053: Known(V.RETRY_FEW, R.TRY_LATER, _("Meta could not fetch or take the file of the message.")),
    131055: Known(V.OUR_MISTAKE, R.OUR_MISTAKE, _("This kind of message goes by another way of the API.")),
    131056: Known(V.SLOW_PAIR, R.RATE_LIMITED, _("This person got too many messages from this number at once.")),
    131057: Known(V.RETRY, R.TRY_LATER, _("The number is being maintained, which takes a minute."), 60.0),
    131062: Known(V.DEAD, R.REFUSED, _("This template reaches telephone numbers only, not business-scoped ids.")),
    131063: Known(V.HOLD_TEMPLATE, R.TEMPLATE_NOT_USABLE, _MARKETING),
    131064: Known(V.HOLD_ACCOUNT, R.TRY_LATER, _("Too many templates of this account have a wrong category.")),
    132000: Known(V.OUR_MISTAKE, R.OUR_MISTAKE, _("The template has another number of parameters.")),
    132001: Known(V.HOLD_TEMPLATE, R.TEMPLATE_NOT_USABLE, _("There is no approved template of this name and language.")),
    132005: Known(V.OUR_MISTAKE, R.OUR_MISTAKE, _("The template's text is too long with these parameters.")),
    132007: Known(V.HOLD_TEMPLATE, R.TEMPLATE_NOT_USABLE, _("The template's content breaks a policy of WhatsApp.")),
    132008: Known(V.OUR_MISTAKE, R.OUR_MISTAKE, _("A parameter of the template is not one Meta accepts.")),
    132012: Known(V.OUR_MISTAKE, R.OUR_MISTAKE, _("A parameter has another form than the template says.")),
    132015: Known(V.HOLD_TEMPLATE, R.TEMPLATE_NOT_USABLE, _("The template is paused for its quality, or held back.")),
    132016: Known(V.HOLD_TEMPLATE, R.TEMPLATE_NOT_USABLE, _("The template is disabled for good.")),
    132018: Known(V.OUR_MISTAKE, R.OUR_MISTAKE, _("The template's parameters are not valid.")),
    132068: Known(V.HOLD_TEMPLATE, R.TEMPLATE_NOT_USABLE, _("The template's flow is blocked.")),
    132069: Known(V.HOLD_TEMPLATE, R.TEMPLATE_NOT_USABLE, _("The template's flow is throttled.")),
    133000: Known(V.HOLD_LINE, R.TRY_LATER, _PIN),
    133004: Known(V.RETRY, R.TRY_LATER, _("Meta's service is down or overloaded.")),
    133005: Known(V.HOLD_LINE, R.TRY_LATER, _("The PIN of the number is wrong.")),
    133006: Known(V.HOLD_LINE, R.TRY_LATER, _("The number must be verified again before it is registered.")),
    133008: Known(V.HOLD_LINE, R.TRY_LATER, _("The PIN was guessed too often; wait as long as Meta says.")),
    133009: Known(V.HOLD_LINE, R.TRY_LATER, _("The PIN was tried too fast; wait as long as Meta says.")),
    133010: Known(V.HOLD_LINE, R.TRY_LATER, _("The number is not registered.")),
    133015: Known(V.HOLD_LINE, R.TRY_LATER, _("The number was deleted a moment ago; wait five minutes."), 300.0),
    133016: Known(V.HOLD_LINE, R.TRY_LATER, _("The number was registered and deregistered too often.")),
    134100: Known(V.OUR_MISTAKE, R.OUR_MISTAKE, _("Only marketing templates go by this way of the API.")),
    134101: Known(V.LATER, R.TRY_LATER, _("The template is still being prepared at Meta; wait ten minutes."), 600.0),
    134102: Known(V.HOLD_TEMPLATE, R.TEMPLATE_NOT_USABLE, _("The template cannot be used in this way.")),
    135000: Known(V.OUR_MISTAKE, R.OUR_MISTAKE, _("Meta does not accept the message, and does not say why.")),
    137000: Known(V.DEAD, R.REFUSED, _("The person's identity changed, and the change was not acknowledged.")),
    139100: Known(V.OUR_MISTAKE, R.REFUSED, _("Some people could not be blocked or unblocked.")),
    139101: Known(V.OUR_MISTAKE, R.REFUSED, _("The list of blocked people is full.")),
    139102: Known(V.RETRY, R.TRY_LATER, _("The list of blocked people was changed by another call at the same time.")),
    139103: Known(V.RETRY, R.TRY_LATER, _("Meta could not change the list of blocked people.")),
    139200: Known(V.OUR_MISTAKE, R.OUR_MISTAKE, _("Direct Send is not allowed for this account.")),
    2388012: Known(V.OUR_MISTAKE, R.OUR_MISTAKE, _("The account has this number already.")),
    2388019: Known(V.OUR_MISTAKE, R.OUR_MISTAKE, _("The account has as many templates as it may have.")),
    2388039: Known(V.OUR_MISTAKE, R.OUR_MISTAKE, _("The template's format is not one Meta accepts.")),
    2388040: Known(V.OUR_MISTAKE, R.OUR_MISTAKE, _("A text of the template is too long.")),
    2388047: Known(V.OUR_MISTAKE, R.OUR_MISTAKE, _("The template's header is not one Meta accepts.")),
    2388072: Known(V.OUR_MISTAKE, R.OUR_MISTAKE, _("The template's body is not one Meta accepts.")),
    2388073: Known(V.OUR_MISTAKE, R.OUR_MISTAKE, _("The template's footer is not one Meta accepts.")),
    2388091: Known(V.OUR_MISTAKE, R.OUR_MISTAKE, _NO_CODE),
    2388093: Known(V.OUR_MISTAKE, R.OUR_MISTAKE, _NO_CODE),
    2388103: Known(V.OUR_MISTAKE, R.OUR_MISTAKE, _("This number cannot be moved.")),
    2388293: Known(V.OUR_MISTAKE, R.OUR_MISTAKE, _("The template has too many variables for its length.")),
    2388299: Known(V.OUR_MISTAKE, R.OUR_MISTAKE, _("A variable stands first or last in the template.")),
    2388318: Known(V.OUR_MISTAKE, R.OUR_MISTAKE, _("A template Meta made itself cannot be changed.")),
    2388330: Known(V.OUR_MISTAKE, R.OUR_MISTAKE, _("A template Meta made itself cannot be deleted.")),
    2494100: Known(V.RETRY, R.TRY_LATER, _("The number is being maintained, which takes a minute."), 60.0),
}
RANGES: Mapping[tuple[int, int], Known] = {
    (200, 299): Known(V.HOLD_ACCOUNT, R.TRY_LATER, _RIGHT),
    (131201, 131215): Known(V.OUR_MISTAKE, R.OUR_MISTAKE, _GROUP),
    (138000, 138099): Known(V.OUR_MISTAKE, R.OUR_MISTAKE, _CALL),
    (139000, 139004): Known(V.OUR_MISTAKE, R.OUR_MISTAKE, _FLOW),
}
# A subcode that says more than its code: the object in the address does not exist, or the token may not see it.
SUBCODES: Mapping[tuple[int, int], Known] = {
    (100, 33): Known(V.HOLD_LINE, R.TRY_LATER, _("The number's id is wrong, or the token may not use it.")),
}
# Refused without a code we know. The first two were not sent, so another try doubles nothing, and it ends after two;
# a fault of Meta's own may come after the message was taken, so nobody knows.
UNKNOWN_REFUSED = Known(V.RETRY_FEW, R.REFUSED, _("Meta refuses it with a code nobody here knows."))
UNKNOWN_LIMIT = Known(V.SLOW_LINE, R.RATE_LIMITED, _("Meta asks to send more slowly."))
UNKNOWN_FAULT = Known(V.UNKNOWN, R.NO_ANSWER, _("Meta had a fault of its own: nobody knows whether it was taken."))
UNKNOWN_FAILED = Known(V.DEAD, R.REFUSED, _("Meta says it failed, with a code nobody here knows."))
# fmt: on

"""Refusals in Meta's shape."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

# code -> (HTTP status, title): support/error-codes of Meta's documentation.
KNOWN: dict[int, tuple[int, str]] = {
    0: (401, "AuthException"),
    1: (400, "API Unknown"),
    2: (503, "API Service"),
    3: (500, "API Method"),
    4: (400, "API Too Many Calls"),
    10: (403, "Permission Denied"),
    33: (400, "Parameter value is not valid"),
    100: (400, "Invalid parameter"),
    190: (401, "Access token has expired"),
    200: (403, "Permission Denied"),
    368: (403, "Temporarily blocked for policies violations"),
    80007: (400, "Rate limit issues"),
    130403: (400, "User is blocked"),
    130429: (429, "Rate limit hit"),
    130472: (400, "User's number is part of an experiment"),
    130497: (403, "Business account is restricted from messaging users in this country."),
    131000: (500, "Something went wrong"),
    131005: (403, "Access denied"),
    131008: (400, "Required parameter is missing"),
    131009: (400, "Parameter value is not valid"),
    131016: (503, "Service unavailable"),
    131021: (400, "Recipient cannot be sender"),
    131026: (400, "Message undeliverable"),
    131030: (400, "Recipient phone number not in allowed list"),
    131031: (403, "Account has been locked"),
    131037: (400, "WhatsApp provided number needs display name approval before message can be sent."),
    131041: (400, "Group unknown"),
    131042: (400, "Business eligibility payment issue"),
    131045: (500, "Incorrect certificate"),
    131047: (400, "Re-engagement message"),
    131048: (400, "Spam Rate limit hit"),
    131049: (400, "Meta chose not to deliver."),
    131050: (400, "User opted out of marketing messages"),
    131051: (400, "Unsupported message type"),
    131052: (400, "Media download error"),
    131053: (400, "Media upload error"),
    131055: (400, "Method not allowed"),
    131056: (400, "(Business Account, Consumer Account) pair rate limit hit"),
    131057: (500, "Account in maintenance mode"),
    131062: (400, "Business-scoped user ID is not supported for this message"),
    131063: (400, "Marketing messages are disabled on Cloud API"),
    131064: (400, "Template misclassification limit"),
    131215: (400, "Groups not available"),
    132000: (400, "Template Param Count Mismatch"),
    132001: (404, "Template does not exist"),
    132005: (400, "Template Hydrated Text Too Long"),
    132007: (400, "Template Format Character Policy Violated"),
    132012: (400, "Template Parameter Format Mismatch"),
    132015: (400, "Template is Paused"),
    132016: (400, "Template is Disabled"),
    132018: (400, "Template parameters are invalid"),
    133004: (503, "Server Temporarily Unavailable"),
    133005: (400, "Two step verification PIN Mismatch"),
    133006: (400, "Phone number re-verification needed"),
    133008: (400, "Too Many two step verification PIN Guesses"),
    133009: (400, "Two step verification PIN Guessed Too Fast"),
    133010: (400, "Phone number Not Registered"),
    133015: (400, "Please wait a few minutes before attempting to register this phone number"),
    133016: (400, "Account register deregister rate limit exceeded"),
    134100: (400, "Only marketing messages are supported"),
    134101: (400, "Template is being synchronised"),
    134102: (400, "Template cannot be used"),
    135000: (400, "Generic user error"),
    137000: (400, "Identity key mismatch"),
    138000: (400, "Calling not enabled"),
    138006: (400, "No approved call permission"),
    139000: (403, "Blocked by integrity"),
    139100: (400, "Failed to block or unblock some users"),
}
# Worth another try, says Meta.
TRANSIENT = {1, 2, 4, 80007, 130429, 131000, 131016, 131056, 131057, 133004}


@dataclass
class GraphError(Exception):
    """A refusal. `code` is Meta's; HTTP status, title and type follow from it unless given.

    `details` is what `error_data.details` says; `extra` is laid over the `error` object (subcode, error_user_msg ...).
    """

    code: int
    details: str = ""
    title: str = ""
    http: int = 0
    subcode: int | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def status(self) -> int:
        """Return the HTTP status."""
        return self.http or KNOWN.get(self.code, (400, ""))[0]

    def title_of(self) -> str:
        """Return Meta's title of the code, without its number."""
        return self.title or KNOWN.get(self.code, (400, "Unknown error"))[1]

    def body(self, trace: str = "") -> dict[str, Any]:
        """Return the JSON body of the answer; `trace` makes the `fbtrace_id` its own."""
        error: dict[str, Any] = {
            "message": f"(#{self.code}) {self.title_of()}" if self.code not in {33, 190} else self.title_of(),
            "type": "OAuthException",
            "code": self.code,
        }
        if self.details:
            error["error_data"] = {"messaging_product": "whatsapp", "details": self.details}
        if self.subcode is not None:
            error["error_subcode"] = self.subcode
        error["fbtrace_id"] = "A" + hashlib.blake2b(f"{self.code}{trace}".encode(), digest_size=11).hexdigest()
        error["is_transient"] = self.code in TRANSIENT
        return {"error": error | self.extra}

    def in_status(self) -> dict[str, Any]:
        """Return the refusal as it stands in `statuses[].errors` of a webhook."""
        title = self.title_of()
        return {
            "code": self.code,
            "title": title,
            "message": title,
            "error_data": {"details": self.details or title},
            "href": "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/",
        }


def missing(name: str) -> GraphError:
    """Return the refusal of a request that lacks a parameter."""
    return GraphError(100, f"The parameter {name} is required.", title=f"The parameter {name} is required.")


def unknown_object(method: str, key: str) -> GraphError:
    """Return the refusal of a path whose object does not exist, or not for this token."""
    return GraphError(
        100,
        title=f"Unsupported {method.lower()} request. Object with ID '{key}' does not exist, cannot be loaded due to "
        "missing permissions, or does not support this operation",
        subcode=33,
        extra={"type": "GraphMethodException"},
    )

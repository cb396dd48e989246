"""What mail servers write beside a code that says nothing: the wordings of those most people have their mailbox at.

Seen in the public documents and answers of Gmail, Outlook.com and Exchange, Yahoo, iCloud, GMX and web.de, Orange, Free,
Libero, mail.ru, Postfix, Exim, Sendmail, qmail and Courier. In the order in which they are asked: who refuses by its own rules
often says, too, that the mailbox cannot be had.
"""

import re
from enum import StrEnum

_CHARACTERS_MAX = 2000


class Wording(StrEnum):
    """What a refusal says in words."""

    NO_RELAY = "no_relay"  # the server passes nothing on for us
    TOO_OFTEN = "too_often"  # this person gets too much just now
    POLICY = "policy"  # it looks unwanted, or we are on somebody's list
    FULL = "full"
    NOBODY = "nobody"  # no such person, or none any more
    NOTHING = "nothing"  # that anybody knows


def _any(*words: str) -> re.Pattern[str]:
    return re.compile("|".join(words), re.IGNORECASE)


_KNOWN: tuple[tuple[Wording, re.Pattern[str]], ...] = (
    (Wording.NO_RELAY, _any(r"relay(ing)? (access )?(is )?(denied|not permitted|prohibited|not allowed)", r"unable to relay")),
    (
        Wording.TOO_OFTEN,
        _any(r"receiving (e?-?mail|messages) (at a rate|too quickly)", r"too many (messages|mails) .*recipient"),
    ),
    (
        Wording.POLICY,
        _any(
            r"\bspam", r"unsolicited", r"\bbulk mail", r"block(ed)?[ -]?list", r"black[ -]?list", r"\bdnsbl\b", r"\brbl\b",
            r"spamhaus", r"barracuda", r"reputation", r"polic(y|ies)", r"\b(spf|dkim|dmarc)\b", r"virus", r"malware",
            r"phish", r"content (was |is )?(rejected|refused)", r"reject(ed)? .*content", r"\bbanned\b", r"access denied",
            r"\bblocked\b", r"not accept(ed|ing)? .*from (your|this) (ip|host|network|server)", r"authenticat",
        ),
    ),
    (
        Wording.FULL,
        _any(
            r"(mailbox|inbox|maildrop|account|storage|recipient|utente|casella).{0,40}\bfull\b", r"(over|exceed\w*).{0,30}quota",
            r"quota.{0,30}(exceed|full|reached)", r"out of (storage|disk )?space", r"insufficient (system )?storage",
            r"(storage|size) limit .{0,20}(exceed|reached)", r"mailbox size limit", r"bo[iî]te .{0,30}pleine", r"casella piena",
        ),
    ),
    (
        Wording.NOBODY,
        _any(
            r"(user|recipient|address|mailbox|account|addressee|destinat\w+|utente|local part) (is |was )?(un|not )known",
            r"unknown (user|recipient|address|mailbox|account|local|virtual|or (illegal|disabled))",
            r"\bno such (user|recipient|mailbox|address|person|account|domain|local)", r"no mailbox (here|by that|found)",
            r"(does not|doesn'?t|do not|did not|didn'?t) (exist|have a[n]? .*account)", r"not exist", r"no longer (exist|valid|active|avail|in use)",
            r"(user|recipient|address|mailbox|account|domain)\w*[ :].{0,30}not (be )?found", r"RecipientNotFound",
            r"mailbox (is |currently )?(unavailable|disabled|inactive|closed)", r"not a (valid|known) (user|recipient|mailbox|address)",
            r"invalid (user|recipient|mailbox|address|account|destinat)", r"(user|recipient|address|mailbox) .{0,20}(is )?invalid",
            r"(account|mailbox|user|recipient)\w* (\S+ )?(has been |is |was |that you tried to reach is )?(currently )?(disabled|suspended|deactivated|deleted|closed|inactive|terminated)",
            r"unrouteable (mail )?(domain|address)", r"host or domain name not found", r"name or service not known", r"null mx",
            r"undeliverable address", r"inexist", r"adresse d au moins un destinataire invalide", r"non abilitat|sconosciut",
            r"couldn'?t find any host", r"no mx",
        ),
    ),
)  # fmt: skip


def wording(text: str) -> Wording:
    """Return what a server's words are known to mean."""
    line = " ".join(text[:_CHARACTERS_MAX].split())
    return next((each for each, known in _KNOWN if known.search(line)), Wording.NOTHING)

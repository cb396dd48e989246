"""Log-ins told in a sentence: whether one failed or succeeded, from where and as whom, in the words of many programs."""

import re

from tocsin.integrations.expressions import literal, one_of

_V4 = r"\d{1,3}(?:\.\d{1,3}){3}"
_V6 = r"[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}"
_DOING = r"auth\w*|log-?in|logon|sign-?in|password|passwd|credentials?|sasl|[12]fa"
_BAD = r"fail(?:ed|ure|s)?|denied|incorrect|invalid|wrong|unsuccessful|mismatch|rejected|does not exist"
_GOOD = r"succeed(?:ed)?|success(?:ful(?:ly)?)?|accepted|ok"
FAILED = (
    rf"(?i)\b(?:{_DOING})\b[^|]{{0,80}}?\b(?:{_BAD}|unknown user|no such user)\b"
    rf"|\b(?:{_BAD}|bad)\b[^|]{{0,60}}?\b(?:{_DOING}|user ?name)\b"
    r"|auth-?failure|logondenied|(?:unknown|invalid|no such) user\b|can't find user|access denied for user|user \S+ not found"
    r"|NT_STATUS_(?:NO_SUCH_USER|WRONG_PASSWORD|LOGON_FAILURE|ACCOUNT_LOCKED_OUT)"
    r"|ChallengeResponseFailed|InvalidPassword|InvalidAccountID"
)
SUCCEEDED = (
    rf"(?i)\b(?:{_DOING})\b[^|]{{0,60}}?\b(?:{_GOOD})\b|\b(?:{_GOOD})\b[^|]{{0,30}}?\b(?:{_DOING})\b|\blogged in\b"
)
NO_SUCH = r"(?i)user[^|]{0,40}(?:not found|does not exist)|(?:unknown|invalid|no such) user|NO_SUCH_USER|InvalidAccountID|can't find user"
_KEYED = (
    r"(?i)(?:\bclient(?: ip)?|\b[ro]ip|\brhost|\bremote(?:[_ ]?(?:ip|addr(?:ess)?|host))?|\bfrom(?: private)?(?: ip)?(?: address)?"
    r"|\bip(?:[-_ ]?addr(?:ess)?)?|\bsrc|\bsource|\bpeer)[\"'`]*\s*[:=]?\s*[\"'`\[(<]*(?:ipv[46]:|\[?AF_INET6?\])?"
    rf"(?:::ffff:)?({_V4}|{_V6})"
)
_ANY = rf"(?:^|[\s\[(<\"'=@])(?:::ffff:)?({_V4})(?:[\s\]):,;>\"'/]|$)"
_BETWEEN = r"(?:[\"'`]?\s*[=:]\s*|\s+|[\"'`\[(<\\]+)"
_SURELY_NAMED = (
    rf"(?i)(?:\b(?:user(?: ?name)?|account(?:id)?|uname|set_id|e-?mail){_BETWEEN})+[\"'`<\[(\\]*([\w.@+-]{{1,64}})"
)
_MAYBE_NAMED = rf"(?i)(?:\b(?:user(?: ?name)?|login|for|by){_BETWEEN})+[\"'`<\[(\\]*([\w.@+-]{{1,64}})"
_NO_NAME = ("or", "and", "user", "username", "from", "name", "has", "is", "not", "does", "authentication", "password", "unknown",
            "failed", "attempt", "error", "login", "by", "with", "account", "ip", "the", "id", "client", "was", "a", "an",
            "none", "null", "credentials", "denied", "fail", "admin_name", "for", "to", "in", "on", "at",
            "successful", "failure", "invalid", "using", "db")  # fmt: skip

_TELLS = re.compile(f"{FAILED}|{SUCCEEDED[4:]}")
_ADDRESS = re.compile(f"{_KEYED}|{_ANY}")


def speaks(text: str) -> bool:
    """Tell whether a sentence says that somebody signed in or failed to."""
    return bool(_TELLS.search(text))


def tells(text: str) -> bool:
    """Tell whether a line says that somebody at an address signed in or failed to."""
    return bool(_TELLS.search(text) and _ADDRESS.search(text))


def failed(text: str) -> str:
    """Return the SQL condition that a text tells of a failed log-in."""
    return f"regexp_matches({text}, {literal(FAILED)})"


def succeeded(text: str) -> str:
    """Return the SQL condition that a text tells of a log-in, where it does not tell of a failed one."""
    return f"regexp_matches({text}, {literal(SUCCEEDED)})"


def address(text: str) -> str:
    """Return SQL for the client's address in a text: the one that is called so, else the first."""
    keyed, first = (f"regexp_extract({text}, {literal(pattern)}, 1)" for pattern in (_KEYED, _ANY))
    return f"ip_of(coalesce(nullif({keyed}, ''), {first}))"


def name(text: str) -> str:
    """Return SQL for the name somebody signed in with."""
    choices = [
        f"list_filter(regexp_extract_all({text}, {literal(pattern)}, 1), "
        f"lambda word: lower(word) NOT IN {one_of(_NO_NAME)} AND NOT regexp_matches(word, '^[0-9.:]+$'))[1]"
        for pattern in (_SURELY_NAMED, _MAYBE_NAMED)
    ]
    return f"rtrim(coalesce({', '.join(choices)}), '.')"


def detail(text: str) -> str:
    """Return SQL for why a log-in failed."""
    return f"CASE WHEN regexp_matches({text}, {literal(NO_SUCH)}) THEN 'user_not_found' ELSE 'invalid_credentials' END"

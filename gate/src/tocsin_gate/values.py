"""What a gate answers with, and the words it uses."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from tocsin_gate.errors import Refusal


class Measure(StrEnum):
    """What can be asked of an account, a client or a key; the order is the precedence of their codes."""

    SUSPEND = "suspend"
    RESET_PASSWORD = "reset_password"
    REAUTHENTICATE = "reauthenticate"
    REVOKE_SESSIONS = "revoke_sessions"
    ROTATE_KEY = "rotate_key"
    RETIRE_CLIENT = "retire_client"
    UPDATE_CLIENT = "update_client"
    NONE = "none"


class Code(StrEnum):
    """The machine code of a decision; the first that applies is given."""

    SUSPENDED = "suspended"
    PASSWORD_RESET_REQUIRED = "password_reset_required"
    REAUTHENTICATION_REQUIRED = "reauthentication_required"
    KEY_ROTATION_REQUIRED = "key_rotation_required"
    CLIENT_RETIRED = "client_retired"
    CLIENT_TOO_OLD = "client_too_old"
    LIST_TOO_OLD = "list_too_old"
    ALLOWED = "allowed"


CODES = {
    Measure.SUSPEND: Code.SUSPENDED,
    Measure.RESET_PASSWORD: Code.PASSWORD_RESET_REQUIRED,
    Measure.REAUTHENTICATE: Code.REAUTHENTICATION_REQUIRED,
    Measure.REVOKE_SESSIONS: Code.REAUTHENTICATION_REQUIRED,
    Measure.ROTATE_KEY: Code.KEY_ROTATION_REQUIRED,
    Measure.RETIRE_CLIENT: Code.CLIENT_RETIRED,
    Measure.UPDATE_CLIENT: Code.CLIENT_TOO_OLD,
}
PRECEDENCE = {measure: place for place, measure in enumerate(Measure)}


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to one check.

    ``measures`` are those still asked for, the weightiest first. ``text_key`` names the sentence the client shows,
    ``version_min`` the version it needs, ``reference`` what to quote to the help desk.
    """

    allow: bool
    measures: tuple[str, ...]
    code: str
    text_key: str
    version_min: str | None = None
    reference: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the same as plain values."""
        return {**asdict(self), "measures": list(self.measures)}


ALLOWED = Decision(allow=True, measures=(), code=Code.ALLOWED, text_key="gate.allowed")
LIST_TOO_OLD = Decision(allow=False, measures=(), code=Code.LIST_TOO_OLD, text_key="gate.list_too_old")


class Way(StrEnum):
    """How a snapshot came to be believed."""

    SIGNATURE = "signature"
    PINNED = "pinned"
    UNTRUSTED = "untrusted"


class Refreshed(StrEnum):
    """What looking for a newer snapshot came to."""

    ADOPTED = "adopted"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


class Applied(StrEnum):
    """What became of a change between epochs."""

    APPLIED = "applied"
    HEARTBEAT = "heartbeat"
    REPEATED = "repeated"
    GAP = "gap"
    OTHER_EPOCH = "other_epoch"
    SIGNATURE_WRONG = "signature_wrong"
    NOT_BELIEVED = "not_believed"
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class LastRefusal:
    """The last snapshot, trust file or change that was not believed. ``at`` is Unix seconds."""

    reason: Refusal | Applied
    at: float
    what: str

    def as_json(self) -> dict[str, Any]:
        """Return the same as plain values."""
        return {"reason": str(self.reason), "at": self.at, "what": self.what}


@dataclass(frozen=True, slots=True)
class Following:
    """What the follower of a source is doing. Times are Unix seconds."""

    source: str
    state: str
    tries: int = 0
    heard_at: float | None = None
    reported: tuple[int, int] | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """What a gate enforces, since when, and whether it may be relied on for sensitive acts.

    ``age_seconds`` counts from the making of the list, its last believed change or heartbeat, whichever is latest;
    ``stale`` says that sensitive acts are being refused for all.
    """

    installation: str
    epoch: int
    seq: int
    way: Way
    age_seconds: float
    stale: bool
    expired: bool
    accounts: int
    done: int
    changed: int
    added: int
    changes_believed: str
    adopted_at: float
    last_refusal: LastRefusal | None = None
    following: Following | None = None
    warnings: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the same as plain values."""
        return {
            **asdict(self),
            "way": str(self.way),
            "warnings": list(self.warnings),
            "last_refusal": self.last_refusal.as_json() if self.last_refusal else None,
            "following": asdict(self.following) if self.following else None,
        }

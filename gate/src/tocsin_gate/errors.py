"""What can go wrong, in words that say where and how to mend it."""

from enum import StrEnum
from pathlib import Path


class Refusal(StrEnum):
    """Why a snapshot was not adopted; the value is what status and the command line print."""

    UNREADABLE = "unreadable"
    NOT_A_SNAPSHOT = "not_a_snapshot"
    CUT_OFF = "cut_off"
    MALFORMED = "malformed"
    HASH_MISMATCH = "hash_mismatch"
    UNSIGNED = "unsigned"
    FOREIGN_KEY = "foreign_key"
    SIGNATURE_WRONG = "signature_wrong"
    NOT_PINNED = "not_pinned"
    CANNOT_VERIFY = "cannot_verify"
    OTHER_HASH_KEY = "other_hash_key"
    OTHER_INSTALLATION = "other_installation"
    EXPIRED = "expired"
    OLDER_EPOCH = "older_epoch"
    OTHER_CONTENT = "other_content"
    SWAPPED_WHILE_READ = "swapped_while_read"
    TRUST_UNUSABLE = "trust_unusable"


class GateError(Exception):
    """Something a person can mend: what is wrong, where, and one sentence in the imperative."""

    def __init__(self, what: str, *, where: str | Path = "", mend: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = str(where)
        self.mend = mend

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{place}{self.what}" + (f" {self.mend}" if self.mend else "")


class SnapshotRefused(GateError):
    """A snapshot that must not be believed; ``reason`` says why, for machines."""

    def __init__(self, reason: Refusal, what: str, *, where: str | Path = "", mend: str = "") -> None:
        super().__init__(what, where=where, mend=mend)
        self.reason = reason


class TrustUnusable(GateError):
    """The trust file is missing, not JSON, or lacks what a gate needs to believe anything."""


class SourceRefused(GateError):
    """The source of lists does not answer as agreed; ``status`` is its HTTP status, 0 when there was none."""

    def __init__(self, what: str, *, status: int = 0, where: str = "", mend: str = "") -> None:
        super().__init__(what, where=where, mend=mend)
        self.status = status


class Misused(GateError, ValueError):
    """The program that asks the gate passed something without a definite meaning, such as a time without a zone."""

"""What can go wrong with the operator's people and their keys."""

from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import gettext_noop


class NameTaken(TocsinError):
    """Somebody of this name is enrolled already."""


class KeyTaken(TocsinError):
    """This key is enrolled to somebody already."""


class NotEnrolled(TocsinError):
    """Nobody of this name is enrolled, or their key was revoked."""


class KeyUnusable(TocsinError):
    """A key file cannot be read, opened or written."""


class AgentUnusable(TocsinError):
    """The ssh-agent does not answer, or does not hold the key."""


class SignatureNeeded(TocsinError):
    """This act counts only when it is signed with an enrolled key."""


class SealBroken(TocsinError):
    """A sealed secret does not open: it was changed, or is about something else."""

    usual_mend = gettext_noop("Give the secret anew, or bring back what was there before: docs/explanation/secrets.md.")


class SealKeyMissing(TocsinError):
    """The key of this installation that sealed its secrets is gone, or is another one."""


class SealedByAnotherKey(SealKeyMissing):
    """There is a key, and it is another one: what was sealed since opens, what was sealed before does not."""


class KeyChanged(TocsinError):
    """Another key began to seal while something was being sealed and written: it is to be sealed again."""


class RotationUnderWay(TocsinError):
    """Somebody rotates the keys at this moment."""


class KeyNeeded(TocsinError):
    """A key cannot be removed: it seals, or there is none of this name."""

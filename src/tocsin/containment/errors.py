"""What can go wrong with containment."""

from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import gettext_noop


class NoSuchPlan(TocsinError):
    """There is no plan of this number."""


class PolicyNotUnderstood(TocsinError):
    """A policy file says something that cannot be expressed, with its line."""


class AccountsLeftOut(TocsinError):
    """Accounts of the scope fall under no rule of a policy, so nobody said what becomes of them."""


class NothingToContain(TocsinError):
    """A plan would measure nobody and release nobody."""


class NotInPlan(TocsinError):
    """An account is not among those a plan measures."""


class ScopeMovedOn(TocsinError):
    """The scope, or another plan of the incident, changed while this was being worked out."""


class ScopeNotFrozen(TocsinError):
    """A plan is drawn on a frozen revision only."""


class NotApproved(TocsinError):
    """A plan cannot start: approvals are missing, do not count, or belong to another digest."""


class NotYourOwn(TocsinError):
    """Nobody approves their own act."""


class MoveNotAllowed(TocsinError):
    """A plan cannot go from the state it is in to the one asked for."""

    usual_mend = gettext_noop("`tocsin contain show NUMBER` says where the plan stands.")


class SystemUnreachable(TocsinError):
    """A connected system does not answer at all; nothing is lost, it is tried again."""


class SystemNotUnderstood(TocsinError):
    """The settings of a connected system are wrong, with the place."""


class NoSuchSystem(TocsinError):
    """No connected system has this name."""


class ListNotUnderstood(TocsinError):
    """A file the gate's list is to be built from has a line that cannot be read."""

    usual_mend = gettext_noop("`tocsin gate build --help` names the columns.")


class SystemTaken(TocsinError):
    """A system of this name is connected already."""


class ListUnreadable(TocsinError):
    """A file is not a list for the gate, or not a whole one."""


class ListNotWritten(TocsinError):
    """The gate's list could not be built or written; the one before is untouched."""

    usual_mend = gettext_noop(
        "The list before it stays in force. Look at the disk with `tocsin doctor`, then `tocsin gate publish`."
    )


class EpochTooLow(TocsinError):
    """A list with this epoch, or a later one, was made already: gates would refuse it."""


class NoSuchStream(TocsinError):
    """No Shared Signals stream has this name."""


class StreamNotUnderstood(TocsinError):
    """The settings of a Shared Signals stream are wrong, with the place."""


class CallbackNotVerified(TocsinError):
    """A connected product's report is not signed as agreed, is too old, or names a system there is not."""


class CallbackNotUnderstood(TocsinError):
    """A connected product's report says something that cannot be read, with the place."""

    usual_mend = gettext_noop("Its form stands in docs/reference/webhook.md.")

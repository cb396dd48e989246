"""Who may do what, as a table. So far it says how sure we must be of who acts."""

from enum import StrEnum

from tocsin.journal.values import Assurance, Author
from tocsin.kernel.language import gettext as _
from tocsin.staff.errors import SignatureNeeded


class Act(StrEnum):
    """What a person can be allowed to do."""

    BEGIN_STAFF = "begin_staff"  # enrol the first person of an installation
    CHANGE_STAFF = "change_staff"  # enrol or revoke once somebody is enrolled
    WRITE_INCIDENT = "write_incident"
    WRITE_SCOPE = "write_scope"
    BEGIN_CONNECTING = "begin_connecting"  # connect systems and streams before anybody is enrolled
    CONNECT_SYSTEM = "connect_system"  # the same afterwards: what they tell lets accounts in again
    ROTATE_KEYS = "rotate_keys"  # change or remove the keys that seal
    DRAW_PLAN = "draw_plan"
    APPROVE_PLAN = "approve_plan"  # up to the plan's threshold
    APPROVE_LARGE_PLAN = "approve_large_plan"
    RUN_PLAN = "run_plan"  # start, pause, resume, begin a wave
    RUN_LARGE_PLAN = "run_large_plan"
    LIFT_MEASURES = "lift_measures"  # undo or release few accounts, decide an appeal
    LIFT_MANY_MEASURES = "lift_many_measures"
    WRITE_APPEAL = "write_appeal"
    WRITE_CUSTOMERS = "write_customers"  # import the address book
    SEE_ADDRESSES = "see_addresses"  # whole, not masked
    SEND_MESSAGE = "send_message"  # to few people
    SEND_MANY = "send_many"
    PAUSE_OUTBOX = "pause_outbox"  # throw or lift a kill switch, cancel what waits
    DECIDE_UNKNOWN = "decide_unknown"  # of one message nobody knows about


_NAMED = frozenset({Assurance.ASSERTED, Assurance.SIGNED})
ALLOWED: dict[Act, frozenset[Assurance]] = {
    Act.BEGIN_STAFF: _NAMED,
    Act.CHANGE_STAFF: frozenset({Assurance.SIGNED}),
    Act.WRITE_INCIDENT: _NAMED,
    Act.WRITE_SCOPE: _NAMED,
    Act.BEGIN_CONNECTING: _NAMED,
    Act.CONNECT_SYSTEM: frozenset({Assurance.SIGNED}),
    Act.ROTATE_KEYS: frozenset({Assurance.SIGNED}),
    Act.DRAW_PLAN: _NAMED,
    Act.APPROVE_PLAN: _NAMED,
    Act.APPROVE_LARGE_PLAN: frozenset({Assurance.SIGNED}),
    Act.RUN_PLAN: _NAMED,
    Act.RUN_LARGE_PLAN: frozenset({Assurance.SIGNED}),
    Act.LIFT_MEASURES: _NAMED,
    Act.LIFT_MANY_MEASURES: frozenset({Assurance.SIGNED}),
    Act.WRITE_APPEAL: _NAMED,
    Act.WRITE_CUSTOMERS: _NAMED,
    Act.SEE_ADDRESSES: _NAMED,
    Act.SEND_MESSAGE: _NAMED,
    Act.SEND_MANY: frozenset({Assurance.SIGNED}),
    Act.PAUSE_OUTBOX: _NAMED,
    Act.DECIDE_UNKNOWN: _NAMED,
}


def check(act: Act, *, by: Author) -> None:
    """Raise SignatureNeeded unless the author is known surely enough for this act."""
    if by.assurance not in ALLOWED[act]:
        raise SignatureNeeded(
            _("This needs the signature of somebody who is enrolled."),
            mend=_("Add --as NAME with --key FILE, or with --agent."),
        )

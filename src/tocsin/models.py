"""Every table, where Django looks for them."""

from tocsin.approvals.models import Approval
from tocsin.containment.models import (
    ConnectedSystem,
    ContainmentDone,
    ContainmentPlan,
    ContainmentProgress,
    ContainmentStep,
    ContainmentWave,
    GateChange,
    GateEpoch,
    GateSeen,
    SignalStream,
    SignalToken,
)
from tocsin.incidents.models import Incident, IncidentFact, IncidentLead
from tocsin.journal.models import JournalEntry, JournalHead, JournalPersonal, JournalWitnessing
from tocsin.scopes.models import ScopeClaim, ScopeDecision, ScopePin, ScopeRevision
from tocsin.staff.models import StaffMember

__all__ = [
    "Approval",
    "ConnectedSystem",
    "ContainmentDone",
    "ContainmentPlan",
    "ContainmentProgress",
    "ContainmentStep",
    "ContainmentWave",
    "GateChange",
    "GateEpoch",
    "GateSeen",
    "Incident",
    "IncidentFact",
    "IncidentLead",
    "JournalEntry",
    "JournalHead",
    "JournalPersonal",
    "JournalWitnessing",
    "ScopeClaim",
    "ScopeDecision",
    "ScopePin",
    "ScopeRevision",
    "SignalStream",
    "SignalToken",
    "StaffMember",
]

"""Every table, where Django looks for them."""

from tocsin.incidents.models import Incident, IncidentFact, IncidentLead
from tocsin.journal.models import JournalEntry, JournalHead, JournalPersonal, JournalWitnessing
from tocsin.scopes.models import ScopeClaim, ScopeDecision, ScopePin, ScopeRevision
from tocsin.staff.models import StaffMember

__all__ = [
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
    "StaffMember",
]

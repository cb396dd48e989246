"""What can be asked about containment: plans, where each account stands, the gate's list, connected systems."""

from tocsin.containment.plans import plan, plans, plans_in_force
from tocsin.containment.residue import OpenReason, ProgressCount, ResidueLine, open_accounts, progress_counts, residue
from tocsin.containment.sending import due_counts
from tocsin.containment.systems import secrets_of, system, systems

__all__ = [
    "OpenReason",
    "ProgressCount",
    "ResidueLine",
    "due_counts",
    "open_accounts",
    "plan",
    "plans",
    "plans_in_force",
    "progress_counts",
    "residue",
    "secrets_of",
    "system",
    "systems",
]

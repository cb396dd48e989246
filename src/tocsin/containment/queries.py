"""What can be asked about containment: plans, where each account stands, the gate's list, connected systems."""

from tocsin.containment.plans import plan, plans, plans_in_force
from tocsin.containment.sending import due_counts
from tocsin.containment.systems import secrets_of, system, systems

__all__ = [
    "due_counts",
    "plan",
    "plans",
    "plans_in_force",
    "secrets_of",
    "system",
    "systems",
]

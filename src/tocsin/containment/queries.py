"""What can be asked about containment: plans, where each account stands, the gate's list, connected systems."""

from tocsin.containment.plans import plan, plans, plans_in_force

__all__ = [
    "plan",
    "plans",
    "plans_in_force",
]

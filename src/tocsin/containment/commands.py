"""Everything that changes containment: plans, the gate's list, steps on connected systems, facts of done."""

from tocsin.containment.attempts import ask_done, work_off
from tocsin.containment.plan_drawing import draw_plan
from tocsin.containment.sending import claim_steps, settle_steps, undo_steps
from tocsin.containment.systems import add_system, hold_system, remove_system

__all__ = [
    "add_system",
    "ask_done",
    "claim_steps",
    "draw_plan",
    "hold_system",
    "remove_system",
    "settle_steps",
    "undo_steps",
    "work_off",
]

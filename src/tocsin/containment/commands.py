"""Everything that changes containment: plans, the gate's list, steps on connected systems, facts of done."""

from tocsin.containment.attempts import ask_done, work_off
from tocsin.containment.done import Recorded, record_done, record_facts, settle_progress
from tocsin.containment.plan_drawing import draw_plan
from tocsin.containment.sending import claim_steps, settle_steps, undo_steps
from tocsin.containment.systems import add_system, hold_system, remove_system

__all__ = [
    "Recorded",
    "add_system",
    "ask_done",
    "claim_steps",
    "draw_plan",
    "hold_system",
    "record_done",
    "record_facts",
    "remove_system",
    "settle_progress",
    "settle_steps",
    "undo_steps",
    "work_off",
]

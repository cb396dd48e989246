"""Everything that changes containment: plans, the gate's list, steps on connected systems, facts of done."""

from tocsin.containment.approving import approve_plan
from tocsin.containment.attempts import ask_done, work_off
from tocsin.containment.callbacks import facts_of
from tocsin.containment.done import Recorded, record_done, record_facts, settle_progress
from tocsin.containment.gate_changes import publish_changes, record_enforcing
from tocsin.containment.gate_keys import export_trust
from tocsin.containment.gate_list import publish_list, settle_lists
from tocsin.containment.gate_rows import build_list
from tocsin.containment.lifting import appeal, decide_appeal, release_accounts, undo_plan
from tocsin.containment.plan_drawing import draw_plan
from tocsin.containment.resealing import sealed_places
from tocsin.containment.running import (
    begin_next_wave,
    close_plan,
    pause_plan,
    record_minutes,
    resume_plan,
    start_plan,
)
from tocsin.containment.seen import ALLOWANCE_SECONDS, Breach, Seen, record_seen
from tocsin.containment.sending import claim_steps, settle_steps, undo_steps
from tocsin.containment.signals import Placed, add_stream, keep_news, record_news, remove_stream
from tocsin.containment.steps import make_steps
from tocsin.containment.systems import add_system, hold_system, remove_system
from tocsin.containment.working import Connect, Worker

__all__ = [
    "ALLOWANCE_SECONDS",
    "Breach",
    "Connect",
    "Placed",
    "Recorded",
    "Seen",
    "Worker",
    "add_stream",
    "add_system",
    "appeal",
    "approve_plan",
    "ask_done",
    "begin_next_wave",
    "build_list",
    "claim_steps",
    "close_plan",
    "decide_appeal",
    "draw_plan",
    "export_trust",
    "facts_of",
    "hold_system",
    "keep_news",
    "make_steps",
    "pause_plan",
    "publish_changes",
    "publish_list",
    "record_done",
    "record_enforcing",
    "record_facts",
    "record_minutes",
    "record_news",
    "record_seen",
    "release_accounts",
    "remove_stream",
    "remove_system",
    "resume_plan",
    "sealed_places",
    "settle_lists",
    "settle_progress",
    "settle_steps",
    "start_plan",
    "undo_plan",
    "undo_steps",
    "work_off",
]

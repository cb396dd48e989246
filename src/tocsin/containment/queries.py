"""What can be asked about containment: plans, where each account stands, the gate's list, connected systems."""

from tocsin.containment.approving import approvals_missing
from tocsin.containment.drawing import measures_file
from tocsin.containment.gate_changes import changes_after, changes_due, gates, heartbeat
from tocsin.containment.gate_inspection import Inspected, inspect_list
from tocsin.containment.gate_keys import feed_token, trust
from tocsin.containment.gate_list import list_due, list_in_force
from tocsin.containment.gate_rows import Built
from tocsin.containment.plans import plan, plans, plans_in_force
from tocsin.containment.policy import Leaked, Policy, automatic
from tocsin.containment.policy_file import list_from_file, policy_path, read_policy, shipped_policies
from tocsin.containment.progress import account_state, export_accounts, funnel
from tocsin.containment.residue import ProgressCount, ResidueLine, open_accounts, progress_counts, residue
from tocsin.containment.running import plans_finished, waves_due
from tocsin.containment.sending import steps_waiting
from tocsin.containment.signals import opened_stream, stream, streams, unmapped
from tocsin.containment.states import PlanState, StepState, WaveState
from tocsin.containment.stop_rules import watching
from tocsin.containment.systems import secrets_of, system, systems

__all__ = [
    "Built",
    "Inspected",
    "Leaked",
    "PlanState",
    "Policy",
    "ProgressCount",
    "ResidueLine",
    "StepState",
    "WaveState",
    "account_state",
    "approvals_missing",
    "automatic",
    "changes_after",
    "changes_due",
    "export_accounts",
    "feed_token",
    "funnel",
    "gates",
    "heartbeat",
    "inspect_list",
    "list_due",
    "list_from_file",
    "list_in_force",
    "measures_file",
    "open_accounts",
    "opened_stream",
    "plan",
    "plans",
    "plans_finished",
    "plans_in_force",
    "policy_path",
    "progress_counts",
    "read_policy",
    "residue",
    "secrets_of",
    "shipped_policies",
    "steps_waiting",
    "stream",
    "streams",
    "system",
    "systems",
    "trust",
    "unmapped",
    "watching",
    "waves_due",
]

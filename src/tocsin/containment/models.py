"""Tables of containment. Never a row per affected account: only where there is work on a system, or progress."""

from django.db import models

from tocsin.containment.states import AppealState, PlanState, StepState, WaveState
from tocsin.incidents.models import Incident
from tocsin.kernel.ids import new_id
from tocsin.scopes.models import ScopeRevision


class ContainmentPlan(models.Model):
    """One mapping of a frozen revision to measures; the accounts are a column file in the evidence folder."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    number = models.PositiveIntegerField(unique=True)
    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="+")
    revision = models.ForeignKey(ScopeRevision, on_delete=models.PROTECT, related_name="+")
    follows = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="+")
    policy_name = models.TextField()
    policy = models.JSONField()
    state = models.TextField()
    since_at = models.DateTimeField()
    accounts = models.BigIntegerField()
    measures_sha256 = models.TextField()
    combinations = models.JSONField()
    dry_run = models.JSONField()
    digest = models.TextField()
    drawn_at = models.DateTimeField()
    by = models.TextField()
    by_staff_id = models.UUIDField(null=True)
    assurance = models.TextField()
    emergency_reason = models.TextField(blank=True)
    started_at = models.DateTimeField(null=True)
    paused_reason = models.TextField(blank=True)
    watched_since_at = models.DateTimeField(null=True)  # stop rules count from here: started, or resumed by a person
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(state__in=list(PlanState)), name="containment_plan_state_known"),
            models.UniqueConstraint(
                fields=["incident"],
                name="containment_one_waiting_plan",
                condition=models.Q(state__in=[PlanState.DRAWN, PlanState.APPROVED]),
            ),
        ]


class ContainmentWave(models.Model):
    """A share of a plan's accounts; the column file says which."""

    id = models.BigAutoField(primary_key=True)
    plan = models.ForeignKey(ContainmentPlan, on_delete=models.PROTECT, related_name="waves")
    number = models.PositiveSmallIntegerField()
    share = models.FloatField()
    accounts = models.BigIntegerField()
    state = models.TextField()
    begun_at = models.DateTimeField(null=True)
    held_reason = models.TextField(blank=True)
    steps_made_at = models.DateTimeField(null=True)  # null: steps on connected systems are still to be made

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["plan", "number"], name="containment_wave_once"),
            models.CheckConstraint(condition=models.Q(state__in=list(WaveState)), name="containment_wave_state_known"),
        ]


class ContainmentStep(models.Model):
    """One measure on one account in one system: the once-only key of everything sent to another system."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    plan = models.ForeignKey(ContainmentPlan, on_delete=models.PROTECT, related_name="+")
    account = models.TextField()
    system = models.TextField()
    measure = models.TextField()
    details = models.JSONField(default=dict)  # {"platform", "version_min", "client"} where the measure has them
    platform = models.TextField(blank=True)  # of the account, for the funnel
    wave = models.PositiveSmallIntegerField()
    state = models.TextField()
    state_at = models.DateTimeField()
    tries = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True)  # null: nothing is to be sent or read back
    lease_until = models.DateTimeField(null=True)
    claimed_by = models.TextField(blank=True)
    confirmed_at = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)
    reason = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["plan", "account", "system", "measure"], name="containment_step_once"),
            models.CheckConstraint(condition=models.Q(state__in=list(StepState)), name="containment_step_state_known"),
        ]
        indexes = [
            # commands.claim_steps: what is due on one system, oldest try first
            models.Index(
                fields=["system", "next_try_at", "id"],
                name="containment_step_due",
                condition=models.Q(next_try_at__isnull=False),
            ),
            # commands.record_done: every step of an account
            models.Index(fields=["account"], name="containment_step_account"),
            # queries.funnel
            models.Index(fields=["plan", "system", "measure", "wave", "state"], name="containment_step_funnel"),
        ]


class ContainmentDone(models.Model):
    """A fact that somebody did something, from events, signals, a system or the product itself. Never changed."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    account = models.TextField()
    kind = models.TextField()
    done_at = models.DateTimeField()
    by = models.TextField()
    source = models.TextField()
    platform = models.TextField(blank=True)
    client_version = models.TextField(blank=True)
    reference = models.TextField(blank=True)
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "kind", "done_at", "source", "reference"], name="containment_done_once"
            )
        ]


class ContainmentProgress(models.Model):
    """How far one account of a plan is, whatever its systems: a row only once something happened."""

    id = models.BigAutoField(primary_key=True)
    plan = models.ForeignKey(ContainmentPlan, on_delete=models.PROTECT, related_name="+")
    account = models.TextField()
    combination = models.PositiveIntegerField()  # index in the plan's combinations
    wave = models.PositiveSmallIntegerField()
    platform = models.TextField(blank=True)
    measures_done = models.JSONField(default=dict)  # measure -> when, ISO 8601
    state = models.TextField()  # planned (nothing done), done, closed, exempt, undone, appealed
    state_at = models.DateTimeField()
    reason = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["plan", "account"], name="containment_progress_once"),
            models.CheckConstraint(
                condition=models.Q(state__in=list(StepState)), name="containment_progress_state_known"
            ),
        ]
        indexes = [
            # gate_list.changes_due: what happened since the last change was published
            models.Index(fields=["plan", "state", "state_at"], name="containment_progress_recent")
        ]


class ContainmentAppeal(models.Model):
    """Somebody objects to being contained; a person decides."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    plan = models.ForeignKey(ContainmentPlan, on_delete=models.PROTECT, related_name="+")
    account = models.TextField()
    text = models.TextField()
    state = models.TextField()
    made_at = models.DateTimeField()
    by = models.TextField()
    decided_at = models.DateTimeField(null=True)
    reason = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=list(AppealState)), name="containment_appeal_state_known"
            ),
            models.UniqueConstraint(
                fields=["plan", "account"],
                name="containment_one_waiting_appeal",
                condition=models.Q(state=AppealState.WAITING),
            ),
        ]
        indexes = [
            # stop_rules.counted: complaints since a moment
            models.Index(fields=["plan", "made_at"], name="containment_appeal_made")
        ]


class ContainmentMinute(models.Model):
    """What the accounts contained by a plan did in one minute of the logs; told again, it replaces itself."""

    id = models.BigAutoField(primary_key=True)
    plan = models.ForeignKey(ContainmentPlan, on_delete=models.PROTECT, related_name="+")
    source = models.TextField()
    at = models.DateTimeField()  # the beginning of the minute
    sign_ins = models.BigIntegerField()
    failures = models.BigIntegerField()
    resets = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["plan", "source", "at"], name="containment_minute_once"),
        ]


class ConnectedSystem(models.Model):
    """A system staff connected: its settings, and its secrets sealed."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.TextField(unique=True)
    kind = models.TextField()  # ldap, sql, keycloak, okta, entra, webhook, aws_keys
    settings = models.JSONField()
    sealed = models.BinaryField()  # {"name": "secret"} as JSON, sealed (staff.secrets)
    added_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True)
    done_cursor = models.TextField(blank=True)
    held_until = models.DateTimeField(null=True)  # the whole system does not answer: not before then
    held_reason = models.TextField(blank=True)


class GateEpoch(models.Model):
    """One published snapshot of the gate's list."""

    id = models.BigAutoField(primary_key=True)
    number = models.BigIntegerField(unique=True)
    sha256 = models.TextField()  # of prologue and header: what a pin names
    accounts = models.BigIntegerField()
    bytes = models.BigIntegerField()
    made_at = models.DateTimeField()
    not_after = models.DateTimeField(null=True)
    plans = models.JSONField()  # plan numbers in it
    reason = models.TextField()
    made_from = models.JSONField(
        default=dict
    )  # plan number -> its state and last begun wave: differs, a new one is due
    followed_until = models.DateTimeField(null=True)  # progress up to then is in the list


class GateChange(models.Model):
    """One signed change after an epoch; ``content`` is the exact JSON a gate gets."""

    id = models.BigAutoField(primary_key=True)
    epoch = models.ForeignKey(GateEpoch, on_delete=models.PROTECT, related_name="changes")
    seq = models.BigIntegerField()
    content = models.TextField()
    made_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["epoch", "seq"], name="gate_change_once")]


class GateSeen(models.Model):
    """What one gate last said that it enforces: the read-back of the gate."""

    id = models.BigAutoField(primary_key=True)
    gate = models.TextField(unique=True)
    epoch = models.BigIntegerField()
    seq = models.BigIntegerField()
    seen_at = models.DateTimeField()


class SignalStream(models.Model):
    """A Shared Signals transmitter we receive from (RFC 8935 push, RFC 8936 poll)."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.TextField(unique=True)
    issuer = models.TextField()
    audience = models.TextField()
    settings = models.JSONField()  # {"delivery": "push"|"poll", "jwks_url" or "jwks", "poll_url", "subjects": {...}}
    sealed = models.BinaryField()
    added_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True)


class SignalToken(models.Model):
    """One security event token that was received: counted once by its ``jti``, and what became of it."""

    id = models.BigAutoField(primary_key=True)
    stream = models.ForeignKey(SignalStream, on_delete=models.PROTECT, related_name="+")
    jti = models.TextField()
    received_at = models.DateTimeField()
    outcome = models.TextField()  # recorded, ignored, verification
    detail = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["stream", "jti"], name="signal_token_once")]

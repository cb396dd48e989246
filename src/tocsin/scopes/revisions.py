"""Reading revisions: what a later module, the command line or a report may know of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from tocsin.incidents import queries as incidents
from tocsin.kernel.language import gettext as _
from tocsin.kernel.loading import lazily
from tocsin.scopes import columns, evidence
from tocsin.scopes.errors import NoSuchRevision
from tocsin.scopes.states import ClaimState, RevisionState
from tocsin.scopes.values import Claim, Decision, Difference, Pin, Revision, Why

models = lazily("tocsin.scopes.models")

LISTED_MAX = 1000


def revisions(incident: int) -> list[Revision]:
    """Return every revision of an incident, oldest first."""
    found = models.ScopeRevision.objects.filter(incident_id=incidents.id_of(incident)).prefetch_related("pins")
    return [revision_of(row, incident=incident) for row in found.order_by("number")]


def revision(incident: int, *, number: int | None = None) -> Revision:
    """Return one revision, by default the latest; NoSuchRevision when there is none."""
    return revision_of(row(incidents.id_of(incident), incident=incident, number=number), incident=incident)


def affected_rows(revision: Revision, *, limit: int) -> list[dict[str, str]]:
    """Return the first accounts of a revision, the surest first."""
    return columns.rows_of(revision.accounts_sha256, limit=limit)


def accounts_file(revision: Revision) -> Path:
    """Return the column file (Parquet, ``columns.COLUMNS``) of a revision's accounts, checked against its SHA-256."""
    evidence.check(revision.accounts_sha256)
    return evidence.path_of(revision.accounts_sha256)


def principals(revision: Revision) -> tuple[str, ...]:
    """Return the staff, service and cloud identities the intruder used, as the revision's evidence names them."""
    pinned = next((pin for pin in revision.pins if pin.kind == "principals"), None)
    return tuple(columns.principals_of(pinned.sha256)) if pinned else ()


def difference(incident: int, *, earlier: int, later: int) -> Difference:
    """Return what came in, went out or changed between two revisions."""
    incident_id = incidents.id_of(incident)
    before, after = (row(incident_id, incident=incident, number=number) for number in (earlier, later))
    return columns.difference(before.accounts_sha256, later_sha256=after.accounts_sha256, limit=LISTED_MAX)


def why(incident: int, *, account: str, number: int | None = None) -> Why:
    """Return why an account is in a revision, or who took it out, or that nobody ever named it."""
    incident_id = incidents.id_of(incident)
    stored = row(incident_id, incident=incident, number=number)
    found = columns.row_of(stored.accounts_sha256, account=account)
    pinned = stored.pins.filter(kind="detections").first()
    uids = (found or {}).get("detections", "").split(";")
    named = columns.detections_named(pinned.sha256, uids=uids) if pinned and found else []
    decisions = models.ScopeDecision.objects.filter(incident_id=incident_id, account=account).order_by("id")
    claims = models.ScopeClaim.objects.filter(incident_id=incident_id, account=account).order_by("id")
    return Why(
        account=account,
        revision=stored.number,
        row=found,
        detections=tuple(named),
        decisions=tuple(_decision(each) for each in decisions),
        claims=tuple(_claim(each) for each in claims),
    )


def claims_waiting(incident: int) -> list[Claim]:
    """Return the claims nobody has decided yet, oldest first."""
    found = models.ScopeClaim.objects.filter(incident_id=incidents.id_of(incident), state=ClaimState.WAITING)
    return [_claim(each) for each in found.order_by("id")]


def exclusions(incident: int) -> list[Decision]:
    """Return who was taken out, and why, oldest first."""
    found = models.ScopeDecision.objects.filter(incident_id=incidents.id_of(incident), kind="excluded")
    return [_decision(each) for each in found.order_by("id")]


def row(incident_id: UUID, *, incident: int, number: int | None = None) -> Any:
    """Return the row of one revision, by default the latest."""
    found = models.ScopeRevision.objects.filter(incident_id=incident_id).order_by("-number")
    stored = (found.filter(number=number) if number else found).first()
    if stored is None:
        raise NoSuchRevision(
            _("Incident {incident} has no scope revision {number}.").format(incident=incident, number=number or ""),
            mend=_("`tocsin scope show {incident}` lists them; `tocsin investigate --incident` makes one.").format(
                incident=incident
            ),
        )
    return stored


def revision_of(stored: Any, *, incident: int) -> Revision:
    """Return a row as others see it."""
    sources: list[Mapping[str, Any]] = stored.sources
    return Revision(
        id=stored.id, incident=incident, number=stored.number, state=RevisionState(stored.state),
        accounts=stored.accounts, accounts_sha256=stored.accounts_sha256, rows_root=stored.rows_root,
        counts=stored.counts, sources=tuple(sources),
        pins=tuple(
            Pin(kind=pin.kind, name=pin.name, sha256=pin.sha256, bytes=pin.bytes)
            for pin in sorted(stored.pins.all(), key=lambda pin: (pin.kind, pin.name))
        ),
        opened_at=stored.opened_at, by=stored.by, assurance=stored.assurance, frozen_at=stored.frozen_at,
        digest=stored.digest,
    )  # fmt: skip


def _decision(stored: Any) -> Decision:
    return Decision(
        kind=stored.kind, account=stored.account, reason=stored.reason, made_at=stored.made_at, by=stored.by,
        assurance=stored.assurance,
    )  # fmt: skip


def _claim(stored: Any) -> Claim:
    return Claim(
        account=stored.account, text=stored.text, state=ClaimState(stored.state), made_at=stored.made_at,
        decided_at=stored.decided_at, reason=stored.reason,
    )  # fmt: skip

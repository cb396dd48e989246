"""Everything that changes a scope: writing its files, opening a revision, excluding, claiming, freezing."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import transaction

from tocsin.events import queries as events
from tocsin.incidents import queries as incidents
from tocsin.incidents.errors import IncidentClosed
from tocsin.incidents.values import IncidentState
from tocsin.journal import commands as journal
from tocsin.journal.values import Author
from tocsin.kernel import clock
from tocsin.kernel.language import gettext as _
from tocsin.kernel.loading import lazily
from tocsin.scopes import columns, evidence, revisions
from tocsin.scopes.columns import Built, Decided
from tocsin.scopes.errors import (
    AccountInScope,
    NoSuchClaim,
    NotAScopeFolder,
    NothingToFreeze,
    NotInScope,
    ScopeMovedOn,
)
from tocsin.scopes.evidence import Pinned, pin as pin_evidence
from tocsin.scopes.files import write_scope_files
from tocsin.scopes.states import ClaimState, RevisionState
from tocsin.scopes.values import Certainty, Claim, Difference, Revision
from tocsin.staff import permissions
from tocsin.staff.permissions import Act

__all__ = [
    "accept_claim",
    "claim_account",
    "exclude_accounts",
    "freeze_scope",
    "open_revision",
    "pin_evidence",
    "reject_claim",
    "write_scope_files",
]

models = lazily("tocsin.scopes.models")

# What is pinned of an investigation's folder besides its segments: kind -> file name.
_PINNED_FILES = {
    "affected": "affected.csv", "objects": "objects.csv", "principals": "principals.csv",
    "detections": "detections.jsonl",
}  # fmt: skip


def open_revision(incident: int, *, folder: Path, by: Author) -> Revision:
    """Make the next revision of an incident's scope from an investigation's folder, pinning what it stands on.

    A draft before it is superseded. Decisions made on the incident apply: an account taken out stays out as long as its
    evidence is the same. The accounts and counts are those of ``affected.csv``.
    """
    permissions.check(Act.WRITE_SCOPE, by=by)
    pins = _pin_folder(folder)
    sources = [_source(each) for each in events.sources(folder)]
    return _next_revision(incident, pins=pins, sources=sources, by=by, verb="scope.revision_opened", rows=())


def exclude_accounts(incident: int, *, accounts: Sequence[str], reason: str, by: Author) -> Revision:
    """Take accounts out of the latest revision, with the reason; a new revision without them is opened."""
    permissions.check(Act.WRITE_SCOPE, by=by)
    latest = revisions.revision(incident)
    hashes = columns.row_hashes(latest.accounts_sha256, accounts=accounts)
    absent = sorted(set(accounts) - set(hashes))
    if absent:
        raise NotInScope(
            _("{account} is not in revision {number}.").format(account=absent[0], number=latest.number),
            mend=_("`tocsin scope why {incident} ACCOUNT` says what is known of an account.").format(incident=incident),
        )
    decided = [
        Decided(account=account, excluded=True, row_sha256=hashes[account], certainty="", reason=reason)
        for account in sorted(hashes)
    ]
    return _decide(incident, latest=latest, decided=decided, by=by, verb="scope.accounts_excluded")


def claim_account(incident: int, *, account: str, text: str, by: Author) -> Claim:
    """Record that somebody says an account is affected; it waits for a decision."""
    permissions.check(Act.WRITE_SCOPE, by=by)
    latest = revisions.revision(incident)
    if columns.row_of(latest.accounts_sha256, account=account):
        raise AccountInScope(
            _("{account} is in revision {number} already.").format(account=account, number=latest.number)
        )
    with transaction.atomic():
        row = _open_incident(incident)
        claim, made = models.ScopeClaim.objects.get_or_create(
            incident=row, account=account, state=ClaimState.WAITING, defaults={"text": text, "made_at": clock.now()}
        )
        if made:
            person = f"account:{account}"
            journal.write(
                verb="scope.account_claimed", subject=f"incident:{row.id}", by=by, facts={"claim": str(claim.id)},
                personal={"account": (account, person), "text": (text, person)},
            )  # fmt: skip
    return next(each for each in revisions.claims_waiting(incident) if each.account == account)


def accept_claim(incident: int, *, account: str, certainty: Certainty, reason: str, by: Author) -> Revision:
    """Accept a waiting claim: the account is in a new revision, with this certainty and reason."""
    permissions.check(Act.WRITE_SCOPE, by=by)
    latest = revisions.revision(incident)
    decided = [Decided(account=account, excluded=False, row_sha256="", certainty=certainty.value, reason=reason)]
    with transaction.atomic():
        _settle_claim(incident, account=account, state=ClaimState.ACCEPTED, reason=reason)
        return _decide(incident, latest=latest, decided=decided, by=by, verb="scope.claim_accepted")


def reject_claim(incident: int, *, account: str, reason: str, by: Author) -> None:
    """Reject a waiting claim, with the reason."""
    permissions.check(Act.WRITE_SCOPE, by=by)
    with transaction.atomic():
        claim = _settle_claim(incident, account=account, state=ClaimState.REJECTED, reason=reason)
        person = f"account:{account}"
        journal.write(
            verb="scope.claim_rejected", subject=f"incident:{claim.incident_id}", by=by, facts={"claim": str(claim.id)},
            personal={"account": (account, person), "reason": (reason, person)},
        )  # fmt: skip


def freeze_scope(incident: int, *, by: Author) -> Revision:
    """Freeze the latest revision: check every file it stands on, give it a digest, and never change it again."""
    permissions.check(Act.WRITE_SCOPE, by=by)
    latest = revisions.revision(incident)
    if latest.state is not RevisionState.DRAFT:
        raise NothingToFreeze(
            _("Revision {number} is frozen already.").format(number=latest.number),
            mend=_(
                "A new revision is made by `tocsin investigate --incident`, or by excluding or accepting an account."
            ),
        )
    for sha256 in sorted({pin.sha256 for pin in latest.pins}):
        evidence.check(sha256)
    with transaction.atomic():
        row = _open_incident(incident)
        stored = models.ScopeRevision.objects.filter(incident=row).order_by("-number").first()
        if stored.id != latest.id or stored.state != RevisionState.DRAFT:
            raise _moved_on(incident)
        stored.state, stored.frozen_at = RevisionState.FROZEN, clock.now()
        stored.digest = digest_of(latest, incident_id=row.id)
        stored.save(update_fields=["state", "frozen_at", "digest"])
        journal.write(
            verb="scope.frozen", subject=f"incident:{row.id}", by=by,
            facts={
                "revision": stored.number, "digest": stored.digest, "accounts": stored.accounts,
                "rows_root": stored.rows_root, "accounts_sha256": stored.accounts_sha256,
            },
        )  # fmt: skip
    return revisions.revision(incident, number=latest.number)


def digest_of(revision: Revision, *, incident_id: UUID) -> str:
    """Return the SHA-256 over the canonical JSON of everything a revision says and stands on."""
    manifest = {
        "incident": str(incident_id), "revision": revision.number, "accounts": revision.accounts,
        "accounts_sha256": revision.accounts_sha256, "rows_root": revision.rows_root, "counts": dict(revision.counts),
        "sources": [dict(source) for source in revision.sources], "pins": [asdict(pin) for pin in revision.pins],
    }  # fmt: skip
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _decide(incident: int, *, latest: Revision, decided: Sequence[Decided], by: Author, verb: str) -> Revision:
    """Record decisions and open the revision that follows from them, from what the latest one stands on."""
    pins = [Pinned(**asdict(pin)) for pin in latest.pins if pin.kind != "accounts"]
    return _next_revision(incident, pins=pins, sources=list(latest.sources), by=by, verb=verb, rows=decided)


def _next_revision(
    incident: int, *, pins: Sequence[Pinned], sources: Sequence[Mapping[str, Any]], by: Author, verb: str,
    rows: Sequence[Decided],
) -> Revision:  # fmt: skip
    """Build the column file outside the transaction, then put the revision in if nothing moved meanwhile."""
    incident_id = incidents.id_of(incident)
    before = models.ScopeRevision.objects.filter(incident_id=incident_id).order_by("-number").first()
    known = models.ScopeDecision.objects.filter(incident_id=incident_id).count()
    affected = next(pin for pin in pins if pin.kind == "affected")
    built = columns.build(affected, decisions=_in_force(incident_id, newest=rows))
    changes = columns.difference(
        before.accounts_sha256 if before else None, later_sha256=built.pinned.sha256, limit=revisions.LISTED_MAX
    )
    with transaction.atomic():
        row = _open_incident(incident)
        now = models.ScopeRevision.objects.filter(incident=row).order_by("-number").first()
        moved = (now and now.id) != (before and before.id)
        if moved or models.ScopeDecision.objects.filter(incident=row).count() != known:
            raise _moved_on(incident)
        stored = _insert(row, before=before, built=built, changes=changes, pins=pins, sources=sources, by=by)
        _insert_decisions(row, decided=rows, by=by)
        journal.write(
            verb=verb,
            subject=f"incident:{row.id}",
            by=by,
            facts={
                "revision": stored.number, "accounts": stored.accounts, "counts": stored.counts,
                "accounts_sha256": stored.accounts_sha256, "rows_root": stored.rows_root,
                "sources": sorted(str(source["sha256"]) for source in sources),
            },
            rows=[(json.dumps(asdict(each), sort_keys=True), f"account:{each.account}") for each in rows],
        )  # fmt: skip
    return revisions.revision(incident, number=stored.number)


def _insert(
    row: Any, *, before: Any, built: Built, changes: Difference, pins: Sequence[Pinned],
    sources: Sequence[Mapping[str, Any]], by: Author,
) -> Any:  # fmt: skip
    if before and before.state == RevisionState.DRAFT:
        before.state = RevisionState.SUPERSEDED
        before.save(update_fields=["state"])
    counts = {
        "certainty": built.by_certainty, "role": built.by_role, "added": changes.added_count,
        "removed": changes.removed_count, "changed": changes.changed_count, "excluded": len(built.excluded),
        "lapsed": len(built.lapsed),
    }  # fmt: skip
    stored = models.ScopeRevision.objects.create(
        incident=row, number=(before.number if before else 0) + 1, state=RevisionState.DRAFT,
        accounts_sha256=built.pinned.sha256, accounts=built.accounts, rows_root=built.rows_root, counts=counts,
        sources=list(sources), opened_at=clock.now(), by=by.name, assurance=by.assurance,
    )  # fmt: skip
    models.ScopePin.objects.bulk_create(
        [
            models.ScopePin(revision=stored, kind=pin.kind, name=pin.name, sha256=pin.sha256, bytes=pin.bytes)
            for pin in (*pins, built.pinned)
        ]
    )
    return stored


def _insert_decisions(row: Any, *, decided: Sequence[Decided], by: Author) -> None:
    models.ScopeDecision.objects.bulk_create(
        [
            models.ScopeDecision(
                incident=row, kind="excluded" if each.excluded else "included", account=each.account,
                reason=each.reason, certainty=each.certainty, row_sha256=each.row_sha256, made_at=clock.now(),
                by=by.name, assurance=by.assurance,
            )
            for each in decided
        ]
    )  # fmt: skip


def _in_force(incident_id: UUID, *, newest: Sequence[Decided]) -> list[Decided]:
    """Return the decisions that hold: the latest on each account."""
    latest: dict[str, Decided] = {}
    for each in models.ScopeDecision.objects.filter(incident_id=incident_id).order_by("id"):
        latest[each.account] = Decided(
            account=each.account, excluded=each.kind == "excluded", row_sha256=each.row_sha256,
            certainty=each.certainty, reason=each.reason,
        )  # fmt: skip
    return list((latest | {each.account: each for each in newest}).values())


def _pin_folder(folder: Path) -> list[Pinned]:
    affected = folder / _PINNED_FILES["affected"]
    if not affected.is_file():
        raise NotAScopeFolder(
            _("This folder holds no {name}.").format(name=affected.name), where=folder,
            mend=_("Give the --out folder of a finished `tocsin investigate`."),
        )  # fmt: skip
    named = [(kind, folder / name) for kind, name in _PINNED_FILES.items() if (folder / name).is_file()]
    segments = [("segment", path) for path in sorted((folder / "events").glob("*.parquet")) if path.name[0] != "."]
    return [evidence.pin(path, kind=kind) for kind, path in (*named, *segments)]


def _source(read: Any) -> dict[str, Any]:
    kept = ("source_id", "path", "sha256", "bytes", "format", "lines", "parsed", "rejected")
    return {name: getattr(read, name) for name in kept}


def _settle_claim(incident: int, *, account: str, state: ClaimState, reason: str) -> Any:
    row = _open_incident(incident)
    claim = models.ScopeClaim.objects.filter(incident=row, account=account, state=ClaimState.WAITING).first()
    if claim is None:
        raise NoSuchClaim(
            _("No claim for {account} waits for a decision.").format(account=account),
            mend=_("Record it first: tocsin scope claim {incident} ACCOUNT --text ...").format(incident=incident),
        )
    claim.state, claim.decided_at, claim.reason = state, clock.now(), reason
    claim.save(update_fields=["state", "decided_at", "reason"])
    return claim


def _open_incident(incident: int) -> Any:
    row = incidents.locked_row(incident)
    if row.state != IncidentState.OPEN:
        raise IncidentClosed(_("Incident {number} is closed.").format(number=incident))
    return row


def _moved_on(incident: int) -> ScopeMovedOn:
    return ScopeMovedOn(
        _("The scope of incident {incident} changed meanwhile.").format(incident=incident),
        mend=_("Run the command again."),
    )

"""What can be asked about who and what is affected."""

from collections.abc import Collection, Mapping, Sequence

from tocsin.detections import queries as detection_queries
from tocsin.detections.values import Detection, Lead, Rule
from tocsin.events.queries import EventStore
from tocsin.events.values import Gap, SourceRead
from tocsin.scopes import drafting
from tocsin.scopes.cohorts import version_key, version_sql
from tocsin.scopes.evidence import check as check_evidence, folder as evidence_folder, path_of as evidence_path
from tocsin.scopes.files import cell_sql, original_cell
from tocsin.scopes.revisions import (
    accounts_file,
    affected_rows,
    claims_waiting,
    difference,
    exclusions,
    principals,
    revision,
    revisions,
    why,
)
from tocsin.scopes.values import ScopeDraft

__all__ = [
    "accounts_file",
    "affected_rows",
    "cell_sql",
    "check_evidence",
    "claims_waiting",
    "difference",
    "draft_scope",
    "evidence_folder",
    "evidence_path",
    "exclusions",
    "original_cell",
    "principals",
    "revision",
    "revisions",
    "summary",
    "version_key",
    "version_sql",
    "why",
]


def draft_scope(
    store: EventStore,
    *,
    detections: Sequence[Detection],
    leads: Sequence[Lead],
    sources: Sequence[SourceRead],
    gaps: Sequence[Gap],
    cohorts: Sequence[str] = (),
    known_accounts: Collection[str] | None = None,
    accounts_staff: Collection[str] = (),
    rules: Sequence[Rule] | None = None,
) -> ScopeDraft:
    """Return who and what the detections affect; leaves the tables ``scopes.commands.write_scope_files`` writes from.

    ``cohorts`` are the operator's own (``platform=android,version<1.4``). ``known_accounts`` are names known to be
    customers' accounts, ``accounts_staff`` names known not to be. ``rules`` are
    those that raised the detections (by default the shipped ones). Raises CohortNotUnderstood.
    """
    return drafting.drafted(
        store,
        detections=detections,
        leads=leads,
        rules=detection_queries.shipped_rules() if rules is None else rules,
        sources=sources,
        gaps=gaps,
        named_cohorts=cohorts,
        known_accounts=known_accounts or (),
        staff_accounts=accounts_staff,
    )


def summary(draft: ScopeDraft) -> dict[str, Mapping[str, int] | Mapping[str, str]]:
    """Return the parts ``affected`` and ``data`` of ``summary.json``; attackers are not affected."""
    return {
        "affected": dict(draft.counts),
        "data": {line.data_kind: line.reach.value for line in draft.data},
    }

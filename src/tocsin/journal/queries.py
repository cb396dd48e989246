"""What can be asked of the journal: entries, heads, proofs, and whether all of it still holds."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from tocsin.journal import heads, leaf, tree, verification, witness
from tocsin.journal.errors import NoSuchEntry, NotGrown
from tocsin.journal.values import Entry, Head, Verification
from tocsin.kernel.language import gettext as _
from tocsin.kernel.loading import lazily

models = lazily("tocsin.journal.models")

READ_AT_ONCE = 2000


def entries(*, subject: str = "", limit: int = 200) -> list[Entry]:
    """Return the newest entries, oldest first; of one subject when it is given."""
    found = models.JournalEntry.objects.prefetch_related("personal")
    found = found.filter(subject=subject) if subject else found
    return [_entry(row) for row in reversed(found.order_by("-id")[:limit])]


def entry(name: str) -> Entry:
    """Return the entry with this number or id."""
    found = models.JournalEntry.objects.prefetch_related("personal")
    row = None
    if name.isdecimal() and len(name) < 19:
        row = found.filter(number=int(name)).first()
    elif _is_uuid(name):
        row = found.filter(id=name).first()
    if row is None:
        raise NoSuchEntry(
            _("The journal has no entry {name}.").format(name=name),
            mend=_("`tocsin journal list` shows their numbers."),
        )
    return _entry(row)


def head() -> Head | None:
    """Return the newest signed head, or None while nothing was numbered."""
    row = models.JournalHead.objects.order_by("-size").first()
    return heads.parse(row.body, signature=bytes(row.signature).hex()) if row else None


def head_line(head: Head) -> str:
    """Return a head as the one line of JSON that files and witnesses keep."""
    return heads.line(head)


def heads_in(path: Path) -> list[Head]:
    """Return the heads kept in a file."""
    return heads.read(path)


def witness_state() -> dict[str, Any]:
    """Return the witness in use, the newest head it has, and the newest there is (``witness``, ``seen``, ``size``)."""
    chosen = witness.named()
    seen = models.JournalWitnessing.objects.filter(witness=chosen).values_list("size", flat=True).first() or 0
    newest = head()
    return {"witness": chosen, "seen": seen, "size": newest.size if newest else 0}


def verification_of(*, earlier: list[Head]) -> Verification:
    """Read everything again and say what does not hold; heads of a witness that is a readable file count as earlier.

    ``earlier`` are heads kept outside this database: only they can show that a whole history was written anew.
    """
    kept = witness.file_of(witness.named())
    known = [*earlier, *(heads.read(kept) if kept and kept.exists() else [])]
    stored = [
        verification.StoredHead(row.size, row.body, bytes(row.signature), bytes(row.peaks))
        for row in models.JournalHead.objects.order_by("size")
    ]
    numbered = models.JournalEntry.objects.filter(number__isnull=False)
    faults = verification.faults_in(
        entries=_stored_entries(),
        personal=_stored_personal(),
        stored_heads=stored,
        earlier=known,
        key=heads.public_key(),
    )
    return Verification(
        faults=tuple(faults),
        entries=numbered.count(),
        heads=len(stored),
        unnumbered=models.JournalEntry.objects.filter(number__isnull=True).count(),
        earlier_heads=len(known),
    )


def proof(name: str, *, row: int | None = None) -> dict[str, Any]:
    """Return the proof of one entry (and of one row of its batch): JSON that ``docs/verify_journal.py`` checks alone.

    Keys: ``content``, ``number``, ``path``, ``head``, ``personal`` (name -> salt, value, person), and for a row ``row``
    with ``number``, ``size``, ``path``, ``salt``, ``value``, ``person``. The personal values are those not erased.
    """
    found = entry(name)
    newest = head()
    if found.number is None or newest is None:
        raise NoSuchEntry(_("The entry {name} has no number yet.").format(name=name), mend=_("Try again in a moment."))
    hashes = _leaf_hashes(newest.size)
    kept = list(models.JournalPersonal.objects.filter(entry_id=found.id, salt__isnull=False))
    proved: dict[str, Any] = {
        "content": found.content,
        "number": found.number,
        "path": [node.hex() for node in tree.inclusion_proof(hashes, number=found.number)],
        "head": {"body": newest.body, "signature": newest.signature},
        "personal": {
            each.name: {"salt": bytes(each.salt).hex(), "value": each.value, "person": each.person}
            for each in kept
            if not each.name.startswith("row:")
        },
    }
    if row is not None:
        proved["row"] = _row_proof(found, row=row)
    return proved


def _row_proof(found: Entry, *, row: int) -> dict[str, Any]:
    batch = {
        int(each.name.removeprefix("row:")): each
        for each in models.JournalPersonal.objects.filter(entry_id=found.id, name__startswith="row:")
    }
    asked = batch.get(row)
    if asked is None or asked.salt is None:
        raise NoSuchEntry(_("The entry {name} has no row {row}, or it was erased.").format(name=found.number, row=row))
    hashes = [tree.leaf_hash(bytes(batch[n].commitment)) for n in sorted(batch)]
    return {
        "number": row,
        "size": len(batch),
        "path": [node.hex() for node in tree.inclusion_proof(hashes, number=row)],
        "salt": bytes(asked.salt).hex(),
        "value": asked.value,
        "person": asked.person,
    }


def growth_proof(earlier: Head) -> dict[str, Any]:
    """Return the proof that the journal only grew since ``earlier``; NotGrown when it holds another history.

    Keys: ``earlier`` and ``head`` (``body``, ``signature``), ``path`` (RFC 6962, section 2.1.2).
    """
    newest = head()
    if newest is None or not 0 < earlier.size <= newest.size:
        raise NotGrown(_("The journal is shorter than the head of {size} entries.").format(size=earlier.size))
    path = tree.consistency_proof(_leaf_hashes(newest.size), earlier=earlier.size)
    old, new = bytes.fromhex(earlier.root), bytes.fromhex(newest.root)
    if not tree.is_consistent(old, earlier=earlier.size, root=new, size=newest.size, path=path):
        raise NotGrown(_("The history before entry {size} was written anew.").format(size=earlier.size))
    return {
        "earlier": {"body": earlier.body, "signature": earlier.signature},
        "head": {"body": newest.body, "signature": newest.signature},
        "path": [node.hex() for node in path],
    }


def _leaf_hashes(size: int) -> list[bytes]:
    numbered = models.JournalEntry.objects.filter(number__lt=size).order_by("number")
    return [bytes(stored) for stored in numbered.values_list("leaf_hash", flat=True).iterator(READ_AT_ONCE)]


def root_over(rows: Iterable[bytes]) -> bytes:
    """Return the Merkle root over rows kept elsewhere, for the facts of the entry that records them."""
    return tree.root_of(tree.leaf_hash(row) for row in rows)


def hash_of_row(content: bytes) -> bytes:
    """Return the hash of one row kept elsewhere, as a leaf of its batch's tree."""
    return tree.leaf_hash(content)


def root_over_hashes(hashes: Sequence[bytes]) -> bytes:
    """Return the Merkle root over hashes of rows, in their order."""
    return tree.root_of(hashes)


def path_of_row(hashes: Sequence[bytes], *, number: int) -> list[bytes]:
    """Return the audit path of one row among the hashes of its batch, nearest first (RFC 6962, section 2.1.1)."""
    return tree.inclusion_proof(hashes, number=number)


def history() -> Iterator[str]:
    """Yield the whole journal as lines of JSON for the stand-alone verifier: every entry's content, then every head."""
    for row in models.JournalEntry.objects.filter(number__isnull=False).order_by("number").iterator(READ_AT_ONCE):
        yield json.dumps({"content": row.content})
    for row in models.JournalHead.objects.order_by("size"):
        yield json.dumps({"body": row.body, "signature": bytes(row.signature).hex()})


def _entry(row: Any) -> Entry:
    said = json.loads(row.content)
    values = {each.name: each.value for each in row.personal.all()}
    return Entry(
        id=row.id, number=row.number, written_at=row.written_at, verb=row.verb, subject=row.subject,
        by=said["by"], facts=said["facts"], content=row.content,
        personal={name: value for name, value in values.items() if value is not None},
        erased=tuple(sorted(name for name, value in values.items() if value is None)),
    )  # fmt: skip


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _stored_entries() -> Iterator[verification.StoredEntry]:
    for row in models.JournalEntry.objects.filter(number__isnull=False).order_by("number").iterator(READ_AT_ONCE):
        yield verification.StoredEntry(
            number=row.number, id=str(row.id), written_at=leaf.stamp(row.written_at), verb=row.verb,
            subject=row.subject, content=row.content, leaf_hash=bytes(row.leaf_hash or b""),
        )  # fmt: skip


def _stored_personal() -> Iterator[verification.StoredPersonal]:
    for row in models.JournalPersonal.objects.filter(entry__number__isnull=False).iterator(READ_AT_ONCE):
        yield verification.StoredPersonal(
            entry_id=str(row.entry_id), name=row.name, commitment=bytes(row.commitment),
            salt=None if row.salt is None else bytes(row.salt), value=row.value, person=row.person,
        )  # fmt: skip

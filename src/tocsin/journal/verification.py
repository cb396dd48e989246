"""Reading the whole journal again, byte by byte, and saying what does not hold."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tocsin.journal import heads, leaf, tree
from tocsin.journal.errors import HeadUnreadable
from tocsin.journal.values import Fault, Found, Head


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """A row as the database holds it."""

    number: int
    id: str
    written_at: str
    verb: str
    subject: str
    content: str
    leaf_hash: bytes


@dataclass(frozen=True, slots=True)
class StoredPersonal:
    """A personal value as the database holds it; salt, value and person are None once erased."""

    entry_id: str
    name: str
    commitment: bytes
    salt: bytes | None
    value: str | None
    person: str | None


@dataclass(frozen=True, slots=True)
class StoredHead:
    """A head as the database holds it."""

    size: int
    body: str
    signature: bytes
    peaks: bytes


@dataclass(slots=True)
class Reading:
    """What is remembered while the entries go by once, in order."""

    earlier: dict[int, list[Head]]
    grown: tree.Growing = field(default_factory=tree.Growing)
    states: dict[int, tuple[bytes, bytes]] = field(default_factory=dict)  # size -> root, peaks
    committed: dict[tuple[str, str], str] = field(default_factory=dict)  # entry id, name -> commitment
    batches: dict[str, tuple[Any, Any]] = field(default_factory=dict)  # entry id -> how many rows, their root
    erased: set[str] = field(default_factory=set)
    enrolled: dict[str, str] = field(default_factory=dict)  # subject of an enrolment -> its public key
    signed: list[tuple[str, str, str]] = field(default_factory=list)  # where, who as a subject, with which public key


def faults_in(
    *, entries: Iterable[StoredEntry], personal: Iterable[StoredPersonal], stored_heads: list[StoredHead],
    earlier: list[Head], key: str,
) -> Iterator[Found]:  # fmt: skip
    """Yield everything that does not hold; ``earlier`` are heads kept outside, ``key`` the journal's public key."""
    reading = Reading(earlier={})
    sizes = {head.size for head in stored_heads} | {head.size for head in earlier}
    for entry in entries:
        yield from _faults_in_entry(entry, reading=reading)
        reading.grown.add(tree.leaf_hash(entry.content.encode()))
        if reading.grown.size in sizes:
            reading.states[reading.grown.size] = (reading.grown.root(), b"".join(reading.grown.peaks))
    # A signature counts for a person only with the key that was enrolled to them.
    for where, who, public_key in reading.signed:
        if reading.enrolled.get(who) != public_key:
            yield Found(Fault.ACT_SIGNATURE_WRONG, where)
    yield from _faults_in_personal(personal, reading=reading)
    yield from _faults_in_heads(stored_heads, reading=reading, key=key)
    for head in earlier:
        root = reading.states.get(head.size, (tree.EMPTY_ROOT if head.size == 0 else b"", b""))[0]
        if head.key != key or not heads.signature_holds(head):
            yield Found(Fault.HEAD_KEY_WRONG, f"earlier head {head.size}")
        elif root.hex() != head.root:
            yield Found(Fault.EARLIER_HEAD_DIFFERS, f"earlier head {head.size}")


def _faults_in_entry(entry: StoredEntry, *, reading: Reading) -> Iterator[Found]:
    where = f"entry {entry.number}"
    if entry.number != reading.grown.size:
        yield Found(Fault.ENTRY_MISSING, f"entry {reading.grown.size}")
    if tree.leaf_hash(entry.content.encode()) != entry.leaf_hash:
        yield Found(Fault.ENTRY_CHANGED, where)
    try:
        said = json.loads(entry.content)
        told = (said["id"], said["at"], said["verb"], said["subject"])
        signed = leaf.act_signature_holds(said)
        committed = {(entry.id, name): commitment for name, commitment in said["personal"].items()}
        batch = {entry.id: (said["rows"]["n"], said["rows"]["root"])} if "rows" in said else {}
        erased = said["facts"]["values"] if entry.verb == "journal.person_erased" else []
        reading.erased.update(erased)
        if entry.verb == "staff.enrolled":
            reading.enrolled[said["subject"]] = said["facts"]["public_key"]
        if "signature" in said["by"]:
            reading.signed.append((where, f"staff:{said['by']['staff']}", said["by"]["public_key"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        yield Found(Fault.ENTRY_UNREADABLE, where)
        return
    if told != (entry.id, entry.written_at, entry.verb, entry.subject):
        yield Found(Fault.ENTRY_CHANGED, where)
    if not signed:
        yield Found(Fault.ACT_SIGNATURE_WRONG, where)
    reading.committed.update(committed)
    reading.batches.update(batch)


def _faults_in_personal(personal: Iterable[StoredPersonal], *, reading: Reading) -> Iterator[Found]:
    """Check every value against its commitment, and every commitment against the leaf it stands in."""
    rows: dict[str, dict[int, bytes]] = {}
    for each in personal:
        where = f"{each.entry_id} {each.name}"
        if each.value is None or each.salt is None or each.person is None:
            if f"{each.entry_id}/{each.name}" not in reading.erased:
                yield Found(Fault.PERSONAL_MISSING, where)
        elif leaf.commitment(each.salt, value=each.value, person=each.person) != each.commitment:
            yield Found(Fault.PERSONAL_CHANGED, where)
        kind, _colon, number = each.name.partition(":")
        if each.entry_id in reading.batches and kind == "row" and number.isdecimal():
            rows.setdefault(each.entry_id, {})[int(number)] = each.commitment
        elif reading.committed.pop((each.entry_id, each.name), None) != each.commitment.hex():
            yield Found(Fault.PERSONAL_CHANGED, where)
    for entry_id, name in reading.committed:
        yield Found(Fault.PERSONAL_MISSING, f"{entry_id} {name}")
    for entry_id, said in reading.batches.items():
        batch = rows.get(entry_id, {})
        root = leaf.rows_root([batch[number] for number in sorted(batch)]).hex()
        if (len(batch), root) != said or sorted(batch) != list(range(len(batch))):
            yield Found(Fault.PERSONAL_CHANGED, f"{entry_id} rows")


def _faults_in_heads(stored: list[StoredHead], *, reading: Reading, key: str) -> Iterator[Found]:
    previous: str | None = None
    for row in stored:
        where = f"head {row.size}"
        try:
            head = heads.parse(row.body, signature=row.signature.hex())
        except HeadUnreadable:
            yield Found(Fault.HEAD_CHANGED, where)
            continue
        if head.size != row.size:
            yield Found(Fault.HEAD_CHANGED, where)
        if head.key != key:
            yield Found(Fault.HEAD_KEY_WRONG, where)
        if not heads.signature_holds(head):
            yield Found(Fault.HEAD_SIGNATURE_WRONG, where)
        if head.previous != previous:
            yield Found(Fault.HEAD_CHAIN_BROKEN, where)
        root, peaks = reading.states.get(row.size, (b"", b""))
        if root.hex() != head.root or peaks != row.peaks:
            yield Found(Fault.ROOT_DIFFERS, where)
        previous = hashlib.sha256(row.body.encode()).hexdigest()
    newest = stored[-1].size if stored else 0
    if newest != reading.grown.size:
        yield Found(Fault.HEADS_MISSING, f"head {reading.grown.size}")

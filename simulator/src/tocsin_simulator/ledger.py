"""What the simulator received, counted at the socket; and the messages themselves, the newest of them whole."""

from collections import Counter
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import Any

import orjson

# How many seconds of pace are kept at least.
PACE_SECONDS = 3_600


class Entry:
    """One accepted message, ours or a person's."""

    __slots__ = (
        "answered", "at", "body", "callback", "id", "inbound", "ordinal", "person", "phone", "statuses", "type",
    )  # fmt: skip

    def __init__(
        self, *, ordinal: int, id: str, phone: str, person: str, type: str, callback: str, body: bytes, at: float
    ) -> None:
        """`phone` is our number's id, `person` the other side's digits, `body` the JSON as it came."""
        self.ordinal = ordinal
        self.id = id
        self.phone = phone
        self.person = person
        self.type = type
        self.callback = callback
        self.body = body
        self.at = at
        self.inbound = False
        self.answered = ""
        self.statuses: tuple[tuple[str, float], ...] = ()

    def told(self) -> dict[str, Any]:
        """Return the message as JSON for `GET /_simulator/messages`."""
        return {
            "id": self.id,
            "from": self.person if self.inbound else self.phone,
            "to": self.phone if self.inbound else self.person,
            "inbound": self.inbound,
            "type": self.type,
            "callback": self.callback,
            "body": orjson.Fragment(self.body or b"null"),
            "at": self.at,
            "answered": self.answered,
            "statuses": [{"status": status, "at": at} for status, at in self.statuses],
        }


class Ledger:
    """Exact counts for ever; whole messages up to `keep`."""

    def __init__(self, *, keep: int) -> None:
        self.keep = keep
        self.received = 0  # POST /messages at the socket, before anything is decided
        self.accepted = 0
        self.dropped: Counter[str] = Counter()  # by kind of fault
        self.refused: Counter[int] = Counter()  # by Meta's code, in the answer
        self.failed: Counter[int] = Counter()  # by Meta's code, in a status
        self.statuses: Counter[str] = Counter()
        self.inbound = 0
        self.receipts = 0  # POST /messages that say a message was read
        self.typing = 0  # those of them with a typing indicator
        self.pair_limit_refused = 0
        self.throughput_refused = 0
        self.portfolio_refused = 0
        self.why: dict[str, tuple[int, str]] = {}  # id of a kept message that failed -> Meta's code and words
        self.seen: set[bytes] = set()  # 16-byte digests of (number, callback) accepted at least once
        self.doubled: dict[str, int] = {}  # callback -> times, of those accepted more than once
        self.pace: dict[str, dict[int, int]] = {}  # number's id -> second -> accepted
        self.file: FileIO | None = None
        self._entries: dict[int, Entry] = {}
        self._by_id: dict[str, Entry] = {}
        self._first = 1
        self._last = 0

    def accept(self, entry: Entry, *, digest: bytes) -> None:
        """Count and keep a message of ours; `digest` stands for its number and callback."""
        self.accepted += 1
        self._count_pace(entry.phone, int(entry.at))
        if entry.callback:
            if self.file is not None:
                self.file.write(orjson.dumps({"digest": digest.hex(), "callback": entry.callback}) + b"\n")
            self._count(digest, entry.callback)
        self.add(entry)

    def _count_pace(self, phone: str, second: int) -> None:
        seconds = self.pace.setdefault(phone, {})
        seconds[second] = seconds.get(second, 0) + 1
        if len(seconds) > 2 * PACE_SECONDS:
            for old in sorted(seconds)[:-PACE_SECONDS]:
                del seconds[old]

    def _count(self, digest: bytes, callback: str) -> None:
        if digest in self.seen:
            self.doubled[callback] = self.doubled.get(callback, 1) + 1
        else:
            self.seen.add(digest)

    def write_to(self, path: Path) -> None:
        """Count what a file of an earlier run says was accepted, and write each further message there, at once."""
        if path.exists():
            with path.open("rb") as lines:
                for line in lines:
                    if line.endswith(b"\n"):
                        said = orjson.loads(line)
                        self.accepted += 1
                        self._count(bytes.fromhex(said["digest"]), said["callback"])
        self.file = path.open("ab", buffering=0)

    def close(self) -> None:
        """Close the file."""
        if self.file is not None:
            self.file.close()
            self.file = None

    @property
    def kept(self) -> int:
        """Return how many messages are kept whole."""
        return len(self._entries)

    def next_ordinal(self) -> int:
        """Return the ordinal of the next message."""
        self._last += 1
        return self._last

    def add(self, entry: Entry) -> None:
        """Keep a message; the oldest goes when there are too many."""
        self._entries[entry.ordinal] = entry
        self._by_id[entry.id] = entry
        while len(self._entries) > self.keep and self._first <= self._last:
            old = self._entries.pop(self._first, None)
            self._first += 1
            if old is not None:
                self._by_id.pop(old.id, None)
                if self.why:
                    self.why.pop(old.id, None)

    def get(self, id: str) -> Entry | None:
        """Return a message that is still kept."""
        return self._by_id.get(id)

    def by_ordinal(self, ordinal: int) -> Entry | None:
        """Return a message that is still kept by its place among all."""
        return self._entries.get(ordinal)

    def newest(self) -> Iterator[Entry]:
        """Yield kept messages, the newest first."""
        for ordinal in range(self._last, self._first - 1, -1):
            entry = self._entries.get(ordinal)
            if entry is not None:
                yield entry

    def oldest(self) -> Iterator[Entry]:
        """Yield kept messages, the oldest first."""
        yield from list(self._entries.values())

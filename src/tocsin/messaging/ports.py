"""What a channel must fulfil. Each kind is one folder of integrations; the contract suite runs on every one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol, runtime_checkable
from uuid import UUID

from tocsin.customers.values import AddressKind
from tocsin.kernel.remarks import Remark
from tocsin.messaging.values import Accepted, Content, Outgoing, Prepared, Reason, Update, Verdict

WAIT_SECONDS_MAX = 86_400.0  # whatever a provider asks for: nobody sees what waits longer


class TransportError(Exception):
    """The provider refused, or could not be asked. Never carries an address or a text.

    ``permanent``: this message will not be brought however often it is tried. ``verdict`` is the finer word, ``reason``
    why, ``code`` and ``detail`` the provider's own; ``wait_seconds`` what it asked us to wait, a day at most.
    """

    def __init__(
        self,
        *,
        permanent: bool,
        verdict: Verdict,
        reason: Reason,
        code: int = 0,
        detail: str = "",
        wait_seconds: float | None = None,
    ) -> None:
        super().__init__(f"{verdict} {code} {detail}".strip())
        self.permanent = permanent
        self.verdict = verdict
        self.reason = reason
        self.code = code
        self.detail = detail
        # Headers say anything: "nan", "inf" and a thousand years must not become moments.
        self.wait_seconds = None if wait_seconds is None else min(max(0.0, wait_seconds), WAIT_SECONDS_MAX)


class OutcomeUnknown(TransportError):
    """The bytes left and no usable answer came: nobody knows. Such a message is never sent again by itself."""

    def __init__(self, detail: str) -> None:
        super().__init__(permanent=False, verdict=Verdict.UNKNOWN, reason=Reason.NO_ANSWER, detail=detail)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt ended. Neither ``accepted`` nor ``error``: the channel itself broke, ``detail`` says how.

    ``begun_at`` None is the proof that no byte of it left.
    """

    message_id: UUID
    number: int
    claimed_at: datetime
    begun_at: datetime | None
    answered_at: datetime | None
    accepted: Accepted | None = None
    error: TransportError | None = None
    fallback: bool = False
    digest: bytes = b""
    detail: str = ""


class Sending(Protocol):
    """One channel, open. Used from one event loop; ``send`` runs many times at once.

    ``reaches`` are the kinds of address it can write to; ``reports`` says whether statuses come back by our id, so that
    an unknown message may settle by itself; ``seconds_max`` bounds one ``send``; ``limits`` are its pace limits.
    """

    reaches: Sequence[AddressKind]
    reports: bool
    seconds_max: float
    limits: "Limits"

    def address(self, text: str, *, kind: AddressKind) -> str:
        """Return the address in its one normal form, or raise AddressNotUnderstood."""

    def prepare(self, content: Content) -> Prepared:
        """Return what sending this needs, or raise ContentNotUnderstood with the place."""

    async def send(self, message: Outgoing) -> Accepted:
        """Hand one message to the provider: returns once it was taken.

        Raises TransportError; OutcomeUnknown when the bytes may have left and no answer came. Tries exactly once.
        """

    async def close(self) -> None:
        """Let go of connections."""


@runtime_checkable
class Placed(Protocol):
    """What a channel offers besides when its provider has names for it: its line, account and portfolio, or empty."""

    line: str
    account: str
    portfolio: str


@runtime_checkable
class Checkable(Protocol):
    """What a channel may offer besides: looking whether its credentials, rights and settings suffice."""

    async def check(self) -> Sequence[Remark]:
        """Ask the provider, sending nothing to anybody."""


@runtime_checkable
class MediaSource(Protocol):
    """What a channel may offer besides: files that came with messages, fetched by the provider's id of them."""

    async def fetch_media(self, media_id: str, to: Path, *, sha256: str = "") -> object:
        """Fetch one file to ``to``, whole and as announced (``sha256`` in hex or base64); a TocsinError otherwise."""


class Limits(Protocol):
    """What a provider allows; None is no limit. ``pair_burst`` is how many one person may get at once, borrowed."""

    @property
    def per_second(self) -> float | None:
        """Messages per second of the line."""

    @property
    def pair_seconds(self) -> float | None:
        """Seconds between two messages to the same person."""

    @property
    def pair_burst(self) -> int:
        """Messages one person may get at once before that pause counts."""

    @property
    def people_per_day(self) -> int | None:
        """People the portfolio may begin to write to outside their windows in any 24 h."""


class Receiving(Protocol):
    """How one kind of webhook is verified and read. No instance state: everything is in the arguments."""

    def verified(self, headers: Mapping[str, str], body: bytes, *, secrets: Sequence[str], address: str) -> bool:
        """Say in constant time whether one of the secrets signed these raw bytes; ``address`` is the asked URL."""

    def updates(self, body: bytes, *, headers: Mapping[str, str]) -> Sequence[Update]:
        """Read a verified body. What is not understood is an Aside; it never raises on a JSON object."""


class Paged(Receiving, Protocol):
    """A kind of webhook of which some addresses are also followed by people, in a browser."""

    def page(self, address: str, *, secrets: Sequence[str], languages: str, done: bool) -> bytes | None:
        """Return the HTML to be shown before, or when it is ``done``, by ``languages`` as Accept-Language has them."""

"""What the world is made of: settings, numbers, the portfolio, templates, media."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

# Unique people a portfolio may begin to write to within 24 moving hours, per tier; None is no limit.
TIERS: dict[str, int | None] = {
    "TIER_250": 250,
    "TIER_1K": 1_000,
    "TIER_2K": 2_000,
    "TIER_10K": 10_000,
    "TIER_100K": 100_000,
    "TIER_UNLIMITED": None,
}
# Messages per second a number may send, per throughput level; COEXISTENCE is one shared with the phone application.
LEVELS: dict[str, int] = {"STANDARD": 80, "HIGH": 1_000, "COEXISTENCE": 20}
WINDOW_SECONDS = 24 * 3600
COMPANY = "Simulated Company"


@dataclass(kw_only=True)
class Settings:
    """How a simulator was started."""

    phone_ids: tuple[str, ...] = ("100000000000001",)
    waba_id: str = "200000000000001"
    app_id: str = "300000000000001"
    business_id: str = "400000000000001"
    name: str = COMPANY  # of the company, as the phones show it
    token: str = "simulated-token"
    app_secret: str = "simulated-secret"
    webhook: str = ""
    verify_token: str = "simulated-verify-token"
    seed: int = 1
    tier: str = "TIER_UNLIMITED"
    level: str = "STANDARD"
    speed: float = 1.0
    delay: float = 1.0  # scale of the delays of statuses, answers and reviews; 0 = at once
    review: bool = True  # False: a new template is APPROVED at once
    batch: int = 1  # updates per webhook at most
    connections: int = 8  # webhooks under way at the same time, at most
    window: str = "sync"  # how free text outside the window is refused: in the answer, or later in a status
    disorder: float = 0.02  # share of messages whose statuses come in the wrong order
    duplicates: float = 0.02  # share of statuses that come twice
    hyphens: bool = False  # template webhooks say en-US, as Meta's examples do, instead of en_US, as recorded ones do
    reads: float = 0.7  # share of messages people read who are not described otherwise
    answers: float = 0.0  # share of messages they answer
    withhold: float = 0.0  # share of people whose phone number webhooks leave out
    keep: int = 100_000  # messages kept whole; counts stay exact for ever
    listen: str = "127.0.0.1"
    port: int = 0


@dataclass(kw_only=True)
class Number:
    """A business phone number."""

    id: str
    display: str  # as Meta shows it: +1 555-010-0001
    digits: str  # the same as digits only
    name: str = COMPANY
    level: str = "STANDARD"
    quality: str = "GREEN"
    status: str = "CONNECTED"
    webhook: str = ""  # webhook_configuration.phone_number
    profile: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def calling_code(self) -> str:
        """Return what is put before a recipient's number that has no plus sign."""
        return "1"


@dataclass(kw_only=True)
class Portfolio:
    """The business portfolio all numbers share."""

    id: str
    tier: str = "TIER_UNLIMITED"
    # Person -> when we last began to write to them, oldest first, of the last 24 hours.
    begun: OrderedDict[str, float] = field(default_factory=OrderedDict)
    most: int = 0  # the most people it ever held

    @property
    def limit(self) -> int | None:
        """Return the tier's number of people, or None."""
        return TIERS[self.tier]


@dataclass(kw_only=True)
class Template:
    """A message template in one language."""

    id: str  # digits: it is a number in webhooks
    name: str
    language: str
    category: str  # MARKETING | UTILITY | AUTHENTICATION
    components: list[dict[str, Any]]
    status: str = "PENDING"  # Meta's words: APPROVED, REJECTED, PAUSED, DISABLED, ARCHIVED ...; only APPROVED sends
    parameter_format: str = "POSITIONAL"
    quality: str = "UNKNOWN"
    created_at: float = 0.0
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(kw_only=True)
class Media:
    """A file somebody uploaded, or a person sent."""

    id: str
    content: bytes
    mime_type: str
    sha256: str
    expires_at: float
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(kw_only=True)
class Upload:
    """A resumable upload of a sample: what has come so far of `length` bytes."""

    id: str
    name: str
    mime_type: str
    length: int
    content: bytearray = field(default_factory=bytearray)
    handle: str = ""


@dataclass(kw_only=True)
class Records:
    """What the management API keeps beside numbers, templates and media."""

    names_taken_until: dict[str, float] = field(default_factory=dict)  # names of deleted templates that were approved
    created_at: list[float] = field(default_factory=list)  # templates made in the last hour
    uploads: dict[str, Upload] = field(default_factory=dict)
    qr_codes: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)  # number -> code -> the code
    subscribed_fields: list[str] = field(default_factory=list)
    verify_token: str = ""
    template_insights: bool = False
    marketing_apart: bool = False  # marketing templates go by marketing_messages only
    assigned_users: dict[str, dict[str, Any]] = field(default_factory=dict)

"""What a report is told, and the plain-words answer it leads with."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from tocsin.detections.values import Detection, Lead, Reason
from tocsin.events.values import Gap, SourceRead
from tocsin.scopes.values import ScopeDraft


@dataclass(frozen=True, slots=True)
class TimelinePoint:
    """One bar of the time line: the events of ``[first_ts, last_ts)``, epoch ms; ``intruder`` is among the others."""

    first_ts: int
    last_ts: int
    success: int
    failure: int
    unknown: int
    intruder: int = 0

    @property
    def events(self) -> int:
        """Every event of the stretch."""
        return self.success + self.failure + self.unknown


@dataclass(frozen=True, slots=True)
class RuleNote:
    """What the report says of a rule that fired: its exact version, and what its author knows.

    ``digest`` is the SHA-256 of the compiled rule; ``attack`` holds ATT&CK technique ids (``T1110.004``). Texts are
    English msgids, translated when shown.
    """

    rule_id: str
    version: int
    title: str
    digest: str = ""
    attack: tuple[str, ...] = ()
    advice: str = ""
    false_positives: tuple[str, ...] = ()


@dataclass(frozen=True)
class Investigation:
    """Everything one investigation found out, ready to be told; built by the story.

    ``unjoined`` counts what could not be joined to an account, by why (``session_without_account``, ...).
    ``enrichment_notes`` say what was not known offline (no ASN table installed). ``command`` is the command line as
    given, ``rules_digest`` the SHA-256 over all rules run, ``versions`` name -> version of what computed it.
    ``timezone`` is an IANA name: every time a person reads is in it. ``logs_missing`` name the kinds of log that a
    question needs and nobody gave.
    """

    folder: Path
    started_at: datetime
    finished_at: datetime
    sources: tuple[SourceRead, ...]
    gaps: tuple[Gap, ...]
    detections: tuple[Detection, ...]
    leads: tuple[Lead, ...]
    scope: ScopeDraft
    timeline: tuple[TimelinePoint, ...] = ()
    rules: tuple[RuleNote, ...] = ()
    kept: tuple[int, int, int] | None = None  # events between --since and --until: how many, the first ts, the last ts
    unjoined: dict[str, int] = field(default_factory=dict)
    unjoined_examples: tuple[str, ...] = ()  # a few of them, as the logs write them
    enrichment_notes: tuple[Reason, ...] = ()
    logs_missing: tuple[Reason, ...] = ()
    files_written: tuple[Path, ...] = ()
    command: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    rules_digest: str = ""
    rules_run: int = 0
    timezone: str = "UTC"
    language: str = "en"
    seconds: float = 0.0

    @property
    def lines(self) -> int:
        """Lines of all sources."""
        return sum(source.lines for source in self.sources)

    @property
    def parsed(self) -> int:
        """Lines that became events."""
        return sum(source.parsed for source in self.sources)

    @property
    def rejected(self) -> int:
        """Lines kept aside with their reason."""
        return sum(source.rejected for source in self.sources)


class Tone(StrEnum):
    """How the answer is framed: never by colour alone, the words say the same."""

    CLEAR = "clear"  # nothing found
    TRIED = "tried"  # somebody tried, nobody got in
    COPIED = "copied"  # no personal data, but something was taken
    HARMED = "harmed"  # accounts used, personal data read, or an identity of the operator's used


class SentenceKind(StrEnum):
    """What a sentence of the answer is about; terminal and report may mark them apart."""

    OUTCOME = "outcome"  # what happened, and to how many
    DATA = "data"  # which kinds of data were or were not reached, or cannot be told
    MEASURES = "measures"  # what those affected must do
    CLEARED = "cleared"  # who was considered and excluded
    LIMITS = "limits"  # what the logs cannot tell


@dataclass(frozen=True, slots=True)
class Sentence:
    """One plain sentence in the reader's language; plain text, to be escaped where it is shown."""

    kind: SentenceKind
    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The plain-words answer: ``sentences`` in reading order, the first one the most important."""

    tone: Tone
    sentences: tuple[Sentence, ...]

    @property
    def text(self) -> str:
        """Return the whole answer as one line of text."""
        return " ".join(sentence.text for sentence in self.sentences)

"""What can be wrong with a rule, or with the evidence of a detection."""

from tocsin.kernel.errors import TocsinError


class RuleRefused(TocsinError):
    """A rule that cannot be expressed exactly: refused with file and line, never weakened."""


class EvidenceRefused(TocsinError):
    """A detection's evidence that cannot be asked for: unknown, altered, or not one SELECT."""

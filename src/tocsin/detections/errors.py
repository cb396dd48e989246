"""What can be wrong with a rule, or with the evidence of a detection."""

from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import gettext_noop


class RuleRefused(TocsinError):
    """A rule that cannot be expressed exactly: refused with file and line, never weakened."""

    usual_mend = gettext_noop("Mend the file there, then try it with `tocsin rules test`.")


class EvidenceRefused(TocsinError):
    """A detection's evidence that cannot be asked for: unknown, altered, or not one SELECT."""

    usual_mend = gettext_noop("Somebody changed the folder, or another version wrote it: investigate the logs again.")

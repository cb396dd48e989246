"""What can go wrong with an approval."""

from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import gettext_noop


class ApprovedAlready(TocsinError):
    """This person has approved exactly this digest before."""

    usual_mend = gettext_noop("Nothing is left for you to do: one signature of each person counts.")

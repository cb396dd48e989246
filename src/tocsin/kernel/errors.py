"""What every error of Tocsin can say: what is wrong, where, and how to mend it."""

from pathlib import Path

from tocsin.kernel.language import gettext


class TocsinError(Exception):
    """A mistake the operator can understand and mend; printed without a traceback.

    ``where`` is a place a person can open (``rules/x.yml:12``), ``mend`` one sentence in the imperative,
    ``exit_code`` what the command line ends with. A class whose errors are mended alike says it once, untranslated, as
    ``usual_mend``.
    """

    exit_code = 2
    usual_mend = ""

    def __init__(self, what: str, *, where: str | Path = "", mend: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = str(where)
        self.mend = mend or gettext(self.usual_mend)

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{place}{self.what}" + (f" {self.mend}" if self.mend else "")

"""Writing the report."""

import os
import secrets
from pathlib import Path

from tocsin.kernel import language
from tocsin.reports import page
from tocsin.reports.values import Investigation

REPORT_NAME = "report.html"


def write_report(investigation: Investigation, *, folder: Path) -> Path:
    """Write ``folder/report.html`` aside (0600: it names people), then rename it into place; return its path."""
    path = folder / REPORT_NAME
    aside = folder / f".{REPORT_NAME}.{secrets.token_hex(8)}"
    with language.use(investigation.language):
        text = page.rendered(investigation)
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as handle:
            handle.write(text)
            handle.flush()
            os.fsync(handle.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    return path

"""Run ``tocsin`` with a clock that is off by as many seconds as a file says, and may be set at any moment.

Usage: stepped_clock.py FILE COMMAND...
"""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tocsin.kernel import clock
from tocsin.project.main import main

_OFF = Path(sys.argv.pop(1))


def _now() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=float(_OFF.read_text()))


clock.now = _now
sys.exit(main())

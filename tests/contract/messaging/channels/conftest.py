"""The providers of the channels' contract suite, for whole ways through the outbox."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "channels"))

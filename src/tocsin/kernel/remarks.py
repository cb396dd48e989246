"""What a check of something outside found, one remark a thing."""

from dataclasses import dataclass
from enum import StrEnum


class Standing(StrEnum):
    """How one thing that was checked is."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"  # what it is for would not be done


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing that was checked, in a translated sentence, and what mends it."""

    standing: Standing
    text: str
    mend: str = ""

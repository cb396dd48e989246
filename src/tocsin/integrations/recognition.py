"""How sure a format may be that a sample is its own: shares of lines that match, shares of records that have its keys."""

import re
from collections.abc import Callable
from functools import lru_cache

from tocsin.events.values import Sample, Shape

CONTAINER_PREFIX = r"(?:\d{4}-\d\d-\d\dT\S+ std(?:out|err) [FP] )?"  # what a container runtime writes before each line
QUOTED = r'((?:[^"\\]|\\.)*)'  # inside of a quoted field, quotes escaped by a backslash


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def lines_matching(sample: Sample, pattern: str, *, directive: str = "") -> float:
    """Return the share (0..1) of lines that are neither empty nor directives and match ``pattern`` from their start."""
    if sample.shape is not Shape.TEXT:
        return 0.0
    lines = [line for line in sample.lines if line.strip() and not (directive and _compiled(directive).search(line))]
    if not lines:
        return 0.0
    return sum(1 for line in lines if _compiled(pattern).search(line)) / len(lines)


def value_at(record: object, path: str) -> object:
    """Return what stands at a dotted path of a record, or None."""
    for key in path.split("."):
        if not isinstance(record, dict):
            return None
        record = record.get(key)
    return record


def records_where(sample: Sample, holds: Callable[[dict[str, object]], bool]) -> float:
    """Return the share (0..1) of records for which ``holds``."""
    if not sample.records:
        return 0.0
    return sum(1 for record in sample.records if holds(record)) / len(sample.records)


def records_with(sample: Sample, *paths: str) -> float:
    """Return the share (0..1) of records that have something at every one of the dotted paths."""
    return records_where(sample, lambda record: all(value_at(record, path) is not None for path in paths))


def by_pattern(
    pattern: str, *, directive: str = "", unless: str = "", ceiling: float = 0.97
) -> Callable[[Sample], float]:
    """Recognise a text format by its own pattern; ``unless`` is the pattern of a closer relative that wins."""

    def recognise(sample: Sample) -> float:
        share = lines_matching(sample, pattern, directive=directive)
        if share > 0 and unless and lines_matching(sample, unless, directive=directive) >= share / 2:
            return 0.0
        return share * ceiling

    return recognise


def by_keys(
    *key_sets: tuple[str, ...],
    shapes: tuple[Shape, ...] = (Shape.JSON, Shape.CSV, Shape.PARQUET),
    ceiling: float = 0.95,
) -> Callable[[Sample], float]:
    """Recognise records by sets of dotted paths: a record counts when it has all paths of any one set."""

    def holds(record: dict[str, object]) -> bool:
        return any(all(value_at(record, path) is not None for path in paths) for paths in key_sets)

    def recognise(sample: Sample) -> float:
        return records_where(sample, holds) * ceiling if sample.shape in shapes else 0.0

    return recognise


def stated(share: float) -> float:
    """Return how sure a format is that the operator named: a fifth of the file is enough, and others must be surer."""
    return 0.6 + 0.4 * share if share >= 0.2 else 0.0

"""Which field of a sample plays which part: chosen by name, and for times and addresses also by what stands in it."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address

from tocsin.events.values import Sample

Path = tuple[str, ...]
FIRST = "[1]"  # the last step of a path to the first element of a list
DEPTH_MAX = 4
# What is inside these tells of the machine that wrote the log, not of who asked.
_SERVER_SIDE = {"host", "server", "destination", "dst", "dstendpoint", "agent", "observer", "container", "upstream", "kubernetes",
                "cloud", "log", "ecs", "responseelements", "orchestrator"}  # fmt: skip
_ISO = re.compile(r"^\d{4}[-/]\d\d[-/]\d\d(?:[T ]\d\d:\d\d|$)")
_CLF = re.compile(r"^\d{1,2}/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d")
# 2001 to 2100 as seconds, milliseconds, microseconds or nanoseconds since 1970.
_EPOCHS = tuple((978307200 * 10**power, 4102444800 * 10**power) for power in (0, 3, 6, 9))


def plain(name: str) -> str:
    """Return a name without case and signs, as the vocabulary has it."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def looks_like_time(value: object) -> bool:
    """Tell whether a value is a moment some macro of the dialect can read."""
    if isinstance(value, bool):
        return False
    if isinstance(value, int | float):
        return any(low <= value < high for low, high in _EPOCHS)
    if not isinstance(value, str):
        return False
    text = value.strip()
    if _ISO.match(text) or _CLF.match(text):
        return True
    return bool(re.fullmatch(r"\d{10,19}(?:\.\d+)?", text)) and any(low <= float(text) < high for low, high in _EPOCHS)


def looks_like_address(value: object) -> bool:
    """Tell whether a value is an address, with a port or without."""
    if not isinstance(value, str):
        return False
    text = value.strip()
    if text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        ip_address(text.partition("]")[0].lstrip("[").partition("%")[0])
    except ValueError:
        return False
    return True


def _leaves(record: Mapping[str, object], *, nested: bool, at: Path = ()) -> Iterator[tuple[Path, object]]:
    for key, value in record.items():
        path = (*at, str(key))
        if nested and isinstance(value, dict) and len(path) < DEPTH_MAX:
            yield from _leaves(value, nested=True, at=path)
        elif isinstance(value, list):
            if value and isinstance(value[0], str | int | float):
                yield (*path, FIRST), value[0]
        elif value is not None and not isinstance(value, dict) and value != "":
            yield path, value


@dataclass(slots=True)
class Fields:
    """The fields of a sample: how often each is filled and with what, and by which plain name it can be found."""

    records: int
    filled: Counter[Path] = field(default_factory=Counter)
    values: dict[Path, list[object]] = field(default_factory=dict)
    by_name: dict[str, list[Path]] = field(default_factory=dict)

    def among(
        self, names: Iterable[str], *, fits: Callable[[object], bool] | None = None, without: Iterable[Path] = ()
    ) -> list[Path]:
        """Return the fields that have one of the names, in the order of the names; ``fits`` looks at the values too."""
        taken = set(without)
        found: list[Path] = []
        for name in names:
            for path in self.by_name.get(name, ()):
                if path in taken or path in found:
                    continue
                if fits is None or self.mostly(path, fits):
                    found.append(path)
        return found

    def mostly(self, path: Path, fits: Callable[[object], bool]) -> bool:
        """Tell whether at least half of a field's values fit; the others may be an intruder's."""
        values = self.values[path]
        return 2 * sum(1 for value in values if fits(value)) >= len(values)


def fields_of(sample: Sample, *, nested: bool) -> Fields:
    """Look through a sample's records. A nested field is found by its whole path and by its last two names or one."""
    fields = Fields(records=len(sample.records))
    for record in sample.records:
        for path, value in _leaves(record, nested=nested):
            fields.filled[path] += 1
            kept = fields.values.setdefault(path, [])
            if len(kept) < 50:
                kept.append(value)
    # Outer fields first: ``ip`` of the record itself is surer than ``ip`` of something inside it.
    for path in sorted(fields.filled, key=lambda each: (len(each), -fields.filled[each])):
        depths = 1 if plain(path[0]) in _SERVER_SIDE else len(path)
        for depth in range(depths):
            name = plain("".join(step for step in path[depth:] if step != FIRST))
            if name and path not in fields.by_name.setdefault(name, []):
                fields.by_name[name].append(path)
    return fields


def structure_of(paths: Iterable[Path]) -> tuple[dict[str, object], set[Path]]:
    """Return the nested structure DuckDB reads these paths with, and the paths that fit into it together.

    DuckDB's field names know no case, and a name cannot be a text and an object at once: the earlier path wins.
    """
    structure: dict[str, object] = {}
    kept: set[Path] = set()
    for path in paths:
        steps = [step for step in path if step != FIRST]
        level, fits = structure, True
        for step in steps[:-1]:
            spelt = next((key for key in level if key.lower() == step.lower()), None)
            following = level.setdefault(step, {}) if spelt is None or spelt == step else None
            if not isinstance(following, dict):
                fits = False
                break
            level = following
        leaf: object = ["VARCHAR"] if path[-1] == FIRST else "VARCHAR"
        if fits and all(key.lower() != steps[-1].lower() for key in level):
            level[steps[-1]] = leaf
            kept.add(path)
    return structure, kept

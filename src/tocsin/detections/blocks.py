"""Reading our own blocks of a rule file: checked keys, names, expressions and durations, each refusal with its line."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tocsin.detections.durations import duration_ms
from tocsin.detections.expressions import Expression, ExpressionRefused, Value, literal, parse
from tocsin.detections.places import Document
from tocsin.events.values import COLUMN_TYPES

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
# Names the compiled SELECT uses itself, and the reserved words of the three engines that a measure might be called.
RESERVED = frozenset(
    {
        "ts",
        "run",
        "first_ts",
        "last_ts",
        "events",
        "q",
        "v",
        "edge_ts",
        "step",
        "tally",
        "starts",
        "island",
        "one",
        "all",
        "and",
        "any",
        "as",
        "by",
        "case",
        "count",
        "date",
        "desc",
        "end",
        "first",
        "from",
        "group",
        "having",
        "in",
        "is",
        "join",
        "key",
        "last",
        "left",
        "limit",
        "not",
        "null",
        "offset",
        "on",
        "or",
        "order",
        "over",
        "right",
        "row",
        "rows",
        "select",
        "table",
        "then",
        "to",
        "union",
        "user",
        "using",
        "when",
        "where",
        "window",
        "with",
        "mark_ts",
        "before_ts",
        "before_q",
        "next_ts",
    }
)


@dataclass(slots=True)
class Vocabulary:
    """The names a rule has given so far, and what each stands for."""

    document: Document
    selections: Mapping[str, str]
    parameters: dict[str, str | int | float] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)  # name -> SQL over one event
    columns: set[str] = field(default_factory=set)  # columns of an event that were asked for
    flags: set[str] = field(default_factory=set)  # selections that were asked for
    previous: set[str] = field(default_factory=set)
    taken: set[str] = field(default_factory=set)

    def refuse(self, what: str, *path: str | int, mend: str = "") -> Exception:
        """Return the error to raise for something at ``path``."""
        return self.document.refuse(what, *path, mend=mend)

    def mapping(
        self, value: object, *path: str | int, allowed: set[str] | None = None, needed: set[str] | None = None
    ) -> dict[str, Any]:
        """Return a block as a mapping; unknown and missing keys are refused."""
        if not isinstance(value, dict):
            raise self.refuse(f"{path[-1]} must be a mapping", *path)
        for key in value:
            if allowed is not None and key not in allowed:
                raise self.refuse(
                    f"Unknown key {key}", *path, str(key), mend=f"Known here: {', '.join(sorted(allowed))}."
                )
        for key in sorted((needed or set()) - value.keys()):
            raise self.refuse(f"{key} is missing", *path)
        return value

    def texts(self, value: object, *path: str | int) -> list[str]:
        """Return one text or a list of texts as a list."""
        texts: list[str] = []
        for number, text in enumerate(value if isinstance(value, list) else [value]):
            if not isinstance(text, str):
                raise self.refuse(f"{path[-1]} must be texts", *path, number)
            texts.append(text)
        return texts

    def new_name(self, name: object, *path: str | int) -> str:
        """Check a name the author chose: it must be free and plain."""
        text = str(name)
        if not _NAME.fullmatch(text) or text in RESERVED or text in COLUMN_TYPES or text.startswith("previous_"):
            raise self.refuse(
                f"{text} cannot be a name: lower case, digits and _, no column and no word of SQL", *path, text
            )
        if re.fullmatch(r"r\d+|usual_\d+", text) or text in self.taken or text in self.selections:
            raise self.refuse(f"The name {text} is already taken", *path, text)
        self.taken.add(text)
        return text

    def duration(self, value: object, *path: str | int) -> int:
        """Return a length of time in milliseconds."""
        named = self.parameters.get(value, value) if isinstance(value, str) else value
        found = duration_ms(named)
        if not found:
            raise self.refuse(f"{value} is not a length of time", *path, mend="Write 90s, 10m, 1h, 7d or 2w.")
        return found

    def expression(self, value: object, *path: str | int) -> Expression:
        """Parse an expression."""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self.refuse(f"{path[-1]} must be an expression", *path)
        try:
            return parse(str(value))
        except ExpressionRefused as error:
            raise self.refuse(str(error), *path) from error

    def event_sql(self, value: object, *path: str | int, in_rows: bool = True) -> str:
        """Return SQL over one event: columns, parameters, ``fields``, and with ``in_rows`` selections and
        previous_<column>.
        """
        expression = self.expression(value, *path)
        known: dict[str, str] = {}
        for name in expression.names:
            if name in self.fields:
                known[name] = f"({self.fields[name]})"
            elif name in self.parameters:
                known[name] = self.parameter_sql(name)
            elif name in COLUMN_TYPES and name != "unmapped":
                self.columns.add(name)
                known[name] = name
            elif in_rows and name in self.selections:
                self.flags.add(name)
                known[name] = f"({name} = 1)"
            elif in_rows and name.startswith("previous_") and name[9:] in COLUMN_TYPES:
                self.previous.add(name[9:])
                self.columns.add(name[9:])
                known[name] = name
        return self.written(expression, known, *path)

    def measure_sql(self, value: object, known: Mapping[str, str], *path: str | int) -> str:
        """Return SQL over measures and parameters."""
        expression = self.expression(value, *path)
        bound = {name: self.parameter_sql(name) for name in expression.names if name in self.parameters}
        return self.written(expression, {**bound, **known}, *path)

    def written(self, expression: Expression, names: Mapping[str, str], *path: str | int) -> str:
        """Write an expression as SQL, or refuse it where it stands."""
        try:
            return expression.sql(names)
        except ExpressionRefused as error:
            raise self.refuse(str(error), *path) from error

    def parameter_sql(self, name: str) -> str:
        """Return a parameter as a literal; a length of time counts milliseconds."""
        value: Value = self.parameters[name]
        milliseconds = duration_ms(value)
        return literal(value if milliseconds is None else milliseconds)

    def flag_sql(self, name: object, *path: str | int) -> str:
        """Return the condition that an event falls under a named selection."""
        if not isinstance(name, str) or name not in self.selections:
            raise self.refuse(f"There is no selection {name}", *path, mend="Name one of the blocks under detection.")
        self.flags.add(name)
        return f"{name} = 1"

"""Building SQL for the columns of a format: literals, choices and the columns every HTTP log shares."""

from collections.abc import Iterable, Mapping


def literal(value: str) -> str:
    """Return a SQL string literal; safe for any text, also a hostile one."""
    return "'" + value.replace("\x00", "").replace("'", "''") + "'"


def name(value: str) -> str:
    """Return a quoted SQL identifier; safe for any text, also a hostile one."""
    return '"' + value.replace("\x00", "").replace('"', '""') + '"'


def first(*expressions: str) -> str:
    """Return SQL for the first of the texts that says something."""
    return f"coalesce({', '.join(f'blank({each})' for each in expressions)})"


def one_of(values: Iterable[str]) -> str:
    """Return a SQL list for IN."""
    return "(" + ", ".join(literal(each) for each in values) + ")"


def choose(expression: str, meanings: Mapping[str, str | int], otherwise: str = "NULL") -> str:
    """Return a CASE that maps texts to values; ``otherwise`` is SQL."""
    arms = " ".join(
        f"WHEN {literal(key)} THEN {literal(value) if isinstance(value, str) else value}"
        for key, value in meanings.items()
    )
    return f"CASE {expression} {arms} ELSE {otherwise} END"


def http_request(*, method: str, target: str, status: str) -> dict[str, str]:
    """Return the columns of an HTTP access (OCSF 4002) from SQL texts of its method, request target and status."""
    return {
        "class_uid": "4002",
        "activity_id": f"http_activity({method})",
        "api_operation": f"blank({method})",
        "http_method": f"blank({method})",
        "url_path": f"path_of(blank({target}))",
        "url_query": f"query_of(blank({target}))",
        "status_code": f"blank({status})",
    }

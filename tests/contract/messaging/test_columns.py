"""Columns of many rows are read by PostgreSQL exactly as they were written."""

from typing import Any

import pytest
from django.db import connection

from tocsin.messaging import columns

NASTY = [
    "", "a", "NULL", "null", " ", "a,b", "{a}", '"', '""', '","', "\\", "\\\\", '\\"', "'", "é", "👋", "a\nb", "\t", "%s",
]  # fmt: skip


@pytest.mark.parametrize(
    "texts", [[], *([each] for each in NASTY), NASTY, ["", ""], ["plain", "other"], ['","', "plain"]], ids=repr
)
def test_texts_are_read_as_they_were_written(outbox: Any, texts: list[str]):
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::text[]", [columns.texts(iter(texts))])
        assert cursor.fetchone() == (texts,)

"""The work on events takes what it may of the memory, and puts the rest on disk."""

import duckdb
import pytest

from tocsin.events import memory
from tocsin.events.errors import QueryRefused
from tocsin.events.queries import EventStore
from tocsin.kernel.errors import TocsinError

LARGE_SORT = "SELECT count(*) FROM (SELECT hash(i) AS h, repeat('x', 100) AS t FROM range(5000000) r(i) ORDER BY h)"


def test_half_of_the_machine_is_taken_unless_the_setting_says_otherwise(monkeypatch):
    monkeypatch.delenv(memory.SETTING, raising=False)
    assert memory.limit_mib() == max(memory.LEAST_MIB, memory.machine_mib() // 2)
    monkeypatch.setenv(memory.SETTING, "3000")
    assert memory.limit_mib() == 3000


@pytest.mark.parametrize("said", ["much", "-5", "4GB", "10"])
def test_a_setting_that_is_no_size_or_too_small_is_an_error_that_says_how_to_mend_it(monkeypatch, said):
    monkeypatch.setenv(memory.SETTING, said)
    with pytest.raises(TocsinError) as told:
        memory.limit_mib()
    assert told.value.mend


def test_a_container_s_limit_counts_when_it_is_below_the_machine_s(monkeypatch, tmp_path):
    (tmp_path / "memory.max").write_text("536870912\n")
    monkeypatch.setattr(memory, "_CONTAINER", (tmp_path / "memory.max", tmp_path / "absent"))
    assert memory.machine_mib() == 512
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.machine_mib() > 512


def test_a_question_larger_than_the_limit_spills_into_the_scratch_folder_and_nowhere_else(monkeypatch, tmp_path):
    monkeypatch.setenv(memory.SETTING, str(memory.LEAST_MIB))
    with EventStore((), scratch=tmp_path / "scratch", threads=1) as store:
        assert store.column(LARGE_SORT) == [5_000_000]
        (limit,) = store.column("SELECT memory_limit FROM (SELECT current_setting('memory_limit') AS memory_limit)")
    assert limit.startswith("256")
    with EventStore((), threads=1) as store, pytest.raises(QueryRefused):
        store.temporary("kept", "SELECT repeat('x', 100) || i AS t FROM range(8000000) r(i)")


def test_shares_of_the_limit_are_never_less_than_one_sort_needs():
    with duckdb.connect() as connection:
        connection.execute(memory.limits_sql(spill=None, shares=10_000))
        assert connection.execute("SELECT current_setting('memory_limit')").fetchall() == [("256.0 MiB",)]

"""Parsers working side by side change the time it takes, and nothing else."""

import gzip

import pytest

from tocsin.events import commands
from tocsin.events.commands import ReadingOptions


@pytest.mark.parametrize("threads", [1, 3])
def test_many_files_are_told_in_their_order_and_counted_once_whoever_reads_them(tmp_path, combined, formats, threads):
    logs = tmp_path / "logs"
    logs.mkdir()
    for number in range(12):
        (logs / f"{number:02}.log").write_bytes(combined(20, start=number * 20))
    (logs / "05_again.log").write_bytes(combined(20, start=100))  # the very same bytes as 05.log
    (logs / "06_packed.log.gz").write_bytes(gzip.compress(combined(20, start=120)))
    (logs / "07_grown.log").write_bytes(combined(30, start=140))
    told = []
    sources, _unjoined = commands.read_sources(
        [logs],
        folder=tmp_path / "findings",
        formats=formats,
        options=ReadingOptions(),
        threads=threads,
        told=told.append,
    )
    names = [source.path.rpartition("/")[2] for source in told]
    assert names == sorted(names)
    assert len(names) == 14
    assert {source.path.rpartition("/")[2]: source.repeated for source in sources if source.repeated} == {
        "06_packed.log.gz": 20,
        "07.log": 20,
    }
    assert sum(source.parsed - source.repeated for source in sources) == 12 * 20 + 10


def test_small_files_read_many_at_a_time_say_what_each_says_alone(tmp_path, read, combined):
    logs = tmp_path / "logs"
    logs.mkdir()
    for number in range(70):  # more than are read at a time, of three formats, with broken lines between
        text = combined(5, start=number * 5)
        if number % 3 == 1:
            text = b"".join(
                b'{"time": "2026-05-17T00:%02d:%02dZ", "user": "ann"}\n' % (number % 60, n) for n in range(5)
            )
        if number % 3 == 2:
            text = b"account,time,ip\n" + b"".join(
                b"bob,2026-05-17T01:%02d:%02dZ,192.0.2.9\n" % (number % 60, n) for n in range(5)
            )
        (logs / f"{number:02}.log").write_bytes(text + b"\x00junk %d\n\n" % number)
    together = read([logs], folder="together")
    assert len(together.sources) == 70
    rejected = together.rejected().splitlines()
    for number, source in enumerate(together.sources):
        if number % 9 < 3:
            alone = read([logs / f"{number:02}.log"], folder=f"alone-{number}")
            assert alone.sources == (source,)
            assert alone.rows() == together.rows(where=f"source_id = '{source.source_id}'")
            assert set(alone.rejected().splitlines()) == {line for line in rejected if f"/{number:02}.log" in line}

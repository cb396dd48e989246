"""Any bytes as a log file: never a crash, and parsed + rejected is always lines."""

import gzip
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from tocsin import wiring
from tocsin.events import commands, queries
from tocsin.events.commands import ReadingOptions
from tocsin.events.errors import NothingReadable

FORMATS = wiring.formats()
LINES = (
    b'192.0.2.1 - - [17/May/2026:10:05:03 +0000] "GET /a HTTP/1.1" 200 203 "-" "curl/8"\n',
    b'{"time": "2026-01-01T00:00:00Z", "ip": "192.0.2.1", "user": "ann"}\n',
    b'{"Records": [{"eventTime": "2026-01-01T00:00:00Z", "eventName": "GetObject"}, {"ev',
    b'time,ip,user,path\n2026-01-01T00:00:00Z,192.0.2.1,"ann,/x\n',
    b"Mar 27 13:06:56 host sshd[1]: Failed password for root from 192.0.2.1 port 1 ssh2\n",
    b"#Fields: date time c-ip\n",
    b"[[[[[[[[{",
    b"\x1f\x8b\x08\x00",
    b"PAR1",
    b"\xff\xfeG\x00E\x00T\x00\n\x00",
    b"\r\n\r\n",
    b"\x00\x01\x02\x03",
)
contents = st.lists(st.one_of(st.sampled_from(LINES), st.binary(max_size=60)), max_size=12).map(b"".join)


def _read(paths: list[Path], folder: Path) -> tuple[int, int]:
    try:
        sources, _unjoined = commands.read_sources(
            paths, folder=folder, formats=FORMATS, options=ReadingOptions(), threads=1
        )
    except NothingReadable:
        sources = queries.sources(folder)
    for source in sources:
        assert source.parsed + source.rejected == source.lines
        assert source.rejected == sum(source.rejected_by_reason.values())
    return sum(source.lines for source in sources), sum(source.parsed for source in sources)


@pytest.mark.timeout(300)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(files=st.lists(st.tuples(contents, st.booleans()), min_size=1, max_size=6))
def test_any_bytes_are_read_without_a_crash_and_every_line_is_accounted_for(files):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = []
        for number, (content, packed) in enumerate(files):
            path = folder / f"{number}.log"
            path.write_bytes(gzip.compress(content) if packed else content)
            paths.append(path)
        counted = _read(paths, folder / "out")
        assert _read(paths, folder / "out") == counted, "a second run changes nothing"

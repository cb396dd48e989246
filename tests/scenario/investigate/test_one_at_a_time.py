"""Two investigations into one folder: the second says so and touches nothing."""

import pytest

from tocsin import story, wiring
from tocsin.kernel import files
from tocsin.kernel.errors import TocsinError


def test_a_second_investigation_into_the_same_folder_is_refused_until_the_first_ends(tmp_path):
    log = tmp_path / "a.log"
    log.write_text('192.0.2.1 - - [17/May/2026:10:05:03 +0000] "GET /a HTTP/1.1" 200 203 "-" "curl/8"\n')
    out = tmp_path / "out"
    (out / ".partial").mkdir(parents=True)
    with files.held(out / ".partial" / "lock") as free:
        assert free
        with pytest.raises(TocsinError, match="Another investigation"):
            story.investigate([log], out=out, formats=wiring.formats())
        assert not (out / "summary.json").exists()
    assert story.investigate([log], out=out, formats=wiring.formats()).parsed == 1
    assert story.investigate([log], out=out, formats=wiring.formats()).parsed == 1

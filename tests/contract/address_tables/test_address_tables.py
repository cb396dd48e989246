"""The tables of networks and countries: only the archive that was checked is opened, and events learn from them."""

import base64
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from tocsin import wiring
from tocsin.events import commands, queries
from tocsin.events.commands import ReadingOptions
from tocsin.integrations.address_tables import packages
from tocsin.integrations.address_tables.packages import Package
from tocsin.kernel.errors import TocsinError

FIRST, LAST = 3221225984, 3221226239  # 192.0.2.0 to 192.0.2.255
FIRST_6 = 42540766411282592856903984951653826560  # 2001:db8::
MEMBERS = {
    "asn-4.csv": f'{FIRST},{LAST},64500,"Example, Inc."\n',
    "asn-6.csv": f"{FIRST_6},{FIRST_6 + 65535},64501,Example\n",
    "country-4.csv": f"{FIRST},{LAST},FR\n",
    "country-6.csv": f"{FIRST_6},{FIRST_6 + 65535},SE\n",
    "countries.json": json.dumps([{"cca2": "FR", "latlng": [46.0, 2.0]}, {"cca2": "SE", "latlng": [62.0, 15.0]}]),
}


@pytest.fixture
def archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with one small archive, and pin that archive."""
    folder = tmp_path / "archives"
    folder.mkdir()
    path = folder / "tables-1.0.0.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name, text in MEMBERS.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    digest = base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
    pinned = Package("tables", "1.0.0", f"sha512-{digest}", tuple(MEMBERS), "made up")
    monkeypatch.setattr(packages, "PACKAGES", (pinned,))
    return folder


def test_events_learn_network_country_and_place_from_the_tables(tmp_path: Path, archives: Path):
    work, tables = tmp_path / "work", tmp_path / "tables"
    work.mkdir()
    tables.mkdir()
    asn4, asn6, country4, country6, centres = packages.unpack(work, archives=archives)
    counts = commands.keep_tables(networks=(asn4, asn6), countries=(country4, country6), centres=centres, folder=tables)
    assert counts == {"asn": 2, "place": 2}
    log = tmp_path / "a.log"
    log.write_text(
        "".join(
            f'{address} - - [17/May/2026:10:05:0{n} +0000] "GET /a HTTP/1.1" 200 203 "-" "curl/8"\n'
            for n, address in enumerate(["192.0.2.7", "2001:db8::5", "198.51.100.1"])
        )
    )
    kept = {name: tables / f"{name}.parquet" for name in counts}
    commands.read_sources(
        [log], folder=tmp_path / "out", formats=wiring.formats(), options=ReadingOptions(), tables=kept, threads=1
    )
    with queries.open_events(tmp_path / "out") as store:
        rows = store.rows("SELECT src_asn, src_country, src_latitude, src_longitude FROM events ORDER BY line")
    assert [tuple(row.values()) for row in rows] == [
        (64500, "FR", 46.0, 2.0),
        (64501, "SE", 62.0, 15.0),
        (None, None, None, None),
    ]


def test_an_archive_that_is_not_the_checked_one_is_refused_and_nothing_of_it_is_taken_out(
    tmp_path: Path, archives: Path
):
    work = tmp_path / "work"
    work.mkdir()
    assert len(packages.unpack(work, archives=archives)) == len(MEMBERS)
    for path in work.iterdir():
        path.unlink()
    archive = archives / "tables-1.0.0.tgz"
    archive.write_bytes(archive.read_bytes() + b"\0")
    with pytest.raises(TocsinError, match="SHA-512"):
        packages.unpack(work, archives=archives)
    assert list(work.iterdir()) == []


def test_a_missing_archive_is_named_with_the_command_that_fetches_it(tmp_path: Path, archives: Path):
    (archives / "tables-1.0.0.tgz").unlink()
    with pytest.raises(TocsinError, match=r"npm pack tables@1\.0\.0"):
        packages.unpack(tmp_path, archives=archives)

"""Every line is either an event or kept with its reason, whatever the file is like."""

import gzip
import json
import os
import stat

import pytest
from backports import zstd

from tocsin.events.errors import NothingReadable, SourceUnreadable


def test_plain_gzip_and_zstd_say_the_same(tmp_path, read, combined):
    text = combined(50)
    for name, packed in (("a.log", text), ("b.log.gz", gzip.compress(text)), ("c.log.zst", zstd.compress(text))):
        path = tmp_path / name
        path.write_bytes(packed)
        reading = read([path], folder=name + ".out")
        assert [source.parsed for source in reading.sources] == [50]
        assert [row["object_id"] for row in reading.rows("object_id")] == [str(n) for n in range(50)]


def test_every_line_of_a_broken_file_is_parsed_or_kept_with_line_and_reason(tmp_path, read, combined):
    path = tmp_path / "broken.log"
    long_line = b"x" * 1_000_000
    path.write_bytes(combined(3) + b"\xff\xfe\x00junk\n\n" + long_line + b"\nlatin \xe9\n" + combined(2, start=3)[:-1])
    reading = read([path])
    (source,) = reading.sources
    assert (source.lines, source.parsed, source.rejected) == (9, 5, 4)
    kept = [json.loads(line) for line in reading.rejected().splitlines()]
    assert [entry["line"] for entry in kept] == [4, 5, 6, 7]
    assert kept[1]["reason"] == "empty line"
    assert len(kept[2]["raw"]) == 1_000_000
    assert "é" in kept[3]["raw"]
    assert stat.S_IMODE(os.stat(reading.folder / "rejected.jsonl.gz").st_mode) == 0o600


@pytest.mark.parametrize("cut_at", [0.3, 0.6, 0.95])
def test_a_cut_off_gzip_is_recovered_up_to_the_cut_and_its_fragment_is_one_rejection(tmp_path, read, combined, cut_at):
    packed = gzip.compress(combined(2000))
    path = tmp_path / "cut.log.gz"
    path.write_bytes(packed[: int(len(packed) * cut_at)])
    (source,) = read([path]).sources
    assert 0 < source.parsed < 2000
    assert source.rejected == 1
    assert any("cut off" in reason for reason in source.rejected_by_reason)


def test_records_arrays_and_lines_of_json_are_all_read(tmp_path, read):
    events = [
        {"time": f"2026-01-01T00:00:0{n}Z", "ip": "192.0.2.1", "user": "ann", "path": f"/x/{n}"} for n in range(5)
    ]
    shapes = {
        "lines.json": "\n".join(json.dumps(event) for event in events),
        "pretty.json": json.dumps(events, indent=3),
        "records.json": json.dumps({"Records": events}),
        "one-by-one.json": "\n".join(json.dumps(event, indent=1) for event in events),
    }
    for name, text in shapes.items():
        path = tmp_path / name
        path.write_text(text)
        reading = read([path], folder=name + ".out")
        assert [source.parsed for source in reading.sources] == [5], name
        assert [row["line"] for row in reading.rows("line")] == [1, 2, 3, 4, 5]


def test_a_damaged_element_costs_itself_and_not_the_rest_of_the_document(tmp_path, read):
    events = [json.dumps({"time": f"2026-01-01T00:00:0{n}Z", "ip": "192.0.2.1", "user": "ann"}) for n in range(5)]
    events[2] = events[2].replace('"ip":', '"ip"::')
    path = tmp_path / "damaged.json"
    path.write_text('{"Records":[' + ",".join(events) + "]}")
    (source,) = read([path]).sources
    assert (source.lines, source.parsed, source.rejected) == (5, 4, 1)


def test_a_stray_quote_in_csv_costs_its_own_row(tmp_path, read):
    path = tmp_path / "rows.csv"
    path.write_text(
        'time,ip,user,path\n2026-01-01T00:00:00Z,192.0.2.1,"a\nb",/x\n'
        '2026-01-01T00:00:01Z,192.0.2.1,"stray,/x\n2026-01-01T00:00:02Z,192.0.2.1,ann,/x\n'
    )
    (source,) = read([path]).sources
    assert (source.lines, source.parsed, source.rejected_by_reason) == (3, 2, {"stray quote": 1})


def test_the_same_file_again_or_packed_or_grown_adds_nothing_twice(tmp_path, read, combined):
    path = tmp_path / "logs" / "access.log"
    path.parent.mkdir()
    path.write_bytes(combined(30))
    assert len(read([path]).rows("line")) == 30
    assert len(read([path]).rows("line")) == 30
    (path.parent / "copy.log.gz").write_bytes(gzip.compress(combined(30)))
    reading = read([path.parent])
    assert len(reading.rows("line")) == 30
    assert sorted(source.repeated for source in reading.sources) == [0, 30]
    (path.parent / "later.log").write_bytes(combined(45))
    for _again in range(2):
        reading = read([path.parent])
        assert len(reading.rows("line")) == 45


@pytest.mark.parametrize("cut_at", [40, 2000, -30])
def test_a_copy_of_only_the_start_of_a_log_adds_nothing_whenever_it_is_read(tmp_path, read, combined, cut_at):
    text = combined(30)
    (tmp_path / "a-whole.log.gz").write_bytes(gzip.compress(text))
    (tmp_path / "b-start.log").write_bytes(text[:cut_at])
    together = read([tmp_path / "a-whole.log.gz", tmp_path / "b-start.log"], folder="together")
    read([tmp_path / "a-whole.log.gz"], folder="after")
    after = read([tmp_path / "b-start.log"], folder="after")
    for reading in (together, after):
        assert len(reading.rows()) == 30
        assert sum(source.parsed - source.repeated for source in reading.sources) == 30


def test_a_log_that_begins_like_another_and_then_differs_is_another(tmp_path, read, combined):
    text = combined(30)
    (tmp_path / "a.log").write_bytes(text)
    (tmp_path / "b.log").write_bytes(text[:2000].replace(b"/a/18 ", b"/a/81 "))
    reading = read([tmp_path / "a.log", tmp_path / "b.log"])
    assert len(reading.rows()) == sum(source.parsed for source in reading.sources) > 30


def test_records_with_an_id_of_their_own_are_kept_once_across_deliveries(tmp_path, read):
    def record(number: int) -> dict:
        return {
            "eventVersion": "1.08", "eventTime": f"2026-01-01T00:00:0{number}Z", "eventSource": "s3.amazonaws.com",
            "eventName": "GetObject", "awsRegion": "eu-west-1", "sourceIPAddress": "192.0.2.1", "userAgent": "x",
            "eventID": f"id-{number}", "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::1:user/ann"},
            "requestParameters": {"bucketName": "b", "key": "k"}, "responseElements": None, "eventType": "AwsApiCall",
        }  # fmt: skip

    for name, numbers in (("one.json", (1, 2, 3)), ("two.json", (3, 4))):
        (tmp_path / name).write_text(json.dumps({"Records": [record(number) for number in numbers]}))
    for _again in range(2):
        reading = read([tmp_path / "one.json", tmp_path / "two.json"])
        assert sorted(row["event_uid"] for row in reading.rows("event_uid")) == ["id-1", "id-2", "id-3", "id-4"]
        assert sum(source.repeated for source in reading.sources) == 1


def test_since_and_until_leave_out_events_but_not_counts(tmp_path, read, combined):
    path = tmp_path / "a.log"
    path.write_bytes(combined(60))
    start = 1_778_976_000_000  # 2026-05-17T00:00:00Z
    reading = read([path], since_ms=start + 10_000, until_ms=start + 20_000)
    assert reading.sources[0].parsed == 60
    assert [row["ts"] for row in reading.rows("ts")] == [start + 1000 * n for n in range(10, 20)]
    assert len(read([path]).rows("ts")) == 60, "another reading replaces the first"


def test_clock_skew_moves_the_events_of_its_source_only(tmp_path, read, combined):
    path = tmp_path / "a.log"
    path.write_bytes(combined(1))
    plain = read([path], folder="plain").rows("ts")[0]["ts"]
    skewed = read([path], folder="skewed", skew_ms={"*/a.log": 90_000}).rows("ts")[0]["ts"]
    other = read([path], folder="other", skew_ms={"*/b.log": 90_000}).rows("ts")[0]["ts"]
    assert (skewed - plain, other - plain) == (90_000, 0)


def test_x_forwarded_for_is_believed_behind_trusted_proxies_only(tmp_path, read):
    path = tmp_path / "a.json"
    record = {"time": "2026-01-01T00:00:00Z", "remote_addr": "10.0.0.5", "request": "GET / HTTP/1.1", "status": 200,
              "http_user_agent": "x", "body_bytes_sent": 1, "http_x_forwarded_for": "203.0.113.9, 198.51.100.7, 10.0.0.9"}  # fmt: skip
    path.write_text(json.dumps(record))
    assert read([path], folder="plain").rows("src_endpoint_ip")[0]["src_endpoint_ip"] == "10.0.0.5"
    trusted = read([path], folder="trusted", trusted_proxies=("10.0.0.0/8",)).rows("src_endpoint_ip")
    assert trusted[0]["src_endpoint_ip"] == "198.51.100.7", "what the client wrote before it is not believed"


def test_secrets_are_nowhere_in_what_is_kept(tmp_path, read):
    path = tmp_path / "a.json"
    good = {"time": "2026-01-01T00:00:00Z", "ip": "192.0.2.1", "user": "ann", "path": "/x?access_token=HUNTER2",
            "session": "HUNTER2SESSION", "password": "HUNTER2", "note": "Bearer HUNTER2HUNTER2"}  # fmt: skip
    path.write_text(
        f"{json.dumps(good)}\n" * 20
        + '{"password": "HUNTER2", "time": "never"}\nAuthorization: Bearer HUNTER2HUNTER2\n'
    )
    reading = read([path])
    text = json.dumps(reading.rows()) + reading.rejected()
    assert (reading.sources[0].parsed, reading.sources[0].rejected) == (20, 2)
    assert "HUNTER2" not in text
    assert reading.rows("actor_session_uid")[0]["actor_session_uid"].isalnum()


def test_a_path_that_leads_nowhere_and_files_without_a_readable_line_are_errors(tmp_path, read):
    with pytest.raises(SourceUnreadable):
        read([tmp_path / "absent.log"])
    junk = tmp_path / "junk.bin"
    junk.write_bytes(os.urandom(3000))
    with pytest.raises(NothingReadable):
        read([junk], folder="junk")
    assert json.loads((next((tmp_path / "junk" / "sources").glob("*.json"))).read_text())["parsed"] == 0

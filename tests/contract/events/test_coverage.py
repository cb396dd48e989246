"""A silence is a gap only when the stream beside it leaves no doubt that something was due."""

from tocsin.events import queries


def _gaps(reading):
    with queries.open_events(reading.folder) as store:
        return queries.gaps(store, sources=reading.sources)


def test_an_hour_cut_out_of_a_steady_log_is_a_gap_and_the_whole_log_has_none(tmp_path, read, combined):
    lines = combined(6 * 3600).splitlines(keepends=True)[::5]
    (tmp_path / "whole.log").write_bytes(b"".join(lines))
    assert _gaps(read([tmp_path / "whole.log"], folder="whole")) == ()
    hour = 3600 // 5
    (tmp_path / "cut.log").write_bytes(b"".join(lines[: 2 * hour] + lines[3 * hour :]))
    (gap,) = _gaps(read([tmp_path / "cut.log"], folder="cut"))
    assert gap.source == "cut.log"
    assert 3_600_000 <= gap.last_ts - gap.first_ts <= 3_600_000 + 2 * 5_000


def test_a_log_that_speaks_seldom_may_be_silent(tmp_path, read, combined):
    (tmp_path / "rare.log").write_bytes(b"".join(combined(20 * 3600).splitlines(keepends=True)[::1200]))
    assert _gaps(read([tmp_path / "rare.log"])) == ()


def test_rotated_files_are_one_stream(tmp_path, read, combined):
    lines = combined(4 * 3600).splitlines(keepends=True)[::5]
    half = len(lines) // 2
    (tmp_path / "access.log.1").write_bytes(b"".join(lines[:half]))
    (tmp_path / "access.log").write_bytes(b"".join(lines[half:]))
    reading = read([tmp_path / "access.log", tmp_path / "access.log.1"])
    with queries.open_events(reading.folder) as store:
        (stream,) = queries.coverage(store, sources=reading.sources)
    assert (stream.stream, stream.events, stream.gaps) == ("access.log", len(lines), ())

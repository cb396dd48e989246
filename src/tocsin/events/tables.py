"""The address tables: ranges of addresses as numbers, kept as Parquet beside the installation's other data."""

from pathlib import Path

import duckdb

from tocsin.events.store import quoted


def keep_tables(
    *, networks: tuple[Path, Path], countries: tuple[Path, Path], centres: Path, folder: Path
) -> dict[str, int]:
    """Write ``asn.parquet`` and ``place.parquet`` into ``folder``, each whole or not at all; return row counts.

    ``networks`` and ``countries`` are CSV without header (first, last, ASN[, name]; first, last, ISO country),
    IPv4 then IPv6, addresses as decimal numbers. ``centres`` is JSON with ``cca2`` and ``latlng``: a country's
    coordinates are its centre, in degrees.
    """
    connection = duckdb.connect(":memory:")
    try:
        run = connection.execute
        first_two = "column0::UHUGEINT AS first, column1::UHUGEINT AS last"
        read = "read_csv({path}, header = false, all_varchar = true, quote = '\"')"
        numbered = " UNION ALL ".join(
            f"SELECT {version} AS version, {first_two}, column2::BIGINT AS asn "
            f"FROM {read.format(path=quoted(str(path)))}"
            for version, path in zip((4, 6), networks, strict=True)
        )
        placed = " UNION ALL ".join(
            f"SELECT {version} AS version, {first_two}, upper(column2) AS country "
            f"FROM {read.format(path=quoted(str(path)))}"
            for version, path in zip((4, 6), countries, strict=True)
        )
        run(
            "CREATE TEMP TABLE centres AS SELECT cca2 AS country, latlng[1] AS latitude, latlng[2] AS longitude "
            f"FROM read_json({quoted(str(centres))}, columns = {{'cca2': 'VARCHAR', 'latlng': 'DOUBLE[]'}})"
        )
        with_centres = f"SELECT p.*, latitude, longitude FROM ({placed}) p LEFT JOIN centres USING (country)"
        counts = {}
        for name, sql in (("asn", numbered), ("place", with_centres)):
            aside, target = folder / f".{name}.parquet", folder / f"{name}.parquet"
            run(f"COPY ({sql} ORDER BY version, first) TO {quoted(str(aside))} (FORMAT parquet, COMPRESSION zstd)")
            (counts[name],) = run(f"SELECT count(*) FROM read_parquet({quoted(str(aside))})").fetchall()[0]
            aside.replace(target)
        return counts
    finally:
        connection.close()

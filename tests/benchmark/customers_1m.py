"""How long it takes to import a million customers, and again: ``python customers_1m.py``.

Writes a synthetic list (national telephone numbers, mails, names, languages) and imports it twice into a fresh private
server: the second time nothing may change. Prints wall and processor seconds of this process and of its session in
PostgreSQL, and peak resident memory. ``TOCSIN_BENCHMARK_CUSTOMERS`` sets another number.
"""

import os
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

from django.db import connection

from tocsin.customers import commands
from tocsin.journal.values import Assurance, Author
from tocsin.project import database

CUSTOMERS = int(os.environ.get("TOCSIN_BENCHMARK_CUSTOMERS", "1000000"))
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def write_list(path: Path) -> None:
    """Write a list of customers: the same one each time."""
    chance = random.Random(1)
    with path.open("w", encoding="utf-8") as file:
        file.write("account,person,name,language,phone,email\n")
        for n in range(CUSTOMERS):
            number = chance.randrange(600_000_000, 700_000_000)
            spoken = ("fr", "en", "de")[n % 3]
            file.write(f"acct{n},P{n},Name {n},{spoken},0{number},customer{n}@example{n % 50}.com\n")


def session_seconds(process_id: int) -> float:
    """Return the processor time of our session in PostgreSQL (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def main() -> int:
    """Import twice and print what it took; 1 when the counts are not what they must be."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TOCSIN_HOME"] = str(Path(folder) / "home")
        path = Path(folder) / "customers.csv"
        write_list(path)
        found = []
        with database.opened():
            for name in ("first", "again"):
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_backend_pid()")
                    process_id = cursor.fetchone()[0]
                began, ours, theirs = time.monotonic(), time.process_time(), session_seconds(process_id)
                imported = commands.import_customers(path, country="FR", by=Author("benchmark", Assurance.ASSERTED))
                found.append((imported.made, imported.changed, imported.unchanged))
                print(
                    f"{name}: {time.monotonic() - began:.1f} s; processor: {time.process_time() - ours:.1f} s here, "
                    f"{session_seconds(process_id) - theirs:.1f} s in PostgreSQL; "
                    f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB"
                )
        print(found)
    return 0 if found == [(CUSTOMERS, 0, 0), (0, 0, CUSTOMERS)] else 1


if __name__ == "__main__":
    sys.exit(main())

"""The gate at 40 million accounts: exactness, speed, memory, a swap under load, the sidecar, and other stores beside it.

    python -m tests.benchmark.gate_checks [--accounts 40000000] [--checks 50000000] [--record FILE] [--no-stores]

The list is written by the tests' own writer, so this measures the reader alone. Every check goes through ``Gate.check``.
Who is a member is kept in an array of booleans, which is the brute-force set; which combination, in the account's number.
Needs numpy (for making the accounts only), lmdb and redis; the programs wrk and redis-server where they are to be measured.
"""

import argparse
import hashlib
import multiprocessing
import os
import platform
import re
import shutil
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import lmdb
import numpy as np
import redis
from tests.unit.gate.conftest import RESET, SUSPEND, T0, Writer, combination

from tocsin_gate import Gate

REAUTHENTICATE = combination(("reauthenticate", T0, None), reference="R-1")
COMBINATIONS = [REAUTHENTICATE, RESET, SUSPEND]
CODES = ["reauthentication_required", "password_reset_required", "suspended"]
NUMBER = struct.Struct(">Q")
BATCH = 500_000


def name_of(number):
    return f"account-{number:010d}"


def hashed(given):
    """Return the numbers of some accounts, as bytes of little-endian u64."""
    key64, numbers = given
    keyed, out = hashlib.sha256(key64), np.empty(len(numbers), dtype="<u8")
    for place, number in enumerate(numbers.tolist()):
        digest = keyed.copy()
        digest.update(name_of(number).encode())
        out[place] = NUMBER.unpack_from(digest.digest())[0]
    return out


class Accounts:
    """The accounts of a product, of which some are in the list."""

    def __init__(self, *, members, seed):
        self.random = np.random.default_rng(seed)
        self.total = members * 5 // 2
        self.is_member = np.zeros(self.total, dtype=bool)
        self.is_member[self.random.permutation(self.total)[:members]] = True
        self.members = np.flatnonzero(self.is_member)

    def some(self, count, *, of_members=0.5):
        """Return random account numbers, a share of them members."""
        inside = self.random.choice(self.members, int(count * of_members))
        outside = self.random.integers(0, self.total, int((count - len(inside)) * 1.8) + 100)
        outside = outside[~self.is_member[outside]][: count - len(inside)]
        both = np.concatenate([inside, outside])
        self.random.shuffle(both)
        return both


def build(accounts, writer):
    """Write the list; return its sections, its header and the sorted hashes."""
    key64 = writer.key.hex().encode()
    parts = [(key64, part) for part in np.array_split(accounts.members, max(1, len(accounts.members) // BATCH))]
    with multiprocessing.Pool(2) as pool:
        numbers = np.concatenate(list(pool.imap(hashed, parts)))
    order = np.argsort(numbers)
    numbers = numbers[order]
    codes = (accounts.members[order] % 3 + 1).astype("u1")
    bits = min(24, max(8, int(np.log2(len(numbers) / 32)) if len(numbers) > 32 else 8))
    edges = np.arange(2**bits, dtype="u8") << np.uint64(64 - bits)
    index = np.append(np.searchsorted(numbers, edges), len(numbers)).astype("<u4")
    sections = {"index": index.tobytes(), "hashes": numbers.tobytes(), "codes": codes.tobytes()}
    header = {
        "format": 1, "installation": "inst-1", "epoch": 1, "made_at": int(time.time() * 1000), "not_after": None,
        "key_id": writer.key_id(), "n": len(numbers), "index_bits": bits, "width": 1, "combinations": COMBINATIONS, "rules": [],
        "sensitive_age_seconds_max": 900,
    }  # fmt: skip
    put(writer, header, sections)
    return sections, header, numbers


def put(writer, header, sections):
    aside = writer.path.with_name("aside")
    aside.write_bytes(writer.assembled(header, sections))
    aside.replace(writer.path)


def memory(name="VmRSS"):
    """Return MiB of this process."""
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024


def exactness(gate, accounts, *, checks):
    """Compare checks with the brute-force set; return (false positives, false negatives, wrong measures, checks/CPU-s)."""
    false_positives = false_negatives = wrong = done = 0
    spent = 0.0
    while done < checks:
        numbers = accounts.some(min(BATCH, checks - done))
        names = [name_of(number) for number in numbers.tolist()]
        started = time.process_time()
        codes = [gate.check(name, token_issued_at=T0 - 60).code for name in names]
        spent += time.process_time() - started
        for number, member, code in zip(numbers.tolist(), accounts.is_member[numbers].tolist(), codes, strict=True):
            if not member:
                false_positives += code != "allowed"
            elif code == "allowed":
                false_negatives += 1
            else:
                wrong += code != CODES[number % 3]
        done += len(numbers)
    return false_positives, false_negatives, wrong, done / spent


def speed(ask, names):
    """Return (checks per second of CPU, p50, p99 in microseconds) of one callable."""
    for name in names[: len(names) // 10]:
        ask(name)
    started = time.process_time()
    for name in names:
        ask(name)
    rate = len(names) / (time.process_time() - started)
    clock, times = time.perf_counter_ns, []
    for name in names:
        before = clock()
        ask(name)
        times.append(clock() - before)
    times.sort()
    return rate, times[len(times) // 2] / 1000, times[len(times) * 99 // 100] / 1000


def swap_under_load(gate, writer, accounts, *, sections, header, swaps):
    """Swap epochs while a thread checks; return (checks, wrong answers, p99 microseconds, seconds of one refresh)."""
    inside = name_of(int(accounts.members[0]))
    outside = name_of(int(np.flatnonzero(~accounts.is_member)[0]))
    wrong, times, stop, clock = [], [], threading.Event(), time.perf_counter_ns

    def ask():
        while not stop.is_set():
            before = clock()
            passes, refused = gate.check(outside), gate.check(inside)
            times.append((clock() - before) / 2)
            if not passes.allow or refused.allow:
                wrong.append((passes, refused))

    thread = threading.Thread(target=ask)
    thread.start()
    took = []
    for epoch in range(2, swaps + 2):
        put(writer, {**header, "epoch": epoch}, sections)
        started = time.monotonic()
        gate.refresh()
        took.append(time.monotonic() - started)
    stop.set()
    thread.join()
    assert gate.status().epoch == swaps + 1
    times.sort()
    return 2 * len(times), len(wrong), times[len(times) * 99 // 100] / 1000, max(took)


class Hashed:
    """Makes an account's number as the gate does, for the other stores."""

    def __init__(self, writer):
        self.keyed = hashlib.sha256(writer.key.hex().encode())

    def __call__(self, name):
        digest = self.keyed.copy()
        digest.update(name.encode())
        return digest.digest()[:8]


def with_lmdb(folder, numbers, writer, names):
    started = time.monotonic()
    environment = lmdb.open(str(folder / "lmdb"), map_size=64 * len(numbers) + 2**24, sync=False)
    for start in range(0, len(numbers), BATCH):
        with environment.begin(write=True) as writing:
            items = [(NUMBER.pack(number), b"\1") for number in numbers[start : start + BATCH].tolist()]
            writing.cursor().putmulti(items, append=True)
    environment.sync(True)
    built, hashed_of = time.monotonic() - started, Hashed(writer)
    with environment.begin() as reading:
        figures = speed(lambda name: reading.get(hashed_of(name)), names)
    size = (folder / "lmdb" / "data.mdb").stat().st_blocks * 512
    environment.close()
    shutil.rmtree(folder / "lmdb")
    return f"LMDB {lmdb.version()[0]}.{lmdb.version()[1]}", built, size, figures


def with_sqlite(folder, numbers, writer, names):
    started = time.monotonic()
    path = folder / "gate.sqlite"
    base = sqlite3.connect(path, isolation_level=None)
    base.execute("PRAGMA journal_mode=OFF")
    base.execute("PRAGMA synchronous=OFF")
    base.execute("CREATE TABLE list (hash INTEGER PRIMARY KEY, code INTEGER)")
    base.execute("BEGIN")
    signed = np.sort(numbers.view("<i8"))
    for start in range(0, len(signed), BATCH):
        base.executemany("INSERT INTO list VALUES (?, 1)", [(one,) for one in signed[start : start + BATCH].tolist()])
    base.execute("COMMIT")
    built, hashed_of = time.monotonic() - started, Hashed(writer)
    cursor, sought = base.cursor(), struct.Struct(">q")

    def ask(name):
        key = sought.unpack(hashed_of(name))
        return cursor.execute("SELECT code FROM list WHERE hash = ?", key).fetchone()

    figures = speed(ask, names)
    size = path.stat().st_size
    base.close()
    path.unlink()
    return f"SQLite {sqlite3.sqlite_version}", built, size, figures


def with_redis(folder, numbers, writer, names):
    place = folder / "redis.sock"
    command = [
        "redis-server",
        "--port",
        "0",
        "--unixsocket",
        str(place),
        "--save",
        "",
        "--appendonly",
        "no",
        "--dir",
        str(folder),
    ]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        client = redis.Redis(unix_socket_path=str(place), socket_timeout=600)
        while True:
            try:
                client.ping()
                break
            except redis.ConnectionError:
                threading.Event().wait(0.05)
        started = time.monotonic()
        for start in range(0, len(numbers), 10_000):
            client.sadd("list", *[NUMBER.pack(number) for number in numbers[start : start + 10_000].tolist()])
        built, hashed_of = time.monotonic() - started, Hashed(writer)
        figures = speed(lambda name: client.sismember("list", hashed_of(name)), names[: max(1000, len(names) // 10)])
        size = client.info("memory")["used_memory"]
        version = client.info("server")["redis_version"]
    finally:
        server.terminate()
        server.wait()
    return f"Redis {version} `SISMEMBER`, Unix socket", built, size, figures


WRK = """
local names = {}
for line in io.lines("%s") do names[#names + 1] = line end
local place = 0
request = function()
  place = place %% #names + 1
  return wrk.format("GET", "/gate/v1/check", {["X-Tocsin-Account"] = names[place], ["X-Tocsin-Token-Issued-At"] = "%d"})
end
"""


def paced(where, names, *, connections=4, pause_seconds=0.0005):
    """Ask over kept connections, at most two thousand times a second; return (requests/s, p50, p99 in milliseconds)."""
    host, port = where.rsplit(":", 1)
    plugs = [socket.create_connection((host, int(port))) for _ in range(connections)]
    times, resting, started = [], threading.Event(), time.monotonic()
    for place, name in enumerate(names):
        plug = plugs[place % connections]
        head = f"GET /gate/v1/check HTTP/1.1\r\nHost: gate\r\nX-Tocsin-Account: {name}\r\nX-Tocsin-Token-Issued-At: {T0 - 60}"
        before = time.perf_counter_ns()
        plug.sendall(head.encode() + b"\r\n\r\n")
        plug.recv(65536)
        times.append(time.perf_counter_ns() - before)
        resting.wait(pause_seconds)
    rate = len(names) / (time.monotonic() - started)
    for plug in plugs:
        plug.close()
    times.sort()
    return rate, times[len(times) // 2] / 1e6, times[len(times) * 99 // 100] / 1e6


def saturated(where, writer, names, *, connections, seconds):
    """Let wrk ask as fast as it can; its p99 is corrected for what it could not ask meanwhile."""
    (writer.folder / "names").write_text("\n".join(names[:100_000]))
    script = writer.folder / "names.lua"
    script.write_text(WRK % (writer.folder / "names", T0 - 60))
    load = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script), f"http://{where}/"]
    told = subprocess.run(load, capture_output=True, text=True, check=True).stdout
    per = {"us": 0.001, "ms": 1.0, "s": 1000.0}
    found = re.findall(r"(50|99)%\s+([\d.]+)(us|ms|s)\b", told)
    latency = {percent: float(number) * per[unit] for percent, number, unit in found}
    return float(re.search(r"Requests/sec:\s+([\d.]+)", told)[1]), latency["50"], latency["99"]


def sidecar(writer, names, *, seconds):
    """Return rows (how it was asked, requests/s, p50, p99 in milliseconds)."""
    command = [sys.executable, "-m", "tocsin_gate", "serve", str(writer.path), "--trust", str(writer.trust_file())]
    server = subprocess.Popen([*command, "--listen", "127.0.0.1:0"], stderr=subprocess.PIPE, text=True)
    try:
        where = server.stderr.readline().rsplit(" ", 1)[-1].strip().rstrip(".")
        rows = [("paced, 4 connections", *paced(where, names[: 1000 * seconds]))]
        for many in (4, 16) if shutil.which("wrk") else ():
            figures = saturated(where, writer, names, connections=many, seconds=seconds)
            rows.append((f"as fast as wrk can, {many} connections", *figures))
    finally:
        server.terminate()
        server.wait()
    return rows


def measured(given, folder):
    """Measure everything; return the text of a dated section."""
    accounts, writer = Accounts(members=given.accounts, seed=given.seed), Writer(folder)
    started = time.monotonic()
    sections, header, numbers = build(accounts, writer)
    print(f"written in {time.monotonic() - started:.0f} s", file=sys.stderr)
    trust = writer.trust_file()
    before = memory()
    started = time.monotonic()
    gate = Gate(writer.path, trust=trust)
    opened = time.monotonic() - started
    names = [name_of(number) for number in accounts.some(min(1_000_000, given.checks)).tolist()]
    outside = [name_of(number) for number in accounts.some(min(1_000_000, given.checks), of_members=0).tolist()]

    def ask(name):
        return gate.check(name, token_issued_at=T0 - 60)

    mixed, absent = speed(ask, names), speed(ask, outside)
    after, anonymous = memory(), memory("RssAnon")
    print(f"speed {mixed} {absent}", file=sys.stderr)
    swaps = swap_under_load(gate, writer, accounts, sections=sections, header=header, swaps=given.swaps)
    del sections
    exact = exactness(gate, accounts, checks=given.checks)
    print(f"exact {exact}", file=sys.stderr)
    print(f"swaps {swaps}", file=sys.stderr)
    served = sidecar(writer, names, seconds=given.seconds)
    print(f"sidecar {served}", file=sys.stderr)
    stores = []
    for store in (with_lmdb, with_sqlite, with_redis) if given.stores else ():
        stores.append(store(folder, numbers, writer, names))
        print(stores[-1], file=sys.stderr)
    size = writer.path.stat().st_size
    lines = [
        f"\n## {datetime.now(UTC):%Y-%m-%d}: {given.accounts:,} accounts\n",
        f"`python -m tests.benchmark.gate_checks --accounts {given.accounts} --checks {given.checks} --seed {given.seed}`, Python"
        f" {platform.python_version()}, {os.cpu_count()} cores, load average at the end {os.getloadavg()[0]:.1f}.\n",
        f"**Exactness**: {given.checks:,} checks against a brute-force set: {exact[0]} false positives, {exact[1]} false negatives,"
        f" {exact[2]} wrong measures ({exact[3]:,.0f} checks per second of CPU on the way).\n",
        f"List: {size:,} bytes, {size / given.accounts:.2f} bytes per account; opened, checked and mapped in {opened:.2f} s."
        f" Resident memory {before:,.0f} MiB before, {after:,.0f} MiB after two million checks (of it {anonymous:,.0f} MiB not"
        " shared with the page cache; the benchmark's own accounts included).\n",
        f"Swap under load: {swaps[0]:,} checks during {given.swaps} swaps, {swaps[1]} wrong, p99 {swaps[2]:.1f} us; the longest"
        f" swap took {swaps[3]:.2f} s in its own thread.\n",
        "| store | built in, s | size, MB | checks per CPU second of the asking process | p50, us | p99, us |",
        "|---|---:|---:|---:|---:|---:|",
        row("gate, half of them members", "see note", size, mixed),
        row("gate, none of them members", "", size, absent),
        *[row(name, f"{built:.0f}", held, figures) for name, built, held, figures in stores],
        "",
        "Every figure includes hashing the account's name. The gate's list is written by the tests' own writer, whose time is not"
        " comparable. Redis works in a process of its own as well.\n",
    ]
    lines += ["| sidecar, kept connections | requests/s | p50, ms | p99, ms |", "|---|---:|---:|---:|"]
    lines += [f"| {how} | {rate:,.0f} | {p50:.2f} | {p99:.2f} |" for how, rate, p50, p99 in served]
    return "\n".join(lines) + "\n", exact


def row(name, built, size, figures):
    rate, p50, p99 = figures
    return f"| {name} | {built} | {size / 1e6:,.0f} | {rate:,.0f} | {p50:.1f} | {p99:.1f} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--accounts", type=int, default=40_000_000)
    parser.add_argument("--checks", type=int, default=50_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--swaps", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=10, help="how long the sidecar is asked")
    parser.add_argument("--no-stores", dest="stores", action="store_false")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--record", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        text, exact = measured(given, Path(folder))
    print(text)
    if given.record:
        with given.record.open("a", encoding="utf-8") as handle:
            handle.write(text)
    if any(exact[:3]):
        sys.exit(1)


if __name__ == "__main__":
    main()

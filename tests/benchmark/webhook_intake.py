"""Webhooks in: signed POSTs a second that are durable when they are answered, their latency, and how fast they are read.

    python -m tests.benchmark.webhook_intake [--seconds 10] [--connections 64] [--rate 1500] [--record FILE]

One receiver (`tocsin receive`) with its own PostgreSQL, fsync on, on this machine; wrk sends bodies of one status each,
every one signed and different. Then POSTs at a fixed rate from an open loop: each is sent when its time has come,
whether earlier ones were answered or not, and its latency counts from that time. Then one worker takes all of it in.
"""

import argparse
import asyncio
import hashlib
import hmac
import json
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from django.db import connection

from tocsin.integrations.whatsapp.receiving import RECEIVING
from tocsin.journal.values import Assurance, Author
from tocsin.messaging import commands
from tocsin.messaging.values import IntakeBody
from tocsin.project import database

SECRET = "secret of the app"
BODIES = 20_000
# Messages as they stand when they were sent, under the ids that the bodies hand back.
MESSAGES = """
INSERT INTO tocsin_outboundmessage (id, channel, priority, purpose, address, address_kind, account, broadcast, reply_to,
  body_id, digest, needs_window, template, category, state, reason, detail, tries, crashes, claimed_by, provider_id,
  queued_at, state_at, sent_at, batch_id)
SELECT id::uuid, 'main', 2, 'service', '+34600000000', 'phone', '', '', '', id::uuid, '\\x00', FALSE, '', '', 'sent', '',
  '', 1, 0, '', 'wamid.HBgLMzQ2' || lpad(number::text, 12, '0') || lpad(each::text, 4, '0'), now(), now(), now(), id::uuid
  FROM generate_series(0, %s - 1) AS number, generate_series(0, %s - 1) AS each,
       LATERAL (SELECT '018f0000-0000-7000-8000-' || lpad((number * 1000 + each)::text, 12, '0') AS id) AS named
"""
SCRIPT = """
local signatures, bodies, next = {}, {}, 0
for line in io.lines("%s") do
  local signature, body = line:match("^(%%S+) (.*)$")
  signatures[#signatures + 1] = signature
  bodies[#bodies + 1] = body
end
request = function()
  next = next %% #bodies + 1
  return wrk.format("POST", nil, {["X-Hub-Signature-256"] = signatures[next],
                                  ["Content-Type"] = "application/json"}, bodies[next])
end
"""


def body_of(number, updates=1):
    """Return a webhook as Meta sends it after a message was delivered, with so many statuses."""
    at = str(int(time.time()))
    person = {"profile": {"name": "Ana"}, "wa_id": f"346{number % 10**8:08}", "user_id": f"ES.{number:020}"}
    statuses = [
        {
            "id": f"wamid.HBgLMzQ2{number:012}{each:04}", "status": "delivered", "timestamp": at,
            "recipient_id": person["wa_id"], "recipient_user_id": person["user_id"],
            "biz_opaque_callback_data": f"018f0000-0000-7000-8000-{number * 1000 + each:012}",
            "pricing": {"billable": True, "pricing_model": "PMP", "category": "utility", "type": "regular"},
        }
        for each in range(updates)
    ]  # fmt: skip
    value = {
        "messaging_product": "whatsapp", "contacts": [person], "statuses": statuses,
        "metadata": {"display_phone_number": "15550783881", "phone_number_id": "106540352242922"},
    }  # fmt: skip
    entry = {"id": "102290129340398", "changes": [{"value": value, "field": "messages"}]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}, separators=(",", ":")).encode()


def signed(body):
    return "sha256=" + hmac.digest(SECRET.encode(), body, hashlib.sha256).hex()


class Receiver:
    """A receiver in a process of its own."""

    def __init__(self, program):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process = subprocess.Popen([program, "receive", "--listen", f"127.0.0.1:{self.port}"])
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        raise SystemExit("the receiver does not answer")

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)

    def memory_mb(self):
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return round(int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024)

    def cpu_seconds(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def counted(sql="SELECT count(*) FROM tocsin_webhookintake"):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


def with_wrk(url, folder, *, seconds, connections):
    """Send as fast as it goes; return what wrk says."""
    lines = [(signed(body), body.decode()) for body in map(body_of, range(BODIES))]
    (folder / "bodies").write_text("".join(f"{signature} {body}\n" for signature, body in lines))
    script = folder / "post.lua"
    script.write_text(SCRIPT % (folder / "bodies"))
    wrk = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "10s", "-s", str(script), url]
    said = subprocess.run(wrk, capture_output=True, text=True, check=True).stdout
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    return {
        "answered": int(re.search(r"(\d+) requests in", said)[1]),
        "a_second": float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1]),
        "refused": int(refused[1]) if refused else 0,
        **{f"p{share}": re.search(rf"{share}%\s+(\S+)", said)[1] for share in (50, 99)},
    }


async def at_rate(port, path, *, rate, seconds, connections):
    """Send at a fixed rate, not waiting for answers; return the latencies in milliseconds, sorted, and the refused.

    Plain HTTP/1.1 on open connections: a client library would need more of the machine than what is measured.
    """
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    requests = [
        f"{head}X-Hub-Signature-256: {signed(body)}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        for body in map(body_of, range(BODIES, BODIES + 5_000))
    ]
    loop, due, latencies, refused = asyncio.get_running_loop(), asyncio.Queue(), [], 0

    async def post():
        nonlocal refused
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (asked := await due.get()) is not None:
            at, request = asked
            writer.write(request)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", answer.lower())
            await reader.readexactly(int(length[1]) if length else 0)
            refused += b" 200 " not in answer[:20]
            latencies.append((loop.time() - at) * 1000)
        writer.close()

    posting = [asyncio.create_task(post()) for _ in range(connections)]
    begun = loop.time() + 0.5
    for number in range(int(rate * seconds)):
        at = begun + number / rate
        if at > loop.time():
            await asyncio.sleep(at - loop.time())
        due.put_nowait((at, requests[number % len(requests)]))
    for _ in posting:
        due.put_nowait(None)
    await asyncio.gather(*posting)
    return sorted(latencies), refused


def taken_in():
    """Take in all that waits; return bodies and seconds."""
    bodies, began = 0, time.perf_counter()
    while done := commands.take_intake(lambda _kind, body, headers: RECEIVING.updates(body, headers=headers)):
        bodies += done
    return bodies, time.perf_counter() - began


def read_back(app, updates, *, count=20_000):
    """Take in one status of each of so many messages that were sent, and return how fast."""
    with connection.cursor() as cursor:
        cursor.execute(
            "TRUNCATE tocsin_webhookintake, tocsin_outboundmessage, tocsin_messagestatus, tocsin_messageprice"
        )
        cursor.execute(MESSAGES, [count // updates, updates])
        cursor.execute("ANALYZE tocsin_outboundmessage")
    bodies = [body_of(number, updates) for number in range(count // updates)]
    at = datetime.now(UTC)
    commands.store_intake([IntakeBody(app, at, body) for body in bodies])
    taken, seconds = taken_in()
    assert taken == len(bodies)
    assert counted("SELECT count(*) FROM tocsin_outboundmessage WHERE state = 'delivered'") == count
    return {"updates_a_second": round(count / seconds), "us_each": round(seconds * 1e6 / count)}


def measure(asked, program, folder):
    results = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "machine": f"{os.cpu_count()} cores"}
    by = Author(name="benchmark", assurance=Assurance.ASSERTED)
    app = commands.add_app("meta", kind="whatsapp", secrets=[SECRET], by=by)
    commands.add_channel(
        "main", kind="whatsapp", line="106540352242922", account="102290129340398", settings={}, secrets={}, by=by
    )
    results["fsync"] = counted("SHOW fsync")
    receiver = Receiver(program)
    url = f"http://127.0.0.1:{receiver.port}/webhooks/v1/{app}"
    try:
        if shutil.which("wrk"):
            with_wrk(url, folder, seconds=2, connections=asked.connections)  # warm
            before, cpu = counted(), receiver.cpu_seconds()
            results["wrk"] = with_wrk(url, folder, seconds=asked.seconds, connections=asked.connections)
            results["wrk"]["kept"] = counted() - before
            results["wrk"]["receiver_us_each"] = round((receiver.cpu_seconds() - cpu) * 1e6 / results["wrk"]["kept"])
            print(results, file=sys.stderr)
            assert results["wrk"]["kept"] >= results["wrk"]["answered"] - results["wrk"]["refused"]
        before = counted()
        latencies, refused = asyncio.run(
            at_rate(receiver.port, f"/webhooks/v1/{app}", rate=asked.rate, seconds=asked.seconds, connections=256)
        )
        assert counted() - before >= len(latencies) - refused
        results["at_rate"] = {
            "rate": asked.rate, "sent": len(latencies), "refused": refused,
            "p50_ms": round(latencies[len(latencies) // 2], 1),
            "p99_ms": round(latencies[len(latencies) * 99 // 100], 1), "max_ms": round(latencies[-1], 1),
        }  # fmt: skip
        results["receiver_memory_mb"] = receiver.memory_mb()
    finally:
        receiver.end()
    results["read"] = {f"{updates} a body": read_back(app, updates) for updates in (1, 10, 100)}
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rate", type=float, default=1500)
    parser.add_argument("--record", type=Path)
    asked = parser.parse_args()
    program = str(Path(sys.executable).with_name("tocsin"))
    with tempfile.TemporaryDirectory(prefix="tw-") as folder:
        os.environ["TOCSIN_HOME"] = str(Path(folder) / "home")
        with database.opened():
            results = measure(asked, program, Path(folder))
    results["python"] = platform.python_version()
    results["load_average_at_the_end"] = os.getloadavg()[0]
    text = json.dumps(results, indent=1)
    print(text)
    if asked.record:
        asked.record.write_text(text + "\n")


if __name__ == "__main__":
    main()

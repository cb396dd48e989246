"""What the simulator carries, so that it is known when it is the simulator that is measured.

    python -m tests.benchmark.simulator_accepts [--messages 20000] [--connections 64] [--batches 0 1 10 100]

A bare aiohttp client with keep-alive sends templates to different people over loopback; a receiver in the client's process
answers every webhook. Printed per batch size: accepted a second, CPU time of the simulator per message with all its
statuses told, and its memory. Time runs 100 times as fast, so that readers read before the run is over.
"""

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import orjson
from aiohttp import web

HELLO = {"name": "hello", "language": "en", "components": [{"type": "BODY", "text": "Hello {{1}}, all is well."}]}
HEADERS = {"Authorization": "Bearer T", "Content-Type": "application/json"}


def message_of(number):
    """Return the body of one message to somebody of their own."""
    return orjson.dumps(
        {
            "messaging_product": "whatsapp",
            "to": f"+336{number:08d}",
            "type": "template",
            "biz_opaque_callback_data": f"0199aaaa-bbbb-7ccc-8ddd-{number:012d}",
            "template": {
                "name": "hello",
                "language": {"code": "en"},
                "components": [{"type": "body", "parameters": [{"type": "text", "text": "Ada"}]}],
            },
        }
    )


def cpu_seconds(pid):
    """Return the CPU time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mib(pid):
    """Return the resident memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) // 1024


async def measured(*, messages, connections, batch):
    """Run once and print one line."""

    async def take(request):
        await request.read()
        return web.Response()

    receiver = web.Server(take, access_log=None)
    listening = await asyncio.get_running_loop().create_server(receiver, "127.0.0.1", 0)
    hook = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
    command = [sys.executable, "-m", "tocsin_simulator", "whatsapp", "--port", "0", "--phone-id", "11", "--token", "T"]
    command += [
        "--level",
        "HIGH",
        "--speed",
        "100",
        "--batch",
        str(max(batch, 1)),
        *(["--webhook", hook] if batch else []),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as simulator:
        address = simulator.stdout.readline().split()[-1]
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), headers=HEADERS) as client:
            await (await client.post(f"{address}/_simulator/template", json=HELLO)).read()
            bodies, accepted = iter([message_of(number) for number in range(messages)]), 0

            async def send():
                nonlocal accepted
                for body in bodies:
                    async with client.post(f"{address}/v24.0/11/messages", data=body) as answer:
                        accepted += answer.status == 200
                        await answer.read()

            cpu, begun = cpu_seconds(simulator.pid), time.perf_counter()
            await asyncio.gather(*(send() for _ in range(connections)))
            seconds = time.perf_counter() - begun
            told, before = -1, None
            while told != before:
                before = told
                await asyncio.sleep(2)
                async with client.get(f"{address}/_simulator/count") as answer:
                    told = sum((await answer.json())["statuses"].values())
            cpu = cpu_seconds(simulator.pid) - cpu
            memory = memory_mib(simulator.pid)
        simulator.send_signal(signal.SIGTERM)
    listening.close()
    print(
        f"batch {batch or 'no webhooks':>11}: {accepted / seconds:7,.0f} accepted/s, {accepted:,} of {messages:,}; "
        f"{told:,} statuses; {cpu / accepted * 1e6:.0f} us of CPU a message; {memory} MiB"
    )


def main():
    """Measure each batch size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--batches", type=int, nargs="+", default=[0, 1, 10, 100])
    given = parser.parse_args()
    print(f"load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for batch in given.batches:
        asyncio.run(measured(messages=given.messages, connections=given.connections, batch=batch))


if __name__ == "__main__":
    main()

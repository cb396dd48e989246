"""The command ``tocsin-gate``: ask, look at and serve a list. Exit codes: 0 allowed, 20 refused, 2 unusable."""

import argparse
import asyncio
import gc
import json
import re
import signal
import socket
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

from tocsin_gate.asked import moment_of
from tocsin_gate.errors import GateError, Misused, SnapshotRefused
from tocsin_gate.feed import Source
from tocsin_gate.following import Follower, first_list
from tocsin_gate.gate import Gate
from tocsin_gate.sidecar import Answers, listen
from tocsin_gate.snapshot import Snapshot, open_snapshot
from tocsin_gate.trust import Trust
from tocsin_gate.values import Refreshed, Way

ALLOWED, UNUSABLE, REFUSED = 0, 2, 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    given = _parser().parse_args(arguments)
    try:
        return int(given.run(given))
    except GateError as error:
        print(f"tocsin-gate: {error}", file=sys.stderr)
        return UNUSABLE
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        print(f"tocsin-gate: {place}{error.strerror or error}", file=sys.stderr)
        return UNUSABLE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tocsin-gate", description="Asks, looks at and serves a list of the gate.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    check = commands.add_parser("check", help="ask about one account: exit 0 allowed, 20 refused, 2 unusable")
    check.add_argument("snapshot", type=Path)
    check.add_argument("--trust", type=Path, required=True)
    check.add_argument("--account", required=True)
    check.add_argument("--token-issued-at", metavar="T", help="Unix seconds, or ISO 8601 with a zone")
    check.add_argument("--password-changed-at", metavar="T", help="the same")
    check.add_argument("--platform")
    check.add_argument("--client-version", metavar="V")
    check.add_argument("--client")
    check.add_argument("--sensitive", action="store_true")
    check.set_defaults(run=_check)
    inspect = commands.add_parser("inspect", help="print the header and the accounts per combination")
    inspect.add_argument("snapshot", type=Path)
    inspect.add_argument("--trust", type=Path)
    inspect.set_defaults(run=_inspect)
    serve = commands.add_parser("serve", help="answer nginx auth_request, Traefik ForwardAuth and Envoy ext_authz")
    serve.add_argument("snapshot", type=Path)
    serve.add_argument("--trust", type=Path, required=True)
    serve.add_argument("--listen", default="127.0.0.1:8411", metavar="HOST:PORT", help="or unix:PATH")
    serve.add_argument("--source", metavar="URL", help="where lists and changes come from; else the file is watched")
    serve.add_argument("--name", default=socket.gethostname(), help="what this gate calls itself to the source")
    serve.add_argument("--ca-file", help="roots the source's certificate is verified with, instead of the system's")
    serve.add_argument("--plain-http", action="store_true", help="allow a source without TLS on another machine")
    serve.add_argument("--watch-seconds", type=float, default=2.0, help="how often to look for a newer file")
    serve.add_argument("--too-old-status", type=int, choices=(403, 426), default=403)
    serve.set_defaults(run=_serve)
    return parser


def _check(given: argparse.Namespace) -> int:
    decision = Gate(given.snapshot, trust=given.trust).check(
        given.account,
        token_issued_at=_moment(given.token_issued_at),
        password_changed_at=_moment(given.password_changed_at),
        platform=given.platform,
        client_version=given.client_version,
        client=given.client,
        sensitive=given.sensitive,
    )
    print(json.dumps(decision.as_json()))
    return ALLOWED if decision.allow else REFUSED


def _moment(text: str | None) -> float | None:
    moment = moment_of(text)
    if text is not None and moment is None:
        raise Misused(f"{text!r} is no time.", mend="Say Unix seconds, or ISO 8601 with a zone: 2014-05-27T10:00:00Z.")
    return moment


def _inspect(given: argparse.Namespace) -> int:
    snapshot = open_snapshot(given.snapshot, trust=Trust.read(given.trust) if given.trust else None)
    counts = _counts(snapshot)
    told: dict[str, Any] = {
        "trusted": snapshot.way is not Way.UNTRUSTED,
        "way": str(snapshot.way),
        "sha256": snapshot.digest.hex(),
        "file_bytes": snapshot.identity[2],
        "bytes_per_account": round(snapshot.identity[2] / snapshot.header.accounts, 3)
        if snapshot.header.accounts
        else None,
        "counts": {str(code): counts[code] for code in sorted(snapshot.header.combinations)},
        "header": snapshot.header.given,
    }
    print(json.dumps(told, indent=2))
    return ALLOWED


def _counts(snapshot: Snapshot) -> dict[int, int]:
    """Return the number of accounts per combination."""
    if snapshot.header.width > 1:
        return Counter(snapshot.codes)
    counts = Counter[int]()
    for start in range(0, len(snapshot.codes), 1024 * 1024):
        chunk = bytes(snapshot.codes[start : start + 1024 * 1024])
        for code in snapshot.header.combinations:
            counts[code] += chunk.count(code)
    return counts


def _serve(given: argparse.Namespace) -> int:
    if not re.fullmatch(r"unix:.+|.*:[0-9]{1,5}", given.listen):
        raise Misused(f"{given.listen!r} is no place to listen.", mend="Say HOST:PORT or unix:PATH.")
    if given.watch_seconds <= 0:
        raise Misused("--watch-seconds must be above 0.")
    source = None
    if given.source:
        token = Trust.read(given.trust).feed_token
        source = Source(given.source, token=token, ca_file=given.ca_file, plain_http=given.plain_http)
    gate = _opened(given, source)
    for warning in gate.status().warnings:
        _say(f"warning: {warning}.")
    follower = Follower(gate, source=source, name=given.name) if source else None
    if follower:
        follower.start()
    gate.watch(every_seconds=given.watch_seconds)
    # What was loaded so far stays; without it in the collector's way, no check waits for it.
    gc.collect()
    gc.freeze()
    try:
        asyncio.run(_until_stopped(gate, given))
    finally:
        if follower:
            follower.stop()
        gate.close()
    return ALLOWED


def _opened(given: argparse.Namespace, source: Source | None) -> Gate:
    """Open the list; one that is missing or has become useless is fetched where there is a source."""
    try:
        return Gate(given.snapshot, trust=given.trust)
    except SnapshotRefused as refused:
        if source is None:
            raise
        _say(f"{refused} Asking {source.url} for another.")
        first_list(given.snapshot, trust=Trust.read(given.trust), source=source)
        return Gate(given.snapshot, trust=given.trust)


async def _until_stopped(gate: Gate, given: argparse.Namespace) -> None:
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stopped.set)
    if hasattr(signal, "SIGHUP"):
        # In a thread of its own: hashing a large list takes half a second in which checks go on.
        loop.add_signal_handler(signal.SIGHUP, lambda: threading.Thread(target=_refresh, args=(gate,)).start())
    answers = Answers(gate, too_old_status=HTTPStatus(given.too_old_status))
    await listen(given.listen, answers=answers, ready=lambda where: _say(_told(gate, where)), stopped=stopped)


def _told(gate: Gate, where: str) -> str:
    status = gate.status()
    return f"epoch {status.epoch} of {status.accounts:,} accounts ({status.way}) on {where}."


def _refresh(gate: Gate) -> None:
    refreshed = gate.refresh()
    refusal = gate.status().last_refusal
    _say(f"{refreshed}: {refusal.what}" if refreshed is Refreshed.REFUSED and refusal else f"{refreshed}.")


def _say(text: str) -> None:
    print(f"tocsin-gate: {text}", file=sys.stderr, flush=True)

"""A source of lists on loopback, written from the description of the feed, and a way to wait without sleeping."""

import json
import queue
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tests.unit.gate.conftest import Clock, Writer


def eventually(condition, *, seconds=60.0):
    """Wait until a condition holds; return what it gave."""
    ends, waiting = time.monotonic() + seconds, threading.Event()
    while time.monotonic() < ends:
        if found := condition():
            return found
        waiting.wait(0.01)
    raise AssertionError("it never became true")


class FakeSource:
    """Serves a list and a stream; what to send and how to fail is set from outside."""

    def __init__(self, token="token-1"):
        self.token = token
        self.snapshot = b""
        self.epoch = 1
        self.streams = []
        self.asked = []
        self.reports = []
        self.cut_to = None
        self.stream_status = 200
        source = self

        class Exchange(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                source.asked.append((self.path, dict(self.headers)))
                if self.headers.get("Authorization") != f"Bearer {source.token}":
                    self.send_error(401)
                elif self.path == "/gate/v1/snapshot":
                    source.send_snapshot(self)
                elif self.path.startswith("/gate/v1/changes?epoch="):
                    source.send_stream(self)
                else:
                    self.send_error(404)

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                source.reports.append(body)
                self.send_response(204)
                self.end_headers()

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Exchange)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def send_snapshot(self, exchange):
        if exchange.headers.get("If-None-Match") == f'"{self.epoch}"':
            exchange.send_response(304)
            exchange.end_headers()
            return
        exchange.send_response(200)
        exchange.send_header("Content-Length", str(len(self.snapshot)))
        exchange.send_header("ETag", f'"{self.epoch}"')
        exchange.end_headers()
        exchange.wfile.write(self.snapshot[: self.cut_to])

    def send_stream(self, exchange):
        if self.stream_status != 200:
            exchange.send_error(self.stream_status)
            return
        exchange.send_response(200)
        exchange.send_header("Content-Type", "text/event-stream")
        exchange.end_headers()
        events = queue.Queue()
        self.streams.append((exchange.headers.get("Last-Event-ID"), events))
        while (event := events.get()) is not None:
            exchange.wfile.write(event)
            exchange.wfile.flush()

    def resumed_from(self):
        return [last for last, _ in self.streams]

    def push(self, kind, data):
        identity = f"id: {data['epoch']}.{data['seq']}\n" if "seq" in data else ""
        self.streams[-1][1].put(f": a comment\n{identity}event: {kind}\ndata: {json.dumps(data)}\n\n".encode())

    def drop(self):
        self.streams[-1][1].put(None)

    def close(self):
        for _, events in self.streams:
            events.put(None)
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def writer(tmp_path):
    return Writer(tmp_path)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def fake_source():
    source = FakeSource()
    source.thread.start()
    yield source
    source.close()

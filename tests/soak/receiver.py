"""An OTLP/HTTP receiver that stumbles: it keeps the ids of the events that it took."""

import collections
import gzip
import http.server
import threading
import time

# What it does to a request, as (name, weight). `lost` and `slow` take the request; the client does not learn of `lost`.
FAULTS = [("none", 82), ("busy", 5), ("later", 3), ("reset", 4), ("lost", 3), ("slow", 3)]


def fields(message):
    """The (number, value) pairs of a protobuf message; a value is a whole number or bytes."""
    at = 0

    def varint():
        nonlocal at
        value, shift = 0, 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    while at < len(message):
        tag = varint()
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            yield number, varint()
            continue
        size = {1: 8, 5: 4}[wire] if wire != 2 else varint()
        yield number, message[at:at + size]
        at += size


def inner(message, number):
    return (value for found, value in fields(message) if found == number)


def record_ids(request):
    """`log.record.uid` of each log record of an ExportLogsServiceRequest."""
    for resource in inner(request, 1):
        for scope in inner(resource, 2):
            for record in inner(scope, 2):
                for attribute in inner(record, 6):
                    parts = dict(fields(attribute))
                    if parts[1] == b"log.record.uid":
                        yield dict(fields(parts[2]))[1].decode()


class Receiver:
    """Listens on a free port of 127.0.0.1 until the end of the process."""

    def __init__(self, random):
        self.random, self.lock = random, threading.Lock()
        self.stumbles, self.ids, self.faults = True, collections.Counter(), collections.Counter()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                receiver.answer(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.endpoint = f"http://127.0.0.1:{self.server.server_address[1]}"

    def answer(self, handler):
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        if handler.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        ids = list(record_ids(body))
        with self.lock:
            names, weights = zip(*FAULTS)
            fault = self.random.choices(names, weights)[0] if self.stumbles else "none"
            self.faults[fault] += 1
            if fault in ("none", "lost", "slow"):
                self.ids.update(ids)
        if fault in ("reset", "lost"):
            handler.close_connection = True
            return
        if fault == "slow":
            time.sleep(1.5)
        handler.send_response({"busy": 503, "later": 429}.get(fault, 200))
        if fault == "later":
            handler.send_header("Retry-After", "1")
        handler.send_header("Content-Type", "application/x-protobuf")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

"""Starts what the check looks at: scripted providers, the reference gateway and a real Prometheus, each on a free port."""

import http.server
import json
import os
import re
import subprocess
import threading
import time
import urllib.parse
import urllib.request

PATIENCE = 30  # seconds for a process to say where it listens, or for a number to arrive
SCRAPE = 0.25  # seconds between two scrapes


class Process:
    """A child process whose lines are searched for addresses; it ends with the block."""

    def __init__(self, *command, **environment):
        self.process = subprocess.Popen(command, env=os.environ | environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self.out, self.err, self.news = [], [], threading.Condition()
        for stream, lines in ((self.process.stdout, self.out), (self.process.stderr, self.err)):
            threading.Thread(target=self.read, args=(stream, lines), daemon=True).start()

    def read(self, stream, lines):
        for line in stream:
            with self.news:
                lines.append(line.rstrip("\n"))
                self.news.notify_all()

    def find(self, pattern):
        """What the pattern's group is in the first line that has it."""
        with self.news:
            def found():
                return next((match for line in self.err + self.out if (match := re.search(pattern, line))), None)
            if not self.news.wait_for(lambda: found() or self.process.poll() is not None, PATIENCE) or not found():
                raise SystemExit(f"{self.process.args[0]} did not say {pattern!r}:\n" + "\n".join(self.err[-20:]))
            return found().group(1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()


def get(url):
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
        return answer.read().decode()


def until(what, holds):
    """Waits until it holds, and gives what made it hold."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if (found := holds()) is not None:
            return found
        time.sleep(SCRAPE / 5)
    raise SystemExit(f"waited {PATIENCE} s in vain: {what}")


class Prometheus:
    """The HTTP API of a Prometheus."""

    def __init__(self, address):
        self.base = f"http://{address}/api/v1/"

    def call(self, path, **query):
        return json.loads(get(self.base + path + "?" + urllib.parse.urlencode(query, doseq=True)))["data"]

    def query(self, expression, at=None):
        """The samples of an instant query as pairs of labels and value."""
        data = self.call("query", query=expression, **({"time": at} if at else {}))
        return [(sample["metric"], float(sample["value"][1])) for sample in data["result"]]

    def total(self, expression):
        return sum(value for _, value in self.query(expression))


class Collector(http.server.BaseHTTPRequestHandler):
    """Takes whatever is exported over OTLP/HTTP and thanks; what a collector makes of it is the business of ci/traces.sh."""
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass

    @staticmethod
    def environment():
        """Starts one that lives as long as this process; how a gateway is told of it, with every request sampled."""
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
                "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_TRACES_SAMPLER": "always_on"}


def journal(admin):
    """What all providers saw, oldest first."""
    entries, cursor = [], None
    while True:
        page = json.loads(get(f"{admin}/journal?limit=1000" + (f"&cursor={cursor}" if cursor else "")))
        entries += page["requests"]
        cursor = page["next"]
        if cursor is None:
            return entries

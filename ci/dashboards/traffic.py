"""The mixed run: what clients ask, and their book of what they asked and heard."""

import dataclasses
import http.client
import json
import re
import socket
import time

HELD = "held"
CONTENT = re.compile(b'"content":"[^"]')


@dataclasses.dataclass
class Ask:
    """One request, where it goes by the manifests, and how the gateway is to count it."""
    path: str
    model: str = "unknown"
    stream: bool = False
    body: str = ""
    route: str = "unknown"
    backend: str = "unknown"
    provider: str = ""
    status: int = 200
    reason: str = "Upstream"
    leave: bool = False
    # what the client heard
    first: float = 0.0  # the first content of a stream
    duration: float = 0.0
    length: int = 0


def chat(model, stream=False, path="/v1/chat/completions", **more):
    body = json.dumps({"model": model, "stream": stream, "messages": [{"role": "user", "content": "hi"}]})
    place = {"route": "default/chat", "backend": "default/pool", "provider": "a"}
    return Ask(path, model, stream, body, **{**place, **more})


def plan(number):
    """One round: successes of several models, streams, failovers, provider errors, broken streams, refusals, cancels.

    The rounds differ in one request: `shaky` fails twice in a row only in the second, and is evicted there.
    """
    other = {"path": "/other/v1/chat/completions", "route": "default/other", "backend": "default/other", "provider": "c"}
    down = {"path": "/down/v1/chat/completions", "route": "default/down", "backend": "default/down", "provider": "d"}
    keyed = {"path": "/keyed/v1/chat/completions", "route": "default/keyed", "provider": ""}
    round_of = [chat("small")] * 6 + [chat("large")] * 4 + [chat("small", True)] * 5 + [chat("large", True)] * 3
    round_of += [chat("flaky", provider="b")] * 2
    round_of += [chat("small", **other)] * 2 + [chat("wrong", status=500, **other)] * 2
    round_of += [chat("cut", True, reason="UpstreamFailure", **other)] * 2
    round_of += [chat("endless", True, reason="ClientClosed", leave=True, **other)] * 2
    round_of += [chat("small", status=502, reason="UpstreamFailure", **down)]
    shaky = {"path": "/shaky/v1/chat/completions", "route": "default/shaky", "backend": "default/shaky", "provider": "e"}
    round_of += [chat("small", status=503, **shaky), chat("small", status=200 if number == 1 else 503, **shaky)]
    round_of += [chat("small", status=401, reason="APIKeyAuth", backend="unknown", **keyed)] * 2
    round_of += [Ask("/nowhere", body="{}", status=404, reason="NotFound")] * 3
    round_of += [Ask("/v1/chat/completions", body="{", route="default/chat", backend="default/pool", status=400,
                     reason="InvalidRequest")] * 2
    return [dataclasses.replace(ask) for ask in round_of]


def send(address, ask):
    """Sends it on a connection of its own, and notes what came; a status other than the planned one ends the check."""
    began = time.monotonic()
    connection = http.client.HTTPConnection(address, timeout=30)
    connection.request("POST", ask.path, ask.body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    if answer.status != ask.status:
        raise SystemExit(f"{ask.path} {ask.model}: answered {answer.status} instead of {ask.status}: {answer.read()}")
    try:
        while chunk := answer.read1(65536):
            if CONTENT.search(chunk):
                ask.first = ask.first or time.monotonic() - began
            ask.length += len(chunk)
            if ask.leave and b"one" in chunk:
                connection.sock.shutdown(socket.SHUT_RDWR)
                break
    except (http.client.IncompleteRead, ConnectionResetError):
        if ask.reason != "UpstreamFailure":
            raise
    ask.duration = time.monotonic() - began
    connection.close()
    return ask


def run(address, number):
    """One round; the book of it."""
    return [send(address, ask) for ask in plan(number)]


def hold(address):
    """A stream that goes on until its connection is closed; it is in no book."""
    ask = chat(HELD, True, path="/other/v1/chat/completions")
    connection = http.client.HTTPConnection(address, timeout=30)
    connection.request("POST", ask.path, ask.body, {"Content-Type": "application/json"})
    connection.getresponse().read1(1)
    return connection

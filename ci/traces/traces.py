"""Sends requests through gateways that trace into Arize Phoenix, and compares what its API tells with the mocks' journal."""

import contextlib
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

WINDTUNNEL, PYTHON, FOLDER = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
HERE = pathlib.Path(__file__).parent

MANIFESTS = """
kind: Gateway
metadata: {{name: edge}}
spec: {{gatewayClassName: agentgateway, listeners: [{{name: http, port: 8080, protocol: HTTP}}]}}
---
kind: AgentgatewayBackend
metadata: {{name: pool}}
spec:
  ai:
    groups:
      - providers: [{{name: down, host: 127.0.0.1, port: {down}, openai: {{model: gpt-down}}}}]
      - providers: [{{name: good, host: 127.0.0.1, port: {good}, openai: {{model: gpt-good}}}}]
---
kind: AgentgatewayBackend
metadata: {{name: good}}
spec: {{ai: {{provider: {{host: 127.0.0.1, port: {good}, openai: {{model: gpt-good}}}}}}}}
---
kind: HTTPRoute
metadata: {{name: both}}
spec:
  parentRefs: [{{name: edge}}]
  rules:
    - {{matches: [{{path: {{value: /pool}}}}], backendRefs: [{{name: pool, group: agentgateway.dev, kind: AgentgatewayBackend}}]}}
    - {{matches: [{{path: {{value: /good}}}}], backendRefs: [{{name: good, group: agentgateway.dev, kind: AgentgatewayBackend}}]}}
"""

POLICY = """
---
kind: AgentgatewayPolicy
metadata: {{name: tracing}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: edge}}]
  frontend: {{tracing: {{url: "http://127.0.0.1:{grpc}", protocol: GRPC, randomSampling: "true"}}}}
"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def until(what, probe, seconds=60):
    """The first result of the probe that is not None."""
    end, last = time.monotonic() + seconds, None
    while time.monotonic() < end:
        try:
            result = probe()
            if result is not None:
                return result
        except OSError as error:
            last = error
        time.sleep(0.1)
    raise SystemExit(f"{what} took longer than {seconds} s: {last}")


@contextlib.contextmanager
def running(command, log, **more):
    """A process that is ended at the end, and the lines it says."""
    with open(FOLDER / log, "w+b") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, **more)
        try:
            yield process, lambda: (FOLDER / log).read_text(errors="replace").splitlines()
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def word(lines, *starts):
    """The value of the first line that has all of these words before it."""
    for line in lines:
        if all(start in line for start in starts):
            return line.split("address=")[1].split()[0]
    return None


def ask(address, path, trace, body):
    host, port = address.rsplit(":", 1)
    connection = http.client.HTTPConnection(host, int(port), timeout=20)
    head = {"content-type": "application/json", "traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    connection.request("POST", path, json.dumps(body), head)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def exchange(address, number):
    """One request of each sort; the trace of each."""
    chat = {"model": "asked", "messages": [{"role": "user", "content": "How is the weather?"}]}
    asked = {
        "failed over": ("/pool/v1/chat/completions", chat, 200),
        "plain": ("/good/v1/chat/completions", chat, 200),
        "streamed": ("/good/v1/chat/completions", {**chat, "stream": True}, 200),
        "rejected": ("/nowhere", chat, 404),
    }
    traces = {}
    for at, (sort, (path, body, expected)) in enumerate(asked.items()):
        traces[sort] = f"{number:08x}{at:08x}" + "ab" * 8
        status = ask(address, path, traces[sort], body)
        assert status == expected, f"{sort}: status {status} instead of {expected}"
    return traces


def plain(attributes):
    return {pair["key"]: bare(pair["value"]) for pair in attributes}


def bare(union):
    # all members of the union are told, null where they are not meant
    (kind, value), = ((kind, value) for kind, value in union.items() if value is not None)
    if kind == "array_value":
        return [bare(one) for one in value["values"]]
    return int(value) if kind == "int_value" else value


def stored(phoenix, expected):
    """All spans by trace, as Phoenix's API tells them, once there are so many."""

    def probe():
        page = get(f"{phoenix}/v1/projects/default/spans/otlpv1?limit=1000")["data"]
        return page if len(page) >= expected else None

    traces = {}
    for span in until(f"{expected} spans in Phoenix", probe, 30):
        span = {**span, "attributes": plain(span["attributes"])}
        traces.setdefault(span["trace_id"], []).append(span)
    return traces


def check(sort, spans, seen, dialect):
    """A trace against what the mocks saw of it."""
    spans = sorted(spans, key=lambda span: int(span["start_time_unix_nano"]))
    server, attempts = spans[0], spans[1:]
    assert len(attempts) == len(seen) == {"failed over": 2, "rejected": 0}.get(sort, 1), f"{sort}: {spans} {seen}"
    assert server["parent_span_id"] == "00f067aa0ba902b7", f"{sort}: {server}"
    path = {"failed over": "POST /pool/*", "rejected": "POST"}.get(sort, "POST /good/*")
    assert server["name"] == path, f"{sort}: {server['name']}"
    for attempt, entry in zip(attempts, seen):
        assert attempt["parent_span_id"] == server["span_id"], f"{sort}: {attempt}"
        told = entry["headers"]["traceparent"]
        assert told.split("-")[2] == attempt["span_id"], f"{sort}: the provider was told {told}"
        status = "http.response.status_code" if dialect == "latest" else "http.status"
        assert attempt["attributes"][status] == entry["status"], f"{sort}: {attempt}"
    if sort == "rejected":
        return
    # the newest conventions tell tokens of the attempt, today's of the whole exchange
    teller = attempts[-1] if dialect == "latest" else server
    told, usage = teller["attributes"], seen[-1]["usage"]
    assert told["gen_ai.usage.input_tokens"] == usage["prompt_tokens"], f"{sort}: {told} {usage}"
    assert told["gen_ai.usage.output_tokens"] == usage["completion_tokens"], f"{sort}: {told} {usage}"
    assert told["gen_ai.request.model"] == "gpt-good" and told["gen_ai.operation.name"] == "chat", f"{sort}: {told}"
    assert told["gen_ai.response.finish_reasons"] == ["stop"] and told["gen_ai.response.id"], f"{sort}: {told}"
    assert told["gen_ai.provider.name" if dialect == "latest" else "gen_ai.system"] == "openai", f"{sort}: {told}"
    if dialect == "latest":
        assert teller["name"] == "chat gpt-good", f"{sort}: {teller['name']}"


def gateway(manifests, number, environment):
    """Runs one gateway with one request of each sort; its spans are delivered when it has ended."""
    config = FOLDER / f"gateway-{number}.yaml"
    config.write_text(manifests)
    anywhere = "127.0.0.1:0"
    command = [WINDTUNNEL, "gateway", "--config", config, "--listen", f"8080={anywhere}", "--grace", "0s"]
    command += ["--metrics", anywhere, "--ready", anywhere]
    with running(command, f"gateway-{number}.log", env={**os.environ, **environment}) as (process, lines):
        address = until("the gateway", lambda: word(lines(), "port=8080"))
        until("the gateway", lambda: True if any(line == "serving" for line in lines()) else None)
        traces = exchange(address, number)
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        trouble = [line for line in lines() if "traces: collector" in line]
        assert not trouble, trouble
    return traces


def main():
    http_port, grpc_port = free_port(), free_port()
    phoenix = f"http://127.0.0.1:{http_port}"
    store = {
        "PHOENIX_WORKING_DIR": str(FOLDER / "phoenix"),
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(http_port),
        "PHOENIX_GRPC_PORT": str(grpc_port),
        "PHOENIX_TELEMETRY_ENABLED": "false",
    }
    (FOLDER / "phoenix").mkdir()
    serve = [PYTHON, "-m", "phoenix.server.main", "serve"]
    mock = [WINDTUNNEL, "mock", "--config", HERE / "mocks.yaml", "--admin", "127.0.0.1:0"]
    started, passed = time.monotonic(), 0
    with running(serve, "phoenix.log", env={**os.environ, **store}), running(mock, "mock.log") as (_, lines):
        admin = until("the mock", lambda: next((line for line in lines() if "listening admin=" in line), None))
        admin = admin.split("admin=")[1].removesuffix("/ready")
        ports = {name: word(lines(), f"provider={name}").rsplit(":", 1)[1] for name in ("good", "down")}
        until("Phoenix", lambda: get(f"{phoenix}/v1/projects"), 120)
        print(f"Phoenix is up after {time.monotonic() - started:.0f} s")
        manifests = MANIFESTS.format(**ports)
        over_http = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": phoenix,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
            "OTEL_SERVICE_NAME": "edge",
        }
        runs = {
            "gRPC, by policy": (gateway(manifests + POLICY.format(grpc=grpc_port), 1, {}), "today"),
            "HTTP, by environment": (gateway(manifests, 2, over_http), "latest"),
        }
        entries = [
            {**entry, "headers": {name.lower(): value for name, value in entry["headers"]}}
            for entry in get(f"{admin}/journal?limit=1000")["requests"]
        ]
        spans = stored(phoenix, 2 * 8)
        for run, (traces, dialect) in runs.items():
            for sort, trace in traces.items():
                seen = [entry for entry in entries if trace in entry["headers"].get("traceparent", "")]
                check(sort, spans.get(trace, []), seen, dialect)
                passed += 1
                print(f"{run}: {sort}: {len(spans[trace])} spans as the journal has it")
    print(f"{passed} passed, 0 failed")


if __name__ == "__main__":
    main()

"""Runs what of the stack exists here, each service as its container would: mounts, user, command, environment and rights
are read out of the compose file. Then asks as tutorial 000 does, and looks where it says that traces and metrics are.

Usage, in a network of its own: stack.py PROJECT.json WINDTUNNEL.
"""

import http.server
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "ci/dashboards"))
import world

# Containers have addresses of their own: who listens on 127.0.0.1 alone is not found by its name.
ADDRESSES = {"gateway": "127.0.0.2", "mocks": "127.0.0.3", "prometheus": "127.0.0.4", "tempo": "127.0.0.5"}
# The user that an image names, when the compose file does not; and its entry point.
USERS = {"prometheus": "65534:65534"}
PROGRAMS = {"gateway": "/windtunnel", "mocks": "/windtunnel", "prometheus": "/usr/bin/prometheus"}
# Where images have a volume.
VOLUMES = {"prometheus": ["/prometheus"]}


class Container:
    """A service of the compose file in a sandbox in the place of a container."""

    def __init__(self, name, service, windtunnel, folder):
        self.name, self.service = name, service
        user, group = service.get("user", USERS.get(name)).split(":")
        self.sandbox = ["bwrap", "--die-with-parent", "--unshare-user", "--uid", user, "--gid", group, "--unshare-pid",
                        "--unshare-ipc", "--cap-drop", "ALL", "--clearenv", "--setenv", "PATH", "/usr/bin",
                        "--ro-bind", "/usr", "/usr", "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64",
                        "--proc", "/proc", "--dev", "/dev", "--ro-bind", windtunnel, "/windtunnel",
                        "--ro-bind", folder / "hosts", "/etc/hosts"]
        for variable, value in (service.get("environment") or {}).items():
            self.sandbox += ["--setenv", variable, value]
        for mount in service.get("volumes", []):
            source = mount["source"] if mount["type"] == "bind" else folder / mount["source"]
            self.sandbox += ["--ro-bind" if mount.get("read_only") else "--bind", source, mount["target"]]
        for path in VOLUMES.get(name, []):
            self.sandbox += ["--tmpfs", path]
        self.sandbox += ["--remount-ro", "/"] if service.get("read_only") else []

    def start(self):
        """The process of the container, healthy; its health check must be able to fail."""
        if self.health() == 0:
            raise SystemExit(f"{self.name}: the health check passes before anything runs")
        process = world.Process(*self.sandbox, PROGRAMS[self.name], *self.service["command"])
        try:
            world.until(f"{self.name} is healthy", lambda: process.process.poll() is not None or self.health() == 0 or None)
            if process.process.poll() is not None:
                raise SystemExit(f"{self.name} has ended")
        except SystemExit:
            print("\n".join(process.err[-20:]), file=sys.stderr)
            raise
        return process

    def health(self):
        kind, *command = self.service["healthcheck"]["test"]
        if kind != "CMD":
            raise SystemExit(f"{self.name}: the image has no shell for a health check")
        return subprocess.run([*self.sandbox, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode


class Tempo(http.server.BaseHTTPRequestHandler):
    """Takes traces where Tempo would, and keeps their bytes."""
    protocol_version = "HTTP/1.1"
    taken = []

    def do_POST(self):
        self.taken.append((self.path, self.headers["Content-Type"], self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def listen(endpoint):
    """Listens where the gateway is told that Tempo is."""
    host, port = re.fullmatch(r"http://(\w+):(\d+)", endpoint).groups()
    server = http.server.ThreadingHTTPServer((ADDRESSES[host], int(port)), Tempo)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def ask():
    """The tutorial's own command, as it stands in the document."""
    page = (ROOT / "docs/tutorials/000.md").read_text()
    command = re.search(r"^curl -s localhost:8080/openai .*?}'$", page, re.MULTILINE | re.DOTALL).group(0)
    environment = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    told = subprocess.run(["bash", "-c", command], env=environment, stdout=subprocess.PIPE, timeout=30, check=False).stdout
    try:
        return json.loads(told)
    except ValueError:
        raise SystemExit(f"tutorial 000's curl gets {told!r}") from None


def check_answer(answer, journal):
    text = re.search(r'text: "(.*)"', (ROOT / "ci/compose/mocks/mocks.yaml").read_text()).group(1)
    said = answer.get("choices", [{}])[0].get("message", {}).get("content")
    if said != text:
        yield f"tutorial 000's curl gets {answer} instead of {text!r}"
    models = [entry["model"] for entry in journal]
    if models != ["gpt-4o-mini"]:
        yield f"the mock was asked for {models}"


def check_traces():
    world.until("spans come to where Tempo is", lambda: Tempo.taken or None)
    path, kind, spans = Tempo.taken[0]
    if (path, kind) != ("/v1/traces", "application/x-protobuf"):
        yield f"traces go to {path} as {kind}"
    # what the tutorial promises to be seen: model and tokens
    for wanted in (b"agentgateway", b"gen_ai.request.model", b"gpt-4o-mini", b"gen_ai.usage.input_tokens", b"gen_ai.usage.output_tokens"):
        if not any(wanted in body for _, _, body in Tempo.taken):
            yield f"spans have no {wanted.decode()}"


def check_metrics(prometheus):
    count = 'agentgateway_requests_total{route="enterprise-agentgateway/openai",status="200"}'
    found = world.until("Prometheus has scraped the gateway", lambda: prometheus.query("agentgateway_requests_total") or None)
    if prometheus.total(count) != 1:
        yield f"{count} is not 1: {found}"
    if prometheus.total('up{job="agentgateway",instance="gateway:15020"}') != 1:
        yield "Prometheus has not scraped gateway:15020"
    groups = {group["name"] for group in prometheus.call("rules")["groups"]}
    rules = (ROOT / "ci/observability/prometheus/rules.yaml").read_text()
    if groups != set(re.findall(r"- name: (\S+)", rules)):
        yield f"Prometheus has the rules {groups}"


def main(project, windtunnel):
    services = json.loads(pathlib.Path(project).read_text())["services"]
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "ca").mkdir()
        (folder / "hosts").write_text("".join(f"{address} {host}\n" for host, address in ADDRESSES.items()))
        containers = {name: Container(name, services[name], windtunnel, folder) for name in PROGRAMS}
        listen(services["gateway"]["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"])
        with containers["mocks"].start(), containers["gateway"].start():
            answer = ask()
            faults = [*check_answer(answer, world.journal(f"http://{ADDRESSES['mocks']}:8091/__mock")), *check_traces()]
            with containers["prometheus"].start():
                faults += check_metrics(world.Prometheus(f"{ADDRESSES['prometheus']}:9090"))
    for fault in faults:
        print(f"WRONG: {fault}")
    print(f"tutorial 000 in the stack: {len(containers)} services, {len(faults)} wrong")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

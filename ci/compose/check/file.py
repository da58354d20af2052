"""What the compose file promises beyond being valid: versions, ports, rights, health, and which file is mounted where.

Usage: file.py DEFAULT.json OTHER.json, as the reader beside it prints them: without variables, and with all of them set.
"""

import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
OURS = ("gateway", "mocks")
# Tempo's image has nothing to ask with.
WITHOUT_HEALTH = ("tempo",)
OBSERVABILITY = "ci/observability"
# What a container must find where: the files that the other checks of ci/ look at.
FILES = {
    ("gateway", "/etc/windtunnel/000.yaml"): "docs/tutorials/000.yaml",
    ("gateway", "/etc/windtunnel/gateway.yaml"): "ci/compose/gateway.yaml",
    ("mocks", "/etc/mocks/mocks.yaml"): "ci/compose/mocks/mocks.yaml",
    ("prometheus", "/etc/prometheus/prometheus.yaml"): f"{OBSERVABILITY}/prometheus/prometheus.yaml",
    ("prometheus", "/etc/prometheus/rules.yaml"): f"{OBSERVABILITY}/prometheus/rules.yaml",
    ("tempo", "/etc/tempo.yaml"): f"{OBSERVABILITY}/tempo/tempo.yaml",
    ("grafana", "/etc/grafana/provisioning/datasources/datasources.yaml"):
        f"{OBSERVABILITY}/grafana/provisioning/datasources/datasources.yaml",
    ("grafana", "/etc/grafana/provisioning/dashboards/dashboards.yaml"):
        f"{OBSERVABILITY}/grafana/provisioning/dashboards/dashboards.yaml",
    ("grafana", "/var/lib/grafana/dashboards/gateway.json"): f"{OBSERVABILITY}/grafana/dashboards/gateway.json",
}


def seen_at(service, path):
    """The file of this machine that a container sees at a path."""
    for mount in sorted(service.get("volumes", []), key=lambda mount: -len(mount["target"])):
        if mount["type"] == "bind" and pathlib.PurePath(path).is_relative_to(mount["target"]):
            return pathlib.Path(mount["source"]) / pathlib.PurePath(path).relative_to(mount["target"])
    return None


def check_mounts(services):
    for (name, path), wanted in FILES.items():
        seen = seen_at(services[name], path)
        if seen is None or not seen.is_file() or seen.resolve() != ROOT / wanted:
            yield f"{name}: {path} is {seen} instead of {wanted}"
    for name, service in services.items():
        for mount in service.get("volumes", []):
            if mount["type"] != "bind":
                continue
            if not pathlib.Path(mount["source"]).exists():
                yield f"{name}: {mount['source']} does not exist"
            if not mount.get("read_only"):
                yield f"{name}: {mount['target']} can be written"
            if not any(key[0] == name and pathlib.PurePath(key[1]).is_relative_to(mount["target"]) for key in FILES):
                yield f"{name}: nothing says what {mount['target']} is for"


def check_images(services, other):
    version = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE).group(1)
    readme = (ROOT / "ci/compose/README.md").read_text()
    for name, service in services.items():
        if f"`{service['image']}`" not in readme:
            yield f"{name}: README.md does not name {service['image']}"
        base = "windtunnel" if name in OURS else name
        if other[name]["image"] != f"other/{base}:1":
            yield f"{name}: {base.upper()}_IMAGE does not change the image"
        if not re.search(r":v?\d+\.\d+\.\d+$", service["image"]):
            yield f"{name}: {service['image']} is not one version"
        if name in OURS and service["image"] != f"windtunnel:{version}":
            yield f"{name}: {service['image']} is not the workspace's version {version}"


def check_rights(services):
    for name, service in services.items():
        yield from (f"{name}: port {port['target']} is open to others"
                    for port in service.get("ports", []) if port.get("host_ip") != "127.0.0.1")
        if "no-new-privileges:true" not in service.get("security_opt", []):
            yield f"{name}: may gain privileges"
        if name in OURS and not (service.get("read_only") and service.get("cap_drop") == ["ALL"]
                                 and service.get("user") == "65532:65532"):
            yield f"{name}: has more rights than it needs"
        if service.get("privileged") or service.get("cap_add") or service.get("network_mode"):
            yield f"{name}: has rights that nobody needs"


def check_health(services):
    for name, service in services.items():
        if ("healthcheck" in service) == (name in WITHOUT_HEALTH):
            yield f"{name}: health check is {service.get('healthcheck')}"
        for other, how in service.get("depends_on", {}).items():
            wanted = "service_started" if other in WITHOUT_HEALTH else "service_healthy"
            if how["condition"] != wanted:
                yield f"{name}: waits for {other} to be {how['condition']} instead of {wanted}"
    needs = {name: set(service.get("depends_on", {})) for name, service in services.items()}
    wanted = {"gateway": {"mocks", "tempo"}, "mocks": set(), "prometheus": {"gateway"}, "tempo": set(),
              "grafana": {"prometheus", "tempo"}}
    if needs != wanted:
        yield f"depends_on is {needs} instead of {wanted}"


def check_addresses(services):
    """The mounted files name containers and ports; each must be one that is there."""
    def text(name, path):
        return seen_at(services[name], path).read_text()

    def same(what, found, wanted):
        if found != wanted:
            yield f"{what}: {found} instead of {wanted}"

    command = services["gateway"]["command"]
    metrics = next(flag.rsplit(":", 1)[1] for flag in command if flag.startswith("--metrics="))
    targets = re.findall(r'targets: \["(.*)"\]', text("prometheus", "/etc/prometheus/prometheus.yaml"))
    yield from same("what Prometheus scrapes", targets, [f"gateway:{metrics}"])
    tempo = text("tempo", "/etc/tempo.yaml")
    receiver, api = re.search(r'http: {endpoint: "0.0.0.0:(\d+)"}', tempo), re.search(r"http_listen_port: (\d+)", tempo)
    traces = services["gateway"]["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"]
    yield from same("where traces go", traces, f"http://tempo:{receiver.group(1)}")
    sources = re.findall(r"^    url: (.*)", text("grafana", "/etc/grafana/provisioning/datasources/datasources.yaml"), re.MULTILINE)
    yield from same("Grafana's data sources", sources, ["http://prometheus:9090", f"http://tempo:{api.group(1)}"])
    folder = re.search(r"path: ([^}]*)}", text("grafana", "/etc/grafana/provisioning/dashboards/dashboards.yaml")).group(1)
    dashboard = next(path for name, path in FILES if path.endswith("gateway.json"))
    yield from same("where Grafana looks for dashboards", folder, str(pathlib.PurePath(dashboard).parent))
    published = {(name, port["published"]) for name in services for port in services[name].get("ports", [])}
    for wanted in {("gateway", "8080"), ("grafana", "3000"), ("gateway", metrics)} - published:
        yield f"the tutorials' port {wanted} is not there"


def check_logins(services, other):
    for name, of in (("solo-demo", services), ("admin", other)):
        login = of["grafana"]["environment"]
        if (login["GF_SECURITY_ADMIN_USER"], login["GF_SECURITY_ADMIN_PASSWORD"]) != ("admin", name):
            yield f"Grafana's login is not admin/{name}"


def main(default, other):
    services, other = (json.loads(pathlib.Path(path).read_text())["services"] for path in (default, other))
    faults = [*check_mounts(services), *check_images(services, other), *check_rights(services), *check_health(services),
              *check_logins(services, other)]
    # addresses are in files that must be there first
    faults = faults or [*check_addresses(services)]
    for fault in faults:
        print(f"WRONG: {fault}")
    print(f"compose.yaml: {len(services)} services, {len(FILES)} mounted files, {len(faults)} wrong")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""Every panel of the dashboard, every variable and every rule, in a real Prometheus that scraped a real mixed run.

Usage: dashboards.py WINDTUNNEL. Two rounds of the same requests go through the gateway: the first brings every series
into being, the second is what the panels are asked about, in a window that holds it and nothing else.
"""

import json
import math
import pathlib
import re
import string
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent / "dashboards"))
import panels
import traffic
import world

HERE = pathlib.Path(__file__).parent
FILES = HERE / "observability"
DASHBOARD = json.loads((FILES / "grafana/dashboards/gateway.json").read_text())
ALL = {"gateway": ".*", "route": ".*", "model": ".*"}
# Metrics with a label for the model; their panels follow the variable.
OF_MODELS = ("agentgateway_gen_ai_", "agentgateway_tokens_", "agentgateway_cost_")
# Variables as somebody may set them, and what then is left of the book.
VIEWS = [
    (ALL, lambda it: True, lambda it: True),
    (ALL | {"route": "default/chat", "model": "small"},
     lambda it: it.ask.route == "default/chat", lambda it: it.model == "small"),
]


def substituted(expression, variables, window):
    return string.Template(expression).substitute(variables, __rate_interval=window, __interval=window)


def shown(prometheus, panel, variables, window, at):
    """The series of a panel: those of one query by their labels, those of several by legend."""
    series = {}
    for target in panel["targets"]:
        legend = target["legendFormat"]
        expression = substituted(target["expr"], variables, window)
        for labels, value in prometheus.query(expression, at):
            fixed = legend and "{{" not in legend
            series[panels.named("legend", legend) if fixed else frozenset(labels.items())] = value
    return series


def compare(panel, expected, series):
    """What is wrong with a panel."""
    if panel["type"] == "heatmap":
        series = {key: value for key, value in series.items() if key in expected}
    wrong = [f"series {dict(key)} is missing" for key in expected.keys() - series.keys()]
    # nothing may show but what was there before, and then it stood still
    wrong += [f"series {dict(key)} is not expected: {series[key]}" for key in series.keys() - expected.keys() if series[key]]
    for key in expected.keys() & series.keys():
        (low, high), value = expected[key], series[key]
        # times are doubles of seconds since 1970, good to a microsecond
        if not low * (1 - 1e-6) - 1e-9 <= value <= high * (1 + 1e-6) + 1e-9:
            wrong.append(f"{dict(key)}: {value} is not within {low} and {high}")
    return wrong


def check_panels(prometheus, rounds, window, at):
    """Compares all panels in all views; the number of comparisons, and what is wrong."""
    asked = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
    titles = {panel["title"] for panel in asked}
    faults = [f"{title}: nothing says what it must show" for title in titles ^ panels.PANELS.keys()]
    compared = 0
    for variables, in_route, of_model in VIEWS:
        for panel in asked:
            here = rounds.where(in_route)
            if any(metric in target["expr"] for target in panel["targets"] for metric in OF_MODELS):
                here = here.where(of_model)
            expected = panels.PANELS[panel["title"]](here)
            series = shown(prometheus, panel, variables, f"{window}ms", at)
            if variables == ALL and not series:
                faults.append(f"{panel['title']}: no data")
            faults += [f"{panel['title']} {variables}: {what}" for what in compare(panel, expected, series)]
            compared += len(expected)
    return compared, faults


def check_variables(prometheus, book):
    """What the drop-down lists offer."""
    offered = {}
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            selector, label = variable["definition"].removeprefix("label_values(").removesuffix(")").rsplit(",", 1)
            match = substituted(selector, ALL, "1m")
            offered[variable["name"]] = set(prometheus.call(f"label/{label.strip()}/values", **{"match[]": match}))
    models = {it.model for it in book if it.answered}
    wanted = {"gateway": {"default/edge", "unknown"}, "route": {it.ask.route for it in book}, "model": models}
    wanted["gateway"] = offered["gateway"] & wanted["gateway"] or wanted["gateway"]
    return [f"variable {name}: {offered[name]} instead of {wanted[name]}" for name in wanted if offered[name] != wanted[name]]


def check_totals(prometheus, book):
    """The raw counters since the start of the gateway, to the last one."""
    used_by = [it for it in book if it.usage]
    used = [it.usage for it in used_by]
    cached = sum(usage["cached_tokens"] for usage in used)
    totals = {
        "agentgateway_requests_total": len(book),
        'agentgateway_tokens_total{gen_ai_token_type="input"}': sum(usage["prompt_tokens"] for usage in used),
        'agentgateway_tokens_total{gen_ai_token_type="output"}': sum(usage["completion_tokens"] for usage in used),
        'agentgateway_gen_ai_client_token_usage_sum{gen_ai_token_type="input_cache_read"}': cached,
        "agentgateway_gen_ai_client_cost_usd_total": sum(it.price for it in book if it.price is not None),
        'agentgateway_cost_catalog_lookups_total{status="Missing"}': sum(1 for it in used_by if it.price is None),
        "agentgateway_provider_evictions_total": 2,
        "agentgateway_retries_total": sum(max(0, len(it.attempts) - 1) for it in book),
        "agentgateway_gen_ai_server_time_to_first_token_count": sum(1 for it in book if it.first),
        "agentgateway_request_duration_seconds_count": len(book),
    }
    told = {name: prometheus.total(name) for name in totals}
    # a sum of doubles may end in another last digit
    return [f"{name}: {told[name]} instead of {wanted}" for name, wanted in totals.items()
            if not math.isclose(told[name], wanted, rel_tol=1e-12)]


def check_records(prometheus, gateway, requests):
    """Log records are the requests that were sent; spans are those and their attempts, every one exported."""
    lines = [json.loads(line) for line in gateway.out if line.startswith("{")]
    spans = len(lines) + sum(line["attempts"] for line in lines)
    if len(lines) != requests:
        return [f"{len(lines)} lines of access log instead of {requests}"]
    world.until(f"{spans} spans are exported",
                lambda: True if prometheus.total("agentgateway_spans_exported_total") == spans else None)
    return []


def check_rules(prometheus):
    """Every rule is evaluated without an error; every recorded one has data."""
    def rules():
        groups = prometheus.call("rules")["groups"]
        all_of = [rule for group in groups for rule in group["rules"]]
        return all_of if all_of and all(rule["health"] != "unknown" for rule in all_of) else None
    all_of = world.until("rules are evaluated", rules)
    faults = [f"rule {rule['name']}: {rule.get('lastError')}" for rule in all_of if rule["health"] != "ok"]
    recorded = {rule["name"] for rule in all_of if rule["type"] == "recording"}
    faults += [f"rule {name}: no data" for name in sorted(recorded) if not prometheus.query(name)]
    return len(all_of), faults


def check_exposition(metrics):
    """What promtool has to say about names, types and help; and whether tutorial 001's command shows what it promises."""
    text = world.get(f"http://{metrics}/metrics")
    told = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    faults = [] if told.returncode == 0 else ["promtool check metrics: " + line for line in told.stdout.splitlines()]
    # curl -s http://localhost:15020/metrics | grep -E "agentgateway_(request|token)" | head -20
    shown_lines = [line for line in text.splitlines() if re.search("agentgateway_(request|token)", line)][:20]
    for family in ("requests", "tokens"):
        if not any(line.startswith(f"agentgateway_{family}_total{{") for line in shown_lines):
            faults.append(f"tutorial 001, step 4: no agentgateway_{family}_total in the first 20 lines")
    return faults


def settled(prometheus, requests):
    """Waits until a scrape has seen so many requests, and one more has come behind it; the time of then."""
    world.until(f"{requests} requests are scraped",
                lambda: True if prometheus.total("agentgateway_requests_total") >= requests else None)
    scraped = prometheus.query("timestamp(up)")[0][1]
    return world.until("one more scrape", lambda: next(
        (at for _, at in prometheus.query("timestamp(up)") if at > scraped), None))


def main(windtunnel):
    with tempfile.TemporaryDirectory() as folder:
        return run(windtunnel, pathlib.Path(folder))


def run(windtunnel, folder):
    with world.Process(windtunnel, "mock", "--config", HERE / "dashboards/mocks.yaml", "--admin", "127.0.0.1:0") as mocks:
        admin = mocks.find("listening admin=(.*)/ready")
        ports = {name: mocks.find(f"provider={name} address=.*:([0-9]+)") for name in "abcde"}
        manifests = string.Template((HERE / "dashboards/manifests.yaml").read_text()).substitute(ports)
        (folder / "manifests.yaml").write_text(manifests)
        gateway = world.Process(windtunnel, "gateway", "--config", folder / "manifests.yaml", "--listen",
                                "8080=127.0.0.1:0", "--metrics", "127.0.0.1:0", "--ready", "127.0.0.1:0",
                                "--model-catalog", HERE / "dashboards/prices.yaml", **world.Collector.environment())
        with gateway:
            address, metrics = gateway.find("listening port=8080 address=(.*)"), gateway.find("metrics address=(.*)")
            config = (FILES / "prometheus/prometheus.yaml").read_text()
            config = config.replace("gateway:15020", metrics).replace("interval: 15s", f"interval: {int(world.SCRAPE * 1e3)}ms")
            (folder / "prometheus.yaml").write_text(config.replace("rules.yaml", str(FILES.absolute() / "prometheus/rules.yaml")))
            with world.Process("prometheus", f"--config.file={folder}/prometheus.yaml",
                               f"--storage.tsdb.path={folder}/tsdb", "--web.listen-address=127.0.0.1:0",
                               "--enable-feature=exemplar-storage") as server:
                prometheus = world.Prometheus(server.find('msg="Listening on" address=(.*)'))
                (folder / "manifests.yaml").write_text(manifests + "# changed\n")
                gateway.find("(reloaded)")
                return check(prometheus, address, admin, gateway, metrics)


def check(prometheus, address, admin, gateway, metrics):
    warm = traffic.run(address, 1)
    before = settled(prometheus, len(warm))
    seen = len(world.journal(admin))
    book = traffic.run(address, 2)
    held = traffic.hold(address)
    after = settled(prometheus, len(warm) + len(book))
    window = round((after - before) * 1000)
    entries = [entry for entry in world.journal(admin) if entry["model"] != traffic.HELD]
    first, second = panels.exchanges(warm, entries[:seen]), panels.exchanges(book, entries[seen:])
    [(_, samples)] = [(one["metric"], one["values"]) for one in
                      prometheus.call("query", query=f'up{{job="agentgateway"}}[{window}ms]', time=after)["result"]]
    rounds = panels.Window(second, window / 1e3, samples[-1][0] - samples[0][0])
    compared, faults = check_panels(prometheus, rounds, window, after)
    faults += check_variables(prometheus, first + second)
    faults += check_totals(prometheus, first + second)
    rules, more = check_rules(prometheus)
    faults += check_exposition(metrics)
    faults += check_records(prometheus, gateway, len(warm) + len(book))
    held.close()
    for fault in faults + more:
        print(f"WRONG: {fault}")
    print(f"{len(warm) + len(book)} requests, {len(samples)} scrapes in {window / 1e3:.1f} s, {len(panels.PANELS)} panels, "
          f"{compared} series compared, {rules} rules, {len(faults + more)} wrong")
    return bool(faults + more)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

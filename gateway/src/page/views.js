// The views that are drawn anew from their JSON twin: overview, listeners, routes, backends, configuration.
import { chart } from "./charts.js";
import { badge, clock, empty, h, money, none, number, share, table, time } from "./dom.js";

export function overview(told) {
  const { last_minute: minute, series, step_seconds: step } = told;
  const of = (name) => series.map((bucket) => bucket[name] ?? null);
  const failed = series.map((bucket) => (bucket.requests ? (100 * bucket.failed) / bucket.requests : 0));
  const charts = [
    chart("Requests", `${number(minute.requests_per_second)}/s`, [["requests/s", of("requests_per_second")]], number, step),
    chart("Failed", share(minute.failed, minute.requests), [["failed", failed]], (value) => `${number(value)} %`, step),
    chart("Duration", `${time(minute.duration_p50_ms)} · ${time(minute.duration_p95_ms)}`, [["p50", of("duration_p50_ms")], ["p95", of("duration_p95_ms")]], time, step),
    chart("Time to first token", `${time(minute.first_token_p50_ms)} · ${time(minute.first_token_p95_ms)}`, [["p50", of("first_token_p50_ms")], ["p95", of("first_token_p95_ms")]], time, step),
    chart("Tokens", `${number(minute.tokens_per_second)}/s`, [["tokens/s", of("tokens_per_second")]], number, step),
    chart("Cost", `${money(minute.cost_per_hour)}/h`, [["$/h", of("cost_per_hour")]], money, step),
  ];
  const idle = told.routes.length === 0 && minute.requests === 0;
  const quiet = idle && empty("No requests in the last five minutes", "Send one to a listener (see ", h("a", { href: "#/listeners" }, "Listeners"), "); it shows up here within a second.");
  return h("div", {},
    h("h2", {}, "Overview", h("small", {}, "headlines: last minute")),
    quiet,
    h("div", { class: "charts" }, charts),
    !idle && h("div", { class: "pair" },
      table("Routes, last 5 minutes", traffic("route"), told.routes),
      table("Models, last 5 minutes", traffic("model"), told.models)),
  );
}

const traffic = (filter) => [
  [filter === "route" ? "Route" : "Model", (row) => h("a", { href: `#/exchanges?${new URLSearchParams({ [filter]: row.name })}` }, row.name), "name"],
  ["Requests", (row) => number(row.requests), "figure"],
  ["Failed", (row) => share(row.failed, row.requests), "figure"],
  ["Refused", (row) => share(row.refused, row.requests), "figure"],
  ["p95", (row) => time(row.duration_p95_ms), "figure"],
  ["Tokens", (row) => number(row.input_tokens + row.output_tokens), "figure"],
  ["Cost", (row) => money(row.cost), "figure"],
];

export function listeners({ listeners }) {
  const columns = [
    ["Gateway", (row) => row.gateway, "name"],
    ["Listener", (row) => row.listener],
    ["Port", (row) => row.port, "figure"],
    ["Address", (row) => row.address ?? none],
    ["Protocol", (row) => (row.served ? (row.tls ? "HTTPS" : "HTTP") : none)],
    ["Host", (row) => row.hostname ?? "every host"],
    ["Routes", (row) => row.attached_routes, "figure"],
    ["State", (row) => conditions(row.conditions, row.served ? badge("served", "good") : badge("not served", "bad"))],
  ];
  const nothing = empty("No listeners", "Add a Gateway with gatewayClassName agentgateway to the manifests; ", h("a", { href: "#/configuration" }, "Configuration"), " says what became of every object.");
  return h("div", {}, h("h2", {}, "Listeners"), listeners.length ? table("Listeners of all Gateways", columns, listeners) : nothing);
}

/// The good ones in a word, what is wrong in full.
function conditions(all, summary) {
  const wrong = all.filter((condition) => !condition.good);
  return [summary, wrong.map((condition) => h("p", { class: "wrong" }, `${condition.type}=${condition.status} ${condition.reason}: ${condition.message}`))];
}

export function routes({ listeners }) {
  const columns = [
    ["#", (row) => row.order, "figure"],
    ["Match", matched, "name"],
    ["Route", (row) => [row.route, row.rule && h("small", {}, ` ${row.rule}`), row.shadowed_by && badge(`in the shadow of ${row.shadowed_by}`, "warn", "An entry before takes all that this one could.")]],
    ["To", (row) => row.backends.map((backend) => h("div", {}, backend.name ?? "models by name", backend.kind === "broken" || backend.kind === "unready" ? badge(backend.kind, "bad") : "", row.backends.length > 1 && h("small", {}, ` weight ${backend.weight}`)))],
    ["Also", extras],
  ];
  const part = (listener) => [
    h("h3", {}, `${listener.gateway} · ${listener.listener}`, h("small", {}, `port ${listener.port}${listener.hostname ? `, ${listener.hostname}` : ""}`)),
    listener.entries.length ? table("Entries in the order in which they are tried", columns, listener.entries) : empty("No route is attached", "A request to this listener is answered 404. Add an HTTPRoute with this Gateway as parentRef."),
  ];
  const nothing = empty("No listeners", "Routes show up here when a listener is served; see ", h("a", { href: "#/configuration" }, "Configuration"), ".");
  return h("div", {}, h("h2", {}, "Routes", h("small", {}, "the first match wins")), listeners.length ? listeners.map(part) : nothing);
}

function matched(row) {
  const { path, method, headers, query, openai_paths_only: openai } = row.match;
  const kinds = { Exact: "exactly", PathPrefix: "", RegularExpression: "regex" };
  const more = [...headers.map((one) => `header ${one.name}: ${one.value}`), ...query.map((one) => `query ${one.name}=${one.value}`)];
  return [
    h("code", {}, `${method ? `${method} ` : ""}${row.hostname ?? ""}${path.value}${path.type === "PathPrefix" ? "*" : ""}`),
    h("small", {}, ` ${[kinds[path.type], openai && "OpenAI paths only", ...more].filter(Boolean).join(", ")}`),
  ];
}

function extras(row) {
  const times = row.timeouts;
  const said = [
    row.client_keys && "client keys",
    ...row.filters,
    row.retry && `retry ${row.retry.attempts}×`,
    row.sessions && "sessions",
    times.request_ms !== null && `timeout ${time(times.request_ms)}`,
    times.backend_request_ms !== null && `per attempt ${time(times.backend_request_ms)}`,
    times.response_idle_ms !== null && `idle ${time(times.response_idle_ms)}`,
  ].filter(Boolean);
  return said.length ? said.join(", ") : none;
}

const states = {
  serving: (health) => badge("serving", "good", `health ${number(health.score, 2)}`),
  evicted: (health) => badge(`evicted, ${time(health.returns_in_ms)} left`, "bad"),
  due: () => badge("the next request probes", "warn"),
  probing: () => badge("probing", "warn"),
};

export function backends({ backends }) {
  const nothing = empty("No backends", "A route's backendRefs show up here. See ", h("a", { href: "#/routes" }, "Routes"), ".");
  return h("div", {}, h("h2", {}, "Backends"), backends.length ? backends.map(backend) : nothing);
}

function backend(told) {
  const title = h("h3", {}, told.name, h("small", {}, told.kind === "ai" ? eviction(told.eviction) : told.kind));
  if (told.kind === "static") return h("section", { class: "card" }, title, h("p", {}, where(told.endpoint), `, credential: ${told.credential}`));
  if (told.kind !== "ai") return h("section", { class: "card" }, title, h("p", { class: "wrong" }, told.reason));
  const columns = [
    ["Provider", (row) => [row.name, h("small", {}, ` ${row.system}`)], "name"],
    ["State", (row) => states[row.health.state](row.health)],
    ["Latency", (row) => time(row.health.latency_ms), "figure"],
    ["In flight", (row) => row.health.in_flight, "figure"],
    ["Failures", (row) => row.health.failures_in_a_row, "figure"],
    ["Model", (row) => row.model ?? "the client's"],
    ["Where", (row) => [where(row.endpoint), h("small", {}, ` key: ${row.credential}`)]],
    ["Last error", (row) => (row.last_error ? [h("small", {}, `${clock(row.last_error.time)} `), row.last_error.error] : none)],
  ];
  const group = (providers, at) => table(told.groups.length > 1 ? `Priority ${at + 1}` : "Providers", columns, providers);
  return h("section", { class: "card" }, title, told.groups.map(group));
}

function eviction(rule) {
  if (!rule) return "built-in eviction";
  const often = rule.consecutive_failures ? ` after ${rule.consecutive_failures} failures in a row` : "";
  return `evicts for ${time(rule.duration_ms)}${often}`;
}

function where(endpoint) {
  return `${endpoint.tls ? "https" : "http"}://${endpoint.host}:${endpoint.port}${endpoint.protocol === "HTTP/2" ? " (HTTP/2)" : ""}`;
}

export function configuration(told) {
  const columns = [
    ["Kind", (row) => row.kind],
    ["Name", (row) => (row.namespace ? `${row.namespace}/${row.name}` : row.name), "name"],
    ["State", (row) => (row.ok ? badge("ok", "good") : badge("not as written", "bad"))],
    ["Conditions", (row) => row.conditions.map(condition)],
    ["Worth knowing", (row) => (row.notes.length ? row.notes.map((note) => h("p", {}, note)) : none)],
  ];
  const objects = [...told.objects].sort((a, b) => Number(a.ok) - Number(b.ok));
  const nothing = empty("No objects", "The folder or file of --config holds nothing that this gateway serves. Start with a Gateway, an HTTPRoute and an AgentgatewayBackend.");
  return h("div", {},
    h("h2", {}, "Configuration", h("small", {}, `generation ${told.generation}, since ${new Date(told.since).toLocaleString("en-GB")}`)),
    h("p", { class: "facts" }, `${told.taken} reloads taken, ${told.refused} refused.`),
    told.refusal && h("pre", { class: "wrong" }, told.refusal),
    objects.length ? table("Objects; what is not as written comes first", columns, objects) : nothing);
}

function condition(one) {
  const about = one.parent ? `${one.parent}: ` : "";
  if (one.good) return h("div", { class: "fine", title: `${about}${one.message}` }, `${one.type}=${one.status}`, h("small", {}, ` ${one.reason}`));
  return h("div", { class: "wrong" }, `${about}${one.type}=${one.status} ${one.reason}: ${one.message}`);
}

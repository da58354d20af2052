// The last exchanges: the list, its filters, and one exchange with the waterfall of its attempts.
import { cell, clock, empty, h, money, none, number, put, statusBadge, time } from "./dom.js";

const KEPT = 500;
const FIELDS = ["model", "status", "route", "text"];

const KEYS = { connect: "connecting", wait: "waiting for the head", answer: "answering", failed: "failed" };

const columns = [
  ["Time", (one) => one, "name"],
  ["Request", (one) => [`${one.method} `, h("span", { class: "path" }, one.path)]],
  ["Route", (one) => one.route ?? none],
  ["Model", models],
  ["Status", (one) => [statusBadge(one.status), one.end !== "complete" && h("small", {}, ` ${words(one.end)}`)]],
  ["Duration", (one) => time(one.duration_ms), "figure"],
  ["First token", (one) => time(one.first_token_ms), "figure"],
  ["Tokens", (one) => (one.usage ? `${number(one.usage.input)} → ${number(one.usage.output)}` : none), "figure"],
  ["Cost", (one) => cost(one), "figure"],
];

function models(one) {
  if (!one.requested_model && !one.upstream_model) return none;
  if (!one.requested_model || one.requested_model === one.upstream_model) return one.upstream_model;
  return `${one.requested_model} → ${one.upstream_model}`;
}

const words = (end) => end.replaceAll("_", " ");
const cost = (one) => (one.usage && (one.cost === null || one.cost === undefined) ? "unknown" : money(one.cost));

export class Exchanges {
  constructor(dialog) {
    this.dialog = dialog;
    this.all = [];
    this.wanted = {};
    this.fields = {};
    this.body = null;
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  }

  /// Takes what is new, newest first. Where too much came at once, older ones are no longer the ones right before.
  add(fresh, missed) {
    if (missed) this.all = [];
    const known = new Set(this.all.slice(0, fresh.length).map((one) => one.number));
    fresh = fresh.filter((one) => !known.has(one.number));
    this.all = [...fresh, ...this.all].slice(0, KEPT);
    if (!this.body?.isConnected || !(fresh.length || missed)) return;
    this.options();
    const fitting = fresh.filter((one) => this.fits(one));
    const rows = this.body.rows;
    if (missed || rows.length === 0) return this.list();
    this.body.prepend(...fitting.map((one) => this.row(one)));
    while (rows.length > KEPT) rows[rows.length - 1].remove();
    this.count();
  }

  /// What the address bar asks for.
  filter(query) {
    this.wanted = Object.fromEntries(FIELDS.map((name) => [name, query.get(name) ?? ""]));
    if (!this.body?.isConnected) return;
    this.options();
    this.list();
  }

  fits(one) {
    const { model, status, route, text } = this.wanted;
    const names = [one.requested_model, one.upstream_model, one.response_model];
    const said = [one.method, one.host, one.path, one.request_id, one.end, one.route, one.backend, one.error, ...names,
      ...one.attempts.flatMap((attempt) => [attempt.provider, attempt.error])];
    return (!model || names.includes(model))
      && (!status || (status.endsWith("xx") ? String(one.status)[0] === status[0] : String(one.status) === status))
      && (!route || one.route === route)
      && (!text || said.some((part) => part?.toLowerCase().includes(text.toLowerCase())));
  }

  draw() {
    const field = (name, label, element) => {
      element.id = `filter-${name}`;
      element.addEventListener(name === "text" ? "input" : "change", () => this.chosen());
      this.fields[name] = element;
      return h("label", { for: element.id }, label, element);
    };
    const form = h("form", { class: "filters", role: "search", onsubmit: (event) => event.preventDefault() },
      field("text", "Text", h("input", { type: "search", placeholder: "path, id, error…" })),
      field("model", "Model", h("select", {})),
      field("status", "Status", h("select", {})),
      field("route", "Route", h("select", {})),
      h("button", { type: "button", onclick: () => this.clear() }, "Clear"));
    this.body = h("tbody", {});
    this.table = h("table", { class: "exchanges" }, h("caption", {}, "The last exchanges, newest first"),
      h("thead", {}, h("tr", {}, columns.map(([title, , kind]) => h("th", { scope: "col", class: kind }, title)))), this.body);
    this.told = h("small", { role: "status" });
    this.nothing = h("div", {});
    this.options();
    this.list();
    return h("div", {}, h("h2", {}, "Exchanges", this.told), form, this.nothing, this.table);
  }

  options() {
    const seen = (pick) => [...new Set(this.all.flatMap(pick).filter(Boolean))].sort();
    const choices = {
      model: seen((one) => [one.requested_model, one.upstream_model]),
      status: ["2xx", "3xx", "4xx", "5xx", ...seen((one) => [String(one.status)])],
      route: seen((one) => [one.route]),
    };
    for (const [name, values] of Object.entries(choices)) {
      const select = this.fields[name];
      const wanted = this.wanted[name];
      const all = ["", ...values.includes(wanted) || !wanted ? values : [wanted, ...values]];
      if ([...select.options].map((option) => option.value).join("\n") !== all.join("\n")) {
        select.replaceChildren(...all.map((value) => h("option", { value }, value || "all")));
      }
      select.value = wanted;
    }
    if (this.fields.text.value !== this.wanted.text) this.fields.text.value = this.wanted.text;
  }

  chosen() {
    const wanted = Object.fromEntries(FIELDS.map((name) => [name, this.fields[name].value]).filter(([, value]) => value));
    const query = new URLSearchParams(wanted).toString();
    history.replaceState(null, "", `#/exchanges${query ? `?${query}` : ""}`);
    this.filter(new URLSearchParams(query));
  }

  clear() {
    FIELDS.forEach((name) => (this.fields[name].value = ""));
    this.chosen();
  }

  list() {
    this.body.replaceChildren(...this.all.filter((one) => this.fits(one)).map((one) => this.row(one)));
    this.count();
  }

  count() {
    const shown = this.body.rows.length;
    this.told.textContent = `${shown} of ${this.all.length}`;
    this.table.hidden = shown === 0;
    const some = this.all.length > 0;
    put(this.nothing, !shown && (some
      ? empty("Nothing fits the filter", "Clear it to see all exchanges again.")
      : empty("No exchanges yet", "Send a request to a listener (see ", h("a", { href: "#/listeners" }, "Listeners"), "); it shows up here within a second.")));
  }

  row(one) {
    const open = h("button", { type: "button", class: "open", "aria-label": `Details of exchange ${one.number}, ${clock(one.time)}` }, clock(one.time));
    const cells = columns.map(([title, tell, kind], at) => cell(title, at === 0 ? open : tell(one), kind));
    return h("tr", { "data-number": one.number, onclick: () => this.open(one) }, cells);
  }

  open(one) {
    const copy = h("button", { type: "button", onclick: () => copyJson(one, copy) }, "Copy as JSON");
    put(this.dialog, [
      h("header", {},
        h("h2", { id: "detail-title" }, `${one.method} ${one.path}`),
        copy,
        h("button", { type: "button", onclick: () => this.dialog.close() }, "Close")),
      h("p", { class: "facts" }, statusBadge(one.status), ` ${words(one.end)} in ${time(one.duration_ms)}, ${one.attempts.length === 1 ? "1 attempt" : `${one.attempts.length} attempts`}`),
      one.error && h("p", { class: "wrong" }, one.error),
      waterfall(one),
      h("dl", {}, facts(one).filter(([, value]) => value !== null && value !== undefined).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))),
    ]);
    this.dialog.showModal();
  }
}

function facts(one) {
  return [
    ["Time", one.time], ["Host", one.host], ["Listener", one.gateway && `${one.gateway} · ${one.listener}, port ${one.port}`],
    ["Route", one.route && `${one.route}${one.rule ? ` · ${one.rule}` : ""}`], ["Backend", one.backend], ["Operation", one.operation],
    ["Requested model", one.requested_model], ["Upstream model", one.upstream_model], ["Model of the answer", one.response_model],
    ["Tokens in", one.usage && `${number(one.usage.input)}${one.usage.cached ? `, ${number(one.usage.cached)} of them cached` : ""}${one.usage.cache_written ? `, ${number(one.usage.cache_written)} into the cache` : ""}`],
    ["Tokens out", one.usage && `${number(one.usage.output)}${one.usage.reasoning ? `, ${number(one.usage.reasoning)} of them reasoning` : ""}`],
    ["Cost", one.usage && cost(one)], ["Bytes out", number(one.response_bytes)], ["Reason", one.reason],
    ["Trace", h("code", {}, one.trace_id)], ["Span", h("code", {}, one.span_id)], ["Request id", h("code", {}, one.request_id)],
    ["Upstream's request id", one.upstream_request_id],
    ["JSON", h("a", { href: `/api/exchanges/${one.number}` }, `/api/exchanges/${one.number}`)],
  ];
}

/// Bars over the exchange's time: waiting for a head, then, of the one that answered, the answer.
function waterfall(one) {
  const whole = Math.max(one.duration_ms, 0.001);
  const bar = (kind, from, to, title) => {
    const element = h("span", { class: `bar ${kind}`, title });
    element.style.left = `${Math.min(99.5, (100 * from) / whole)}%`;
    element.style.width = `${Math.max(0.5, (100 * (to - from)) / whole)}%`;
    return element;
  };
  const mark = one.first_token_ms !== null && h("span", { class: "mark", title: `first token after ${time(one.first_token_ms)}` });
  if (mark) mark.style.left = `${Math.min(100, (100 * one.first_token_ms) / whole)}%`;
  const line = (name, note, bars) => h("li", {}, h("div", { class: "who" }, name, h("small", {}, note)), h("div", { class: "track" }, bars));
  const attempts = one.attempts.map((attempt, at) => {
    const answers = at === one.attempts.length - 1 && attempt.status !== null;
    const how = attempt.error ?? (attempt.status === null ? "no answer" : `status ${attempt.status}`);
    const note = ` ${attempt.endpoint}${attempt.standing ? `, ${attempt.standing}` : ""}: ${how}; from ${time(attempt.start_ms)}, ${attempt.connect_ms === null ? "" : `connected in ${time(attempt.connect_ms)}, `}${attempt.status === null ? "ended" : "head"} after ${time(attempt.head_ms - attempt.start_ms)}`;
    return line(attempt.provider, note, [
      bar(attempt.good ? "wait" : "failed", attempt.start_ms, attempt.head_ms, `${how} after ${time(attempt.head_ms - attempt.start_ms)}`),
      attempt.connect_ms !== null && bar("connect", attempt.start_ms, attempt.start_ms + attempt.connect_ms, `connected in ${time(attempt.connect_ms)}`),
      answers && bar(attempt.good ? "answer" : "failed", attempt.head_ms, one.duration_ms, `answer, ${time(one.duration_ms - attempt.head_ms)}`),
    ]);
  });
  const note = ` ${time(one.duration_ms)}${mark ? `, first token after ${time(one.first_token_ms)}` : ""}`;
  return [
    h("ol", { class: "waterfall", "aria-label": "Attempts over time" }, line("exchange", note, [bar("whole", 0, whole, words(one.end)), mark]), attempts),
    h("p", { class: "keys" }, Object.entries(KEYS).map(([kind, name]) => h("span", { class: `key-of ${kind}` }, name))),
  ];
}

async function copyJson(one, button) {
  try {
    await navigator.clipboard.writeText(JSON.stringify(one, null, 2));
    button.textContent = "Copied";
  } catch {
    button.textContent = "Not allowed: open the JSON link";
  }
}

// The frame: which view is shown, the live events, pause, light and dark.
import { h } from "./dom.js";
import * as views from "./views.js";
import { Exchanges } from "./exchanges.js";

const main = document.getElementById("main");
const live = document.getElementById("live");
const pause = document.getElementById("pause");
const refusal = document.getElementById("refusal");
const exchanges = new Exchanges(document.getElementById("detail"));

/// Views that are drawn anew from their JSON; `each` ones with each event, the others when the configuration changes.
const drawn = {
  listeners: { draw: views.listeners },
  routes: { draw: views.routes },
  backends: { draw: views.backends, each: true },
  configuration: { draw: views.configuration },
};
const titles = { overview: "Overview", exchanges: "Exchanges", ...Object.fromEntries(Object.keys(drawn).map((name) => [name, name[0].toUpperCase() + name.slice(1)])) };
const state = { view: "", gateway: null, last: 0, overview: null, configuration: "", events: null, paused: false };

async function json(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path}: status ${answer.status}`);
  return answer.json();
}

function place() {
  const [view, query] = location.hash.replace(/^#\//, "").split("?");
  return { view: view in titles ? view : "overview", query: new URLSearchParams(query ?? "") };
}

async function go() {
  if (location.hash === "#main") return main.focus();
  const { view, query } = place();
  const other = view !== state.view;
  state.view = view;
  document.title = `${titles[view]} · Windtunnel gateway`;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#/${view}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (other) main.replaceChildren(h("p", { class: "loading" }, "loading"));
  if (view === "exchanges") {
    exchanges.filter(query);
    if (other) main.replaceChildren(exchanges.draw());
  } else {
    await redraw();
  }
  if (other) window.scrollTo(0, 0);
}

async function redraw() {
  const view = state.view;
  try {
    if (view === "overview") {
      state.overview ??= await json("/api/overview");
      show(view, views.overview(state.overview));
    } else if (view in drawn) {
      show(view, drawn[view].draw(await json(`/api/${view}`)));
    }
  } catch (error) {
    show(view, h("p", { class: "empty" }, `This view cannot be had now: ${error.message}`));
  }
}

function show(view, content) {
  if (view === state.view) main.replaceChildren(content);
}

function update(told) {
  if (state.gateway !== null && state.gateway !== told.gateway) return location.reload();
  const configuration = JSON.stringify(told.configuration);
  const changed = configuration !== state.configuration;
  Object.assign(state, { gateway: told.gateway, last: told.last, overview: told.overview, configuration });
  exchanges.add(told.exchanges, told.missed);
  said("live", "live");
  const why = told.configuration.refusal;
  refusal.hidden = !why;
  const text = why ? `The newest configuration was refused; what is served is older: ${why}` : "";
  if (refusal.textContent !== text) refusal.textContent = text;
  if (state.view === "overview" || drawn[state.view]?.each || (changed && state.view in drawn)) redraw();
}

function said(kind, text) {
  if (live.dataset.state === kind) return;
  live.dataset.state = kind;
  live.textContent = text;
}

function listen() {
  state.events = new EventSource(`/api/live?since=${state.last}`);
  state.events.addEventListener("update", (event) => update(JSON.parse(event.data)));
  state.events.addEventListener("error", () => {
    said("lost", "reconnecting");
    if (state.events.readyState !== EventSource.CLOSED) return;
    setTimeout(() => !state.paused && listen(), 2000);
  });
}

pause.addEventListener("click", () => {
  state.paused = !state.paused;
  pause.setAttribute("aria-pressed", String(state.paused));
  pause.textContent = state.paused ? "Resume" : "Pause";
  state.events?.close();
  if (state.paused) return said("paused", "paused");
  said("waiting", "connecting");
  listen();
});

const theme = document.getElementById("theme");
const system = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";

function nameTheme() {
  theme.textContent = isDark() ? "Light" : "Dark";
}

theme.addEventListener("click", () => {
  const chosen = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = chosen;
  localStorage.setItem("theme", chosen);
  nameTheme();
});
system.addEventListener("change", nameTheme);
const remembered = localStorage.getItem("theme");
if (remembered) document.documentElement.dataset.theme = remembered;
nameTheme();

document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
window.addEventListener("hashchange", go);

const first = await json("/api/exchanges").catch(() => ({ last: 0, exchanges: [] }));
state.last = first.last;
exchanges.add(first.exchanges, 0);
await go();
listen();

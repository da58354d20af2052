// Elements from data, and how numbers are written. Text only ever becomes text nodes.

export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  return filled(element, attributes, children);
}

export function svg(tag, attributes, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  return put(element, children);
}

/// Replaces what is in an element; what is not there leaves no trace.
export function put(element, children) {
  const there = [children].flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
  element.replaceChildren(...there);
  return element;
}

export const none = "–";

export function number(value, digits = 1) {
  if (value === null || value === undefined) return none;
  if (value !== 0 && Math.abs(value) < 0.1 && digits < 2) digits = 2;
  return value.toLocaleString("en", { maximumFractionDigits: value >= 100 ? 0 : digits });
}

export function time(ms) {
  if (ms === null || ms === undefined) return none;
  if (ms < 0.05) return "< 0.1 ms";
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60000) return `${(ms / 1000).toFixed(ms < 10000 ? 2 : 1)} s`;
  return `${Math.floor(ms / 60000)} min ${Math.round((ms % 60000) / 1000)} s`;
}

export function share(part, whole) {
  return whole ? `${number((100 * part) / whole)} %` : none;
}

export function money(value) {
  if (value === null || value === undefined) return none;
  return `$${value.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: value < 1 ? 6 : 2 })}`;
}

export function clock(iso) {
  return new Date(iso).toLocaleTimeString("en-GB");
}

/// A table whose cells know their column, so that a narrow page can show a row as a card.
export function table(caption, columns, rows) {
  const head = columns.map(([title, , kind]) => h("th", { scope: "col", class: kind }, title));
  const line = (row) =>
    h("tr", {}, columns.map(([title, tell, kind]) => cell(title, tell(row), kind)));
  return h("table", {}, h("caption", {}, caption), h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows.map(line)));
}

/// A narrow page leaves out what is none.
export function cell(title, content, kind = "") {
  return h("td", { class: content === none ? `${kind} none` : kind, "data-label": title }, h("div", {}, content));
}

export function empty(title, ...advice) {
  return h("div", { class: "empty" }, h("h3", {}, title), h("p", {}, ...advice));
}

export function badge(text, kind, title) {
  return h("span", { class: `badge ${kind}`, title }, text);
}

export function statusBadge(status) {
  const kind = status >= 500 || status === 0 ? "bad" : status >= 400 ? "warn" : "good";
  return badge(status ? String(status) : "none", kind);
}

// Small charts: one to three lines over the last five minutes, with the value under the pointer.
import { h, svg, none } from "./dom.js";

const WIDTH = 300;
const HEIGHT = 72;

/// `lines` is [[name, values]], of which values may be null; `shown` writes a value.
export function chart(title, headline, lines, shown, step) {
  const values = lines.flatMap(([, values]) => values).filter((value) => value !== null);
  const top = nice(Math.max(...values, 0));
  const count = lines[0][1].length;
  const x = (at) => (count > 1 ? (at * WIDTH) / (count - 1) : 0);
  const y = (value) => HEIGHT - (value / top) * HEIGHT;
  const drawn = lines.map(([, values], at) => [
    lines.length === 1 && svg("path", { class: "area", d: area(values, x, y) }),
    svg("path", { class: `line line-${at}`, d: path(values, x, y) }),
  ]);
  const readout = h("p", { class: "readout", "aria-hidden": "true" }, legend(lines, values.length > 0));
  const cursor = svg("line", { class: "cursor", y1: 0, y2: HEIGHT, visibility: "hidden" });
  const picture = svg(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": spoken(title, lines, shown) },
    svg("line", { class: "grid", x1: 0, x2: WIDTH, y1: HEIGHT / 2, y2: HEIGHT / 2 }),
    drawn,
    cursor,
  );
  picture.addEventListener("pointermove", (event) => {
    const box = picture.getBoundingClientRect();
    const at = Math.max(0, Math.min(count - 1, Math.round(((event.clientX - box.left) / box.width) * (count - 1))));
    cursor.setAttribute("x1", x(at));
    cursor.setAttribute("x2", x(at));
    cursor.setAttribute("visibility", "visible");
    const texts = lines.map(([name, values]) => `${name} ${values[at] === null ? none : shown(values[at])}`);
    readout.replaceChildren(`${(count - at) * step} s ago: ${texts.join(", ")}`);
  });
  picture.addEventListener("pointerleave", () => {
    cursor.setAttribute("visibility", "hidden");
    readout.replaceChildren(...legend(lines, values.length > 0));
  });
  return h(
    "figure",
    { class: "chart" },
    h("figcaption", {}, h("span", {}, title), h("strong", {}, headline)),
    h("div", { class: "plot" }, h("span", { class: "top", "aria-hidden": "true" }, shown(top)), picture),
    readout,
  );
}

function legend(lines, some) {
  if (!some) return ["nothing in the last 5 minutes"];
  if (lines.length < 2) return ["last 5 minutes"];
  return lines.map(([name], at) => h("span", { class: `key key-${at}` }, name));
}

function spoken(title, lines, shown) {
  const last = (values) => values.findLast((value) => value !== null) ?? null;
  const said = lines.map(([name, values]) => `${name} ${last(values) === null ? "no data" : shown(last(values))}`);
  return `${title}, last five minutes; latest: ${said.join(", ")}`;
}

/// Gaps stay gaps; a value that stands alone becomes a dash.
function path(values, x, y) {
  let d = "";
  values.forEach((value, at) => {
    if (value === null) return;
    const joined = at > 0 && values[at - 1] !== null;
    d += `${joined ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
    if (!joined) d += values[at + 1] === null || at === values.length - 1 ? "h3" : "h0";
  });
  return d;
}

// One shape for each stretch without a gap.
function area(values, x, y) {
  const down = (at) => `${x(at).toFixed(1)} ${HEIGHT}`;
  return values
    .map((value, at) => {
      if (value === null) return "";
      const begins = (values[at - 1] ?? null) === null;
      const ends = (values[at + 1] ?? null) === null;
      return `${begins ? `M${down(at)}` : ""}L${x(at).toFixed(1)} ${y(value).toFixed(1)}${ends ? `L${down(at)}Z` : ""}`;
    })
    .join("");
}

function nice(value) {
  if (value <= 0) return 1;
  const unit = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 2.5, 5, 10].map((factor) => factor * unit).find((top) => top >= value);
}

// Values read off a plot: under the pointer, or at the place of a slider, as a table.

import { element, fill, uniqueId } from "./dom.js";
import { swatch } from "./picks.js";

const START = 140;

/**
 * Gives {box, follow(chart), show({x, columns, rows})}. `columns` are titles; a row is {pick, values}, a list of texts
 * for each place of `x`, as a function of its index. `follow` has a plot move the place, and show it.
 */
export function createReading(count) {
  const id = uniqueId("place");
  const slider = element("input", { type: "range", id, min: 0, max: count - 1, step: 1, value: START, oninput: () => move(Number(slider.value)) });
  const place = element("output", { for: id });
  const table = element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Values at this place" });
  const box = element("div", { class: "reading" },
    element("div", { class: "place" }, element("label", { for: id }, "Read at x ="), place, slider), table);
  const charts = [];
  let now = null;

  function move(index) {
    slider.value = index;
    draw();
    mark();
  }

  function draw() {
    if (!now) return;
    const at = Number(slider.value);
    place.textContent = text(now.x[at]);
    const rows = now.rows.map(({ pick, values }) => ({ pick, cells: values(at) }));
    slider.setAttribute("aria-valuetext", `x ${place.textContent}. ${rows.map(({ pick, cells }) => `${pick.about.name}: ${now.columns.map((title, index) => `${title} ${cells[index]}`).join(", ")}`).join("; ")}`);
    fill(table, element("table", {},
      element("thead", {}, element("tr", {}, element("td", {}), now.columns.map((title) => element("th", { scope: "col" }, title)))),
      element("tbody", {}, rows.map(({ pick, cells }) => element("tr", {},
        element("th", { scope: "row" }, swatch(pick.slot), pick.about.name), cells.map((cell) => element("td", {}, cell)))))));
  }

  function mark() {
    if (!now) return;
    const at = now.x[Number(slider.value)];
    // uPlot settles its scales at the end of the task in which it got its data.
    queueMicrotask(() => {
      for (const chart of charts) chart().setCursor({ left: chart().valToPos(at, "x"), top: 0 }, false);
    });
  }

  return {
    box,
    /** uPlot's options of a plot that is read here; `chart` gives it. */
    options: { cursor: { y: false, drag: { x: false, y: false } }, legend: { show: false },
      // Without an event it was set from here.
      hooks: { setCursor: [({ cursor }) => cursor.event && Number.isInteger(cursor.idx) && move(cursor.idx)] } },
    follow: (chart) => charts.push(chart),
    show(found) {
      now = found;
      draw();
      mark();
    },
  };
}

/** A number as it came, in as few digits as say all of an FP32 number. */
export function text(value) {
  if (typeof value === "string") return value;
  return Number.isFinite(value) ? String(value).replace("-", "−") : String(value);
}

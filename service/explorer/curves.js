// Each function and its slope, as the service computes them.

import { element, fill } from "./dom.js";
import { told } from "./parameters.js";
import { bySlot, lines } from "./picks.js";
import { draw } from "./plot.js";
import { createReading, text } from "./reading.js";

export const POINTS = 241;

/** The request for a curve of a pick. */
export function curveRequest(pick, reach) {
  const query = new URLSearchParams({ from: -reach, to: reach, points: POINTS, ...told(pick) });
  return { method: "GET", path: `/activations/${encodeURIComponent(pick.about.name)}/curve?${query}`, headers: {}, body: null, kind: null };
}

/** Gives {box, update({picked, reach}, signal), request(pick, about)}. */
export function createCurves({ api }) {
  const reading = createReading(POINTS);
  const [values, slopes] = [element("div", { class: "plot" }), element("div", { class: "plot" })];
  const about = element("p", { class: "quiet" }, "\u00a0");
  const box = element("div", { class: "view" },
    element("div", { class: "pair" },
      element("figure", {}, element("figcaption", {}, "The function"), values),
      element("figure", {}, element("figcaption", {}, "Its slope, the derivative"), slopes)),
    about, reading.box);
  const known = new Map();
  let plots = null;

  async function curve(pick, reach, signal) {
    const request = curveRequest(pick, reach);
    if (!known.has(request.path)) known.set(request.path, (await api.call(request, { signal })).body);
    return known.get(request.path);
  }

  function make(x) {
    const empty = [x, ...bySlot([], x.length)];
    const options = { ...reading.options, scales: { x: { time: false } } };
    plots = [values, slopes].map((holder) => draw(holder, { series: lines(), data: empty, height: 240, options }));
    for (const plot of plots) reading.follow(plot.chart);
  }

  async function update({ picked, reach }, signal) {
    const found = await Promise.all(picked.map(async (pick) => ({ pick, ...(await curve(pick, reach, signal)) })));
    const x = found[0].x;
    if (!plots) make(x);
    ["y", "grad"].forEach((part, index) =>
      plots[index].update([x, ...bySlot(found.map(({ pick, [part]: all }) => ({ pick, values: all.map(Number) })), x.length)]));
    const mixing = picked.filter((pick) => !pick.about.elementwise).map((pick) => pick.about.name);
    fill(about, mixing.length ? `${mixing.join(", ")}: the first of two elements, the second held at 0.` : "\u00a0");
    reading.show({ x, columns: ["value", "slope"], rows: found.map(({ pick, y, grad }) => ({ pick, values: (at) => [text(y[at]), text(grad[at])] })) });
  }

  return { box, update, request: (pick, { reach }) => curveRequest(pick, reach) };
}

// A tensor of normal numbers before and after each activation.

import { jsonRequest } from "./api.js";
import { element, fill, uniqueId } from "./dom.js";
import { told } from "./parameters.js";
import { MOST, swatch } from "./picks.js";
import { bars, draw } from "./plot.js";

const ROWS = 64;
const COLUMNS = 64;
const BINS = 60;
const FLAT = 0.01; // a slope below it passes next to nothing back: the service calls a unit saturated there

/** Gives {box, update({picked}, signal), request(pick)}; `changed` is called when another tensor is wanted. */
export function createThroughput({ api }, changed) {
  const id = uniqueId("deviation");
  const spread = element("input", { type: "range", id, min: 0.1, max: 5, step: 0.1, value: 1, oninput: renew });
  const said = element("output", { for: id });
  const again = element("button", { type: "button", onclick: () => renew(seed + 1) }, "Another tensor");
  const table = element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Numbers before and after" });
  const figures = element("div", { class: "plots" });
  const box = element("div", { class: "view" },
    element("p", { class: "quiet" }, `${(ROWS * COLUMNS).toLocaleString("en")} normal numbers around 0 go through each, the same for all. Saturated are those where the slope is below ${FLAT}: next to nothing of an error comes back through them.`),
    element("div", { class: "place" }, element("label", { for: id }, "Standard deviation"), said, spread, again), table, figures);
  const holders = Array.from({ length: MOST + 1 }, (_, index) => createHistogram(index - 1));
  fill(figures, holders.map(({ figure }) => figure));
  let seed = 1;
  let tensor = normal(seed, 1);

  function renew(next) {
    if (typeof next === "number") seed = next;
    tensor = normal(seed, Number(spread.value));
    changed();
  }

  function request(pick) {
    return jsonRequest(`/activate/${encodeURIComponent(pick.about.name)}`, { tensor, parameters: told(pick) });
  }

  async function ask(pick, signal) {
    const asked = request(pick);
    const [after, slopes] = await Promise.all([asked, { ...asked, path: `${asked.path}/gradient` }].map((one) => api.call(one, { signal })));
    const flat = pick.about.elementwise ? share(numbers(slopes), (slope) => Math.abs(slope) < FLAT) : null;
    return { pick, name: pick.about.name, slot: pick.slot, values: numbers(after), saturated: flat };
  }

  async function update({ picked }, signal) {
    const before = { name: "before", slot: -1, values: tensor.flat(), saturated: null };
    const found = [before, ...(await Promise.all(picked.map((pick) => ask(pick, signal))))];
    said.textContent = Number(spread.value).toFixed(1);
    const all = found.map((one) => ({ ...one, ...extremes(one.values) }));
    fill(table, summary(all));
    const [low, high] = [Math.min(...all.map(({ least }) => least)), Math.max(...all.map(({ most }) => most))];
    for (const holder of holders) holder.show(all.find(({ slot }) => slot === holder.slot), low, high);
  }

  return { box, update, request };
}

function createHistogram(slot) {
  const holder = element("div", { class: "plot" });
  const caption = element("figcaption", {});
  const figure = element("figure", { hidden: true }, caption, holder);
  let plot = null;
  return {
    figure,
    slot,
    show(found, low, high) {
      figure.hidden = found === undefined;
      if (!found) return;
      fill(caption, slot >= 0 ? ["After ", swatch(slot), found.name] : "Before");
      const data = histogram(found.values, low, high);
      const series = [{ label: "numbers", color: slot < 0 ? "--edge" : `--series-${slot + 1}`, ...bars }];
      if (plot) plot.update(data);
      else plot = draw(holder, { series, data, height: 170, options: { legend: { show: false }, scales: { x: { time: false } }, cursor: { show: false } } });
    },
  };
}

function summary(all) {
  const titles = ["mean", "deviation", "zeros", "saturated", "least", "most"];
  return element("table", {},
    element("thead", {}, element("tr", {}, element("td", {}), titles.map((title) => element("th", { scope: "col" }, title)))),
    element("tbody", {}, all.map((one) => element("tr", {},
      element("th", { scope: "row" }, one.slot >= 0 ? swatch(one.slot) : null, one.name),
      [short(one.mean), short(one.deviation), percent(share(one.values, (value) => value === 0)),
        one.saturated === null ? "–" : percent(one.saturated), short(one.least), short(one.most)].map((cell) => element("td", {}, cell))))));
}

function numbers({ body }) {
  return body.tensor.flat().map(Number);
}

function share(values, holds) {
  return values.filter(holds).length / values.length;
}

function extremes(values) {
  const finite = values.filter(Number.isFinite);
  const mean = finite.reduce((sum, value) => sum + value, 0) / finite.length;
  const deviation = Math.sqrt(finite.reduce((sum, value) => sum + (value - mean) ** 2, 0) / finite.length);
  return { mean, deviation, least: finite.reduce((a, b) => Math.min(a, b), Infinity), most: finite.reduce((a, b) => Math.max(a, b), -Infinity) };
}

function histogram(values, low, high) {
  const width = (high - low) / BINS || 1;
  const first = Math.round(low / width); // a multiple of the width in the middle of each bar: one stands on 0
  const counts = new Array(Math.round(high / width) - first + 1).fill(0);
  for (const value of values) if (Number.isFinite(value)) counts[Math.round(value / width) - first] += 1;
  return [counts.map((_, index) => (first + index) * width), counts];
}

/** Normal numbers, the same for the same seed: Box and Muller's, out of the generator mulberry32. */
function normal(seed, deviation) {
  let state = seed * 0x9e3779b9;
  const uniform = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (((mixed ^ (mixed >>> 14)) >>> 0) + 0.5) / 2 ** 32;
  };
  const one = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()) * deviation;
  return Array.from({ length: ROWS }, () => Array.from({ length: COLUMNS }, () => Number(one().toFixed(4))));
}

function percent(part) {
  return `${(part * 100).toFixed(1)} %`;
}

function short(value) {
  return value.toFixed(3).replace("-", "−");
}

// Live figures out of `/metrics`: how many requests, how long they take, what waits.

import { createBars } from "./bars.js";
import { element, fill } from "./dom.js";
import { sum } from "./exposition.js";
import { draw } from "./plot.js";
import { between, byPath, isAnother, runSizes } from "./traffic.js";

const KEPT_S = 120;
const WINDOW_S = 10; // one look is too short to tell a rate from
const TILES = {
  perSecond: "requests per second",
  median: "half are answered within",
  slowest: "99 of 100 within",
  failedPerSecond: "errors per second",
  flight: "being answered",
  queue: "rows waiting",
  rowsPerRun: "rows in a run",
  memory: "of memory, with all models",
};
const TITLES = ["Route", "per second", "p50", "p99", "requests in all", "errors in all"];

/** Gives {box, take(samples)}, for each look at `/metrics`. */
export function createGauges({ showSnippets }) {
  const tiles = Object.fromEntries(Object.keys(TILES).map((name) => [name, element("dd", {}, "–")]));
  const list = element("dl", { class: "tiles" }, Object.entries(TILES).map(([name, text]) => element("div", {}, element("dt", {}, text), tiles[name])));
  const [rate, time] = [element("div", { class: "plot" }), element("div", { class: "plot" })];
  const table = element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Figures of each route" });
  const runs = createBars();
  const none = element("p", { class: "quiet" }, "No model has been run yet.");
  const reasons = element("p", { class: "quiet" });
  const snippets = element("div", {});
  const box = element("div", { class: "card gauges" }, element("h3", {}, "Traffic"),
    element("p", { class: "quiet" }, `Over the last ${WINDOW_S} seconds, looked at every two; without what this page asks to know it. Times are told from the buckets of a histogram, so roughly.`),
    list,
    element("div", { class: "pair" },
      element("figure", {}, element("figcaption", {}, "Requests per second, last two minutes"), rate),
      element("figure", {}, element("figcaption", {}, "Time to the answer in ms: half, and 99 of 100 (dashed)"), time)),
    element("div", { class: "routes" }, element("h4", {}, "By route"), table),
    element("div", { class: "runs" }, element("h4", {}, "Runs of models by their rows, since the start"), none, runs.box),
    snippets);
  let looks = [];
  let points = [];
  let plots = null;

  function make() {
    const options = { legend: { show: false }, cursor: { show: false }, axes: [{ values: (_, all) => all.map((at) => (at === 0 ? "now" : `−${-at} s`)) }, { size: 50 }], scales: { x: { time: false, range: () => [-KEPT_S, 0] }, y: { range: (chart, _, most) => [0, Math.max(most * 1.1, 1)] } } };
    const line = { points: { show: false }, spanGaps: false };
    plots = [draw(rate, { series: [{ label: "requests", color: "--series-1", ...line }], data: [[], []], height: 160, options }),
      draw(time, { series: [{ label: "p50", color: "--series-1", ...line }, { label: "p99", color: "--series-2", dash: [8, 4], ...line }], data: [[], [], []], height: 160, options })];
    showSnippets(snippets, { method: "GET", path: "/metrics", headers: {}, body: null, kind: null });
  }

  function take(samples) {
    if (!plots) make();
    const look = { at: performance.now() / 1000, samples };
    if (looks.length && isAnother(looks.at(-1), look)) [looks, points] = [[], []]; // started anew
    looks.push(look);
    while (looks.length > 2 && look.at - looks[1].at >= WINDOW_S) looks.shift();
    const first = looks[0];
    const figures = looks.length > 1 ? between(first, look) : null;
    show({ ...figures, flight: Math.max(0, sum(samples, "actserve_requests_in_flight") - 1), queue: sum(samples, "actserve_queue_rows"), memory: sum(samples, "actserve_resident_bytes") }, figures !== null);
    if (figures) paint(figures);
    routes(byPath(first, look), looks.length > 1);
    sizes(runSizes(look));
    const errors = (samples.get("actserve_errors_total") ?? []).map(({ labels, value }) => `${labels.reason.replaceAll("_", " ")} ${value}`);
    reasons.textContent = errors.length ? `Errors by reason: ${errors.join(", ")}.` : "";
  }

  function show({ perSecond, failedPerSecond, median, slowest, rowsPerRun, flight, queue, memory }, isKnown) {
    const texts = { flight, queue, perSecond: isKnown ? perSecond.toFixed(1) : "–", failedPerSecond: isKnown ? failedPerSecond.toFixed(1) : "–",
      memory: memory ? `${(memory / 1e6).toFixed(0)} MB` : "–", median: milliseconds(median), slowest: milliseconds(slowest), rowsPerRun: rowsPerRun ? rowsPerRun.toFixed(1) : "–" };
    for (const [name, text] of Object.entries(texts)) tiles[name].textContent = text;
    tiles.failedPerSecond.classList.toggle("bad", isKnown && failedPerSecond > 0);
  }

  function paint({ perSecond, median, slowest }) {
    const now = looks.at(-1).at;
    points.push([now, perSecond, scaled(median), scaled(slowest)]);
    points = points.filter(([at]) => at > now - KEPT_S);
    const column = (index) => points.map((point) => (index ? point[index] : point[0] - now));
    plots[0].update([column(0), column(1)]);
    plots[1].update([column(0), column(2), column(3)]);
  }

  function routes(rows, isKnown) {
    fill(table, rows.length ? element("table", {},
      element("thead", {}, element("tr", {}, TITLES.map((title) => element("th", { scope: "col" }, title)))),
      element("tbody", {}, rows.map(({ path, perSecond, median, slowest, total, failed }) => element("tr", {}, element("th", { scope: "row" }, element("code", {}, path)),
        [isKnown ? perSecond.toFixed(1) : "–", milliseconds(median), milliseconds(slowest), total.toLocaleString("en"), failed.toLocaleString("en")].map((cell) => element("td", {}, cell))))))
      : element("p", { class: "quiet" }, "Nobody has asked anything yet."), reasons);
  }

  function sizes(found) {
    const all = found.reduce((total, { runs: count }) => total + count, 0);
    none.hidden = all > 0;
    runs.box.hidden = all === 0;
    if (all === 0) return;
    const classes = found.map(({ label, runs: count }) => ({ label, value: count / all }));
    runs.show({ classes, top: classes.reduce((best, { value }, index) => (value > classes[best].value ? index : best), 0), isShare: true });
  }

  return { box, take };
}

function scaled(seconds) {
  return seconds === null ? null : seconds * 1000;
}

function milliseconds(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const value = seconds * 1000;
  return `${value < 10 ? value.toFixed(2) : value.toFixed(0)} ms`;
}

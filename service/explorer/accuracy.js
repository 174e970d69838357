// How exact FP32 answers are: the service's FP32 against its own FP64, and the formula as one would first write it.

import { jsonRequest } from "./api.js";
import { POINTS } from "./curves.js";
import { element, uniqueId } from "./dom.js";
import { bySlot, lines } from "./picks.js";
import { draw } from "./plot.js";
import { createReading, text } from "./reading.js";
import { errorInUlp, NAIVE } from "./ulp.js";

const SAID = "Exact is here what the service answers in FP64 for the same FP32 numbers. One ULP, a unit in the last place, is the step from one FP32 number to the next: the best possible answer is off by half of one at most. The scale is linear near 0 and logarithmic further out.";

/** Gives {box, update({picked, reach}, signal), request(pick, about)}. */
export function createAccuracy({ api }) {
  const reading = createReading(POINTS);
  const holder = element("div", { class: "plot" });
  const id = uniqueId("naive");
  const check = element("input", { type: "checkbox", id, onchange: () => show() });
  const box = element("div", { class: "view" },
    element("p", { class: "quiet" }, SAID),
    element("p", {}, check, " ", element("label", { for: id }, "Beside it, dotted: the formula as a book has it, each step rounded to FP32, computed in this page")),
    element("figure", {}, element("figcaption", {}, "Error in ULP"), holder), reading.box);
  let plot = null;
  let found = [];

  function request(pick, { reach }, datatype = "FP32") {
    const x = places(reach);
    const tensor = pick.about.elementwise ? x : x.map((value) => [value, 0]);
    return jsonRequest(`/activate/${encodeURIComponent(pick.about.name)}`, { tensor, parameters: rounded(pick), datatype });
  }

  async function ask(pick, asked, signal) {
    const answers = await Promise.all(["FP32", "FP64"].map((datatype) => api.call(request(pick, asked, datatype), { signal })));
    const [single, exact] = answers.map(({ body }) => body.tensor.map((value) => Number(Array.isArray(value) ? value[0] : value)));
    const formula = NAIVE[pick.about.name];
    const naive = formula ? places(asked.reach).map((value) => formula(value, rounded(pick))) : null;
    // In JSON an FP32 number has the fewest digits that lead back to it.
    const rounds = single.map(Math.fround);
    return { pick, single, exact, naive, errors: errors(rounds, exact), naiveErrors: naive && errors(naive, exact) };
  }

  async function update(asked, signal) {
    found = await Promise.all(asked.picked.map((pick) => ask(pick, asked, signal)));
    show(places(asked.reach));
  }

  function show(x = now) {
    now = x;
    const own = bySlot(found.map(({ pick, errors: values }) => ({ pick, values })), x.length);
    const written = found.filter(({ naive }) => check.checked && naive);
    const other = bySlot(written.map(({ pick, naiveErrors: values }) => ({ pick, values })), x.length);
    if (!plot) make(x);
    plot.update([x, ...own, ...other]);
    const columns = ["FP32", "exact", "error in ULP", "largest here", ...(check.checked ? ["as a book has it", "its error in ULP"] : [])];
    reading.show({ x, columns, rows: found.map((one) => ({ pick: one.pick, values: (at) => cells(one, at) })) });
  }

  function cells({ single, exact, errors: own, naive, naiveErrors }, at) {
    const most = own.filter(Number.isFinite).reduce((left, right) => Math.max(left, Math.abs(right)), 0);
    const first = [text(single[at]), text(exact[at]), ulp(own[at]), ulp(most)];
    if (!check.checked) return first;
    return [...first, ...(naive ? [text(naive[at]), ulp(naiveErrors[at])] : ["–", "–"])];
  }

  function make(x) {
    const options = { ...reading.options, scales: { x: { time: false }, y: { distr: 4, asinh: 1 } }, axes: [{}, { size: 70, values: (_, all) => all.map((value) => (value === null ? "" : short(value))) }] };
    const series = [...lines(), ...lines({ dash: [1, 5], width: 2.5 })];
    plot = draw(holder, { series, data: [x, ...bySlot([], x.length), ...bySlot([], x.length)], height: 260, options });
    reading.follow(plot.chart);
  }

  let now = [];
  return { box, update, request };
}

/** Places of the plot, all of them FP32 numbers. */
function places(reach) {
  return Array.from({ length: POINTS }, (_, index) => Math.fround(-reach + (2 * reach * index) / (POINTS - 1)));
}

/** All parameters as FP32 numbers, so that both types are asked the same: 0.01 is another number in each. */
function rounded({ values }) {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, typeof value === "number" ? Math.fround(value) : value]));
}

function errors(values, exact) {
  return values.map((value, index) => errorInUlp(value, exact[index]));
}

function ulp(value) {
  return Number.isFinite(value) ? short(value) : "no number";
}

function short(value) {
  const size = Math.abs(value);
  const said = size !== 0 && (size >= 1e4 || size < 0.01) ? value.toExponential(1) : Number(value.toFixed(2)).toLocaleString("en");
  return said.replace("-", "−");
}

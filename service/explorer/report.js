// What the activations inside do with many rows: the findings first, then the numbers, then how the values lie.

import { element, fill, problem, uniqueId } from "./dom.js";
import { fileRequest } from "./files.js";
import { exampleRequest } from "./layers.js";
import { diagnoseRequest, pictureShape, sheetOf } from "./networks.js";

const COMPACT = new Intl.NumberFormat("en", { notation: "compact" });
const COLUMNS = [
  ["Layer", (layer) => layer.node],
  ["Activation", (layer) => layer.activation],
  ["Units", (layer) => layer.units],
  ["Zeros", (layer) => share(layer.zero_share)],
  ["Dead", (layer) => `${layer.dead_units.length} (${share(layer.dead_share)})`],
  ["Saturated", (layer) => `${layer.saturated_units.length} (${share(layer.saturated_share)})`],
  ["Mean slope", (layer) => short(layer.slope_mean)],
  ["Mean", (layer) => short(layer.mean)],
  ["Deviation", (layer) => short(layer.std)],
  ["Least", (layer) => short(layer.min)],
  ["Most", (layer) => short(layer.max)],
  ["Not finite", (layer) => layer.non_finite],
];

/** Gives {box, look()}; the report becomes `report` in the state. `look` asks for it when the panel is shown. */
export function createReport(context) {
  const { api, state, choice, showSnippets, announce } = context;
  const heading = element("h3", {}, "Report");
  const notes = element("div", {});
  const findings = element("ul", { class: "findings" });
  const table = element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Numbers of each layer" });
  const plots = element("div", { class: "plots" });
  const snippets = element("div", {});
  const chooser = element("input", { type: "file", id: uniqueId("batch"), accept: ".npy,.json,.png,.jpg,.jpeg" });
  const back = element("button", { type: "button", hidden: true, onclick: () => lookAgain() }, "Back to the test images");
  const zone = element("div", { class: "dropzone" },
    element("label", { for: chooser.id }, "Drop your own batch here, as .npy or JSON, or choose a file: "), chooser, back);
  const box = element("div", { class: "card report-card" }, heading, notes, findings, table, plots, zone, snippets);
  let about = null;
  let isShown = false;

  async function look() {
    isShown = true;
    const model = state.get("model");
    if (!model || about === model) return;
    about = model;
    state.set("report", null);
    if (pictureShape(model)) await onSamples(model);
    else await show(model, "the example", exampleRequest(model));
  }

  function lookAgain() {
    about = null;
    look();
  }

  async function onSamples(model) {
    const sheet = await choice.sheet(sheetOf(model) ?? state.get("input")?.sheet ?? "digits");
    const pictures = sheet.labels.flatMap((_, row) => sheet.numbers[row].map((_, column) => sheet.picture(row, column)));
    const request = diagnoseRequest(model, pictures, state.get("scale"), true);
    await show(model, `${pictures.length} test images`, request, diagnoseRequest(model, [state.get("input").values], state.get("scale")));
  }

  /** Sends a batch and shows what comes; `pasted` is what is offered to paste, where that is another. */
  async function show(model, name, request, pasted = request) {
    heading.textContent = `What it does with ${name}`;
    try {
      const { body } = await api.call(request);
      if (state.get("model") !== model) return;
      fill(notes);
      draw(body);
      showSnippets(snippets, pasted);
      state.set("report", body);
      announce(`Report on ${name}: ${body.findings.length} findings.`);
    } catch (error) {
      fill(notes, problem(error));
    }
  }

  function draw({ rows, layers, findings: found }) {
    heading.textContent += `, ${rows === 1 ? "one row" : `${rows.toLocaleString("en")} rows`}`;
    fill(findings, found.map(({ severity, text }) => element("li", { class: severity }, element("strong", {}, severity), " ", coded(text))));
    fill(table, layers.length ? element("table", {},
      element("thead", {}, element("tr", {}, COLUMNS.map(([title]) => element("th", { scope: "col" }, title)))),
      element("tbody", {}, layers.map((layer) => element("tr", {}, COLUMNS.map(([, of], index) =>
        element(index ? "td" : "th", index ? {} : { scope: "row" }, String(of(layer)))))))) : null);
    histograms(layers);
  }

  async function histograms(layers) {
    const { draw: plot, bars } = await import("./plot.js");
    fill(plots);
    for (const layer of layers.slice(0, 6)) {
      const { edges, counts } = layer.histogram;
      if (!counts.length) continue;
      const holder = element("div", {});
      plots.append(element("figure", {}, element("figcaption", {}, `How the values after ${layer.node} lie`), holder));
      const middles = counts.map((_, index) => (Number(edges[index]) + Number(edges[index + 1])) / 2);
      plot(holder, { series: [{ label: "values", color: "--series-1", ...bars }], data: [middles, counts], height: 200,
        options: { scales: { x: { time: false } }, axes: [{}, { size: 56, values: (_, ticks) => ticks.map(COMPACT.format) }] } });
    }
  }

  async function take(file) {
    const model = state.get("model");
    if (!file || !model) return;
    back.hidden = false;
    about = model;
    try {
      await show(model, `“${file.name}”`, await fileRequest(`/diagnose/${encodeURIComponent(model.name)}`, file));
    } catch (error) {
      fill(notes, problem(error));
    }
  }

  chooser.addEventListener("change", () => take(chooser.files[0]));
  box.addEventListener("dragover", (event) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    box.classList.add("dropping");
  });
  box.addEventListener("dragleave", () => box.classList.remove("dropping"));
  box.addEventListener("drop", (event) => {
    event.preventDefault();
    event.stopPropagation();
    box.classList.remove("dropping");
    take(event.dataTransfer.files[0]);
  });
  state.on("scale", () => {
    about = null;
  });
  state.on("model", () => isShown && state.get("panel") === "inside" && look());
  return { box, look };
}

/** A sentence of the service, with what it puts between backquotes as code. */
function coded(text) {
  return text.split("`").map((part, index) => (index % 2 ? element("code", {}, part) : part));
}

function share(value) {
  return `${(value * 100).toFixed(1)} %`;
}

function short(value) {
  return typeof value === "number" ? String(Number(value.toPrecision(3))) : value;
}

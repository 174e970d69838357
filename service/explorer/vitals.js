// What the activations inside the models did with the traffic of the last minutes, beside the model's own reference.

import { element, fill, problem } from "./dom.js";

const FEW = 500; // rows, below which much of a drift is chance
const TITLES = ["Layer", "dead", "saturated", "zeros", "mean", "not finite", "drift"];

/** Gives {box, look(samples)}. */
export function createVitals({ api, state, choice, showSnippets }) {
  const cards = element("div", { class: "vitals" });
  const notes = element("div", {});
  const box = element("div", { class: "card" }, element("h3", {}, "Activations in live traffic"),
    element("p", { class: "quiet" }, "A sample of the rows that are served is measured inside the networks. Drift tells how far the units are from the reference that the model's file has, as a population stability index: up to 0.1 is chance, above 0.25 something has changed."),
    notes, cards);
  const known = new Map();

  /** Asks for each model that has sampled rows; of none, why the default one has not. */
  async function look(samples, { signal } = {}) {
    const names = new Set((samples.get("actserve_activation_rows") ?? []).filter(({ value }) => value > 0).map(({ labels }) => labels.model));
    const all = state.get("models");
    if (!names.size && all) for (const { name } of all.models.filter((one) => one.name === all.default && one.versions.length)) names.add(name);
    try {
      const found = await Promise.all(Array.from(names, (name) => ask(name, signal)));
      fill(notes, found.length ? null : element("p", { class: "quiet" }, "No model is loaded."));
      const wanted = found.filter(Boolean).map(show);
      if (wanted.length !== cards.children.length || wanted.some((card, index) => card !== cards.children[index])) fill(cards, wanted);
    } catch (error) {
      if (error.name !== "AbortError") fill(notes, problem(error));
    }
  }

  async function ask(name, signal) {
    try {
      const path = `/models/${encodeURIComponent(name)}/activations`;
      const [body, model] = await Promise.all([api.get(path, { signal }), choice.describe(name)]);
      return { name, path, body, reference: model.activation_reference };
    } catch (error) {
      if (error.status === 404) return null; // unloaded in this moment
      throw error;
    }
  }

  function show({ name, path, body, reference }) {
    if (!known.has(name)) {
      const parts = { said: element("p", {}), table: element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Layers of ${name}` }), about: element("p", { class: "quiet" }), snippets: element("div", {}) };
      known.set(name, { ...parts, card: element("section", { "aria-label": name }, element("h4", {}, name), Object.values(parts)) });
      showSnippets(parts.snippets, { method: "GET", path, headers: {}, body: null, kind: null });
    }
    const { said, table, about, card } = known.get(name);
    said.textContent = body.reason ?? `${body.rows.toLocaleString("en")} rows of the last ${Math.round(body.window_s / 60)} minutes, ${share(body.sample_rate)} of what came.${body.rows < FEW ? " So few rows prove little." : ""}`;
    fill(table, body.layers.length ? layers(body.layers, body.rows) : null);
    about.textContent = reference ? `Reference: ${reference.source ?? reference.from}, ${reference.rows.toLocaleString("en")} rows, for ${reference.layers.join(", ")}.` : "This model has no reference, so no drift is told: actserve reference makes one.";
    return card;
  }

  return { box, look };
}

function layers(found, rows) {
  return element("table", {},
    element("thead", {}, element("tr", {}, TITLES.map((title) => element("th", { scope: "col" }, title)))),
    element("tbody", {}, found.map((layer) => element("tr", {}, element("th", { scope: "row" }, layer.node),
      [`${layer.dead_units.length} of ${layer.units}`, `${layer.saturated_units.length} of ${layer.units}`, share(layer.zero_share), Number(layer.mean).toPrecision(3), layer.non_finite, drift(layer.drift, rows)].map((cell) => element("td", {}, cell))))));
}

function drift(found, rows) {
  if (!found) return "–";
  const psi = Number(found.psi);
  if (rows < FEW) return `${psi.toFixed(3)}, of too few rows to tell`;
  const word = psi <= 0.1 ? "as the reference" : psi <= 0.25 ? "moved a little" : "moved";
  return element("span", { class: psi > 0.25 ? "moved" : "" }, `${psi.toFixed(3)}, ${word}`);
}

function share(part) {
  return `${Number((part * 100).toFixed(1))} %`;
}

// What goes on between picture and answer: the picture as the network has it, and the units of its hidden layer.

import { element, fill, onTheme, problem } from "./dom.js";
import { latest } from "./latest.js";
import { diagnoseRequest, pictureShape } from "./networks.js";
import { paint, SIDE } from "./picture.js";
import { inWords, paintUnits } from "./units.js";

const PAUSE_MS = 50;
const BEHIND_MS = 20; // the answer comes first

/** Gives {box}; what is found of the layers becomes `hidden` in the state. */
export function createHidden(context) {
  const { api, state, open } = context;
  const seen = element("canvas", { class: "seen", width: SIDE, height: SIDE, role: "img", "aria-label": "The picture as the network is given it" });
  const units = element("canvas", { class: "units", width: 192, height: 96, role: "img", "aria-label": "Hidden units" });
  const words = element("div", { class: "quiet words" }, "\u00a0");
  const heading = element("h3", {}, "What lights up inside");
  const box = element("div", { class: "card hidden-card" }, heading,
    element("div", { class: "figures" },
      element("figure", {}, seen, element("figcaption", { class: "quiet" }, "The 784 pixels that go in")),
      element("figure", {}, units, words)),
    element("button", { type: "button", onclick: () => open("inside", { focus: true }) }, "Look inside"));

  const ask = latest(async ({ model, input, scale }, signal) => {
    try {
      const { body } = await api.call(diagnoseRequest(model, [input.values], scale, true), { signal });
      if (state.get("model") === model) state.set("hidden", { model, input, layers: body.layers });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      fill(words, problem(error));
    }
  }, { pauseMs: PAUSE_MS, delayMs: BEHIND_MS });

  function changed() {
    const [model, input, scale] = [state.get("model"), state.get("input"), state.get("scale")];
    if (input) paint(seen, input.values);
    if (model && input && pictureShape(model)) ask({ model, input, scale });
  }

  function show() {
    const layer = hiddenLayer(state.get("hidden"));
    units.hidden = !layer;
    if (!layer) {
      words.textContent = "No activation inside this model was recognised.";
      return;
    }
    heading.textContent = `${layer.units} hidden units, ${layer.activation}`;
    paintUnits(units, layer.by_row[0]);
    words.textContent = inWords(layer.by_row[0]);
    units.setAttribute("aria-label", words.textContent);
  }

  for (const name of ["model", "input", "scale"]) state.on(name, changed);
  state.on("hidden", show);
  onTheme(() => state.get("hidden") && show());
  return { box };
}

/** The first layer that is no output and tells its values, null where there is none. */
export function hiddenLayer(hidden) {
  return hiddenLayers(hidden)[0] ?? null;
}

export function hiddenLayers(hidden) {
  return (hidden?.layers ?? []).filter((layer) => !layer.is_output && layer.by_row);
}

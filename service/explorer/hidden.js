// What goes on between picture and answer: the picture as the network has it, and the units of its hidden layer.

import { element, fill, onTheme, problem } from "./dom.js";
import { hiddenLayers } from "./layers.js";
import { paint, SIDE } from "./picture.js";
import { inWords, paintUnits } from "./units.js";

/** Gives {box}. */
export function createHidden({ state, open }) {
  const seen = element("canvas", { class: "seen", width: SIDE, height: SIDE, role: "img", "aria-label": "The picture as the network is given it" });
  const units = element("canvas", { class: "units", width: 192, height: 96, role: "img", "aria-label": "Hidden units" });
  const words = element("div", { class: "quiet words" }, "\u00a0");
  const heading = element("h3", {}, "What lights up inside");
  const box = element("div", { class: "card hidden-card" }, heading,
    element("p", { class: "quiet" }, "Each square is one of them: the bluer, the stronger it responds to this picture."),
    element("div", { class: "figures" },
      element("figure", {}, seen, element("figcaption", { class: "quiet" }, "The 784 pixels that go in")),
      element("figure", {}, units, words)),
    element("button", { type: "button", onclick: () => open("inside", { focus: true }) }, "Look inside"));

  function show() {
    const told = state.get("hidden");
    const [layer] = hiddenLayers(told);
    units.hidden = !layer;
    if (!layer) {
      fill(words, told.error ? problem(told.error) : "No activation inside this model was recognised.");
      return;
    }
    heading.textContent = `${layer.units} hidden units, ${layer.activation}`;
    paintUnits(units, layer.by_row[0]);
    words.textContent = inWords(layer.by_row[0]);
    units.setAttribute("aria-label", words.textContent);
  }

  state.on("input", (input) => paint(seen, input.values));
  state.on("hidden", show);
  onTheme(() => state.get("hidden") && show());
  return { box };
}

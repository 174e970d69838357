// Predict: what a model makes of a drawing.

import { element, fill } from "./dom.js";

export function mount(section, { state }) {
  const list = element("ul", {});
  fill(section, element("h2", {}, "Predict"), list);
  state.on("models", (models) => fill(list, models.models.map((model) => element("li", {}, model.name))));
}

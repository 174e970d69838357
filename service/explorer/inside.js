// Inside: the hidden layer of the chosen model.

import { element, fill } from "./dom.js";

export function mount(section, { state }) {
  const name = element("p", {});
  fill(section, element("h2", {}, "Inside"), name);
  state.on("model", (model) => fill(name, model.name));
}

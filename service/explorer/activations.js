// Activations: each function, its derivative and what is known of it.

import { element, fill } from "./dom.js";

export function mount(section, { state }) {
  const list = element("dl", {});
  fill(section, element("h2", {}, "Activations"), list);
  state.on("catalogue", (catalogue) => fill(list, catalogue.activations.map((one) => [
    element("dt", {}, one.name),
    element("dd", {}, one.description),
  ])));
}

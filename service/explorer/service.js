// Service: what is served, and how it fares.

import { element, fill } from "./dom.js";

export function mount(section, { state }) {
  const list = element("ul", {});
  fill(section, element("h2", {}, "Service"), list);
  state.on("models", (models) => fill(list, models.models.map((model) =>
    element("li", {}, `${model.name}: ${model.state}, ${model.provider ?? "not loaded"}`))));
}

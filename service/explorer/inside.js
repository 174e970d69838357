// Inside: the units of the chosen model for this picture, what goes into each, and a report on many rows.

import { element, fill, problem } from "./dom.js";
import { hiddenLayers } from "./hidden.js";
import { pictureShape } from "./networks.js";
import { createReport } from "./report.js";
import { createUnit } from "./unit.js";
import { createUnitGrid } from "./unitgrid.js";

export function mount(section, context) {
  const { state, api } = context;
  const title = element("h2", {}, "Inside");
  const lead = element("p", { class: "quiet" });
  const trouble = element("div", {});
  const grid = createUnitGrid(context);
  const unit = createUnit(context);
  const report = createReport(context);
  fill(section, element("div", { class: "opening" }, element("div", {}, title, lead)), trouble,
    element("div", { class: "inside" }, grid.box, unit.box), report.box);

  state.on("model", (model) => {
    title.textContent = `Inside ${model.name}`;
    lead.textContent = pictureShape(model)
      ? "Each cell is a hidden unit, lit by what it gives for your picture. Point at one, or walk with the arrow keys, to see what it looks for."
      : "Each cell is a unit, lit by what it gives for the example that the model's graph takes.";
    if (!pictureShape(model)) askExample(model);
  });
  state.on("hidden", (hidden) => {
    const layers = hidden.model === state.get("model") ? hiddenLayers(hidden) : [];
    grid.show(layers, hidden);
    unit.show(hidden);
  });

  /** Of a model that takes no picture, the example stands in its place. */
  async function askExample(model) {
    const path = `/diagnose/${encodeURIComponent(model.name)}?by_row=true`;
    try {
      const request = { method: "POST", path, headers: { "Content-Type": "application/json" }, body: JSON.stringify(model.example.body), kind: "json" };
      const { body } = await api.call(request);
      fill(trouble);
      if (state.get("model") === model) state.set("hidden", { model, input: { name: "the example" }, layers: body.layers });
    } catch (error) {
      grid.show([], null);
      fill(trouble, problem(error));
    }
  }

  return { show: report.look };
}

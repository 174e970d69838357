// Inside: the units of the chosen model for this picture, what goes into each, and a report on many rows.

import { element, fill, problem } from "./dom.js";
import { hiddenLayers } from "./layers.js";
import { pictureShape } from "./networks.js";
import { createPicker } from "./picker.js";
import { createReport } from "./report.js";
import { createUnit } from "./unit.js";
import { createUnitGrid } from "./unitgrid.js";

export function mount(section, context) {
  const { state } = context;
  const title = element("h2", {}, "Inside");
  const lead = element("p", { class: "quiet" });
  const trouble = element("div", {});
  const grid = createUnitGrid(context);
  const unit = createUnit(context);
  const report = createReport(context);
  fill(section, element("div", { class: "opening" }, element("div", {}, title, lead), element("div", { class: "controls" }, createPicker(context, trouble))), trouble,
    element("div", { class: "inside" }, grid.box, unit.box), report.box);

  state.on("model", (model) => {
    title.textContent = `Inside ${model.name}`;
    lead.textContent = pictureShape(model)
      ? "Each cell is a hidden unit, lit by what it gives for your picture. Point at one, or walk with the arrow keys, to see what it looks for."
      : "Each cell is a unit, lit by what it gives for the example that the model's graph takes.";
  });
  state.on("hidden", (hidden) => {
    grid.show(hiddenLayers(hidden), hidden);
    unit.show();
    fill(trouble, hidden.error && problem(hidden.error));
  });

  return { show: report.look };
}

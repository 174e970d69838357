// Activations: each function, its slope, how exact it is, what it does to a tensor, and what is known of it.

import { createAccuracy } from "./accuracy.js";
import { createCurves } from "./curves.js";
import { element, fill, problem, uniqueId } from "./dom.js";
import { createKnowledge } from "./knowledge.js";
import { latest } from "./latest.js";
import { createPicks } from "./picks.js";
import { createThroughput } from "./throughput.js";

const REACHES = [1, 3, 6, 10, 20, 100];

export function mount(section, context) {
  const { state } = context;
  const picks = createPicks(changed);
  const views = {
    curves: ["Function and slope", createCurves(context)],
    accuracy: ["Error", createAccuracy(context)],
    throughput: ["Random tensor", createThroughput(context, changed)],
  };
  const knowledge = createKnowledge(context);
  const notes = element("div", {});
  const id = uniqueId("reach");
  const reach = element("select", { id, onchange: changed }, REACHES.map((one) => element("option", { value: one, selected: one === 6 }, `−${one} to ${one}`)));
  const range = element("div", { class: "range" }, element("label", { for: id }, "x from"), reach);
  const buttons = Object.entries(views).map(([name, [title]]) => element("button", { type: "button", onclick: () => look(name) }, title));
  let view = "curves";

  fill(section,
    element("div", { class: "opening" }, element("h2", {}, "Activations"),
      element("p", { class: "quiet" }, "What bends the straight lines of a network. Pick some, move their parameters, and read values off the curves: every number comes from the service.")),
    element("div", { class: "activations" },
      element("div", { class: "card choices" }, picks.box, picks.controls),
      element("div", { class: "card stage" },
        element("div", { class: "line" }, element("div", { class: "segments", role: "group", "aria-label": "What to look at" }, buttons), range),
        notes, Object.values(views).map(([, { box }]) => box))),
    knowledge.box);

  const work = latest(async (asked, signal) => {
    const shown = views[view][1];
    try {
      await shown.update(asked, signal);
      fill(notes);
    } catch (error) {
      if (error.name !== "ApiError") throw error;
      fill(notes, problem(error));
    }
    knowledge.show(asked.picked, (pick) => shown.request(pick, asked));
  }, { pauseMs: 30 });

  function changed() {
    const picked = picks.picked();
    if (picked.length) work({ picked, reach: Number(reach.value) });
  }

  function look(name) {
    view = name;
    Object.keys(views).forEach((key, index) => {
      buttons[index].setAttribute("aria-pressed", String(key === name));
      views[key][1].box.hidden = key !== name;
    });
    range.hidden = name === "throughput";
    changed();
  }

  look("curves");
  state.on("catalogue", ({ activations }) => picks.show(activations));
  state.on("trouble", (error) => fill(notes, error && problem(error)));
}

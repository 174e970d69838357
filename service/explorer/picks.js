// Which activations are looked at: up to six, each with a colour of its own and its parameters.

import { element, fill } from "./dom.js";
import { createParameters, defaults } from "./parameters.js";

export const MOST = 6;
const FIRST = ["relu", "elu", "silu"];
const ROOM = "(min-width: 52rem)"; // where the whole list may stand open

/** Gives {box, controls, picked(), show(catalogue)}; `changed()` is called when what is picked or a parameter changes. */
export function createPicks(changed) {
  const chips = element("div", { class: "chips", role: "group", "aria-label": "Activations to compare" });
  const summary = element("summary", {}, "Pick up to six");
  const box = element("details", { class: "picker", open: matchMedia(ROOM).matches }, summary, chips);
  const controls = element("div", { class: "sliders" });
  const slots = new Array(MOST).fill(null);
  let catalogue = [];

  const picked = () => slots.filter((one) => one !== null);

  function toggle(about) {
    const at = slots.findIndex((one) => one?.about.name === about.name);
    const free = slots.indexOf(null);
    if (at >= 0 && picked().length > 1) slots[at] = null;
    else if (at < 0 && free >= 0) slots[free] = { about, values: defaults(about), slot: free };
    draw();
    changed();
  }

  function draw() {
    const isFull = !slots.includes(null);
    for (const chip of chips.children) {
      const pick = picked().find(({ about }) => about.name === chip.textContent);
      chip.setAttribute("aria-pressed", String(pick !== undefined));
      chip.disabled = isFull && !pick;
      chip.dataset.slot = pick ? pick.slot : "";
    }
    summary.textContent = isFull ? "Six are picked: take one out to pick another" : `Pick up to six of ${catalogue.length}`;
    fill(controls, picked().map((pick) => {
      const parameters = createParameters(pick, changed);
      return element("div", { class: parameters.length ? "pick" : "pick bare", "data-slot": pick.slot, role: "group", "aria-label": pick.about.name },
        element("h3", {}, swatch(pick.slot), pick.about.name),
        parameters.length ? parameters : element("p", { class: "quiet" }, "No parameters."));
    }));
  }

  return {
    box,
    controls,
    picked,
    show(all) {
      catalogue = all;
      fill(chips, all.map((about) => element("button", { type: "button", onclick: () => toggle(about) }, about.name)));
      const before = picked();
      slots.fill(null);
      const names = before.length ? before.map(({ about }) => about.name) : FIRST;
      const found = names.map((name) => all.find((one) => one.name === name)).filter(Boolean);
      (found.length ? found : all.slice(0, 1)).forEach((about, slot) => {
        slots[slot] = { about, values: { ...defaults(about), ...before.find((one) => one.about.name === about.name)?.values }, slot };
      });
      draw();
      changed();
    },
  };
}

/** The line by which an activation is told in a plot. */
export function swatch(slot) {
  return element("span", { class: "swatch", "data-slot": slot, "aria-hidden": "true" });
}

/** The series of a plot, one for each slot: colours, and dashes for those who do not see them. */
export function lines(more = {}) {
  const dashes = [[], [10, 4], [3, 3], [12, 3, 3, 3], [6, 2], [2, 6]];
  return dashes.map((dash, slot) => ({ label: String(slot), color: `--series-${slot + 1}`, dash, spanGaps: false, points: { show: false }, ...more }));
}

/** Values by slot for such a plot, out of those of each pick; empty slots have none. */
export function bySlot(found, count) {
  const data = Array.from({ length: MOST }, () => new Array(count).fill(null));
  for (const { pick, values } of found) data[pick.slot] = values.map((value) => (Number.isFinite(value) ? value : null));
  return data;
}

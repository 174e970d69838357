// Classes with their scores as bars, always in the same order, so that nothing jumps.

import { element, fill } from "./dom.js";

/** Gives {box, show(answer)}; `answer` is {classes, top, isShare} as networks.js makes it. */
export function createBars() {
  const list = element("ol", { class: "bars" });
  let rows = [];

  function build(classes) {
    rows = classes.map(({ label }) => {
      const track = element("span", { class: "track", "aria-hidden": "true" }, element("span", { class: "level" }));
      const value = element("span", { class: "value" });
      return { label, value, level: track.firstChild, item: element("li", {}, element("span", { class: "label", "data-label": label }, label), track, value) };
    });
    fill(list, rows.map((row) => row.item));
  }

  return {
    box: list,
    show({ classes, top, isShare }) {
      if (rows.length !== classes.length || rows.some((row, index) => row.label !== classes[index].label)) build(classes);
      const most = isShare ? 1 : Math.max(...classes.map(({ value }) => Math.abs(value)), 1e-12);
      classes.forEach(({ value }, index) => {
        const row = rows[index];
        row.level.style.setProperty("transform", `scaleX(${Math.min(1, Math.abs(value) / most)})`);
        row.value.textContent = isShare ? percent(value) : value.toPrecision(3);
        row.item.classList.toggle("top", index === top);
        row.item.classList.toggle("below", value < 0);
      });
    },
  };
}

export function percent(share) {
  return `${(share * 100).toFixed(1)} %`;
}

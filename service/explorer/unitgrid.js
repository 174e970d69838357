// The units of a layer as cells that can be pointed at and walked through.

import { element, fill, onTheme, uniqueId } from "./dom.js";
import { columnsFor, inWords, largest, shades } from "./units.js";

const MOST = 1024; // cells

/** Gives {box, show(layers, hidden)}. The unit that is pointed at becomes `unit` in the state. */
export function createUnitGrid({ state }) {
  const heading = element("h3", {});
  const select = element("select", { id: uniqueId("layer") });
  const choice = element("div", { class: "field", hidden: true }, element("label", { for: select.id }, "Layer"), select);
  const grid = element("div", { class: "unit-grid", role: "group" });
  const words = element("p", { class: "quiet" });
  const box = element("div", { class: "card grid-card" }, element("div", { class: "line" }, heading, choice), grid, words, legend());
  let layers = [];
  let cells = [];

  function layer() {
    return layers.find((one) => one.node === select.value) ?? layers[0];
  }

  function show(found, hidden) {
    const names = found.map((one) => one.node).join();
    if (names !== layers.map((one) => one.node).join()) {
      fill(select, found.map((one) => element("option", { value: one.node }, `${one.node} (${one.activation}, ${one.units} units)`)));
    }
    layers = found;
    choice.hidden = found.length < 2;
    if (!found.length) {
      fill(grid);
      heading.textContent = "No hidden units to show";
      words.textContent = hidden ? "No activation inside this model was recognised, or none that is hidden." : "";
      cells = [];
      return;
    }
    light(layer(), hidden.input.name);
  }

  function light({ node, activation, units, by_row: [values] }, name) {
    heading.textContent = `${units} units of ${activation} for ${name}`;
    const shown = values.slice(0, MOST).map(Number);
    words.textContent = inWords(shown) + (units > MOST ? ` The first ${MOST} are shown.` : "");
    if (cells.length !== shown.length) build(shown.length);
    const [most, shade] = [largest(shown), shades()];
    shown.forEach((value, index) => {
      cells[index].style.setProperty("background-color", shade(value / most));
      cells[index].dataset.value = value.toPrecision(3);
    });
    label();
    const unit = state.get("unit");
    if (unit?.node !== node || unit.index >= shown.length) point(shown.indexOf(Math.max(...shown)));
    else mark();
  }

  function build(count) {
    grid.style.setProperty("--columns", columnsFor(count));
    cells = Array.from({ length: count }, (_, index) => {
      const cell = element("button", { type: "button", tabindex: "-1", class: "unit" });
      for (const event of ["pointerenter", "focus", "click"]) cell.addEventListener(event, () => point(index));
      return cell;
    });
    fill(grid, cells);
  }

  /** Says of each cell what it shows; those that are dead or saturated over the rows of the report are marked. */
  function label() {
    const told = state.get("report")?.layers.find((one) => one.node === layer()?.node);
    const rows = state.get("report")?.rows;
    const [dead, saturated] = [new Set(told?.dead_units), new Set(told?.saturated_units)];
    grid.setAttribute("aria-label", `Units of ${layer()?.node}`);
    cells.forEach((cell, index) => {
      cell.classList.toggle("dead", dead.has(index));
      cell.classList.toggle("saturated", saturated.has(index));
      const state = dead.has(index) ? `, dead over ${rows} rows` : saturated.has(index) ? `, saturated over ${rows} rows` : "";
      cell.setAttribute("aria-label", `Unit ${index}: ${cell.dataset.value}${state}`);
    });
  }

  function point(index) {
    if (layer()) state.set("unit", { node: layer().node, index });
    mark();
  }

  function mark() {
    const at = state.get("unit")?.index ?? 0;
    cells.forEach((cell, index) => {
      cell.classList.toggle("pointed", index === at);
      cell.tabIndex = index === at ? 0 : -1;
    });
  }

  grid.addEventListener("keydown", (event) => {
    const columns = columnsFor(cells.length);
    const at = cells.indexOf(document.activeElement);
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, Home: -at, End: cells.length - 1 - at }[event.key];
    if (step === undefined || at < 0) return;
    event.preventDefault();
    cells[at + step]?.focus();
  });
  select.addEventListener("change", () => show(layers, state.get("hidden")));
  state.on("report", label);
  onTheme(() => layers.length && light(layer(), state.get("hidden").input.name));
  return { box, show };
}

function legend() {
  const key = (name, text) => element("span", { class: "key" }, element("span", { class: `unit ${name}`, "aria-hidden": "true" }), text);
  return element("p", { class: "legend quiet" }, key("", "zero"), key("full", "strong"), key("minus", "below zero"), key("dead", "dead over the rows of the report"), key("saturated", "saturated"));
}

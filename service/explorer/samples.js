// A hundred real test images to pick from: a grid that is walked with the arrow keys.

import { element, fill, problem } from "./dom.js";
import { pictureShape, sheetOf } from "./networks.js";

const EACH = 10;
const MOVES = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -EACH, ArrowDown: EACH };

/** Gives {box}. */
export function createSamples({ state, choice }) {
  const heading = element("h3", {}, "Or pick a real one");
  const source = element("p", { class: "quiet" });
  const grid = element("div", { class: "samples", role: "group" });
  const switches = element("div", { class: "segments", role: "group", "aria-label": "Which images" });
  const box = element("div", { class: "card samples-card" }, element("div", { class: "line" }, heading, switches), grid, source);
  let shown = "";

  async function show(name) {
    if (shown === name) return;
    shown = name;
    try {
      const sheet = await choice.sheet(name);
      if (shown === name) build(sheet);
    } catch (error) {
      shown = "";
      fill(grid, problem(error));
    }
  }

  function build(sheet) {
    const tiles = sheet.labels.flatMap((label, row) => sheet.numbers[row].map((number, column) => tile(sheet, row, column, `${label}, test image ${number}`)));
    fill(grid, tiles);
    grid.setAttribute("aria-label", `${tiles.length} test images, ten of each class`);
    tiles[0].tabIndex = 0;
    source.textContent = `${tiles.length} images that no shipped network has learned from. ${sheet.source}.`;
    mark();
  }

  function tile(sheet, row, column, name) {
    const made = element("button", { type: "button", tabindex: "-1", "aria-label": name, title: name, "aria-pressed": "false" });
    made.dataset.place = `${sheet.name} ${row} ${column}`;
    made.style.setProperty("background-image", `url("${sheet.url}")`);
    made.style.setProperty("background-position", `${(column / (EACH - 1)) * 100}% ${(row / (sheet.labels.length - 1)) * 100}%`);
    made.addEventListener("click", () => choice.pick(sheet.name, row, column));
    return made;
  }

  grid.addEventListener("keydown", (event) => {
    const tiles = [...grid.children];
    const at = tiles.indexOf(document.activeElement);
    const step = event.key === "Home" ? -at : event.key === "End" ? tiles.length - 1 - at : MOVES[event.key];
    if (step === undefined || at < 0) return;
    event.preventDefault();
    const next = tiles[at + step];
    if (!next) return;
    tiles[at].tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });

  function mark() {
    const input = state.get("input");
    const place = input?.kind === "sample" ? `${input.sheet} ${input.row} ${input.column}` : "";
    for (const made of grid.children) made.setAttribute("aria-pressed", String(made.dataset.place === place));
  }

  const names = { digits: "Digits", fashion_mnist: "Garments" };
  const buttons = Object.entries(names).map(([name, text]) => {
    const button = element("button", { type: "button", onclick: () => show(name).then(press) }, text);
    return { name, button };
  });
  fill(switches, buttons.map(({ button }) => button));

  function press() {
    for (const { name, button } of buttons) button.setAttribute("aria-pressed", String(name === shown));
  }

  state.on("model", async (model) => {
    if (!pictureShape(model)) return;
    const own = sheetOf(model);
    switches.hidden = own !== null; // a model that says nothing of its classes may want either
    await show(own ?? (shown || "digits"));
    press();
  });
  state.on("input", mark);
  return { box };
}

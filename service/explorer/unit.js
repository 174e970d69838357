// One hidden unit: what it gives, what it looks for in a picture, and which answers it speaks for.

import { element, fill, onTheme, problem } from "./dom.js";
import { latest } from "./latest.js";
import { PIXELS, SIDE } from "./picture.js";
import { columnsFor, largest, shades } from "./units.js";

const SPOKEN_FOR = 3; // answers that are named, on either side

/** Gives {box, show()}; which unit it is stands in the state. */
export function createUnit({ api, state, showSnippets }) {
  const heading = element("h3", {}, "A unit");
  const facts = element("p", {});
  const canvas = element("canvas", { class: "weights", width: SIDE, height: SIDE, role: "img", "aria-label": "No weights yet" });
  const caption = element("figcaption", { class: "quiet" });
  const votes = element("div", { class: "votes" });
  const notes = element("div", {});
  const snippets = element("div", {});
  const box = element("div", { class: "card unit-card" }, heading, facts, element("figure", {}, canvas, caption), votes, notes, snippets);
  const known = new Map();
  let weights = null;

  function weightsOf(model, node, unit) {
    const query = new URLSearchParams({ node, ...(unit === undefined ? {} : { unit }) });
    const path = `/models/${encodeURIComponent(model.name)}/weights?${query}`;
    if (!known.has(path)) {
      const asked = api.call({ method: "GET", path, headers: {}, body: null, kind: null });
      asked.catch(() => known.delete(path));
      known.set(path, asked);
    }
    return { path, answer: known.get(path) };
  }

  const look = latest(async ({ model, unit }) => {
    const { path, answer } = weightsOf(model, unit.node, unit.index);
    try {
      const { body } = await answer;
      if (state.get("unit") !== unit) return;
      weights = body;
      paint();
      fill(notes);
      showSnippets(snippets, { method: "GET", path, headers: {}, body: null, kind: null });
      await vote(model, unit);
    } catch (error) {
      weights = null;
      canvas.hidden = true;
      caption.textContent = "";
      fill(votes);
      fill(snippets);
      fill(notes, error.status === 404 ? element("p", { class: "quiet" }, error.message) : problem(error));
    }
  }, { pauseMs: 30 });

  function paint() {
    canvas.hidden = weights === null;
    if (!weights) return;
    const values = weights.weights.flat(Infinity).map(Number);
    const columns = values.length === PIXELS ? SIDE : weights.shape.length > 1 ? weights.shape.at(-1) : columnsFor(values.length);
    const rows = Math.ceil(values.length / columns);
    Object.assign(canvas, { width: columns, height: rows });
    const paper = canvas.getContext("2d");
    const [most, shade] = [largest(values), shades()];
    values.forEach((value, index) => {
      paper.fillStyle = shade(value / most);
      paper.fillRect(index % columns, Math.floor(index / columns), 1, 1);
    });
    const what = values.length === PIXELS ? "Ink where it is blue pushes the unit up, where it is orange down." : "Blue is above zero, orange below.";
    caption.textContent = `Its ${values.length} incoming weights, from −${most.toPrecision(2)} to ${most.toPrecision(2)}. ${what}`;
    canvas.setAttribute("aria-label", `The ${values.length} weights that go into unit ${weights.unit}`);
  }

  /** What the unit adds to each answer when it is lit: its weights into the last layer. */
  async function vote(model, unit) {
    fill(votes);
    const hidden = state.get("hidden");
    const output = hidden?.layers.find((layer) => layer.is_output);
    const layer = hidden?.layers.find((one) => one.node === unit.node);
    if (!output || !layer) return;
    const { body } = await weightsOf(model, output.node).answer.catch(() => ({ body: null }));
    if (!body || body.shape.length !== 2 || body.shape[1] !== layer.units || state.get("unit") !== unit) return;
    const said = body.weights.map((row, index) => ({ label: model.labels?.[index] ?? String(index), weight: Number(row[unit.index]) }));
    said.sort((left, right) => right.weight - left.weight);
    const list = (some) => some.map(({ label, weight }) => `${label} (${weight > 0 ? "+" : "−"}${Math.abs(weight).toFixed(2)})`).join(", ");
    const [up, down] = [said.filter(({ weight }) => weight > 0).slice(0, SPOKEN_FOR), said.filter(({ weight }) => weight < 0).slice(-SPOKEN_FOR).reverse()];
    fill(votes, up.length ? element("p", {}, element("strong", {}, "Speaks for "), list(up)) : null,
      down.length ? element("p", {}, element("strong", {}, "Speaks against "), list(down)) : null);
  }

  function say() {
    const [unit, hidden, report] = [state.get("unit"), state.get("hidden"), state.get("report")];
    const layer = hidden?.layers.find((one) => one.node === unit?.node);
    if (!unit || !layer?.by_row) return;
    heading.textContent = `Unit ${unit.index}`;
    const value = Number(layer.by_row[0][unit.index]);
    const told = report?.model === hidden.model.name ? report.layers.find((one) => one.node === unit.node) : null;
    const lit = told?.by_row?.filter((row) => Number(row[unit.index]) > 0).length;
    const isDead = told?.dead_units.includes(unit.index);
    facts.textContent = `Gives ${value.toPrecision(3)} for ${hidden.input.name}.` + (told?.by_row ? ` Above zero for ${lit} of ${report.rows} rows of the report below${isDead ? ": it is dead there" : ""}.` : "");
  }

  state.on("unit", (unit) => {
    say();
    look({ model: state.get("model"), unit });
  });
  state.on("report", say);
  onTheme(paint);
  return { box, show: say };
}

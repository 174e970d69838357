// The same picture through every network of the family, side by side: they differ by their activation alone.

import { percent } from "./bars.js";
import { element, fill, problem } from "./dom.js";
import { latest } from "./latest.js";
import { hiddenLayers } from "./layers.js";
import { answerOf, diagnoseRequest, family, nickname, pictureShape, predictRequest } from "./networks.js";
import { inWords, paintUnits } from "./units.js";

const PAUSE_MS = 150;
const BEHIND_MS = 400; // on the first view of the page the answer comes first

/** Gives {box}. */
export function createComparison({ api, state, choice }) {
  const list = element("ul", { class: "comparison" });
  const notes = element("div", {});
  const count = element("span", {}, "activations");
  const details = element("details", { open: matchMedia("(min-width: 66rem)").matches }, element("summary", {}, "The same picture through each of ", count),
    element("p", { class: "quiet" }, "Networks of one recipe and one data set: only the activation in their hidden layer differs. Press one to look at it."),
    notes, list);
  const box = element("div", { class: "card comparison-card", hidden: true }, details);
  let members = [];
  let waiting = 0;

  async function gather(model) {
    const { models } = state.get("models");
    const names = models.filter((one) => one.versions.length).map((one) => one.name);
    const found = family(await Promise.all(names.map((name) => choice.describe(name))), model);
    if (state.get("model") !== model) return;
    box.classList.toggle("empty", found.length < 2);
    count.textContent = `${found.length} activations`;
    if (found.map((one) => one.name).join() !== members.map((one) => one.model.name).join()) build(found);
    for (const one of members) one.item.setAttribute("aria-pressed", String(one.model.name === model.name));
    changed();
  }

  function build(found) {
    members = found.map((model) => {
      const [units, verdict, share, words] = [element("canvas", { class: "units", role: "img", "aria-label": "Hidden units" }), element("strong", {}, "–"), element("span", {}), element("span", { class: "quiet words" })];
      const item = element("button", { type: "button", onclick: () => choice.choose(model.name) },
        element("span", { class: "name" }, nickname(model)), units, element("span", { class: "verdict" }, verdict, " ", share), words);
      return { model, item, units, verdict, share, words };
    });
    fill(list, members.map(({ item }) => element("li", {}, item)));
  }

  const ask = latest(async ({ input, scale }, signal) => {
    try {
      for (const member of members) await askOne(member, input, scale, signal);
      fill(notes);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      fill(notes, problem(error));
    }
  }, { pauseMs: PAUSE_MS, patienceMs: 1500 });

  async function askOne({ model, units, verdict, share, words }, input, scale, signal) {
    const [said, inside] = await Promise.all([
      api.call(predictRequest(model, [input.values], scale), { signal }),
      api.call(diagnoseRequest(model, [input.values], scale, true), { signal }),
    ]);
    const answer = answerOf(model, said.body);
    verdict.textContent = answer?.classes[answer.top].label ?? "–";
    share.textContent = answer?.isShare ? percent(answer.classes[answer.top].value) : "";
    const [layer] = hiddenLayers(inside.body);
    if (!layer) return;
    paintUnits(units, layer.by_row[0]);
    units.setAttribute("aria-label", inWords(layer.by_row[0]));
    words.textContent = `${Math.round(layer.zero_share * 100)} % zeros`;
  }

  function changed() {
    const input = state.get("input");
    if (details.open && members.length > 1 && input) ask({ input, scale: state.get("scale") });
  }

  details.addEventListener("toggle", changed);
  state.on("model", (model) => {
    clearTimeout(waiting);
    const { models } = state.get("models");
    // A guess by the names, so that nothing moves when it is known.
    box.classList.toggle("empty", !models.some(({ name }) => name.startsWith(`${model.name}_`) || model.name.startsWith(`${name}_`)));
    const look = () => gather(model).catch((error) => fill(notes, problem(error)));
    if (pictureShape(model)) waiting = setTimeout(look, members.length ? 0 : BEHIND_MS);
  });
  for (const name of ["input", "scale"]) state.on(name, changed);
  return { box };
}

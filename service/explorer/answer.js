// What the chosen model says of the picture, as it changes.

import { createBars, percent } from "./bars.js";
import { element, fill, problem } from "./dom.js";
import { latest } from "./latest.js";
import { answerOf, pictureShape, predictRequest } from "./networks.js";

const FIRST = "first prediction"; // for whoever looks at how soon it came
const SETTLED_MS = 700; // after which a screen reader is told

/** Gives {box}. */
export function createAnswer({ api, state, showSnippets, announce }) {
  const head = element("p", { class: "verdict" }, element("strong", {}, "–"), element("span", {}, ""));
  const bars = createBars();
  const time = element("p", { class: "quiet timing" }, "\u00a0");
  const notes = element("div", {});
  const snippets = element("div", {});
  const box = element("div", { class: "card answer-card" }, element("h3", {}, "Its answer"), head, bars.box, notes, time, snippets);
  let speaking = 0;

  const ask = latest(async ({ model, input, scale }, signal) => {
    const request = predictRequest(model, [input.values], scale);
    try {
      const found = await api.call(request, { signal });
      if (state.get("model") !== model) return;
      show(model, found);
      showSnippets(snippets, request);
      fill(notes);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      fill(notes, problem(error));
    }
  });

  function show(model, { body, timing }) {
    const answer = answerOf(model, body);
    bars.box.hidden = answer === null;
    if (answer) {
      const { label, value } = answer.classes[answer.top];
      const [name, share] = [label, answer.isShare ? percent(value) : value.toPrecision(3)];
      head.firstChild.textContent = name;
      head.lastChild.textContent = share;
      bars.show(answer);
      state.set("verdict", { name, share });
      say(`${name}, ${share}`);
    } else {
      head.firstChild.textContent = "Its answer is no list of scores";
      head.lastChild.textContent = "";
      fill(notes, element("pre", {}, JSON.stringify(body, null, 1).slice(0, 2000)));
    }
    time.textContent = timed(timing);
    if (!performance.getEntriesByName(FIRST).length) performance.mark(FIRST);
  }

  function say(text) {
    clearTimeout(speaking);
    speaking = setTimeout(() => announce(text), SETTLED_MS);
  }

  function changed() {
    const [model, input, scale] = [state.get("model"), state.get("input"), state.get("scale")];
    if (model && input && pictureShape(model)) ask({ model, input, scale });
  }

  for (const name of ["model", "input", "scale"]) state.on(name, changed);
  return { box };
}

/** Where the time went, in words. */
export function timed({ stages, server, wire }) {
  const computed = stages.compute === undefined ? "" : `, ${stages.compute.toFixed(2)} of them in the network`;
  return `Server ${server.toFixed(2)} ms${computed}. There and back ${wire.toFixed(1)} ms.`;
}

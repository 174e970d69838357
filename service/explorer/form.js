// Any other model: the example that its graph gives, to change and to send.

import { timed } from "./answer.js";
import { element, fill, problem, uniqueId } from "./dom.js";
import { describeInput, fileRequest } from "./files.js";
import { pictureShape } from "./networks.js";

const LONGEST = 40_000; // characters that a person can be expected to look at
const LONGEST_ANSWER = 20_000;

/** Gives {box}. */
export function createForm({ api, state, showSnippets, announce }) {
  const text = element("textarea", { id: uniqueId("body"), rows: "12", spellcheck: "false", autocomplete: "off" });
  const signature = element("p", { class: "quiet" });
  const note = element("p", { class: "quiet" });
  const answer = element("pre", { tabindex: "0", role: "region", "aria-label": "Answer" });
  const notes = element("div", {});
  const time = element("p", { class: "quiet" });
  const snippets = element("div", {});
  const chooser = element("input", { type: "file", id: uniqueId("file"), accept: ".json,.npy,.png,.jpg,.jpeg" });
  const button = element("button", { type: "button", class: "chosen", onclick: () => send(written()) }, "Send");
  const box = element("div", { class: "form", hidden: true },
    element("div", { class: "card" }, element("label", { for: text.id }, element("h3", {}, "Request")), signature, text, note,
      element("div", { class: "tools" }, button, element("label", { for: chooser.id, class: "quiet" }, "or a .npy, JSON or picture file:"), chooser)),
    element("div", { class: "card" }, element("h3", {}, "Answer"), notes, answer, time, snippets));
  let whole = null; // the body, where it is too long to be written there

  function written() {
    return { method: "POST", path: path(), headers: { "Content-Type": "application/json" }, body: whole ?? text.value, kind: "json" };
  }

  function path() {
    return `/predict/${encodeURIComponent(state.get("model").name)}`;
  }

  async function send(request) {
    button.disabled = true;
    fill(notes);
    showSnippets(snippets, request);
    try {
      const found = await api.call(request);
      const said = typeof found.body === "string" ? found.body : JSON.stringify(found.body);
      answer.textContent = said.length > LONGEST_ANSWER ? `${said.slice(0, LONGEST_ANSWER)}\n… ${said.length} characters in all` : said;
      time.textContent = timed(found.timing);
      announce("Answered.");
    } catch (error) {
      answer.textContent = "";
      fill(notes, problem(error));
    } finally {
      button.disabled = false;
    }
  }

  chooser.addEventListener("change", async () => {
    if (!chooser.files[0]) return;
    try {
      send(await fileRequest(path(), chooser.files[0]));
    } catch (error) {
      fill(notes, problem(error));
    }
  });
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send(written());
  });
  state.on("model", (model) => {
    if (pictureShape(model)) return;
    const example = JSON.stringify(model.example.body);
    whole = example.length > LONGEST ? example : null;
    text.value = whole ? `${example.slice(0, 2000)} …` : example;
    text.readOnly = whole !== null;
    signature.textContent = `${model.name} takes ${model.inputs.map(describeInput).join("; ")}.`;
    note.textContent = whole
      ? `The example has ${example.length.toLocaleString("en")} characters and is sent whole. Send a file to ask with your own numbers.`
      : model.example.note ?? "Ctrl + Enter sends it.";
    fill(notes);
    fill(snippets);
    answer.textContent = time.textContent = "";
  });
  return { box };
}

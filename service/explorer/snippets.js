// A request on this page as something to paste elsewhere.

import { element, fill, uniqueId } from "./dom.js";

const WAYS = {
  curl: ["curl", "Paste it into a shell."],
  python: ["Python", "Needs nothing but Python 3."],
  triton: ["tritonclient", "Needs pip install 'tritonclient[http]' numpy."],
  javascript: ["JavaScript", "For a module in Node, or the console of this page. Pages of other origins need --cors-origin."],
};
const load = () => import("./texts.js"); // not before somebody asks for one

/** Gives `showSnippets(box, request)`: shows in `box` how to send {method, path, headers, body, kind} from elsewhere. */
export function createSnippets(api, choice) {
  const shown = new WeakMap();
  return (box, request) => {
    if (!shown.has(box)) shown.set(box, createBlock(api, choice));
    const block = shown.get(box);
    if (block.root.parentNode !== box) fill(box, block.root);
    block.show(request);
  };
}

function createBlock(api, choice) {
  const code = element("pre", { id: uniqueId("snippet"), class: "snippet", tabindex: "0", role: "region", "aria-label": "Request to paste", hidden: true });
  const said = element("p", { class: "quiet said", role: "status" });
  const buttons = Object.entries(WAYS).map(([way, [name]]) =>
    element("button", { type: "button", "aria-label": `Copy as ${name}`, "aria-controls": code.id, "aria-expanded": "false", onclick: () => choose(way) }, name));
  const close = element("button", { type: "button", "aria-label": "Hide the request", hidden: true, onclick: hide }, "Hide");
  const root = element("div", { class: "snippets" },
    element("div", { class: "ways", role: "group", "aria-label": "Copy this request" }, element("span", { class: "quiet", "aria-hidden": "true" }, "Copy as"), buttons, close), said, code);
  let request = null;
  let open = null;

  async function write(way, asked) {
    const { written } = await load();
    try {
      return await written(way, asked, { hasToken: api.hasToken, describe: choice.describe });
    } catch (error) {
      return { why: error.message };
    }
  }

  async function refresh() {
    const [way, asked] = [open, request];
    const found = await write(way, asked);
    if (way !== open || asked !== request) return null;
    code.hidden = found.text === undefined;
    if (found.text !== undefined) code.textContent = found.text;
    return found;
  }

  async function choose(way) {
    open = way;
    said.textContent = ""; // so that it is told each time
    mark();
    const found = await refresh();
    if (found) said.textContent = found.why ?? `${(await copied(code)) ? "Copied." : "Select it and copy it: this browser would not."} ${WAYS[way][1]}`;
  }

  function hide() {
    open = null;
    code.hidden = true;
    said.textContent = "";
    mark();
    buttons[0].focus();
  }

  function mark() {
    Object.keys(WAYS).forEach((way, index) => buttons[index].setAttribute("aria-expanded", String(way === open)));
    close.hidden = open === null;
  }

  root.addEventListener("pointerenter", load, { once: true });
  root.addEventListener("focusin", load, { once: true });
  return {
    root,
    show(next) {
      request = next;
      if (open === null) return;
      said.textContent = WAYS[open][1];
      refresh().then((found) => found?.why && (said.textContent = found.why));
    },
  };
}

/** Puts the text of an element where it can be pasted from; says whether that went well. */
async function copied(code) {
  try {
    await navigator.clipboard.writeText(code.textContent); // where the address is https or this machine
    return true;
  } catch {
    getSelection().selectAllChildren(code);
    return document.execCommand("copy");
  }
}

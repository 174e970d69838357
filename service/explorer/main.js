// Puts the page together: tabs, the banner, and the panels, each of which is mounted when it is first shown.

import { createApi } from "./api.js";
import { createChoice } from "./choice.js";
import { element, fill } from "./dom.js";
import { followLayers } from "./layers.js";
import { mount as mountPredict } from "./predict.js";
import { createSnippets } from "./snippets.js";
import { createState } from "./state.js";

// A panel is {mount(section, context)}, which may give back {show(), hide()}: called whenever it comes and goes.
const PANELS = {
  predict: async () => mountPredict,
  inside: async () => (await import("./inside.js")).mount,
  activations: async () => (await import("./activations.js")).mount,
  service: async () => (await import("./service.js")).mount,
};

const BEHIND_MS = 300; // what the first view does not need comes after its answer

const api = createApi();
const state = createState({ scale: "unit" });
const choice = createChoice(api, state);
const context = { api, state, choice, showSnippets: createSnippets(api, choice), announce, open };
const mounted = new Map();

/** Has a screen reader say something, once it is done with what it says. */
function announce(text) {
  document.getElementById("announcer").textContent = text;
}

/** Shows a panel by its id. */
async function open(id, { focus = false } = {}) {
  const before = state.get("panel");
  if (before === id) return;
  for (const name of Object.keys(PANELS)) {
    const tab = document.getElementById(`tab-${name}`);
    tab.setAttribute("aria-selected", String(name === id));
    tab.tabIndex = name === id ? 0 : -1;
    document.getElementById(name).hidden = name !== id;
  }
  state.set("panel", id);
  history.replaceState(null, "", `#${id}`);
  if (focus) document.getElementById(`tab-${id}`).focus();
  (await mounted.get(before))?.hide?.();
  if (!mounted.has(id)) mounted.set(id, mountPanel(id));
  const panel = await mounted.get(id);
  if (state.get("panel") === id) panel?.show?.();
}

async function mountPanel(id) {
  const section = document.getElementById(id);
  try {
    const mount = await PANELS[id]();
    return await mount(section, context);
  } catch (error) {
    console.warn(error);
    fill(section, element("p", { class: "problem", role: "alert" },
      "This part of the page could not be loaded: the server has gone or is another one now. ",
      element("a", { href: "" }, "Reload the page."))); 
    mounted.delete(id);
    return null;
  }
}

function listenToTabs() {
  const names = Object.keys(PANELS);
  for (const name of names) {
    document.getElementById(`tab-${name}`).addEventListener("click", () => open(name));
  }
  document.querySelector("[role=tablist]").addEventListener("keydown", (event) => {
    const at = names.indexOf(state.get("panel"));
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: names.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    open(names[(to + names.length) % names.length], { focus: true });
  });
  window.addEventListener("hashchange", () => open(wanted()));
}

function wanted() {
  const id = location.hash.slice(1);
  return id in PANELS ? id : "predict";
}

function listenToServer() {
  const banner = document.getElementById("banner");
  api.events.addEventListener("waiting", ({ detail }) => {
    const why = detail.error.status === 0 ? "The server does not answer." : detail.error.message;
    banner.hidden = false;
    banner.textContent = `${why} Trying again by itself, every few seconds.`;
  });
  api.events.addEventListener("reached", () => {
    banner.hidden = true;
    banner.textContent = "";
    announce("The server answers again.");
  });
  const form = document.getElementById("token");
  api.events.addEventListener("token", () => {
    form.hidden = false;
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    api.setToken(document.getElementById("token-value").value);
    form.hidden = true;
    load();
  });
}

/** Fetches what every panel needs. */
async function load() {
  try {
    const models = await api.get("/models");
    state.set("trouble", null);
    state.set("models", models);
    await new Promise((resolve) => setTimeout(resolve, wanted() === "activations" ? 0 : BEHIND_MS));
    state.set("catalogue", await api.get("/activations"));
  } catch (error) {
    state.set("trouble", error);
  }
}

listenToTabs();
listenToServer();
followLayers(api, state);
load();
open(wanted());

// What is served: each model with its state, versions and provider, and loading and unloading where that is allowed.

import { element, fill, problem, uniqueId } from "./dom.js";

const FIXED = "--model-control";

/** Gives {box, look(), take(samples)}. */
export function createServed(context) {
  const { api, state, showSnippets, announce } = context;
  const list = element("ul", { class: "served" });
  const notes = element("div", {});
  const more = element("p", { class: "quiet" });
  const snippets = element("div", {});
  const key = createKey();
  const box = element("div", { class: "card" }, element("h3", {}, "Models"),
    element("p", { class: "quiet hint" }, "Loading and unloading work where the server runs with ", element("code", {}, "--model-control explicit"), "."),
    notes, list, more, snippets);
  const rows = new Map();
  let samples = new Map();
  let isFixed = false; // as this server has answered

  const index = { method: "POST", path: "/v2/repository/index", headers: {}, body: null, kind: null };

  /** Asks what there is, loaded or not. */
  async function look({ signal } = {}) {
    try {
      const [lines, models] = await Promise.all([api.call(index, { signal }), api.get("/models", { signal })]);
      show(lines.body, models);
      fill(notes);
      if (JSON.stringify(models) !== JSON.stringify(state.get("models"))) state.set("models", models);
    } catch (error) {
      if (error.name === "AbortError") return;
      fill(notes, problem(error));
    }
  }

  function show(lines, { models, activations, default: usual }) {
    const found = grouped(lines);
    for (const name of activations) found.delete(name);
    for (const name of rows.keys()) if (!found.has(name)) rows.delete(name);
    for (const [name, versions] of found) {
      if (!rows.has(name)) rows.set(name, createRow(name, act));
      rows.get(name).show(versions, models.find((one) => one.name === name), name === usual);
    }
    const wanted = [...found.keys()].map((name) => rows.get(name).box);
    if (wanted.length !== list.children.length || wanted.some((row, at) => row !== list.children[at])) fill(list, wanted);
    more.textContent = `${found.size ? "" : "No model is there. "}And ${activations.length} activations, which are always served: they can be asked as models by their names.`;
    if (!snippets.children.length) showSnippets(snippets, index);
    count();
  }

  async function act(name, verb) {
    const row = rows.get(name);
    const request = { method: "POST", path: `/v2/repository/models/${encodeURIComponent(name)}/${verb}`, headers: key.headers(), body: null, kind: null };
    showSnippets(snippets, request);
    row.work(verb);
    try {
      await api.call(request, { retry: false });
      row.say();
      announce(`${name} is ${verb}ed.`);
    } catch (error) {
      if (error.message.includes(FIXED)) isFixed = true;
      if (isFixed) error.advice = "Start the server with --model-control explicit to change what it serves while it runs.";
      const isLocked = !isFixed && (error.status === 401 || error.status === 403);
      row.say(problem(error), isLocked ? key.box : null);
      if (isLocked) key.ask();
    }
    await look();
    row.rest(isFixed);
    if (isFixed) for (const other of rows.values()) other.rest(true);
  }

  /** Counts of each model, out of a look at `/metrics`. */
  function take(found) {
    samples = found;
    count();
  }

  function count() {
    for (const [name, row] of rows) row.count(samples, name);
  }

  return { box, look, take };
}

function grouped(lines) {
  const found = new Map();
  for (const line of lines) found.set(line.name, [...(found.get(line.name) ?? []), line]);
  return found;
}

/** A field for the admin token, shown once the server has asked for it; it is kept here and nowhere else. */
function createKey() {
  const id = uniqueId("admin");
  const field = element("input", { type: "password", id, autocomplete: "off", spellcheck: "false" });
  const box = element("div", { class: "key-field" },
    element("label", { for: id }, "Admin token (", element("code", {}, "--admin-token"), "), kept until this page is closed; then press the button again:"), field);
  return {
    box,
    headers: () => (field.value ? { Authorization: `Bearer ${field.value}` } : {}),
    ask() {
      field.focus();
      field.select();
    },
  };
}

function createRow(name, act) {
  const about = element("p", { class: "quiet" });
  const counts = element("p", { class: "quiet" });
  const notes = element("div", { class: "said" });
  const badge = element("span", { class: "badge" });
  const button = element("button", { type: "button" });
  const box = element("li", {}, element("div", { class: "what" }, element("p", {}, element("strong", {}, name), " ", badge), about, counts), button, notes);
  let verb = "load";
  let isAsked = false; // an unloaded model is gone for every caller, so it takes a second press
  let isBusy = false;

  function label() {
    const text = isAsked ? "Really unload?" : verb === "load" ? "Load" : "Unload";
    button.textContent = text;
    button.setAttribute("aria-label", isAsked ? `Really unload ${name}? It is gone for every caller then.` : `${text} ${name}`);
    button.classList.toggle("sure", isAsked);
  }

  button.addEventListener("click", () => {
    if (isBusy) return;
    if (verb === "unload" && !isAsked) isAsked = true;
    else {
      isAsked = false;
      act(name, verb);
    }
    if (!isBusy) label();
  });
  button.addEventListener("blur", () => {
    isAsked = false;
    if (!isBusy) label();
  });

  return {
    box,
    show(versions, model, isDefault) {
      const ready = versions.filter((one) => one.state === "READY");
      const states = [...new Set(versions.map((one) => one.state.toLowerCase()))];
      verb = ready.length ? "unload" : "load";
      badge.textContent = ready.length ? "ready" : states.join(", ");
      badge.className = `badge ${ready.length ? "good" : versions.some((one) => one.reason && one.reason !== "unloaded") ? "bad" : ""}`;
      const reasons = versions.filter((one) => one.reason && one.reason !== "unloaded").map((one) => `Version ${one.version}: ${one.reason}`);
      about.textContent = [`version ${versions.map((one) => one.version).join(", ")}`, model?.task, model?.provider?.replace("ExecutionProvider", ""), isDefault ? "the default model" : null, ...reasons].filter(Boolean).join(" · ");
      if (!isBusy) label();
    },
    count(samples, model) {
      const of = (metric) => (samples.get(metric) ?? []).filter(({ labels }) => labels.model === model).reduce((total, { value }) => total + value, 0);
      const [rows, runs] = [of("actserve_rows_total"), of("actserve_run_rows_count")];
      counts.textContent = runs ? `${several(rows, "row")} in ${several(runs, "run")}` : "not run yet";
    },
    say(...what) {
      fill(notes, what);
    },
    work(what) {
      isBusy = true;
      button.setAttribute("aria-disabled", "true");
      button.textContent = what === "load" ? "Loading …" : "Unloading …";
    },
    rest(isFixed) {
      isBusy = false;
      button.removeAttribute("aria-disabled");
      button.disabled = isFixed;
      button.title = isFixed ? "This server does not change what it serves while it runs." : "";
      label();
    },
  };
}

function several(count, what) {
  return `${count.toLocaleString("en")} ${what}${count === 1 ? "" : "s"}`;
}

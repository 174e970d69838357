// What is known of an activation: its formula, what it is good and bad at, and what each claim rests on.

import { element, fill } from "./dom.js";
import { swatch } from "./picks.js";

const CLAIMS = [["strengths", "Strengths"], ["weaknesses", "Weaknesses"], ["use", "Where it is used"]];

/** Gives {box, show(picked, request)}; `request(pick)` is what is offered to paste. */
export function createKnowledge({ showSnippets }) {
  const box = element("div", { class: "knowledge" });
  const cards = new Map();

  async function show(picked, request) {
    const { default: temml } = await import("./temml.js");
    for (const pick of picked) if (!cards.has(pick.about)) cards.set(pick.about, card(pick.about, temml));
    const wanted = picked.map(({ about }) => cards.get(about).root);
    if (wanted.length !== box.children.length || wanted.some((root, index) => root !== box.children[index])) fill(box, wanted);
    for (const set of box.querySelectorAll(".formula:not(.barred)")) bar(set);
    for (const pick of picked) {
      const { title, snippets } = cards.get(pick.about);
      fill(title, swatch(pick.slot), pick.about.name);
      showSnippets(snippets, request(pick));
    }
  }

  return { box, show };
}

function card(about, temml) {
  const title = element("h3", {});
  const snippets = element("div", {});
  const root = element("article", { class: "card", "aria-label": about.name },
    title,
    element("p", {}, about.description),
    element("div", { class: "formulas" }, formula(temml, `f(x) = ${about.formula_latex}`, about.formula),
      formula(temml, `f'(x) = ${about.derivative_latex}`, about.derivative)),
    element("p", { class: "quiet" }, facts(about)),
    CLAIMS.map(([part, heading]) => claims(heading, about[part] ?? [])),
    about.promise ? [element("h4", {}, "How exact"), element("p", {}, about.promise)] : null,
    about.paper ? element("p", { class: "quiet" }, `${about.paper.authors}: ${about.paper.title} (${about.paper.year}), ${about.paper.where}.`) : null,
    snippets);
  return { root, title, snippets };
}

/** A formula set as MathML; as plain text where it cannot be set. */
function formula(temml, latex, plain) {
  const box = element("div", { class: "formula", tabindex: "0", role: "region", "aria-label": plain });
  try {
    temml.render(latex, box, { displayMode: true });
  } catch {
    box.textContent = plain;
  }
  return box;
}

/** Where no font has braces that grow, cases get a bar instead: a small brace before two lines says nothing. */
function bar(box) {
  const [brace, cases] = [box.querySelector('mrow > mo[stretchy="true"]:first-child'), box.querySelector("mtable")];
  if (!brace || !cases || box.clientWidth === 0) return;
  const [small, tall] = [brace, cases].map((one) => one.getBoundingClientRect().height);
  box.classList.toggle("barred", small > 0 && small < 0.7 * tall);
}

function facts({ range, monotone, smooth, zero_centred: centred, elementwise }) {
  const said = [`Range ${range}`, smooth ? "smooth" : "has a kink or a step", monotone ? "never falls" : "not monotone", centred ? "its outputs lie around 0" : null,
    elementwise ? null : "mixes the elements along an axis"];
  return `${said.filter(Boolean).join("; ")}.`;
}

function claims(heading, list) {
  if (!list.length) return null;
  return [element("h4", {}, heading), element("ul", { class: "claims" }, list.map(({ text, evidence, source }) => element("li", {}, text, " ",
    element("span", { class: `evidence ${evidence}` }, `${evidence}: `, evidence === "measured" ? element("code", {}, source) : source))))];
}

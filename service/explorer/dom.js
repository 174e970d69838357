// Elements out of names, attributes and children. Text is always text here: nothing is ever parsed as markup.

/** `element("p", {class: "quiet", onclick: f}, "text", child)`; attributes that are null or false are left out. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** Puts children in the place of whatever was in `parent`. */
export function fill(parent, ...children) {
  parent.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
}

/** The value of a colour or length among the page's custom properties, in the theme that holds now. */
export function property(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** Calls `listener` whenever the theme changes, for what is painted rather than styled. */
export function onTheme(listener) {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", listener);
}

let count = 0;

/** An id that no other element has. */
export function uniqueId(stem) {
  count += 1;
  return `${stem}-${count}`;
}

/** What went wrong, said where it happened: a sentence, the fields that are wrong, and what to do. */
export function problem(error) {
  const details = (error.details ?? []).slice(0, 5).map((detail) =>
    element("li", {}, element("code", {}, detail.path), `: expected ${detail.expected}, got ${detail.got}`));
  return element("div", { class: "problem", role: "alert" },
    element("p", {}, error.message),
    details.length > 1 ? element("ul", {}, details) : null,
    error.advice ? element("p", { class: "quiet" }, error.advice) : null);
}

// The parameters of an activation as sliders, each with a field for an exact value.

import { element, uniqueId } from "./dom.js";

const WIDEST_FINE = 5;

/** Which parameters change a curve: an axis does not. */
export function movable(about) {
  return about.parameters.filter(({ type }) => type !== "axis");
}

/** The values that an activation is computed with until somebody moves something. */
export function defaults(about) {
  return Object.fromEntries(movable(about).map((one) => [one.name, one.default]));
}

/** Only what differs from the defaults: what a request has to say. */
export function told({ about, values }) {
  return Object.fromEntries(movable(about).filter((one) => values[one.name] !== one.default).map((one) => [one.name, values[one.name]]));
}

/** Controls for {about, values}; `values` is changed in place, and `changed()` called. Gives elements. */
export function createParameters(pick, changed) {
  const controls = new Map();

  function set(name, value) {
    pick.values[name] = value;
    for (const one of movable(pick.about)) {
      if (one.name === name && one.at_most) raise(one.at_most, value);
      if (one.at_most === name && pick.values[one.name] > value) pick.values[one.name] = value;
    }
    for (const control of controls.values()) control.show();
    changed();
  }

  function raise(name, least) {
    if (pick.values[name] < least) pick.values[name] = least;
  }

  return movable(pick.about).map((one) => {
    const control = one.choices ? choice(pick, one, set) : number(pick, one, set);
    controls.set(one.name, control);
    control.show();
    return control.box;
  });
}

function choice(pick, { name, choices, description }, set) {
  const id = uniqueId(name);
  const select = element("select", { id, onchange: () => set(name, select.value) }, choices.map((value) => element("option", {}, value)));
  return {
    box: element("div", { class: "parameter" }, element("label", { for: id }, named(pick, name)), select, element("p", { class: "quiet" }, description)),
    show: () => (select.value = pick.values[name]),
  };
}

function number(pick, parameter, set) {
  const { name, description } = parameter;
  const id = uniqueId(name);
  const { low, high, step } = bounds(parameter);
  const slider = element("input", { type: "range", id, min: low, max: high, step, oninput: () => set(name, Number(slider.value)) });
  const field = element("input", { type: "number", step: "any", inputmode: "decimal", "aria-label": `${pick.about.name}: ${name}, exactly` });
  field.addEventListener("change", () => field.value !== "" && Number.isFinite(field.valueAsNumber) && set(name, field.valueAsNumber));
  return {
    box: element("div", { class: "parameter" }, element("label", { for: id }, named(pick, name)), slider, field, element("p", { class: "quiet" }, description)),
    show() {
      const value = pick.values[name];
      slider.value = value;
      slider.setAttribute("aria-valuetext", String(value));
      if (document.activeElement !== field || field.valueAsNumber !== value) field.value = Number(value.toPrecision(7));
    },
  };
}

function named({ about }, name) {
  return [element("span", { class: "unseen" }, `${about.name}: `), element("code", {}, name)];
}

/** From where to where a slider goes: as far as the catalogue allows, or around the default. */
export function bounds({ default: usual, minimum, exclusive_minimum: above, maximum, exclusive_maximum: below }) {
  const reach = Math.max(2, 2 * Math.abs(usual));
  const [from, to] = [minimum ?? above ?? -reach, maximum ?? below ?? reach];
  const step = to - from <= WIDEST_FINE ? 0.01 : 0.1;
  return { low: from === above ? from + step : from, high: to === below ? to - step : to, step };
}

// Which network is looked at: a list of all that are served.

import { element, fill, problem, uniqueId } from "./dom.js";

/** Gives a labelled list; what goes wrong when one is chosen is said in `trouble`. */
export function createPicker({ state, choice }, trouble) {
  const select = element("select", { id: uniqueId("network") });
  select.addEventListener("change", () => attempt(choice.choose(select.value), trouble));
  state.on("models", ({ models }) => {
    fill(select, models.map((one) => element("option", { value: one.name, disabled: !one.versions.length },
      one.versions.length ? one.name : `${one.name} (${one.state})`)));
    if (state.get("model")) select.value = state.get("model").name;
  });
  state.on("model", (model) => {
    select.value = model.name;
  });
  return element("div", { class: "field" }, element("label", { for: select.id }, "Network"), select);
}

/** Waits for something; where it fails, says so in `trouble`. */
export async function attempt(promise, trouble) {
  fill(trouble);
  try {
    await promise;
  } catch (error) {
    fill(trouble, problem(error));
  }
}

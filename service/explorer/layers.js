// What the layers inside the chosen model do with the picture that is looked at, asked whenever either changes.

import { latest } from "./latest.js";
import { diagnoseRequest, pictureShape } from "./networks.js";

const PAUSE_MS = 50;
const BEHIND_MS = 20; // the answer comes first

/** Keeps `hidden` in the state up to date; an error of the service becomes `hidden` as {error}. */
export function followLayers(api, state) {
  const ask = latest(async ({ model, input, scale }, signal) => {
    const takes = pictureShape(model) !== null;
    const request = takes ? diagnoseRequest(model, [input.values], scale, true) : exampleRequest(model, true);
    const about = { model, input: takes ? input : { name: "the example" } };
    try {
      const { body } = await api.call(request, { signal });
      if (state.get("model") === model) state.set("hidden", { ...about, layers: body.layers });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      if (state.get("model") === model) state.set("hidden", { ...about, layers: [], error });
    }
  }, { pauseMs: PAUSE_MS, delayMs: BEHIND_MS });

  function changed() {
    const [model, input, scale] = [state.get("model"), state.get("input"), state.get("scale")];
    if (model && (input || !pictureShape(model))) ask({ model, input, scale });
  }

  for (const name of ["model", "input", "scale"]) state.on(name, changed);
}

/** The diagnosis of the example that a model's graph gives. */
export function exampleRequest(model, byRow = false) {
  return {
    method: "POST", path: `/diagnose/${encodeURIComponent(model.name)}${byRow ? "?by_row=true" : ""}`,
    headers: { "Content-Type": "application/json" }, body: JSON.stringify(model.example.body), kind: "json",
  };
}

/** The layers that are no output and tell their values. */
export function hiddenLayers(told) {
  return (told?.layers ?? []).filter((layer) => !layer.is_output && layer.by_row);
}

// Which model and which picture are looked at, and what is known of each model.

import { pictureShape, sheetOf } from "./networks.js";
import { sheet } from "./picture.js";

const FIRST = "digits"; // what a newcomer can try at once: anybody can draw one
const OPENING = { digits: [3, 3], fashion_mnist: [9, 0] }; // class and column of the first picture

const NOTHING = {
  message: "No network is served here.",
  advice: "Start the server with --models and a folder of your own, or without --no-shipped-models. The activations are all there.",
};

/** Gives {describe, choose, sheet, startWith}; picks a model as soon as it is known what is served. */
export function createChoice(api, state) {
  const known = new Map();
  const sheets = new Map();
  // Count what was chosen: an answer that comes late takes no later choice back.
  let models = 0;
  let pictures = 0;

  /** `GET /models/{model}`, once for each. */
  function describe(name) {
    if (!known.has(name)) {
      const asked = api.get(`/models/${encodeURIComponent(name)}`);
      asked.catch(() => known.delete(name));
      known.set(name, asked);
    }
    return known.get(name);
  }

  /** Makes a model the one that is looked at, unless another has been asked for meanwhile. Throws ApiError. */
  async function choose(name) {
    models += 1;
    const mine = models;
    const model = await describe(name);
    if (mine === models) state.set("model", model);
  }

  function sheetNamed(name) {
    if (!sheets.has(name)) {
      const asked = sheet(name);
      asked.catch(() => sheets.delete(name));
      sheets.set(name, asked);
    }
    return sheets.get(name);
  }

  /** Makes a test image the picture that is looked at. */
  async function pick(name, row, column) {
    pictures += 1;
    const mine = pictures;
    const found = await sheetNamed(name);
    if (mine !== pictures) return;
    state.set("input", {
      values: found.picture(row, column), kind: "sample", sheet: name, row, column,
      name: `${found.labels[row]}, test image ${found.numbers[row][column]}`,
    });
  }

  /** Chooses a model, with a picture that suits it. */
  async function startWith(name) {
    models += 1;
    const mine = models;
    const model = await describe(name);
    const suiting = sheetOf(model) ?? "digits";
    if (mine === models && pictureShape(model)) await pick(suiting, ...OPENING[suiting]);
    if (mine === models) state.set("model", model);
  }

  sheetNamed(FIRST).catch(() => {}); // it will be wanted, and need not wait for the list of models
  state.on("input", () => {
    pictures += 1;
  });
  state.on("models", async (served) => {
    known.clear(); // what is served may be another version now
    if (models > 0) return;
    const names = served.models.filter((one) => one.versions.length).map((one) => one.name);
    const first = names.includes(FIRST) ? FIRST : names.includes(served.default) ? served.default : names[0];
    if (!first) state.set("trouble", NOTHING);
    else await startWith(first).catch((error) => state.set("trouble", error));
  });

  return { describe, choose, pick, startWith, sheet: sheetNamed };
}

// Which model and which picture are looked at, and what is known of each model.

import { pictureShape, sheetOf } from "./networks.js";
import { sheet } from "./picture.js";

const FIRST = "digits"; // what a newcomer can try at once: anybody can draw one
const OPENING = { digits: [3, 3], fashion_mnist: [9, 0] }; // class and column of the first picture

/** Gives {describe, choose, sheet, startWith}; picks a model as soon as it is known what is served. */
export function createChoice(api, state) {
  const known = new Map();
  const sheets = new Map();

  /** `GET /models/{model}`, once for each. */
  function describe(name) {
    if (!known.has(name)) {
      const asked = api.get(`/models/${encodeURIComponent(name)}`);
      asked.catch(() => known.delete(name));
      known.set(name, asked);
    }
    return known.get(name);
  }

  /** Makes a model the one that is looked at. Throws ApiError. */
  async function choose(name) {
    state.set("model", await describe(name));
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
    const found = await sheetNamed(name);
    state.set("input", {
      values: found.picture(row, column), kind: "sample", sheet: name, row, column,
      name: `${found.labels[row]}, test image ${found.numbers[row][column]}`,
    });
  }

  /** Chooses a model, with a picture that suits it. */
  async function startWith(name) {
    const model = await describe(name);
    if (pictureShape(model)) {
      const suiting = sheetOf(model) ?? "digits";
      await pick(suiting, ...OPENING[suiting]);
    }
    state.set("model", model);
  }

  sheetNamed(FIRST).catch(() => {}); // it will be wanted, and need not wait for the list of models
  state.on("models", async (models) => {
    known.clear(); // what is served may be another version now
    if (state.get("model")) return;
    const names = models.models.filter((one) => one.versions.length).map((one) => one.name);
    const first = names.includes(FIRST) ? FIRST : names.includes(models.default) ? models.default : names[0];
    if (first) await startWith(first).catch((error) => state.set("trouble", error));
  });

  return { describe, choose, pick, startWith, sheet: sheetNamed };
}

// Files as requests: what a person drops is sent as it is, under the type that its name tells.

const TYPES = { npy: "application/x-npy", json: "application/json", png: "image/png", jpg: "image/jpeg", jpeg: "image/jpeg" };
const KINDS = { npy: "npy", json: "json" };

/** A request with a file as its body. Throws an Error where its name ends in nothing that the service takes. */
export async function fileRequest(path, file) {
  const ending = file.name.split(".").pop().toLowerCase();
  if (!(ending in TYPES)) throw new Error(`“${file.name}”: the service takes files that end in .npy, .json, .png or .jpg.`);
  const body = ending === "json" ? await file.text() : await file.arrayBuffer();
  return { method: "POST", path, headers: { "Content-Type": TYPES[ending] }, body, kind: KINDS[ending] ?? "picture", name: file.name };
}

/** An input of a model in words: name, type and shape. */
export function describeInput({ name, datatype, shape, dimensions = [] }) {
  const sizes = shape?.map((size, index) => (size === -1 ? dimensions[index] ?? "any" : size)).join(", ");
  return `${name}: ${datatype} [${sizes ?? "any shape"}]`;
}

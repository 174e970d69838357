// A request as Python: its standard library alone, and NumPy where the answer is a NumPy file.

import { answered, broken, file, head, isFile, jsonOf } from "./payload.js";

const READ = {
  json: "    print(json.load(answer))",
  text: "    print(answer.read().decode())",
  nothing: "    print(answer.status)",
  npy: "    print(numpy.load(io.BytesIO(answer.read())))",
};
const WORDS = { true: "True", false: "False", null: "None" };

/** Gives the text. */
export function python(request, { hasToken }) {
  const { url, headers } = head(request, hasToken);
  const { before, value, needs } = body(request);
  const got = answered(request);
  const named = Object.keys(headers).length ? `, headers=${literal(JSON.stringify(headers))}` : "";
  const sent = value ? `, data=${value}` : request.method === "GET" ? "" : `, method=${string(request.method)}`;
  const modules = new Set([...needs, ...(got === "json" ? ["json"] : []), ...(got === "npy" ? ["io"] : []), "urllib.request"]);
  return [
    ...[...modules].sort().map((name) => `import ${name}`),
    ...(got === "npy" ? ["", "import numpy"] : []), "",
    ...before,
    `request = urllib.request.Request(${string(url)}${sent}${named})`,
    "with urllib.request.urlopen(request) as answer:",
    READ[got],
  ].join("\n");
}

function body(request) {
  if (request.body === null) return { before: [], value: null, needs: [] };
  if (isFile(request)) return ofFile(file(request));
  if (jsonOf(request) === null) return { before: [`body = ${string(request.body)}`], value: "body.encode()", needs: [] };
  return { before: [`body = ${literal(broken(request.body))}`], value: "json.dumps(body).encode()", needs: ["json"] };
}

function ofFile({ name, base64 }) {
  if (base64 === null) return { before: [`with open(${string(name)}, "rb") as file:  # your file`, "    body = file.read()"], value: "body", needs: [] };
  return { before: [`body = base64.b64decode("""\n${base64}\n""")  # ${name.replaceAll("\n", " ")}`], value: "body", needs: ["base64"] };
}

/** JSON as a Python literal, each number with the digits that it has. */
export function literal(json) {
  return json.replace(/"(?:[^"\\]|\\.)*"|true|false|null/g, (token) => WORDS[token] ?? string(JSON.parse(token)));
}

/** A string as a Python literal: JSON's escapes mean the same there. */
export function string(text) {
  return JSON.stringify(text);
}

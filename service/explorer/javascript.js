// A request as JavaScript: a module for Node, or for the console of this page.

import { answered, broken, file, head, isFile, jsonOf } from "./payload.js";

const READ = {
  json: "console.log(await answer.json());",
  text: "console.log(await answer.text());",
  nothing: "console.log(answer.status);",
  npy: "console.log(new Uint8Array(await answer.arrayBuffer())); // a NumPy file",
};

/** Gives the text. */
export function javascript(request, { hasToken }) {
  const { url, headers } = head(request, hasToken);
  const { before, value } = body(request);
  const options = [
    ...(request.method === "GET" ? [] : [`  method: ${JSON.stringify(request.method)},`]),
    ...(Object.keys(headers).length ? [`  headers: ${JSON.stringify(headers)},`] : []),
    ...(value ? [`  body: ${value},`] : []),
  ];
  const second = options.length ? `, {\n${options.join("\n")}\n}` : "";
  return [...before, `const answer = await fetch(${JSON.stringify(url)}${second});`, READ[answered(request)]].join("\n");
}

function body(request) {
  if (request.body === null) return { before: [], value: null };
  if (isFile(request)) return ofFile(file(request));
  const read = jsonOf(request);
  const isExact = read !== null && JSON.stringify(read) === request.body; // a large integer is not
  return { before: [], value: isExact ? `JSON.stringify(${broken(request.body)})` : JSON.stringify(request.body) };
}

function ofFile({ name, base64 }) {
  if (base64 === null) return { before: ['import { readFile } from "node:fs/promises"; // in Node', ""], value: `await readFile(${JSON.stringify(name)})` };
  return { before: [`const body = atob(\`\n${base64}\n\`); // ${name.replaceAll("\n", " ")}`], value: "Uint8Array.from(body, (one) => one.charCodeAt(0))" };
}

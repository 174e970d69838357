// A request as a command for a POSIX shell.

import { answered, broken, file, head, isFile, jsonOf } from "./payload.js";

const SHORT = 160;

/** Gives the text. A long body comes by a here-document: an argument could be too long, and could not be read. */
export function curl(request, { hasToken }) {
  const { url, headers } = head(request, hasToken);
  const words = ["curl", "-s", quoted(url)];
  if (request.method !== "GET" && request.body === null) words.push("-X", request.method);
  for (const [name, value] of Object.entries(headers)) words.push("-H", quoted(`${name}: ${value}`));
  if (answered(request) === "npy") words.push("-o", "answer.npy");
  return withBody(words, request);
}

function withBody(words, request) {
  const { body } = request;
  if (body === null) return words.join(" ");
  if (isFile(request)) return withFile(words, file(request));
  if (body.length <= SHORT && !body.includes("\n")) return [...words, "--data-raw", quoted(body)].join(" ");
  const text = jsonOf(request) === null ? body : broken(body);
  return here([...words, "--data-binary", "@-"].join(" "), text);
}

function withFile(words, { name, base64 }) {
  const sent = [...words, "--data-binary", quoted(`@${name}`)].join(" ");
  if (base64 === null) return `# ${name.replaceAll("\n", " ")} is your file, in the folder where this runs.\n${sent}`;
  return `${here(`base64 -d > ${quoted(name)}`, base64)}\n${sent}`;
}

function here(command, text) {
  let end = "END";
  while (text.split("\n").includes(end)) end += "_";
  return `${command} <<'${end}'\n${text}\n${end}`;
}

function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

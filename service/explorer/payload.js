// What a request carries, told so that it can be written in any language.

import { address } from "./api.js";

const LONGEST_INLINE = 24_000; // bytes of a file that are written into the text itself
const WIDE = 100;
const ENDINGS = { npy: "npy", picture: "png", json: "json" };

/** The words in the place of a token that this page will not give away. */
export const TOKEN = "YOUR_TOKEN";

/** The request's whole address, and its headers, with a place for the token where the server asks for one. */
export function head(request, hasToken) {
  const headers = { ...request.headers };
  delete headers.Authorization;
  if (hasToken || request.headers.Authorization) headers.Authorization = `Bearer ${TOKEN}`;
  return { url: address(request.path), headers };
}

/** What comes back: "json", "npy", "text" or "nothing". */
export function answered({ method, path, headers, kind }) {
  if (path === "/metrics") return "text";
  if (/^\/v2\/repository\/models\//.test(path) && method === "POST") return "nothing";
  if (headers.Accept) return headers.Accept.endsWith("npy") ? "npy" : headers.Accept.includes("json") ? "json" : "text";
  return kind === "npy" && /^\/(predict|activate)\b/.test(path) ? "npy" : "json";
}

/** Such a body: {name} of its file, and {base64}, null where that would be too long to paste. */
export function file(request) {
  const bytes = typeof request.body === "string" ? new TextEncoder().encode(request.body) : new Uint8Array(request.body);
  const name = request.name ?? `body.${ENDINGS[request.kind] ?? "bin"}`;
  return { name, base64: bytes.length > LONGEST_INLINE ? null : lines(base64(bytes)) };
}

/** Whether the body is a file's: bytes, or a text of somebody's own that is too long to paste. */
export function isFile({ body, name }) {
  return body !== null && (typeof body !== "string" || (name !== undefined && body.length > LONGEST_INLINE));
}

/** The body's text, or null where it is not JSON. */
export function jsonOf({ body }) {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}

/** JSON in lines of a length that a terminal likes: a new one after a comma outside a string. */
export function broken(text) {
  let width = 0;
  return text.replace(/"(?:[^"\\]|\\.)*"|,\s*|[^",]+/g, (token) => {
    width += token.length;
    if (!token.startsWith(",") || width < WIDE) return token;
    width = 0;
    return ",\n";
  });
}

function base64(bytes) {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

function lines(text) {
  return text.replace(/.{1,76}/g, "$&\n").trimEnd();
}

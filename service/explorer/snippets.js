// A request on this page as something to paste elsewhere.

import { address } from "./api.js";
import { element, fill } from "./dom.js";

/** The request as a curl command for a POSIX shell. */
export function curl(request) {
  const words = ["curl", "-s", quoted(address(request.path))];
  if (request.method !== "GET" && request.body === null) words.push("-X", request.method);
  for (const [name, value] of Object.entries(request.headers)) words.push("-H", quoted(`${name}: ${value}`));
  if (typeof request.body === "string") words.push("--data-raw", quoted(request.body));
  return words.join(" ");
}

function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** Shows in `box` how to send `request` from elsewhere: {method, path, headers, body, kind} as in api.js. */
export function showSnippets(box, request) {
  const text = curl(request);
  const copied = element("span", { class: "quiet", role: "status" });
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    copied.textContent = "Copied.";
  };
  fill(box, element("button", { type: "button", onclick: copy }, "Copy as curl"), " ", copied);
}

// A request in each of the ways that it can be pasted. Loaded when somebody asks for one.

import { curl } from "./curl.js";
import { javascript } from "./javascript.js";
import { python } from "./python.js";
import { triton } from "./triton.js";

const DONE = { curl, python, javascript };

/** Gives {text}, or {why} there is none; `way` is "curl", "python", "triton" or "javascript". */
export async function written(way, request, about) {
  return way === "triton" ? triton(request, about) : { text: DONE[way](request, about) };
}

// The one way from this page to the service: its public API, nothing else.
//
// A request is {method, path, headers, body, kind}; `kind` names the body for people ("json", "npy", "picture", or
// null). The same objects are what snippets.js writes as curl and so on.

const FIRST_WAIT_S = 0.5;
const LONGEST_WAIT_S = 8;
const WORTH_ANOTHER_TRY = new Set([429, 503]);
const ADVICE = {
  401: "Enter the token that the server was started with, above.",
  403: "This token does not allow it: the server has another one for it (--admin-token).",
  404: "It may have been unloaded. Reload the page to see what is served now.",
  413: "Send less at once, or start the server with a larger --max-body-bytes.",
  422: "Change what is named here and send it again.",
  500: "That is the service's own fault. Its log tells more, under the request id.",
  504: "The server was too busy. Try again, or with less at once.",
};

/** An answer that is not 2xx, or none (`status` 0). `advice` is what a person can do about it. */
export class ApiError extends Error {
  constructor(status, message, details = [], requestId = "") {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.details = details;
    this.requestId = requestId;
    this.advice = ADVICE[status] ?? (status ? "" : "Is the server running? This page goes on by itself when it is back.");
  }
}

/** Where `path` of the API is, also behind a proxy that serves this page below a path of its own. */
export function address(path) {
  return new URL(path.replace(/^\//, ""), new URL(".", document.baseURI)).href;
}

/**
 * A client of the service. `events` tells {type: "waiting", detail: {seconds, error}} while it cannot be reached,
 * "reached" when it answers again, and "token" when it asks for one.
 */
export function createApi() {
  const events = new EventTarget();
  let token = "";
  let isWaiting = false;

  function tell(type, detail) {
    events.dispatchEvent(new CustomEvent(type, { detail }));
  }

  async function once(request, signal) {
    const headers = { ...request.headers };
    if (token && !headers.Authorization) headers.Authorization = `Bearer ${token}`;
    const began = performance.now();
    let answer;
    try {
      answer = await fetch(address(request.path), { method: request.method, headers, body: request.body ?? undefined, signal });
      const body = await read(answer);
      return finish(answer, body, performance.now() - began);
    } catch (error) {
      if (error instanceof ApiError || error.name === "AbortError") throw error;
      throw new ApiError(0, answer ? "The answer broke off." : "The server does not answer.");
    }
  }

  function finish(answer, body, wireMs) {
    if (!answer.ok) {
      const said = body && typeof body === "object" && "error" in body ? body : {};
      const error = new ApiError(answer.status, said.error ?? `The server answered ${answer.status}.`, said.details ?? [],
        answer.headers.get("X-Request-Id") ?? "");
      error.retryAfterS = Number(answer.headers.get("Retry-After")) || null;
      throw error;
    }
    return { status: answer.status, headers: answer.headers, body, timing: timing(answer.headers, wireMs) };
  }

  /**
   * Sends a request and gives {status, headers, body, timing}; `body` is parsed JSON, text, or an ArrayBuffer.
   * While the server is away or overloaded it tries again, with back-off and no earlier than `Retry-After` says,
   * until `signal` ends it; `retry: false` is for what must not be done twice. Throws ApiError.
   */
  async function call(request, { signal, retry = true } = {}) {
    for (let tries = 0; ; tries += 1) {
      try {
        const found = await once(request, signal);
        reached();
        return found;
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        if (error.status === 401 && !request.path.startsWith("/v2/repository/models/")) tell("token"); // those may want another
        const isAway = error.status === 0 || WORTH_ANOTHER_TRY.has(error.status);
        if (!isAway) reached();
        if (!isAway || !retry) throw error;
        await wait(error, tries, signal);
      }
    }
  }

  async function wait(error, tries, signal) {
    const backOff = Math.min(FIRST_WAIT_S * 2 ** tries, LONGEST_WAIT_S);
    const seconds = Math.max(backOff, error.retryAfterS ?? 0);
    isWaiting = true;
    tell("waiting", { seconds, error });
    // A little more by chance, so that many pages do not come back in the same moment.
    await sleep(seconds * 1000 * (1 + Math.random() / 4), signal);
  }

  function reached() {
    if (isWaiting) tell("reached");
    isWaiting = false;
  }

  return {
    events,
    call,
    /** The body of a GET. */
    get: async (path, options) => (await call({ method: "GET", path, headers: {}, body: null, kind: null }, options)).body,
    get hasToken() {
      return token !== "";
    },
    setToken(value) {
      token = value;
    },
  };
}

/** A request with a JSON body. */
export function jsonRequest(path, value, method = "POST") {
  return { method, path, headers: { "Content-Type": "application/json" }, body: JSON.stringify(value), kind: "json" };
}

async function read(answer) {
  const type = answer.headers.get("Content-Type") ?? "";
  if (type.startsWith("application/json")) return answer.json();
  return type.startsWith("text/") || type.startsWith("image/svg") ? answer.text() : answer.arrayBuffer();
}

/** Milliseconds: each stage of `Server-Timing`, `server` their sum, and `wire` from sending to the last byte read. */
function timing(headers, wireMs) {
  const stages = {};
  for (const part of (headers.get("Server-Timing") ?? "").split(",")) {
    const found = part.match(/^\s*([\w-]+)\s*;.*?dur=([\d.]+)/);
    if (found) stages[found[1]] = Number(found[2]);
  }
  return { stages, server: Object.values(stages).reduce((sum, one) => sum + one, 0), wire: wireMs };
}

function sleep(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(new DOMException("", "AbortError"));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}

// Service: what is served, and how it fares.

import { element, fill } from "./dom.js";
import { parse } from "./exposition.js";
import { createGauges } from "./gauges.js";
import { createServed } from "./served.js";
import { createVitals } from "./vitals.js";

const EVERY_MS = 2000;
const SLOWER = 3; // so many looks from one to the next at what changes more slowly

export function mount(section, context) {
  const { api } = context;
  const [gauges, served, vitals] = [createGauges(context), createServed(context), createVitals(context)];
  const lead = element("p", { class: "quiet" }, "\u00a0");
  fill(section, element("div", { class: "opening" }, element("h2", {}, "Service"), lead), element("div", { class: "service" }, gauges.box, served.box, vitals.box));
  let isShown = false;
  let ending = null;

  /** Looks at `/metrics` again and again, until somebody looks elsewhere. While the server is away the client waits. */
  async function watch(signal) {
    try {
      for (let count = 0; !signal.aborted; count += 1) {
        const samples = parse((await api.call({ method: "GET", path: "/metrics", headers: {}, body: null, kind: null }, { signal })).body);
        show(samples);
        if (count % SLOWER === 0) await Promise.all([served.look({ signal }), vitals.look(samples, { signal })]);
        await pause(signal);
      }
    } catch (error) {
      if (error.name !== "AbortError") lead.textContent = `${error.message} ${error.advice}`;
    }
  }

  function show(samples) {
    const isReady = samples.get("actserve_ready")?.[0]?.value === 1;
    lead.textContent = isReady ? "It is ready: requests should be sent here." : "It is not ready: a model that it should serve is not there. GET /health/ready says which.";
    gauges.take(samples);
    served.take(samples);
  }

  function follow() {
    const isWanted = isShown && !document.hidden;
    if (isWanted && !ending) {
      ending = new AbortController();
      watch(ending.signal);
    } else if (!isWanted) {
      ending?.abort();
      ending = null;
    }
  }

  document.addEventListener("visibilitychange", follow);
  return {
    show() {
      isShown = true;
      follow();
    },
    hide() {
      isShown = false;
      follow();
    },
  };
}

function pause(signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, EVERY_MS);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
  });
}

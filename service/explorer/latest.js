// Work that follows something quick, as a prediction follows a pen.

/**
 * Gives a function that has `job(value, signal)` run for the newest value: one at a time, values in between left out,
 * at least `pauseMs` from one start to the next. One that has run for `patienceMs` is ended for a newer value. After a
 * silence it begins `delayMs` late, so that what matters more goes first.
 */
export function latest(job, { pauseMs = 0, patienceMs = 400, delayMs = 0 } = {}) {
  let running = null;
  let next = null;
  let timer = 0;
  let isDue = false; // a start is on its way

  async function start() {
    const { value } = next;
    next = null;
    isDue = false;
    const began = performance.now();
    const ending = new AbortController();
    running = { began, ending };
    try {
      await job(value, ending.signal);
    } catch (error) {
      if (error.name !== "AbortError") throw error;
    } finally {
      running = null;
      if (next) later(pauseMs - (performance.now() - began), start);
    }
  }

  function later(milliseconds, what) {
    clearTimeout(timer);
    isDue = what === start;
    timer = setTimeout(what, Math.max(0, milliseconds));
  }

  return (value) => {
    next = { value };
    if (!running && !isDue) later(delayMs, start);
    else if (!running) return;
    else if (performance.now() - running.began > patienceMs) running.ending.abort();
    else later(patienceMs, () => next && running?.ending.abort());
  };
}

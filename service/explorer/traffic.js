// What the service did between two looks at `/metrics`.

import { buckets, quantile, since, sum } from "./exposition.js";

/** Routes that this page asks by itself to know how the service fares, or is made of: they are no traffic. */
const OWN = new Set(["/", "/explorer/{content}/{file}", "/metrics", "/models", "/models/{model}/activations", "/v2/repository/index"]);
const DURATION = "actserve_request_duration_seconds";
const REQUESTS = "actserve_requests_total";
const RUNS = "actserve_run_rows";

const foreign = ({ path }) => !OWN.has(path);
const failed = ({ path, status }) => foreign({ path }) && Number(status) >= 400;

/** Whether the second look is of a server that has been started since the first: its counts are smaller. */
export function isAnother(before, after) {
  return sum(after.samples, REQUESTS) < sum(before.samples, REQUESTS);
}

/** Figures of the time from one look, {at: seconds, samples}, to another; null where there was nothing to tell from. */
export function between(before, after) {
  const seconds = after.at - before.at;
  const gained = (name, holds) => sum(after.samples, name, holds) - sum(before.samples, name, holds);
  const times = since(buckets(after.samples, DURATION, foreign), buckets(before.samples, DURATION, foreign));
  const runs = gained(`${RUNS}_count`);
  return {
    perSecond: gained(REQUESTS, foreign) / seconds,
    failedPerSecond: gained(REQUESTS, failed) / seconds,
    median: quantile(times, 0.5),
    slowest: quantile(times, 0.99),
    rowsPerRun: runs > 0 ? gained(`${RUNS}_sum`) / runs : null,
  };
}

/** Each route with its requests and errors since the start, and its figures between the two looks; busiest first. */
export function byPath(before, after) {
  const all = new Set((after.samples.get(REQUESTS) ?? []).filter(({ labels }) => foreign(labels)).map(({ labels }) => labels.path));
  const rows = Array.from(all, (path) => {
    const here = (labels) => labels.path === path;
    const times = since(buckets(after.samples, DURATION, here), buckets(before.samples, DURATION, here));
    const total = sum(after.samples, REQUESTS, here);
    return {
      path,
      total,
      failed: sum(after.samples, REQUESTS, (labels) => here(labels) && failed(labels)),
      perSecond: (total - sum(before.samples, REQUESTS, here)) / (after.at - before.at),
      median: quantile(times, 0.5),
      slowest: quantile(times, 0.99),
    };
  });
  return rows.sort((left, right) => right.total - left.total);
}

/** Runs by their number of rows since the start: [{label, runs}], up to the largest there was. */
export function runSizes({ samples }) {
  const found = buckets(samples, RUNS);
  let last = 0;
  const sizes = found.map(([bound, count], index) => {
    const [low, below] = index ? found[index - 1] : [0, 0];
    if (count > below) last = index;
    const label = bound === Infinity ? `over ${low}` : low + 1 >= bound ? `${bound}` : `${low + 1} to ${bound}`;
    return { label, runs: count - below };
  });
  return sizes.slice(0, last + 1);
}

// What `/metrics` says, in Prometheus' text format, and what has happened between two looks at it.

const LINE = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;
const SPECIAL = { "+Inf": Infinity, "-Inf": -Infinity, NaN };

/** Samples by name: lists of {labels, value}. */
export function parse(text) {
  const found = new Map();
  for (const line of text.split("\n")) {
    const [, name, labels = "", value] = line.match(LINE) ?? [];
    if (!name) continue;
    if (!found.has(name)) found.set(name, []);
    found.get(name).push({ labels: Object.fromEntries(Array.from(labels.matchAll(LABEL), ([, key, one]) => [key, one])), value: SPECIAL[value] ?? Number(value) });
  }
  return found;
}

/** The sum of a metric over the labels that `holds` lets through. */
export function sum(samples, name, holds = () => true) {
  return (samples.get(name) ?? []).reduce((total, { labels, value }) => (holds(labels) ? total + value : total), 0);
}

/** Counts of a histogram up to each of its bounds, as [bound, count] in order. */
export function buckets(samples, name, holds = () => true) {
  const counts = new Map();
  for (const { labels, value } of samples.get(`${name}_bucket`) ?? []) {
    if (!holds(labels)) continue;
    const bound = SPECIAL[labels.le] ?? Number(labels.le);
    counts.set(bound, (counts.get(bound) ?? 0) + value);
  }
  return [...counts].sort(([left], [right]) => left - right);
}

/** The buckets of what came after `before`. */
export function since(after, before) {
  const known = new Map(before);
  return after.map(([bound, count]) => [bound, count - (known.get(bound) ?? 0)]);
}

/** A quantile out of buckets, within one by straight line, as Prometheus' `histogram_quantile`; null of nothing. */
export function quantile(found, share) {
  const all = found.at(-1)?.[1] ?? 0;
  if (!(all > 0)) return null;
  const rank = share * all;
  const at = found.findIndex(([, count]) => count >= rank);
  const [bound, count] = found[at];
  const [low, below] = at > 0 ? found[at - 1] : [0, 0];
  if (bound === Infinity) return low;
  return low + (bound - low) * ((rank - below) / (count - below || 1));
}

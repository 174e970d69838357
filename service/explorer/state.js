// What several panels share. Each value has a name; whoever listens to the name is told when it changes.

/**
 * Names in use:
 *   models    what `GET /models` says (an object), null until it is there
 *   catalogue what `GET /activations` says, null until it is there
 *   model     the description of the chosen model (`GET /models/{model}`), null until it is there
 *   input     the picture that is looked at: {values: Float32Array(784), kind: "drawing" | "sample" | "file", name};
 *             of a sample also its {sheet, row, column}
 *   scale     how pixels are told to a model that does not say it itself: a name in SCALES of networks.js
 *   hidden    what the layers inside did with the input: {model, input, layers} as `POST /diagnose` tells them
 *   unit      the hidden unit that is looked at, as {node, index}, or null
 *   verdict   what the chosen model says of the picture, in short: {name, share}
 *   report    what `POST /diagnose` said of many rows, null while that is not known
 *   trouble   the error that kept the page from knowing what is served
 *   panel     the id of the panel that is shown
 */
export function createState(initial) {
  const values = new Map(Object.entries(initial));
  const listeners = new Map();
  return {
    get: (name) => values.get(name),
    set(name, value) {
      if (Object.is(values.get(name), value)) return;
      values.set(name, value);
      for (const listener of listeners.get(name) ?? []) listener(value);
    },
    /** Calls `listener` with each new value, and at once where there is one already. Returns what ends that. */
    on(name, listener) {
      const of = listeners.get(name) ?? new Set();
      listeners.set(name, of.add(listener));
      const value = values.get(name);
      if (value !== undefined && value !== null) listener(value);
      return () => of.delete(listener);
    },
  };
}

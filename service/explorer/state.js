// What several panels share. Each value has a name; whoever listens to the name is told when it changes.

/**
 * Names in use:
 *   models    what `GET /models` says (an object), null until it is there
 *   catalogue what `GET /activations` says, null until it is there
 *   model     the description of the chosen model (`GET /models/{model}`), null until it is there
 *   input     what the chosen model is given: {values: Float32Array(784), kind: "drawing" | "picture", name: string}
 *   unit      the hidden unit that is looked at, as {node, index}, or null
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

/** Gives an object properties of its own, which a change of its prototype leaves alone. */
export function define(
  target: object,
  values: Readonly<Record<string, unknown>>,
): void {
  for (const [name, value] of Object.entries(values)) {
    Object.defineProperty(target, name, {
      value,
      configurable: true,
      enumerable: false,
      writable: true,
    });
  }
}

/** Gives an object getters of its own; what is assigned to them is dropped. */
export function defineGetters(
  target: object,
  getters: Readonly<Record<string, () => unknown>>,
): void {
  for (const [name, get] of Object.entries(getters)) {
    // The runtimes assign to some of them.
    const set = () => {};
    Object.defineProperty(target, name, { get, set, configurable: true });
  }
}

/** Listeners in order of adding, each once. Whoever goes through them keeps those it began with. */
export class ListenerList<Listener> {
  #items: readonly Listener[] = []; // replaced, not changed

  /** The listeners. */
  get items(): readonly Listener[] {
    return this.#items;
  }

  /** Adds a listener, unless it is there. */
  add(listener: Listener): void {
    if (!this.#items.includes(listener)) {
      this.#items = [...this.#items, listener];
    }
  }

  /** Removes a listener. */
  remove(listener: Listener): void {
    this.#items = this.#items.filter((other) => other !== listener);
  }
}

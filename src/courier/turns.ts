// SPDX-License-Identifier: Apache-2.0

/**
 * A few places, which those who wait take in turns: whoever wants many does not keep waiting who wants one. `atOnce` is
 * the number of places.
 */
export class Turns {
  #free: number;
  /** By who waits; the first is the next. */
  readonly #waiting = new Map<string, Set<() => void>>();

  constructor(atOnce: number) {
    this.#free = atOnce;
  }

  /** Does the work in a place, once it is the turn of `who`; without a place as soon as the signal ends it. */
  async take<T>(who: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const hasPlace = await this.#place(who, signal);
    try {
      return await work();
    } finally {
      if (hasPlace) this.#leave();
    }
  }

  async #place(who: string, signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return false;
    if (this.#free > 0) {
      this.#free--;
      return true;
    }
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const enter = () => resolve(true);
    const queue = this.#waiting.get(who) ?? new Set();
    this.#waiting.set(who, queue.add(enter));
    const giveUp = () => {
      queue.delete(enter);
      if (queue.size === 0 && this.#waiting.get(who) === queue) this.#waiting.delete(who);
      resolve(false);
    };
    signal.addEventListener("abort", giveUp, { once: true });
    return promise.finally(() => signal.removeEventListener("abort", giveUp));
  }

  #leave(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#free++;
      return;
    }
    const [who, queue] = next;
    const [enter] = queue;
    this.#waiting.delete(who);
    if (enter !== undefined) queue.delete(enter);
    if (queue.size > 0) this.#waiting.set(who, queue);
    enter?.();
  }
}

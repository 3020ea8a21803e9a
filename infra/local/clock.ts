import type { Clock, Timer } from '../../functions/core/run.ts';

/** A clock that stands still until it is turned. Who sleeps by it turns it. */
export class TurnableClock implements Clock {
  #now: number;
  readonly #timers = new Set<{ readonly at: number; readonly ring: () => void }>();

  constructor(start: Date) {
    this.#now = start.getTime();
  }

  readonly now = (): number => this.#now;

  readonly sleep = async (milliseconds: number): Promise<void> => {
    this.#turnBy(milliseconds);
  };

  readonly timer = (milliseconds: number): Timer => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = { at: this.#now + milliseconds, ring: resolve };
    this.#timers.add(timer);
    return { rung: promise, cancel: () => this.#timers.delete(timer) };
  };

  turn(seconds: number): void {
    this.#turnBy(seconds * 1000);
  }

  #turnBy(milliseconds: number): void {
    this.#now += milliseconds;
    for (const timer of this.#timers) {
      if (timer.at > this.#now) continue;
      this.#timers.delete(timer);
      timer.ring();
    }
  }
}

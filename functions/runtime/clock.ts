import { setTimeout as wait } from 'node:timers/promises';
import type { Clock } from '../core/run.ts';

/** The machine's own. */
export const systemClock: Clock = {
  now: Date.now,
  sleep: async (milliseconds) => {
    await wait(milliseconds);
  },
  timer(milliseconds) {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timeout = setTimeout(resolve, milliseconds);
    return { rung: promise, cancel: () => clearTimeout(timeout) };
  },
};

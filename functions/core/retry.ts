import type { Run } from './run.ts';

/** Milliseconds. The first wait is at most 200 ms, the next 400 and so on. */
const FIRST_WAIT = 200;
const LONGEST_WAIT = 5_000;

/**
 * Calls `attempt` until it succeeds, fails for good, has been called `attempts` times, or the next wait would pass the deadline. Waits
 * with full jitter (uniform between zero and a bound that doubles), so that many runs that failed together do not come back together.
 */
export async function withRetries<T>(
  run: Run,
  attempt: () => Promise<T>,
  isWorthRetrying: (error: unknown) => boolean,
  attempts: number | undefined = 5,
): Promise<T> {
  for (let n = 0; ; n++) {
    try {
      return await attempt();
    } catch (error) {
      const wait = run.random() * Math.min(FIRST_WAIT * 2 ** n, LONGEST_WAIT);
      const again =
        n + 1 < attempts && isWorthRetrying(error) && run.now() + wait < run.deadline && !run.signal.aborted;
      if (!again) throw error;
      await run.sleep(wait);
      // Looked at again: a laptop may have slept for longer than it was asked to.
      if (run.signal.aborted || run.now() >= run.deadline) throw error;
    }
  }
}

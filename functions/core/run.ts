/**
 * One invocation's view of the world outside the rules: its name, the clock, and how long it may go on. It is handed in, so that the
 * rules have no clock of their own and a test can turn it.
 */
export interface Run {
  /** Unique to this invocation; a Lambda request id is not, since an asynchronous retry repeats it. */
  readonly id: string;
  /** Epoch milliseconds. */
  now(): number;
  sleep(milliseconds: number): Promise<void>;
  /** Uniform in [0, 1). */
  random(): number;
  /** Epoch milliseconds after which nothing may be started. */
  readonly deadline: number;
  /** Aborts what is under way when the deadline has come. */
  readonly signal: AbortSignal;
  /** Something a person should know although nothing failed: logged by the entry, with the connection's name. */
  warn(connection: string, message: string): void;
}

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
      if (run.signal.aborted) throw error;
    }
  }
}

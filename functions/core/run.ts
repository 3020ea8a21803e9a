/** Milliseconds after which a request to AWS or to Salesforce is given up. */
export const REQUEST_TIMEOUT_MS = 10_000;

/** The clock that a run lives by; tests bring their own. */
export interface Clock {
  /** Epoch milliseconds. */
  now(): number;
  sleep(milliseconds: number): Promise<void>;
  /** Rings once after that time, unless it is cancelled: for what goes on beside a call that is slow. */
  timer(milliseconds: number): Timer;
}

/**
 * One invocation's view of the world outside the rules: its name, the clock, and how long it may go on. It is handed in, so that the
 * rules have no clock of their own and a test can turn it.
 */
export interface Run extends Clock {
  /** Unique to this invocation; a Lambda request id is not, since an asynchronous retry repeats it. */
  readonly id: string;
  /** Uniform in [0, 1). */
  random(): number;
  /** Epoch milliseconds after which nothing may be started. */
  readonly deadline: number;
  /** Aborts what is under way when the deadline has come. */
  readonly signal: AbortSignal;
  /** Something a person should know although nothing failed: logged by the entry, with the connection's name. */
  warn(connection: string, message: string): void;
}

export interface Timer {
  /** Resolves when the time is up; never where it was cancelled before. */
  readonly rung: Promise<void>;
  cancel(): void;
}

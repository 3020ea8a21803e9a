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

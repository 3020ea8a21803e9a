/** AppFlow's idempotency: a `clientToken` is remembered for eight hours. */
import { AwsError } from '../wire/error.ts';

const MEMORY = 8 * 3600 * 1000;

export class ClientTokens {
  readonly #now: () => Date;
  readonly #remembered = new Map<
    string,
    { readonly at: number; readonly parameters: string; readonly answer: unknown }
  >();

  constructor(now: () => Date) {
    this.#now = now;
  }

  /**
   * The same token and parameters get the first answer, and nothing happens again. Only successes are remembered. Which
   * error other parameters get is not published; ConflictException is the one that all these operations declare.
   */
  async once<A>(
    scope: string,
    token: string | undefined,
    parameters: unknown,
    apply: () => Promise<A>,
  ): Promise<unknown> {
    if (token === undefined) return apply();
    const key = `${scope} ${token}`;
    const fingerprint = JSON.stringify(parameters);
    const before = this.#remembered.get(key);
    if (before !== undefined && this.#now().getTime() - before.at < MEMORY) {
      if (before.parameters === fingerprint) return before.answer;
      throw new AwsError('ConflictException', 'The clientToken was already used with different parameters', 409);
    }
    const answer = await apply();
    this.#remembered.set(key, { at: this.#now().getTime(), parameters: fingerprint, answer });
    return answer;
  }
}

import { isTrouble, readRefusal } from '../../functions/adapters/salesforce-refusal.ts';
import { errorOf, readReply } from '../../functions/adapters/salesforce-reply.ts';
import type { Redacted } from '../../functions/core/redacted.ts';
import { withRetries } from '../../functions/core/retry.ts';
import type { Run } from '../../functions/core/run.ts';
import { EXIT, note } from './output.ts';
import { Cancelled, LAST_ACTS, presses, SIGNALS } from './session.ts';

/** The last one is none: stdin ended at a question, and nothing is left to wait for. */
const ENDS = [...SIGNALS, 'beforeExit'] as const;

/**
 * A token between its issue and its storage. A token that nobody keeps must not live on at Salesforce: it is revoked where the person does not
 * want it, where it cannot be stored, and where a signal ends the command. While an exchange or the storage is under way the signal waits for it,
 * since only then is it known what there is to revoke; a second signal ends at once.
 */
export class TokenInHand {
  readonly #revokeUrl: string;
  readonly #newRun: () => Run;
  readonly #press = presses();
  #token: Redacted | undefined;
  #isBusy = false;
  #interrupted = false;
  #revocation: Promise<void> | undefined;

  constructor(revokeUrl: string, newRun: () => Run) {
    this.#revokeUrl = revokeUrl;
    this.#newRun = newRun;
  }

  /** @param tokenOf what must be revoked so that nothing of the answer lives on */
  async takeFrom<T>(exchange: () => Promise<T>, tokenOf: (answer: T) => Redacted | undefined): Promise<T> {
    for (const end of ENDS) process.on(end, this.#onEnd);
    LAST_ACTS.add(this.#lastAct);
    this.#isBusy = true;
    try {
      const answer = await exchange();
      this.#token = tokenOf(answer);
      this.#isBusy = false;
      if (this.#interrupted) await this.#giveUp();
      return answer;
    } catch (error) {
      this.#letGo();
      throw error;
    }
  }

  /** Another has come in its place. */
  becomes(token: Redacted): void {
    this.#token = token;
  }

  /** Revokes the token where `step` fails: it is not going to be stored. */
  async during<T>(step: () => Promise<T>): Promise<T> {
    try {
      return await step();
    } catch (error) {
      await this.revoke();
      throw error;
    }
  }

  /** From here on the token is kept, unless `store` fails. */
  async storeBy(store: () => Promise<void>): Promise<void> {
    // A signal came first, and the token is being revoked.
    if (this.#interrupted) throw new Cancelled();
    this.#isBusy = true;
    await this.during(store);
    this.#letGo();
  }

  /** RFC 7009: a refresh token takes its access tokens along. Says what became of it, in one line. Later calls wait for the first. */
  revoke(): Promise<void> {
    this.#revocation ??= this.#revokeOnce();
    return this.#revocation;
  }

  async #revokeOnce(): Promise<void> {
    const token = this.#token;
    if (token === undefined) return;
    const outcome = await this.#revoked(token);
    this.#letGo();
    if (outcome === 'revoked') note`The token that Salesforce had issued was revoked.`;
    else
      note`The token that Salesforce had issued could not be revoked${outcome}: in Salesforce, revoke it under Setup → Connected Apps OAuth Usage.`;
  }

  /** @returns `revoked`, also where it was dead before; else why not, to be put behind "could not be revoked" */
  async #revoked(token: Redacted): Promise<string> {
    const send = async () => {
      const response = await fetch(this.#revokeUrl, {
        method: 'POST',
        body: new URLSearchParams({ token: token.reveal() }),
        redirect: 'manual',
        signal: AbortSignal.timeout(10_000),
      });
      if (response.status === 200) {
        await response.body?.cancel().catch(() => undefined);
        return 'revoked';
      }
      const { leadsTo, ...reply } = await readReply(response);
      const said = errorOf({ ...reply, leadsTo });
      if (said?.error === 'invalid_token') return 'revoked';
      const { kind } = readRefusal({ ...said, status: reply.status }, false, { connection: '', secret: '' });
      if (isTrouble(reply.status) || kind === 'later') throw new Error('Not now.');
      return leadsTo?.isElsewhere === true ? ` (the endpoint points to ${leadsTo.host})` : '';
    };
    try {
      return await withRetries(this.#newRun(), send, () => true);
    } catch {
      // Whatever the reason is, the person is told to do it by hand.
      return '';
    }
  }

  readonly #onEnd = (end: NodeJS.Signals | number): void => {
    const which = this.#press();
    if (which === 'again') process.exit(EXIT.interrupted);
    if (which === 'echo') return;
    this.#interrupted = true;
    if (!this.#isBusy) void this.#giveUp();
    // After SIGHUP there is no terminal left to write to.
    else if (end === 'SIGINT') note`\nFinishing what is under way; Ctrl-C again ends at once.`;
  };

  readonly #lastAct = async (): Promise<void> => {
    this.#interrupted = true;
    if (!this.#isBusy) await this.revoke();
    // Whoever is busy goes on from there.
    else await new Promise(() => undefined);
  };

  async #giveUp(): Promise<never> {
    await this.revoke();
    note`Given up: nothing was stored.`;
    process.exit(EXIT.interrupted);
  }

  #letGo(): void {
    this.#isBusy = false;
    this.#token = undefined;
    for (const end of ENDS) process.off(end, this.#onEnd);
    LAST_ACTS.delete(this.#lastAct);
  }
}

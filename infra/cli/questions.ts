import { confirm, isCancel, password, select, text } from '@clack/prompts';
import type { RefreshError } from '../../functions/core/errors.ts';
import { Redacted } from '../../functions/core/redacted.ts';
import { forStderr, type Part, STDERR } from './output.ts';
import { Cancelled, inputError, type Session } from './session.ts';

/** On stderr, like all that is not a result. */
const ON = { output: STDERR };

/**
 * What the flags did not say, asked of the person; where nobody can be asked, one error names all that is missing.
 */
export class Questions {
  readonly #interactive: boolean;
  readonly #missing: string[] = [];

  constructor({ interactive }: Pick<Session, 'interactive'>) {
    this.#interactive = interactive;
  }

  get canAsk(): boolean {
    return this.#interactive;
  }

  async text(
    flag: string,
    given: string | undefined,
    message: string,
    options: { readonly initial?: string | undefined; readonly problem?: (value: string) => string | undefined } = {},
  ): Promise<string> {
    if (given !== undefined) return given;
    if (!this.#interactive) return this.#lacks(flag);
    const { initial, problem } = options;
    const validate = (value: string | undefined) =>
      value === undefined || value.trim() === '' ? 'Something must stand here.' : problem?.(value.trim());
    const answer = await text({
      message: forStderr(message),
      validate,
      ...(initial === undefined ? {} : { initialValue: forStderr(initial) }),
      ...ON,
    });
    if (isCancel(answer)) throw new Cancelled();
    return answer.trim();
  }

  async choice<T extends string>(
    flag: string,
    given: T | undefined,
    message: string,
    options: readonly { readonly value: T; readonly hint: string }[],
  ): Promise<T | undefined> {
    if (given !== undefined) return given;
    if (!this.#interactive) {
      this.#lacks(flag);
      return undefined;
    }
    const labels = options.map(({ value, hint }) => ({ value: String(value), label: String(value), hint }));
    const answer = await select({ message: forStderr(message), options: labels, ...ON });
    if (isCancel(answer)) throw new Cancelled();
    return options.find(({ value }) => value === answer)?.value;
  }

  /** A secret, typed unseen; `undefined` where the person has none, or nobody can be asked. */
  async secret(message: string): Promise<Redacted | undefined> {
    if (!this.#interactive) return undefined;
    const answer = await password({ message: forStderr(message), ...ON });
    if (isCancel(answer)) throw new Cancelled();
    return answer === undefined || answer.trim() === '' ? undefined : new Redacted(answer.trim());
  }

  /** Only where somebody can be asked. Enter alone means no. */
  async confirm(message: Part): Promise<boolean> {
    const answer = await confirm({ message: forStderr(message), initialValue: false, ...ON });
    return answer === true;
  }

  /** @throws RefreshError `INPUT_INVALID` where an answer is missing */
  allAnswered(): void {
    if (this.#missing.length > 0) throw this.unanswered();
  }

  /** Names every flag that was needed so far. */
  unanswered(): RefreshError {
    return inputError(
      `${this.#missing.join(', ')} ${this.#missing.length === 1 ? 'is' : 'are'} needed, since nobody can be asked here.`,
      'Give what is missing as flags, or run this on a terminal, which asks. add --help tells what each one means.',
    );
  }

  #lacks(flag: string): string {
    this.#missing.push(flag);
    return '';
  }
}

/** Bytes; a secret of Secrets Manager holds no more. */
const MOST_INPUT = 65_536;

/**
 * Secrets come from stdin, one a line, never from an argument that `ps` shows.
 *
 * @throws RefreshError `INPUT_INVALID` where more comes than a secret can hold
 */
export async function secretLines(): Promise<Redacted[]> {
  if (process.stdin.isTTY)
    throw inputError(
      'A secret that is typed here would be shown.',
      'Send it through a pipe or from a file; or leave the option out, and type it unseen where it is asked for.',
    );
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of process.stdin) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    if (size > MOST_INPUT)
      throw inputError(
        `More than ${MOST_INPUT} bytes came on stdin.`,
        'Send the client secret on the first line, the refresh token on the next; nothing else.',
      );
    chunks.push(bytes);
  }
  return Buffer.concat(chunks)
    .toString('utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => new Redacted(line));
}

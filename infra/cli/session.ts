import { randomUUID } from 'node:crypto';
import type { Context } from '../../functions/core/context.ts';
import { errorNames, RefreshError } from '../../functions/core/errors.ts';
import type { ListedSecret } from '../../functions/core/ports.ts';
import type { Run } from '../../functions/core/run.ts';
import { systemClock } from '../../functions/runtime/clock.ts';
import type { Parts } from '../../functions/runtime/compose.ts';
import { parseSettings } from '../../functions/runtime/settings.ts';
import { hintForOperator } from './hints.ts';
import { forStderr, note, paint, text } from './output.ts';

/** One command being carried out: the functions' own parts, with the operator's credentials. */
export interface Session extends Pick<Parts, 'rules' | 'ports'> {
  /** Whether a script is listening. */
  readonly json: boolean;
  /** Whether somebody can be asked. */
  readonly interactive: boolean;
  /** A deadline of its own for each connection, or for what is read about all of them. */
  run(): Run;
  /** What a use case needs, with such a run. */
  context(): Context;
}

/** Milliseconds. Longer than the function's: a person waits, and ends it with Ctrl-C. */
const PATIENCE = 55_000;

/** @throws RefreshError `SETTINGS_INVALID` */
export async function openSession(json: boolean): Promise<Session> {
  const settings = await parseSettings(process.env, false);
  // Loaded here, so that --help and a typo need not wait for the SDK.
  const { compose } = await import('../../functions/runtime/compose.ts');
  const parts = compose(settings, 'appflow-token-refresher-cli');
  const { rules } = parts;
  const warned = new Set<string>();
  // One listing serves a whole command, which asks for it once a connection.
  const listings = new Map<string, Promise<ListedSecret[]>>();
  const list = (prefix: string, run: Run) => {
    const listing = listings.get(prefix) ?? parts.ports.secrets.list(prefix, run);
    listings.set(prefix, listing);
    return listing;
  };
  const ports = { ...parts.ports, secrets: { ...parts.ports.secrets, list } };
  const run = (): Run => ({
    id: randomUUID(),
    ...systemClock,
    random: Math.random,
    deadline: Date.now() + PATIENCE,
    signal: AbortSignal.timeout(PATIENCE),
    warn(connection, message) {
      const line = text`${paint('yellow', 'warning')}: ${connection}: ${message}`;
      const shown = forStderr(line);
      if (!warned.has(shown)) note`${line}`;
      warned.add(shown);
    },
  });
  // A terminal that says it has no columns, as some containers' do, would have a prompt wrap its lines for ever.
  const interactive = process.stdin.isTTY && process.stderr.isTTY && process.stderr.columns !== 0;
  return { rules, ports, json, interactive, run, context: () => ({ rules, ports, run: run() }) };
}

/** What must not be left undone however the process ends, such as by a bug or with its terminal. */
export const LAST_ACTS = new Set<() => Promise<void>>();

/** What ends a command from outside, or the person at it. Windows knows only the first. */
export const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

/** Milliseconds. npx passes Ctrl-C on to a command that the terminal has told already. */
const ECHO = 1_000;

/** Tells a second press of Ctrl-C, which ends at once, from the echo of the first. */
export function presses(): () => 'first' | 'echo' | 'again' {
  let first: number | undefined;
  return () => {
    const now = performance.now();
    if (first !== undefined) return now - first < ECHO ? 'echo' : 'again';
    first = now;
    return 'first';
  };
}

/** The person pressed Ctrl-C at a question. */
export class Cancelled extends Error {}

/** Something that the person got wrong. */
export function inputError(message: string, hint: string): RefreshError {
  return new RefreshError('INPUT_INVALID', message, hint);
}

const NO_CREDENTIALS = new Set([
  'CredentialsProviderError',
  'ExpiredTokenException',
  'InvalidClientTokenId',
  'TokenProviderError',
  'UnrecognizedClientException',
]);

/** An error in words for the one at the command line; `undefined` where it is none that was foreseen. The functions' hints speak of their roles. */
export function forOperator(error: unknown): RefreshError | undefined {
  if (errorNames(error).some((name) => NO_CREDENTIALS.has(name))) {
    return new RefreshError(
      'ACCESS_DENIED',
      'AWS was not asked: no credentials were found, or they have run out.',
      'Sign in (for example with aws sso login), or set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.',
      error,
    );
  }
  if (error instanceof Error && error.message === 'Region is missing') {
    return new RefreshError('SETTINGS_INVALID', 'No AWS Region is set.', 'Set AWS_REGION to that of the flows.');
  }
  if (!(error instanceof RefreshError)) return undefined;
  return new RefreshError(error.code, error.message, hintForOperator(error.next), error);
}

export async function orError<T>(get: () => Promise<T>): Promise<T | RefreshError> {
  try {
    return await get();
  } catch (error) {
    const translated = forOperator(error);
    if (translated !== undefined) return translated;
    throw error;
  }
}

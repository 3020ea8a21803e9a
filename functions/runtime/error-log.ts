import type { Logger } from '@aws-lambda-powertools/logger';
import { errorNames, RefreshError } from '../core/errors.ts';

/** Errors that have a line already: on their way out they are not logged again. */
const logged = new WeakSet<object>();

/** One line with code, hint and the names of the causes; of a cause nothing else is safe to show. */
export function logRefreshError(
  error: RefreshError,
  log: Logger,
  about: Readonly<Record<string, unknown>> & { readonly connection?: string },
): void {
  const { code, retryable, hint } = error;
  const subject = about.connection === undefined ? '' : `${about.connection}: `;
  const line = `${subject}${code}: ${error.message} → ${hint}`;
  log[retryable ? 'warn' : 'error'](line, { ...about, code, retryable, hint, causes: errorNames(error) });
  logged.add(error);
}

/** What is no RefreshError is a bug of ours. Its message might quote what it stumbled over, so only its name and its place are shown. */
export function logBug(
  error: unknown,
  log: Logger,
  about: Readonly<Record<string, unknown>> & { readonly connection?: string },
): void {
  const subject = about.connection === undefined ? '' : `${about.connection}: `;
  log.error(`${subject}${nameOf(error)}: ${BUG}`, { ...about, causes: errorNames(error), place: placeOf(error) });
  if (typeof error === 'object' && error !== null) logged.add(error);
}

/** What leaves the function: a RefreshError as it is, its code for `errorType`; a bug with its name alone. Logged, unless that is done. */
export function leaving(error: unknown, log: Logger): Error {
  const isLogged = typeof error === 'object' && error !== null && logged.has(error);
  if (error instanceof RefreshError) {
    if (!isLogged) logRefreshError(error, log, {});
    return error;
  }
  if (!isLogged) logBug(error, log, {});
  const bug = new Error(BUG);
  bug.name = nameOf(error);
  return bug;
}

const BUG = 'a bug of appflow-token-refresher → report it with the place in the log of this request';

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : 'NotAnError';
}

/** The frames of a stack without its first lines, which repeat the message. */
function placeOf(error: unknown): string[] {
  if (!(error instanceof Error)) return [];
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  return frames.map((line) => line.trim()).slice(0, 8);
}

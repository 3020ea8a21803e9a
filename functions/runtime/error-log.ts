import type { Logger } from '@aws-lambda-powertools/logger';
import { bugIn, errorNames, RefreshError } from '../core/errors.ts';

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
  const { name, place } = bugIn(error);
  log.error(`${subject}${name}: ${BUG}`, { ...about, causes: errorNames(error), place });
  if (typeof error === 'object' && error !== null) logged.add(error);
}

/**
 * What leaves the function, logged unless that is done: a RefreshError's code, which is Lambda's `errorType`, and its message; of a bug the name
 * alone. It is a new error with nothing beside name, message and stack: Lambda's runtime prints an error with all that it carries, and
 * causes hold responses.
 */
export function leaving(error: unknown, log: Logger): Error {
  const isLogged = typeof error === 'object' && error !== null && logged.has(error);
  if (error instanceof RefreshError) {
    if (!isLogged) logRefreshError(error, log, {});
    return bare(error.code, error.message, error);
  }
  if (!isLogged) logBug(error, log, {});
  return bare(bugIn(error).name, BUG, error);
}

const BUG = 'a bug of appflow-token-refresher → report it with the place in the log of this request';

function bare(name: string, message: string, from: unknown): Error {
  const error = new Error(message);
  error.name = name;
  error.stack = [`${name}: ${message}`, ...bugIn(from).place.map((frame) => `    ${frame}`)].join('\n');
  return error;
}

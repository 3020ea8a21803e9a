import type { Logger } from '@aws-lambda-powertools/logger';
import { errorNames, RefreshError } from '../core/errors.ts';
import { publicName } from '../core/wording.ts';

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
  return bare(nameOf(error), BUG, error);
}

const BUG = 'a bug of appflow-token-refresher → report it with the place in the log of this request';

function bare(name: string, message: string, from: unknown): Error {
  const error = new Error(message);
  error.name = name;
  error.stack = [`${name}: ${message}`, ...placeOf(from).map((frame) => `    ${frame}`)].join('\n');
  return error;
}

function nameOf(error: unknown): string {
  return error instanceof Error ? publicName(error.name) : 'NotAnError';
}

/**
 * The frames of a stack, which V8 writes behind the message. A message can have lines that look like frames, so there is none where the stack
 * does not begin with the message as it is: somebody has changed one of them since.
 */
function placeOf(error: unknown): string[] {
  if (!(error instanceof Error) || error.stack === undefined) return [];
  const { stack, message } = error;
  const name = /^[\w.$]{1,80}(?: \[\w{1,60}\])?(?:: )?/.exec(stack)?.[0] ?? '';
  const frames = stack.slice(name.length + message.length);
  if (!stack.startsWith(message, name.length) || !frames.startsWith('\n')) return [];
  return frames
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .map((line) => line.trim())
    .slice(0, 8);
}

import * as v from 'valibot';
import { RefreshError } from '../core/errors.ts';

/** A moment as EventBridge Scheduler writes it; any other zone or spelling is refused. */
export const UtcTime = v.pipe(
  v.string('must be a string'),
  v.regex(
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/,
    'must be an ISO 8601 time in UTC, such as 2026-11-24T03:00:00Z',
  ),
  v.check((text) => !Number.isNaN(Date.parse(text)), 'is not a valid date'),
  v.transform((text) => new Date(text)),
);

/**
 * Parses an event against a schema whose messages are our own ends of sentences.
 *
 * @param usage what the function takes, for the hint
 * @throws RefreshError `INPUT_INVALID` with everything that is wrong, and no value of the event
 */
export function parseInput<S extends v.GenericSchema>(schema: S, event: unknown, usage: string): v.InferOutput<S> {
  const result = v.safeParse(schema, event, { abortPipeEarly: true });
  if (result.success) return result.output;
  const problems = result.issues.map((issue) => {
    const path = v.getDotPath(issue) ?? 'the event';
    if (issue.type !== 'strict_object') return `${path} ${issue.message}`;
    if (issue.expected === 'never')
      return `${/^[A-Za-z_][\w.-]{0,23}$/.test(path) ? path : 'a key whose name is not shown'} is not a key of this event`;
    return issue.input === undefined ? `${path} is missing` : `${path} must be an object`;
  });
  throw new RefreshError('INPUT_INVALID', `${problems.join('; ')}.`, usage);
}

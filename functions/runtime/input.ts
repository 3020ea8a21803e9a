import * as v from 'valibot';
import { RefreshError } from '../core/errors.ts';
import { parse } from '../core/parsing.ts';
import { enumerated } from '../core/wording.ts';

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
 * Parses an event.
 *
 * @param usage what the function takes, for the hint
 * @throws RefreshError `INPUT_INVALID` with everything that is wrong, and no value of the event
 */
export function parseInput<S extends v.GenericSchema>(schema: S, event: unknown, usage: string): v.InferOutput<S> {
  const result = parse(schema, event);
  if ('output' in result) return result.output;
  const problems = result.problems.map(({ at, says, isUnknownKey }) => {
    if (isUnknownKey) return `${says} is not a key of ${at.length === 0 ? 'this event' : at.join('.')}`;
    return `${at.length === 0 ? 'the event' : at.join('.')} ${says}`;
  });
  throw new RefreshError('INPUT_INVALID', `${enumerated(problems, '; ')}.`, usage);
}
